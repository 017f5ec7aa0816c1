-- Jobs: many messages from one file.

-- state: see smsd.store.jobs.JobState. settings: what holds for every message, and checked: what the check has found, as JSON.
-- position: how many of its rows (total) have become messages or were refused; written by the commit that does so.
-- held: its deliveries are not sent until it goes on. asked: when it was paused or cancelled.
create table job(
    id integer primary key autoincrement, account text, name text not null, state int not null, reason text not null default '',
    held int not null default 0, made int not null, started int not null default 0, asked int not null default 0,
    ended int not null default 0, settings text not null, checked text not null default '{}', total int not null default 0,
    position int not null default 0, accepted int not null default 0, refused int not null default 0);
create index job_account on job(account, id);

-- Its rows, JSON of [line, number, text or null], so many to a chunk. id: job * 2^24 + number of the chunk.
create table job_chunk(id integer primary key, data text not null);

-- Rows that were refused when their turn came; the first thousand of a job.
create table job_refused(job int, line int, number text not null, reason text not null, primary key(job, line)) without rowid;

-- Lanes of jobs have ids below zero, so that counting the deliveries of one costs nobody else anything.
create index lane_flow on lane(flow);
create index delivery_job on delivery(lane, state) where lane < 0;
