-- People, teams, keys, sessions, the audit record, and what the installation knows of itself.

create table instance (
    name  text primary key,
    value jsonb not null
);

create table users (
    id            text primary key,
    name          text not null check (char_length(name) between 1 and 100),
    email         text not null check (char_length(email) between 3 and 100),
    role          text not null check (role in ('owner', 'admin', 'user', 'limited_user', 'observer',
                      'restricted_access', 'read_only_user', 'read_only_limited_user')),
    time_zone     text not null,
    job_title     text,
    description   text,
    color         text not null default 'teal',
    password_hash text,
    created_at    timestamptz not null,
    deleted_at    timestamptz
);
create unique index users_email on users (lower(email)) where deleted_at is null;

create table teams (
    id           text primary key,
    name         text not null check (char_length(name) between 1 and 100),
    description  text,
    default_role text not null default 'manager' check (default_role in ('manager', 'none')),
    created_at   timestamptz not null,
    deleted_at   timestamptz
);
create unique index teams_name on teams (lower(name)) where deleted_at is null;

create table team_members (
    team_id text not null references teams (id),
    user_id text not null references users (id),
    role    text not null check (role in ('manager', 'responder', 'observer')),
    primary key (team_id, user_id)
);
create index team_members_user on team_members (user_id);

-- `expires_at` is the absolute end; the idle limit counts from `last_seen_at`.
create table sessions (
    digest       bytea primary key,
    user_id      text not null references users (id),
    created_at   timestamptz not null,
    last_seen_at timestamptz not null,
    expires_at   timestamptz not null,
    user_agent   text not null,
    address      text not null
);
create index sessions_user on sessions (user_id);
create index sessions_expiry on sessions (expires_at);

-- A key without a user is an account key; its rights are those of the role it was given.
create table api_keys (
    id           text primary key,
    name         text not null check (char_length(name) between 1 and 100),
    user_id      text references users (id),
    role         text check (role in ('admin', 'user', 'limited_user', 'observer')),
    digest       bytea not null unique,
    hint         text not null,
    read_only    boolean not null default false,
    created_by   text references users (id),
    created_at   timestamptz not null,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    check ((user_id is null) = (role is not null))
);
create index api_keys_user on api_keys (user_id) where revoked_at is null;

-- `subject` is a digest of the account's e-mail or of the client's address, never the text typed.
create table login_throttle (
    subject    text primary key,
    failures   integer not null,
    last_at    timestamptz not null,
    locked_until timestamptz
);
create index login_throttle_age on login_throttle (last_at);

-- Append only. `hash` chains each sealed row to the one before it in `chain` order; the engine
-- seals rows a moment after they are written, so writers never wait for one another.
create table audit (
    seq           bigint generated always as identity primary key,
    at            timestamptz not null,
    actor_kind    text not null,
    actor_id      text,
    actor_label   text not null,
    method        text not null,
    address       text,
    action        text not null,
    subject_type  text not null,
    subject_id    text not null,
    subject_label text not null,
    before        jsonb,
    after         jsonb
);
create index audit_subject on audit (subject_type, subject_id, seq);
create index audit_at on audit (at, seq);

-- Rows that wait for their seal. Small whatever the record weighs, so sealing stays cheap.
create table audit_pending (
    seq bigint primary key references audit (seq)
);

create table audit_chain (
    chain     bigint primary key,
    audit_seq bigint not null unique references audit (seq),
    hash      bytea not null
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name;
end $$;

create trigger audit_append_only before update or delete on audit
    for each row execute function refuse_change();
create trigger audit_chain_append_only before update or delete on audit_chain
    for each row execute function refuse_change();
