-- Accounts, account groups and policies that are kept in the store, beside those of the configuration. `settings` is a JSON object
-- of what was said (times of `made` and `changed` in milliseconds UTC); what they have sent is in `counter`, where the name of a
-- group begins with "group:".
create table account(
  kind text not null check(kind in ('account', 'group', 'policy')),
  name text not null,
  settings text not null,
  made int not null,
  changed int not null,
  primary key(kind, name)
) without rowid;
