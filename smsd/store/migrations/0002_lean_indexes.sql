-- A message with one recipient, which is most, has the id that follows its delivery's: its delivery is found by that, and
-- costs no entry here (a page of every commit). Questions must say `message <> id + 1` for SQLite to use this index.
drop index delivery_message;
create index delivery_message on delivery(message) where message <> id + 1;

-- Reports, and what else one message led to.
create index message_parent on message(parent) where parent is not null;

-- Keys that have expired are found by walking through the table; the index held every key a second time.
drop index idempotency_expires;
