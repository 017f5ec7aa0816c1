-- Ids are 63 bits made in memory: milliseconds since 2020 | session slot | sequence. Times are milliseconds UTC, 0 = never.

-- One process life: the only lease. A delivery on the wire names the session that has it.
create table session(id integer primary key, node text not null, started int not null, ended int);

-- What came. kind: 1 text, 2 octets, 3 report. ticket, headers: JSON.
create table message(
    id integer primary key, door text not null, account text, origin text not null, ticket text, kind int not null,
    body blob not null, headers text, hops int not null default 0, parent int, arrived int not null);

-- Identity of requests and of incoming messages; answer: JSON of the receipt, to be replayed.
create table idempotency(
    scope text, key text, fingerprint blob not null, message int, answer text, expires int not null,
    primary key(scope, key)) without rowid;
create index idempotency_expires on idempotency(expires);

-- Parts of long incoming messages until they are whole.
create table inbound(
    gateway text, part_of text, seq int, total int not null, octets blob not null, at int not null,
    primary key(gateway, part_of, seq)) without rowid;

-- Where deliveries wait: who may carry them (route) and whose they are (flow).
create table lane(
    id integer primary key, route text not null, flow text not null, paused int not null default 0, reason text,
    unique(route, flow));

-- What must go. state: see smsd.values.delivery.State. code, pieces, reference: the fixed segmentation.
create table delivery(
    id integer primary key, message int not null, target text not null, typed text, lane int not null, state int not null,
    priority int not null, due int not null, deadline int not null, expires int not null, tries int not null default 0,
    session int, gateway text, code int not null default 0, pieces int not null default 1, sent int not null default 0,
    reference int not null default 0, wants int not null default 0, report int not null default 0,
    maybe_twice int not null default 0, parameters text, original text, network_reference text, reason text, finished int);
create index delivery_ready on delivery(lane, priority, due, id) where state = 0;
create index delivery_sending on delivery(session) where state = 1;
create index delivery_deadline on delivery(deadline) where state in (0, 2, 4, 5) and deadline > 0;
create index delivery_message on delivery(message);

-- Part progress of messages with several pieces.
create table piece(
    delivery int, seq int, gateway text, reference text, at int not null, reported text,
    primary key(delivery, seq)) without rowid;

-- What did not simply work.
create table attempt(
    id integer primary key, delivery int not null, seq int, gateway text, at int not null, took int, outcome text, reason text);
create index attempt_delivery on attempt(delivery);

-- What networks call our pieces; written by the settlement and by the report alike, whoever comes first.
create table reference(
    space text, ref text, delivery int, seq int, report text, detail text, at int, expires int not null,
    primary key(space, ref)) without rowid;
create index reference_expires on reference(expires);

-- Messages per account and month.
create table counter(account text, period text, n int not null, last int, primary key(account, period)) without rowid;

-- Settings made at run time, and small durable facts of gateways (scope "gateway:<id>").
create table setting(scope text, key text, value text not null, at int not null, primary key(scope, key)) without rowid;
