-- Alerts are posted again receiver by receiver, so that one that hangs holds up no other.

drop index deliveries_again;
create index deliveries_again on deliveries (receiver_id, again_at) where again_at is not null;
