-- Health workers that are cut off, most likely, by project whose checks they probe: told once until
-- that ends. The version before this one reads and writes none of it.
create table impaired (
    project_id bigint not null references projects on delete cascade,
    worker text not null,
    location text not null,
    since timestamptz not null,
    -- For people: what failed.
    message text not null,
    -- What told of it.
    event_id uuid,
    primary key (project_id, worker)
);

-- The same by shard, which its owner writes: it is over when the last one is.
create table impaired_shards (
    project_id bigint not null,
    worker text not null,
    shard_no smallint not null references shards,
    primary key (project_id, worker, shard_no),
    foreign key (project_id, worker) references impaired on delete cascade
);
