-- How often an operator has sent a delivery again that was over: each time it is another request for the next server.
alter table delivery add column again int not null default 0;
