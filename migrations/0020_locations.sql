-- Where checks are probed from. The version before this one leaves these columns as they are.
create table locations (
    id smallint generated always as identity primary key,
    name text not null unique,
    first_seen timestamptz not null,
    -- When a report came from there last, to the minute.
    last_seen timestamptz not null
);

-- Null: from before that was noted, or of the version before this one.
alter table observations add column location smallint;

-- What a suspect check that looks back has seen: an encoded RecentProbes.
alter table check_states add column recent bytea;

-- Where probes of a project's checks stopped coming from: told to its operators until that ends.
create table stale (
    project_id bigint not null references projects on delete cascade,
    location text not null,
    since timestamptz not null,
    primary key (project_id, location)
);

-- The same by shard, which its owner writes: it is over when the last one is.
create table stale_shards (
    project_id bigint not null,
    location text not null,
    shard_no smallint not null references shards,
    checks integer not null,
    primary key (project_id, location, shard_no),
    foreign key (project_id, location) references stale on delete cascade
);
