-- What people set on checks while these run, beside what files say. The version before this one
-- reads and writes none of it: it goes on probing what is paused, and sends what is held never.

create table overlays (
    check_id uuid not null references checks,
    kind text not null check (kind in ('paused', 'muted')),
    since timestamptz not null,
    -- Null: until somebody ends it.
    until timestamptz,
    by_whom text not null,
    reason text not null,
    primary key (check_id, kind)
);

-- That somebody works on it; null: nobody said so.
alter table incidents
    add column acked_at timestamptz,
    add column acked_by text not null default '',
    add column acked_reason text not null default '';

-- What waits to be judged again, and of which checks something does.
create index deliveries_held on deliveries (next_at) where state = 'held';
create index deliveries_held_check on deliveries (check_id) where state = 'held';
