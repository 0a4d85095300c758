-- Alerts that go on are posted again to an Alertmanager, where they would end by themselves.

alter table deliveries
    -- When what was delivered is posted again; null: never.
    add column again_at timestamptz;

create index deliveries_again on deliveries (again_at) where again_at is not null;
