-- Operators look at deliveries, newest first: of all, of a receiver, and what was given up.

create index deliveries_newest on deliveries (created_at, id);
create index deliveries_receiver on deliveries (receiver_id, created_at, id);
create index deliveries_dead on deliveries (created_at, id) where state = 'dead';
