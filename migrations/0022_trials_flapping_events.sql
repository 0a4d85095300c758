-- Generations whose changed checks are watched for two of their periods. The version before this
-- one reads and writes none of it: what it records of a changed check counts for no generation.

create table trials (
    project_id bigint not null references projects on delete cascade,
    generation bigint not null,
    -- How many checks it changed that were up.
    changed integer not null,
    -- When the last one of them has had its two periods.
    until timestamptz not null,
    -- Many of them failed: since when, and until when at most their notifications are held.
    suspect_at timestamptz,
    held_until timestamptz,
    -- Who wants them sent before that.
    released_by text not null default '',
    over_at timestamptz,
    primary key (project_id, generation)
);

-- A check is of the generation that changed it last while it was up.
create table trial_checks (
    check_id uuid primary key references checks,
    project_id bigint not null,
    generation bigint not null,
    since timestamptz not null,
    deadline timestamptz not null,
    -- When it failed, if that was before its deadline.
    failed_at timestamptz,
    foreign key (project_id, generation) references trials on delete cascade
);

create index trial_checks_failed on trial_checks (project_id, generation, failed_at);

-- A check that goes up and down too often. The version before this one leaves these columns as
-- they are, and its transitions hold nothing.
alter table check_states
    -- 0: it does not; 1: it does, and each change is told; 2: what it goes through is held.
    add column flapping smallint not null default 0,
    -- Which of its last probes changed the result: as health::Flips has it.
    add column flips integer not null default 0;

-- Which events a receiver gets, with spaces between; empty: all that its format knows. The version
-- before this one sends it everything.
alter table receivers add column events text not null default '';

-- What told of it, so that whoever heard of it hears of its end.
alter table stale add column event_id uuid;
