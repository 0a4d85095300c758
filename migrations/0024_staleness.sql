-- Of which checks of a project nothing is known, by location and cause: told until that ends. The
-- cause is empty where no probes come from a location; else they come and could not look: the class
-- of the error and, where it is about one, the secret's name. The version before this one has `stale`
-- and `stale_shards` for that, which a later migration drops; it tells what ends meanwhile of its own.
create table staleness (
    project_id bigint not null references projects on delete cascade,
    location text not null,
    cause text not null,
    since timestamptz not null,
    -- What told of it.
    event_id uuid,
    primary key (project_id, location, cause)
);

-- The same by shard, which its owner writes: it is over when the last one is.
create table staleness_shards (
    project_id bigint not null,
    location text not null,
    cause text not null,
    shard_no smallint not null references shards,
    checks integer not null,
    primary key (project_id, location, cause, shard_no),
    foreign key (project_id, location, cause) references staleness on delete cascade
);

insert into staleness (project_id, location, cause, since, event_id)
select project_id, location, '', since, event_id from stale;

insert into staleness_shards (project_id, location, cause, shard_no, checks)
select project_id, location, '', shard_no, checks from stale_shards;
