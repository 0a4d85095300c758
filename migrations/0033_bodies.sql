-- What is sent as its event is, to whoever gets nothing else with it, is made of the event each time,
-- and stands in no body: a delivery that is frozen and has none is one of those.

alter table claims
    -- Whether there is something to send, which is what every later attempt sends.
    add column frozen boolean not null default true;
