-- Messages that wait to leave as one digest (state 6) and those that have left in one (state 15).
-- gathering: the window it waits in; merged: the digest's delivery.
alter table delivery add column gathering int;
alter table delivery add column merged int;
create index delivery_gathered on delivery(gathering, lane) where state = 6;
create index delivery_merged on delivery(merged) where merged is not null;
drop index delivery_deadline;
create index delivery_deadline on delivery(deadline) where state in (0, 2, 4, 5, 6) and deadline > 0;

-- Open windows of rules, one per rule and recipient: most and length as the rule says, when it ends, how many messages passed and
-- how many wait. template: of the digest.
create table gathering(
    id integer primary key, key text not null unique, rule text not null, target text not null, most int not null,
    length int not null, template text not null, due int not null, passed int not null, waiting int not null);
create index gathering_due on gathering(due);

-- What the senders of the messages in a digest are still to be told; last: the last of its messages that has been dealt with.
create table telling(
    digest int, event text, status text not null, reason text not null, last int not null default 0,
    primary key(digest, event)) without rowid;

-- Alerts that want an answer, one open per rule and recipient (state 0 open, 1 answered, 2 nobody answered, 3 called off).
-- numbers: whom to ask next, answers: what counts, asked: [number, delivery, time], all JSON. more: messages that joined it.
create table alert(
    id integer primary key, key text not null, message int not null, delivery int not null, rule text not null,
    state int not null, due int not null, wait int not null, step int not null, numbers text not null, answers text not null,
    asked text not null, more int not null default 0, answered_by text, closed int);
create unique index alert_open on alert(key) where state = 0;
create index alert_due on alert(due) where state = 0;
create index alert_closed on alert(closed) where state <> 0;
create index alert_message on alert(message);

-- Whose answer an open alert waits for.
create table alert_waiting(number text, alert int, primary key(number, alert)) without rowid;
