-- How people are reached: contact methods, their rules, pages, and the delivery ledger, which is
-- the outbox and the record in one table.

create table contact_methods (
    id             text primary key,
    user_id        text not null references users (id),
    channel        text not null,
    label          text not null,
    address_sealed bytea not null,
    secret_sealed  bytea,
    address_hint   text not null,
    created_at     timestamptz not null,
    proven_at      timestamptz,
    dead_since     timestamptz,
    dead_reason    text,
    deleted_at     timestamptz
);
create index contact_methods_user on contact_methods (user_id) where deleted_at is null;

create table notification_rules (
    id                text primary key,
    user_id           text not null references users (id),
    contact_method_id text not null references contact_methods (id),
    urgency           text not null check (urgency in ('high', 'low')),
    delay_seconds     integer not null check (delay_seconds between 0 and 86400),
    unique (user_id, contact_method_id, urgency, delay_seconds)
);

-- A page is a demand that one person act on one incident. `step` is the rung of the ladder that
-- asked, so each rung asks each person once.
create table pages (
    id            text primary key,
    incident_id   text not null references incidents (id),
    user_id       text not null references users (id),
    step          integer not null,
    urgency       text not null check (urgency in ('high', 'low')),
    reason        text not null,
    state         text not null check (state in ('open', 'stopped')),
    created_at    timestamptz not null,
    stopped_at    timestamptz,
    stopped_reason text,
    unique (incident_id, user_id, step)
);
create index pages_open on pages (incident_id) where state = 'open';
create index pages_user on pages (user_id, created_at desc);

create table deliveries (
    id                text primary key,
    kind              text not null check (kind in ('page', 'bundle', 'summary', 'test', 'notice')),
    cause             text not null unique,
    page_id           text references pages (id),
    incident_id       text,
    user_id           text references users (id),
    contact_method_id text references contact_methods (id),
    channel           text not null,
    state             text not null check (state in ('queued', 'sending', 'sent', 'failed', 'cancelled', 'bundled')),
    reason            text not null,
    due_at            timestamptz not null,
    -- The time the step was first due; kept when a retry moves due_at, so lateness is honest.
    first_due_at      timestamptz not null,
    attempts          smallint not null default 0,
    leased_until      timestamptz,
    leased_by         text,
    fence             bigint not null default 0,
    bundle_id         text references deliveries (id),
    message           jsonb,
    detail            text,
    provider_id       text,
    created_at        timestamptz not null,
    finished_at       timestamptz
);
create index deliveries_due on deliveries (due_at) where state = 'queued';
create index deliveries_leased on deliveries (leased_until) where state = 'sending';
create index deliveries_page on deliveries (page_id);
create index deliveries_incident on deliveries (incident_id, id);
create index deliveries_user on deliveries (user_id, created_at desc);
create index deliveries_bundle on deliveries (bundle_id) where bundle_id is not null;
create index deliveries_created on deliveries (created_at desc, id desc);

create table delivery_attempts (
    delivery_id text not null references deliveries (id),
    number      smallint not null,
    fence       bigint not null,
    node        text not null,
    started_at  timestamptz not null,
    finished_at timestamptz not null,
    outcome     text not null check (outcome in ('sent', 'retry', 'dead', 'lapsed')),
    detail      text not null,
    primary key (delivery_id, number)
);
