-- The newest event wins, one that does not arrive goes to another receiver too, and a receiver
-- that fails is known.

alter table receivers
    -- Of several events of a check that wait, only the newest is sent, and tells the others.
    add column collapse boolean not null default true,
    -- A receiver of the same project that gets what does not arrive here; '': none.
    add column fallback text not null default '';

alter table deliveries
    -- The delivery that tells its event, too: it went out instead.
    add column superseded_by uuid,
    -- The format of the body: of a receiver that got another one it is made anew.
    add column body_format smallint,
    -- Since when the receiver has waited for what it tells, if that is longer than for itself.
    add column waits_since timestamptz,
    -- Whether the fallback of its receiver, if there is one, has got the event.
    add column fell_back boolean not null default false;

create index deliveries_superseded on deliveries (superseded_by) where superseded_by is not null;
-- What was given up before is nobody's news.
update deliveries set fell_back = true where state = 'dead';
create index deliveries_fallback on deliveries (receiver_id)
    where not fell_back and state in ('pending', 'dead');

-- Also what is about no check has an order: that of its receiver.
create index deliveries_lane on deliveries (receiver_id, coalesce(check_id, receiver_id), seq)
    where state = 'pending';
create sequence event_numbers;
-- What is being sent, for whoever claims.
create index deliveries_leased on deliveries (receiver_id, coalesce(check_id, receiver_id))
    where state = 'pending' and lease is not null;

-- How receivers do. Written with the ends of attempts.
create table receiver_status (
    receiver_id uuid primary key references receivers,
    -- Of the first attempt since the last one that succeeded; null: the last one did.
    failing_since timestamptz,
    failures integer not null default 0,
    -- What the last failure was.
    error text not null default '',
    failed_at timestamptz,
    delivered_at timestamptz,
    -- When something was given up last.
    gave_up_at timestamptz,
    -- It asked for this much time.
    slowed_until timestamptz,
    -- When operators were told last that it fails, and by which event first; null: they do not know.
    told_at timestamptz,
    told_by uuid references transitions
) with (fillfactor = 70);

create index receiver_status_failing on receiver_status (failing_since)
    where failing_since is not null or told_at is not null;
