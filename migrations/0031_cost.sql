-- What a delivery costs. It is written three times and found by few: each index and each reference
-- that is looked up for it counts.

-- Its event is stored in the same transaction, receivers and checks are buried and never removed,
-- and an attempt is written with the claim of its delivery: nothing can point nowhere.
alter table deliveries
    drop constraint deliveries_event_id_fkey,
    drop constraint deliveries_receiver_id_fkey,
    drop constraint deliveries_check_id_fkey;
alter table attempts drop constraint attempts_delivery_id_fkey;

-- That of the lane says the same.
drop index deliveries_order;

-- How long a receiver took is written with each delivery, within the page.
alter table check_receivers set (fillfactor = 70);

-- The host, with its port, of which so many are sent at once; of a secret URL, the secret.
alter table receivers add column host text not null
    generated always as (split_part(regexp_replace(url, '^[a-z]+://', ''), '/', 1)) stored;
