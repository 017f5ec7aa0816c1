-- Who wrote to which phone, so that its answer finds back (feature I3). deliveries: the newest of them, 16 hex digits each, newest
-- first; they know by which gateway they left. Expired rows are looked past, and forgotten by the sweep.
create table link(
    peer text, origin text, deliveries text not null, expires int not null, primary key(peer, origin)) without rowid;

-- What a phone was told by itself (a conflict, a refusal), so that it is told once an hour: n times until then.
create table quiet(
    peer text, what text, n int not null, until int not null, primary key(peer, what)) without rowid;
create index quiet_until on quiet(until);

-- Incoming messages with no body (feature I5): on record for some days only.
create table trash(message integer primary key);
