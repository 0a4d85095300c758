-- What a message says stays as it was first said, whichever form its receiver wants later.
alter table bodies
    -- That it ends something of which its receiver had got nothing; null: nobody noted it.
    add column unheard boolean;
-- bodies.format is the form: 0 protobuf, 1 JSON, 2 alerts, 3 the bare JSON that a Twirp service takes.
