-- Who changed what, and what protects accounts. Times are milliseconds UTC.

-- A row for each change that an operator (or an account, or smsd itself) made, written by the commit that changed it.
create table audit(
    id integer primary key, at int not null, who text not null, verb text not null, subject text not null, before text, after text);
create index audit_at on audit(at);

-- From where (origin, see core.guessing) who has logged in: those are not kept out while strangers guess their passwords.
create table known(origin text, name text, until int not null, primary key(origin, name)) without rowid;

-- What an account usually sends (see policy.unusual), as it was when it sent its first message of this hour: `base` is what its
-- counter of the month said then. spent: in this hour, in ten-thousandths of the currency's unit. held: since when it is, 0: it is not.
create table habit(
    account text primary key, hour int not null, period text not null, base int not null, today int not null,
    spent int not null default 0, hour_peak real not null default 0, day_peak real not null default 0,
    spent_peak real not null default 0, seen int not null default 0, held int not null default 0, why text) without rowid;

create index delivery_held on delivery(message) where state = 5;
