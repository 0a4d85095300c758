-- Workers of before do not look here, and claim what is being sent: stop them first.
--
-- What is being sent stands in a table of its own, and what was sent in another: a delivery is
-- written when it is owed and when an attempt has ended, and not between.

create table claims (
    receiver_id uuid not null,
    -- Its check; of what is about none, its receiver.
    lane uuid not null,
    -- Of what is sent beside the order of its lane, the delivery; of all else zeros: one at a time.
    beside uuid not null,
    delivery_id uuid not null,
    worker uuid not null,
    -- Who has not renewed it by then has lost it.
    until timestamptz not null,
    -- The attempt that is being made, from 1.
    n integer not null,
    started_at timestamptz not null,
    primary key (receiver_id, lane, beside)
) with (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

-- What is sent, frozen at the first claim.
create table bodies (
    delivery_id uuid primary key,
    -- Of which it is made anew for a receiver that has got another one; null: it fits.
    format smallint,
    body bytea not null
);

insert into bodies (delivery_id, format, body)
    select id, body_format, body from deliveries where body is not null;

alter table deliveries
    -- Whether it was sent, and has its body.
    add column frozen boolean not null default false;
update deliveries set frozen = true where body is not null;
-- deliveries.lease, body and body_format stay until no program is left that knows them.

drop index deliveries_leased;

-- What waits is found by its lane: only what was given up needs an index of its own.
drop index deliveries_fallback;
create index deliveries_fallback on deliveries (receiver_id) where state = 'dead' and not fell_back;

-- What is due is looked for receiver by receiver.
drop index deliveries_due;
create index deliveries_due on deliveries (receiver_id, next_at) where state = 'pending';

-- What is told together is found by this alone: it is no part of another index, whatever Postgres
-- believes of an outbox that was empty when it looked last.
drop index deliveries_gather;
create index deliveries_gather on deliveries
    ((uuid_hash_extended(receiver_id, 2) # hashtextextended(group_key, 3)))
    where state = 'pending' and group_key <> '';

-- Ids in the order of their time are found, and written, beside each other: RFC 9562, version 7.
create function uuid_ordered(at timestamptz) returns uuid language sql volatile parallel safe as $$
    select encode(
        set_byte(
            overlay(uuid_send(gen_random_uuid())
                placing substring(int8send((extract(epoch from at) * 1000)::bigint) from 3) from 1 for 6),
            6, 112 + (random() * 15)::integer),
        'hex')::uuid
$$;
