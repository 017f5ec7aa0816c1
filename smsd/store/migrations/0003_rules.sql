-- What rules did. content: what they made of a message for one delivery (its id), where that is not the message as it came.
-- trace: how they came to it, JSON. ruleset: every text of the rules that messages were judged by, so that old traces can be read.
alter table delivery add column content int;
alter table delivery add column trace text;
create table content(id integer primary key, kind int not null, body blob not null, headers text);
create table ruleset(id integer primary key, hash text not null unique, text text not null, at int not null);
