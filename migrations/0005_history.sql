-- What probes came to, by the hour, for longer than each of them is kept. The version before
-- this one reads and writes none of it.

-- Hours that are over, as an encoded RollupDay; partitions by month.
create table rollups (
    check_no bigint not null,
    -- In UTC.
    day date not null,
    hours bytea not null,
    primary key (check_no, day)
) partition by range (day);

-- How far it is; whoever goes on holds the row.
create table rollup_progress (
    only_row boolean primary key default true check (only_row),
    -- Every hour before this one is rolled up; null: none was yet.
    closed timestamptz,
    -- Of the hour that begins there, the checks up to this number are.
    check_no bigint not null default 0
);

insert into rollup_progress default values;

-- Hours of which something was stored so late that they may be rolled up already: once more.
create table rollup_late (
    check_no bigint not null,
    hour timestamptz not null
);

-- Probes that were due and left no observation.
create table gaps (
    check_no bigint not null,
    hour timestamptz not null,
    skipped integer not null,
    lost integer not null,
    primary key (check_no, hour)
);
