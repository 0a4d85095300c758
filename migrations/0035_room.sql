-- The end of an attempt writes a delivery's row anew, and an entry in each of its indexes beside the
-- one that is there: room for it is cheaper than clearing up a full page each time.
alter index deliveries_pkey set (fillfactor = 50);
alter index deliveries_event_id_receiver_id_replay_no_key set (fillfactor = 50);
alter index deliveries_newest set (fillfactor = 50);
alter index deliveries_receiver set (fillfactor = 50);
alter index deliveries_due set (fillfactor = 50);
alter index deliveries_lane set (fillfactor = 50);
