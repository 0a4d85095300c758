-- Whether whoever reconciles a project applies what it says. The version before
-- this one reads and writes none of it.

-- Its reconciler only says what it would do: nothing that a person applies is undone.
alter table projects add column reconciler_observes boolean not null default false;
