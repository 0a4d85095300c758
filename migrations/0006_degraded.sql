-- Being up and yet not as it should be. The version before this one leaves these columns as
-- they are, and its transitions open things.
alter table check_states
    add column degraded boolean not null default false,
    -- Probes in a row that say otherwise.
    add column warned smallint not null default 0;

-- The end of what an earlier event of the same type began.
alter table transitions add column resolved boolean not null default false;
