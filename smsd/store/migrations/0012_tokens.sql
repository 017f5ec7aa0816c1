-- Tokens of the API, with which programs log in instead of a password. hash: SHA-256 of the whole token, which is kept nowhere.
-- account: whose, "" for nobody's (admin); scopes: words with blanks between; expires, used: 0 for never.
create table token(
    id integer primary key, hash blob not null unique, account text not null, scopes text not null, note text not null default '',
    created int not null, expires int not null default 0, used int not null default 0);

-- What programs call their messages (msgid at the API), which stands first among the headers. Other messages cost nothing here.
create index message_msgid on message(account, json_extract(headers, '$[0][1]')) where substr(headers, 1, 8) = '[["msgid';
