-- Credentials with scopes, and who did or was denied what.

create table tokens (
    id uuid primary key,
    -- SHA-256 of the token's text, which is stored nowhere.
    hash bytea not null unique check (octet_length(hash) = 32),
    name text not null,
    scopes text[] not null,
    created_at timestamptz not null,
    created_by text not null,
    -- Null: never.
    expires_at timestamptz,
    revoked_at timestamptz,
    -- To a few minutes: a call should not have to write.
    last_used_at timestamptz
);

-- An ended token leaves its name to another.
create unique index tokens_name on tokens (name) where revoked_at is null;

create table audit (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    principal text not null,
    -- The call, SERVICE/METHOD, or what lokahid did by itself.
    action text not null,
    subject text not null,
    -- Empty where it concerns none.
    project text not null,
    -- Of the spec, where there was or is one.
    before_digest bytea check (octet_length(before_digest) = 32),
    after_digest bytea check (octet_length(after_digest) = 32),
    forced boolean not null,
    reason text not null,
    outcome text not null check (outcome in ('done', 'denied')),
    -- Address and program of the caller.
    remote text not null
);

create index audit_project on audit (project, id);
create index audit_principal on audit (principal, id);
-- Whether a denial was written a moment ago.
create index audit_denied on audit (principal, at) where outcome = 'denied';

create function audit_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'audit is append-only';
end
$$;

create trigger audit_append_only before update or delete or truncate on audit
    for each statement execute function audit_append_only();
