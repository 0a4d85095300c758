-- Events of several checks are told in one message.

alter table deliveries
    -- What it has in common with others that are told together: lines of NAME=VALUE; '': it is told by
    -- itself.
    add column group_key text not null default '',
    -- Of those with a key: it may go out, alone or with what it was gathered with. Of one key one
    -- at a time.
    add column gathered boolean not null default false;

create index deliveries_gather on deliveries (receiver_id, group_key)
    where state = 'pending' and group_key <> '';
