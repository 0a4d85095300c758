-- The first schema. Names are explained in ARCHITECTURE.md; every later
-- migration must be one that the version before it survives.

create table projects (
    id bigint generated always as identity primary key,
    name text not null unique,
    generation bigint not null default 0,
    -- Counts the writes to declared objects that did not come from an apply.
    live_version bigint not null default 0,
    created_at timestamptz not null default now()
);

-- The project that owns what the API creates.
insert into projects (name) values ('api');

-- Content-addressed: the same declaration is stored once.
create table specs (
    id bigint generated always as identity primary key,
    digest bytea not null unique check (octet_length(digest) = 32),
    bytes bytea not null
);

create table checks (
    id uuid primary key,
    check_no bigint generated always as identity unique,
    project_id bigint not null references projects,
    -- Its name, or its id when the API made it without one.
    address text not null,
    owner text not null check (owner in ('declared', 'api')),
    live_spec_id bigint not null references specs,
    declared_spec_id bigint references specs,
    version bigint not null default 1,
    -- Of the live spec, as 'key=value', to filter by.
    labels text[] not null default '{}',
    created_at timestamptz not null,
    deleted_at timestamptz,
    -- A constraint rather than a partial unique index: only this can be
    -- deferred, and an apply may swap two names.
    constraint checks_address exclude using btree (project_id with =, address with =)
        where (deleted_at is null) deferrable
);

create table receivers (
    id uuid primary key,
    project_id bigint not null references projects,
    -- Null: implicit, made for a check's bare webhook_url.
    address text,
    spec_id bigint not null references specs,
    url text not null,
    format smallint not null,
    created_at timestamptz not null,
    deleted_at timestamptz,
    constraint receivers_address exclude using btree (project_id with =, address with =)
        where (deleted_at is null and address is not null) deferrable
);

create unique index receivers_implicit on receivers (project_id, url, format)
    where address is null;

create table check_receivers (
    check_id uuid not null references checks,
    receiver_id uuid not null references receivers,
    -- How long the receiver took to answer its last event of this check.
    response_nanoseconds bigint not null default 0,
    primary key (check_id, receiver_id)
);

create index check_receivers_receiver on check_receivers (receiver_id);

-- Written by the owner of the shard only. Many updates, none of an indexed
-- column: with room on the page they stay within it, and are cleared up there
-- without a vacuum, which is therefore asked for seldom.
create table check_states (
    check_id uuid primary key references checks,
    shard smallint not null,
    state smallint not null default 0,
    since timestamptz not null,
    failures smallint not null default 0,
    successes smallint not null default 0,
    retold boolean not null default false,
    seq bigint not null default 0,
    incident_id uuid,
    last_at timestamptz,
    last_outcome smallint not null default 0,
    last_class smallint not null default 0,
    last_status smallint not null default 0,
    last_total_us integer not null default 0
) with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 3,
    autovacuum_analyze_scale_factor = 5
);

create index check_states_shard on check_states (shard);

create table observations (
    check_no bigint not null,
    -- When the probe was due.
    at timestamptz not null,
    dns_us integer not null,
    connect_us integer not null,
    tls_us integer not null,
    write_us integer not null,
    first_byte_us integer not null,
    transfer_us integer not null,
    total_us integer not null,
    outcome smallint not null,
    class smallint not null,
    status smallint not null
) partition by range (at);

create index observations_check on observations (check_no, at);

-- The full record of what was not up.
create table evidence (
    check_no bigint not null,
    at timestamptz not null,
    bytes bytea not null
);

create index evidence_check on evidence (check_no, at);
create index evidence_at on evidence using brin (at);

create table incidents (
    id uuid primary key,
    check_id uuid not null references checks,
    opened_seq bigint not null,
    opened_at timestamptz not null,
    closed_seq bigint,
    closed_at timestamptz
);

create index incidents_check on incidents (check_id, opened_seq);

create table transitions (
    -- The event id and the receivers' webhook-id.
    id uuid primary key,
    check_id uuid references checks,
    type text not null,
    seq bigint not null,
    previous smallint not null,
    next smallint not null,
    at timestamptz not null,
    spec_id bigint references specs,
    generation bigint not null default 0,
    revision text not null default '',
    incident_id uuid references incidents,
    told boolean not null,
    -- The event, frozen as it happened.
    payload bytea not null,
    unique (check_id, seq)
);

create index transitions_incident on transitions (incident_id);

create table deliveries (
    id uuid primary key,
    event_id uuid not null references transitions,
    receiver_id uuid not null references receivers,
    check_id uuid references checks,
    seq bigint not null,
    replay_no integer not null default 0,
    state text not null default 'pending'
        check (state in ('held', 'pending', 'delivered', 'superseded', 'dead')),
    reason text not null default '',
    -- When it may be claimed: the next attempt, or the end of the lease.
    next_at timestamptz not null,
    -- The worker that has claimed it.
    lease uuid,
    attempts integer not null default 0,
    first_attempt_at timestamptz,
    -- What is sent, set at the first claim.
    body bytea,
    created_at timestamptz not null,
    finished_at timestamptz,
    unique (event_id, receiver_id, replay_no)
) with (fillfactor = 80);

create index deliveries_due on deliveries (next_at) where state = 'pending';
create index deliveries_order on deliveries (receiver_id, check_id, seq) where state = 'pending';

create table attempts (
    delivery_id uuid not null references deliveries,
    n integer not null,
    started_at timestamptz not null,
    -- Null with an expired lease: nobody knows how it ended.
    finished_at timestamptz,
    status smallint,
    error text,
    excerpt text,
    primary key (delivery_id, n)
);

create table shards (
    shard_no smallint primary key check (shard_no between 0 and 63),
    owner text not null default '',
    epoch bigint not null default 0,
    expires timestamptz not null default '-infinity'
);

insert into shards (shard_no) select generate_series(0, 63);

-- What the schedulers must look at anew. Read below pg_snapshot_xmin: a cursor
-- over seq alone would pass by a transaction that commits late.
create table changes (
    xid xid8 not null default pg_current_xact_id(),
    seq bigint generated always as identity,
    shard smallint not null,
    check_id uuid not null,
    at timestamptz not null default now(),
    primary key (xid, seq)
);

create table generations (
    project_id bigint not null references projects,
    n bigint not null,
    kind text not null check (kind in ('apply', 'rollback', 'reconcile')),
    actor text not null,
    reference text not null default '',
    sha text not null default '',
    dirty boolean not null default false,
    created integer not null,
    updated integer not null,
    deleted integer not null,
    at timestamptz not null,
    primary key (project_id, n)
);

-- Which spec an address had from one generation to another; null: still has.
create table memberships (
    project_id bigint not null references projects,
    kind text not null check (kind in ('check', 'webhook')),
    address text not null,
    spec_id bigint not null references specs,
    from_gen bigint not null,
    to_gen bigint,
    file text not null,
    line integer not null,
    primary key (project_id, kind, address, from_gen)
);

-- Answers to requests that carried a request_id.
create table requests (
    principal text not null,
    request_id text not null,
    method text not null,
    answer bytea not null,
    expires timestamptz not null,
    primary key (principal, request_id)
);
