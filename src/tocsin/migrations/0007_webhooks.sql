-- Webhooks: who wants to be told of what, what is to be told, and to whom it was sent.
--
-- Events and deliveries have no foreign keys between them: they are written by the thousand in a
-- storm, only by the actions of webhooks, and leave together when their time is over.

create table webhook_subscriptions (
    id              text primary key,
    description     text check (char_length(description) <= 1024),
    filter_type     text not null check (filter_type in ('account', 'service', 'team')),
    filter_id       text check ((filter_type = 'account') = (filter_id is null)),
    events          text[] not null check (cardinality(events) > 0),
    url_sealed      bytea not null,
    -- What everybody may see of the address: its scheme and host.
    url_hint        text not null,
    header_names    text[] not null,
    headers_sealed  bytea,
    active          boolean not null,
    -- Set by the engine when sends keep failing; without an end it lasts until somebody enables it.
    disabled_at     timestamptz,
    disabled_until  timestamptz,
    disabled_reason text,
    -- How many deliveries in a row the other side would not take.
    refusals        integer not null default 0,
    -- What happened before is not told.
    starts_at       timestamptz not null,
    created_at      timestamptz not null,
    deleted_at      timestamptz,
    check ((disabled_at is null) = (disabled_reason is null))
);
create index webhook_subscriptions_filter on webhook_subscriptions (filter_id)
    where deleted_at is null;

create table webhook_secrets (
    id              text primary key,
    subscription_id text not null references webhook_subscriptions (id),
    secret_sealed   bytea not null,
    created_at      timestamptz not null
);
create index webhook_secrets_subscription on webhook_secrets (subscription_id, id);

-- One row for each thing that happened and that somebody wanted; `source` names the log entry, the
-- audit row or the ping it came from, so that nothing is told twice however often it is read.
create table webhook_events (
    id          text primary key,
    type        text not null,
    source      text not null unique,
    resource_id text not null,
    body        text not null,
    occurred_at timestamptz not null,
    created_at  timestamptz not null
);
create index webhook_events_age on webhook_events (created_at);

-- The outbox and its record. Of all rows of a subscription about one resource that are not
-- finished, only the first is queued or sending: the others wait for it.
create table webhook_deliveries (
    id              text primary key,
    position        bigint generated always as identity,
    subscription_id text not null,
    event_id        text not null,
    resource_id     text not null,
    ping            boolean not null,
    state           text not null check (state in
        ('waiting', 'queued', 'sending', 'delivered', 'dropped', 'expired', 'cancelled')),
    due_at          timestamptz not null,
    attempts        integer not null default 0,
    started_at      timestamptz,
    leased_until    timestamptz,
    leased_by       text,
    fence           bigint not null default 0,
    -- The HTTP status of the last answer, if there was one, and the outcome in words.
    status          integer,
    detail          text,
    created_at      timestamptz not null,
    finished_at     timestamptz,
    unique (subscription_id, event_id),
    check ((state = 'sending') = (leased_until is not null))
);
create index webhook_deliveries_due on webhook_deliveries (subscription_id, due_at, position)
    where state = 'queued';
create index webhook_deliveries_chain on webhook_deliveries (subscription_id, resource_id, position)
    where state in ('waiting', 'queued', 'sending');
create index webhook_deliveries_leased on webhook_deliveries (leased_until)
    where state = 'sending';
create index webhook_deliveries_recent on webhook_deliveries (subscription_id, position desc);
create index webhook_deliveries_event on webhook_deliveries (event_id);

-- How far each reader of the timeline and of the sealed audit record has come.
create table timeline_readers (
    name        text primary key,
    log_seq     bigint not null,
    audit_chain bigint not null
);
-- What happened before there were webhooks is not told.
insert into timeline_readers (name, log_seq, audit_chain)
select 'webhooks', coalesce((select max(seq) from log_entries), 0),
    coalesce((select max(chain) from audit_chain), 0);
