-- Since when a check's failures are not believed, because whoever sees them is cut off, most likely. It
-- ends when the check is up or down again: what is down must not wait for longer because a worker or
-- a lokahid was restarted meanwhile. The version before this one leaves it alone.
alter table check_states add column unbelieved_since timestamptz;

-- Locations at which health workers are cut off, most likely, by project whose checks they probe: told
-- once until that ends, whichever of its workers says so. The version before this one has `impaired` and
-- `impaired_shards` by worker for that, which a later migration drops; it tells what ends meanwhile of
-- its own.
create table cut_offs (
    project_id bigint not null references projects on delete cascade,
    location text not null,
    since timestamptz not null,
    -- For people: what failed.
    message text not null,
    -- What told of it.
    event_id uuid,
    primary key (project_id, location)
);

-- The same by shard, which its owner writes: it is over when the last one is.
create table cut_off_shards (
    project_id bigint not null,
    location text not null,
    shard_no smallint not null references shards,
    primary key (project_id, location, shard_no),
    foreign key (project_id, location) references cut_offs on delete cascade
);

insert into cut_offs (project_id, location, since, message, event_id)
select distinct on (project_id, location) project_id, location, since, message, event_id
from impaired order by project_id, location, since;

insert into cut_off_shards (project_id, location, shard_no)
select distinct i.project_id, i.location, s.shard_no
from impaired_shards s join impaired i on i.project_id = s.project_id and i.worker = s.worker;

-- Checks whose newest probe says nothing of the site. Few are, and seldom does this change.
create index check_states_unknown on check_states (check_id) where last_outcome = 4;
