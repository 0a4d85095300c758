-- An outage that goes on is told again after a while, if its check says so.

alter table check_states
    -- When its receivers were told last of the incident that goes on; null: when it began.
    add column told_at timestamptz;
