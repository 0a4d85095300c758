-- Times in which somebody works on what is watched. The version before this one reads and writes
-- none of it: what it records meanwhile counts as ever.

create table maintenances (
    id uuid primary key,
    -- Null: of every project, the API's too.
    project_id bigint references projects,
    -- As files declare it; null: somebody made it over the API.
    name text,
    -- An encoded Maintenance.
    bytes bytea not null,
    -- After that it means nothing; null: it recurs.
    ends_at timestamptz,
    by_whom text not null,
    created_at timestamptz not null
);

create unique index maintenances_name on maintenances (project_id, name) where name is not null;
create index maintenances_ends on maintenances (ends_at);

-- How often any of them was changed: whoever keeps them in mind looks at this.
create table maintenance_changes (
    only_row boolean primary key default true check (only_row),
    n bigint not null default 0
);

insert into maintenance_changes default values;

-- The probe was due within maintenance: no uptime counts it.
alter table observations add column maintenance boolean not null default false;
