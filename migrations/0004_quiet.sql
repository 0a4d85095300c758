-- What a check's life needs beside its probes. The version before this one
-- reads and writes none of it.

-- Of the live spec: nobody probes it.
alter table checks add column disabled boolean not null default false;

alter table check_states
    -- Nobody is told of it until it was UP once.
    add column quiet boolean not null default false,
    -- What the streaks were counted of: another spec begins them anew.
    add column spec_id bigint;

-- How far its owner has read the feed of changes: all that is below is on its board.
alter table shards add column seen xid8;

alter table generations add column if not exists xid xid8 not null default pg_current_xact_id();
