-- Limits of gateways and groups.

-- What a gateway has carried, in SMS, per span (second, minute, hour, day): n of them that began with `start` count until
-- `until`. Only for gateways with limits; written by the commit that claims or accepts.
create table limit_use(
    gateway text, span text, start int, until int not null, n int not null, primary key(gateway, span, start)) without rowid;

-- Whom a gateway has written to in a month ("2026-11"), where recipients are limited.
create table limit_recipient(
    gateway text, month text, number text, primary key(gateway, month, number)) without rowid;

-- The gateways that a delivery was refused by, or had no answer from, since it last waited.
alter table delivery add column tried text;
