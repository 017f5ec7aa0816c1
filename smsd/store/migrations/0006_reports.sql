-- Reports of networks (see smsd.store.ledger).

-- What networks call our pieces, by account at the provider (space) and reference in its plain form; written by the settlement
-- and by the report alike. name: as the network writes it. delivery 0: reports that nobody is found for yet (early: JSON).
-- seq: the piece; part of parts: what the network tells one by one.
create table entry(
    space text, ref text, delivery int not null default 0, number text not null default '', name text not null default '',
    seq int not null default 0, part int not null default 0, parts int not null default 1, at int not null default 0,
    early text, expires int not null, primary key(space, ref, delivery, number, name, part)) without rowid;
insert or replace into entry(space, ref, delivery, number, name, seq, part, parts, early, at, expires)
    select r.space,
        case when r.name like '0x%' then '0x' || coalesce(nullif(ltrim(lower(substr(r.name, 3)), '0'), ''), '0')
            else coalesce(nullif(ltrim(lower(r.name), '0'), ''), '0') end,
        coalesce(r.delivery, 0),
        coalesce(r.number, substr(d.target, 5), ''), r.name, coalesce(r.seq, 0), coalesce(r.seq, 0),
        iif(exists(select 1 from piece p where p.delivery = r.delivery), d.pieces, 1),
        case when r.delivery is null then json_array(json_array(r.report, coalesce(r.detail, ''), r.at, r.expires - 600000, null)) end,
        case when r.delivery is null then r.expires - 600000 else 0 end, r.expires
    from (select *, iif(instr(ref, '|'), substr(ref, 1, instr(ref, '|') - 1), ref) as name,
            iif(instr(ref, '|'), substr(ref, instr(ref, '|') + 1), null) as number from reference) r
        left join delivery d on d.id = r.delivery;
drop table reference;
alter table entry rename to reference;
create index reference_expires on reference(expires);

-- Every report about a delivery, as long as that is kept; part: of what the network tells one by one. told: its sender has heard.
create table network_report(
    delivery int, part int, name text, status text, detail text, at int, heard int not null, told int not null default 0,
    primary key(delivery, part, name, status, detail)) without rowid;
