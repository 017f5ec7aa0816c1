-- Credit: balances and the ledger of charges. Money counts ten-thousandths of the currency's unit. Only for prepaid accounts.

-- What may be spent and what is reserved for messages that are under way; payer: an account, or "group:ID" of a group whose
-- members pay together.
create table balance(
    payer text primary key, available int not null check(available >= 0), reserved int not null check(reserved >= 0)) without rowid;

-- Every change of a balance, for ever: amount of what may be spent, reserved of what is reserved. A part (seq) of a delivery is
-- charged once, whatever happens; turn: of reservations, one more for each that an operator sends again.
create table ledger(
    id integer primary key, at int not null, payer text not null, kind text not null, amount int not null, reserved int not null,
    account text, delivery int, seq int not null default 0, turn int not null default 0, reference text, note text);
create unique index ledger_once on ledger(delivery, seq, kind, turn) where delivery is not null;
create unique index ledger_reference on ledger(payer, reference) where reference is not null;
create index ledger_payer on ledger(payer, id);

-- How the charge of a delivery stands: price of a part, parts that are paid and parts that are reserved (open); late: paid when it is
-- delivered. posted: the account of its message, by which deliveries are looked for here.
create table charge(
    delivery integer primary key, payer text not null, account text not null, posted text, price int not null,
    parts int not null, paid int not null default 0, open int not null default 0, turn int not null default 0,
    late int not null default 0);
