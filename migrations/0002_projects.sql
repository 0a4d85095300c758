-- Plans, the state of projects beside what they declare, and what a generation knows.

alter table projects
    -- Of what the root says of the project itself.
    add column spec_id bigint references specs,
    -- Where the files came from when that was last known, and how many they were.
    add column source_remote text,
    add column source_path text not null default '',
    add column files integer not null default 0,
    -- The commit that no applied one is newer than.
    add column max_revision text not null default '',
    add column suspended_at timestamptz,
    add column suspended_by text not null default '',
    add column suspended_reason text not null default '',
    -- The lokahid whose reconciler owns it, until when.
    add column reconciler text not null default '',
    add column reconciler_until timestamptz not null default '-infinity',
    -- What the reconciler may do over a guard.
    add column approved bytea check (octet_length(approved) = 32),
    add column approved_by text not null default '';

-- How a project stands, one aspect each.
create table project_conditions (
    project_id bigint not null references projects,
    type text not null check (type in ('Ready', 'Reconciling', 'Held', 'Drifted')),
    status boolean not null,
    reason text not null,
    message text not null,
    observed_generation bigint not null,
    since timestamptz not null,
    digest bytea,
    primary key (project_id, type)
);

alter table generations
    add column xid xid8 not null default pg_current_xact_id(),
    add column remote text not null default '',
    add column path text not null default '',
    add column variables bytea not null default '',
    add column ci_url text not null default '',
    add column claimed_by text not null default '',
    add column files integer not null default 0,
    add column renamed integer not null default 0,
    add column adopted integer not null default 0,
    add column released integer not null default 0,
    add column revived integer not null default 0,
    add column drifted integer not null default 0,
    -- Of what was shown before it was applied.
    add column set_digest bytea not null default '';

alter table generations drop constraint generations_kind_check;
alter table generations add constraint generations_kind_check
    check (kind in ('apply', 'rollback', 'reconcile', 'restore'));

alter table memberships drop constraint memberships_kind_check;
alter table memberships add constraint memberships_kind_check
    check (kind in ('check', 'webhook', 'project'));

-- Which object it was: an earlier generation finds it again under another name.
alter table memberships add column object uuid;

create index memberships_generation on memberships (project_id, from_gen);

-- Who made live and declared differ, for as long as they do.
create table drifts (
    check_id uuid primary key references checks,
    by_whom text not null,
    at timestamptz not null,
    reason text not null
);

-- Lists of what is declared, on their way in.
create table uploads (
    id uuid not null,
    part integer not null,
    principal text not null,
    bytes bytea not null,
    created_at timestamptz not null,
    primary key (id, part)
);

create table plans (
    token text primary key,
    project text not null,
    principal text not null,
    -- The encoded request; with an index it names the upload.
    request bytea not null,
    generation bigint not null,
    live_version bigint not null,
    digest bytea not null,
    created_at timestamptz not null,
    -- Only a success is a result.
    result bytea
);

-- The pages of what a plan shows, from 1; page 0 went out with it.
create table plan_pages (
    token text not null references plans on delete cascade,
    page integer not null,
    bytes bytea not null,
    primary key (token, page)
);
