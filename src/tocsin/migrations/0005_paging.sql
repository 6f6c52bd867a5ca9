-- How people are reached: contact methods, their rules, pages, and the delivery ledger, which is
-- the outbox and the record in one table.
--
-- Pages, bundles and deliveries have no foreign keys among them: they are written by the thousand
-- in a storm, only by paging's own actions, and never deleted one by one.

create table contact_methods (
    id             text primary key,
    user_id        text not null references users (id),
    channel        text not null,
    label          text not null check (char_length(label) between 1 and 100),
    address_sealed bytea not null,
    secret_sealed  bytea,
    address_hint   text not null,
    created_at     timestamptz not null,
    -- When a message last got through, and since when none does.
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
-- asked, so each rung asks each person once. A page with a bundle has no deliveries of its own.
create table pages (
    id             text primary key,
    incident_id    text not null,
    service_id     text not null,
    user_id        text not null,
    step           integer not null,
    urgency        text not null check (urgency in ('high', 'low')),
    reason         text not null,
    state          text not null check (state in ('open', 'stopped')),
    created_at     timestamptz not null,
    bundle_id      text,
    stopped_at     timestamptz,
    stopped_reason text,
    unique (incident_id, user_id, step)
);
create index pages_open on pages (incident_id) where state = 'open';
create index pages_user on pages (user_id, created_at desc);
create index pages_bundle on pages (bundle_id) where bundle_id is not null;

-- How many pages a person got in the current window. Whoever pages the person locks this row.
create table page_windows (
    user_id   text not null,
    urgency   text not null,
    opened_at timestamptz not null,
    singles   smallint not null,
    bundle_id text,
    primary key (user_id, urgency)
);

-- Pages that travel together. Who adds a page holds the row FOR KEY SHARE, who first sends the
-- bundle takes it FOR UPDATE and closes it, so that no page joins a bundle already on its way.
create table bundles (
    id        text primary key,
    kind      text not null check (kind in ('bundle', 'summary')),
    user_id   text not null,
    urgency   text not null check (urgency in ('high', 'low')),
    opened_at timestamptz not null,
    due_at    timestamptz not null,
    closed_at timestamptz
);
create index bundles_open_summary on bundles (user_id)
    where kind = 'summary' and closed_at is null;

-- The pages of a summary. Those of a bundle name it themselves in pages.bundle_id.
create table summary_pages (
    bundle_id text not null,
    page_id   text not null,
    primary key (bundle_id, page_id)
);

create table deliveries (
    id                text primary key,
    kind              text not null check (kind in ('page', 'bundle', 'summary', 'test')),
    cause             text not null unique,
    page_id           text,
    bundle_id         text,
    -- The incident of a single page; null when there are many or none.
    incident_id       text,
    user_id           text not null,
    contact_method_id text not null,
    channel           text not null,
    state             text not null check (state in
                          ('queued', 'sending', 'sent', 'failed', 'cancelled', 'bundled')),
    reason            text not null,
    due_at            timestamptz not null,
    -- The time the step was first due; kept when a retry moves due_at, so lateness is honest.
    first_due_at      timestamptz not null,
    attempts          smallint not null default 0,
    started_at        timestamptz,
    leased_until      timestamptz,
    leased_by         text,
    fence             bigint not null default 0,
    -- The summary that took this one up, when state is bundled.
    folded_into       text,
    detail            text,
    provider_id       text,
    created_at        timestamptz not null,
    finished_at       timestamptz,
    check ((state = 'sending') = (leased_until is not null))
);
create index deliveries_due on deliveries (due_at) where state = 'queued';
create index deliveries_lane on deliveries (channel, due_at) where state = 'queued';
create index deliveries_leased on deliveries (leased_until) where state = 'sending';
create index deliveries_method on deliveries (contact_method_id, finished_at) where state = 'sent';
create index deliveries_page on deliveries (page_id) where page_id is not null;
create index deliveries_bundle on deliveries (bundle_id) where bundle_id is not null;
create index deliveries_incident on deliveries (incident_id, id) where incident_id is not null;
create index deliveries_user on deliveries (user_id, created_at desc);
create index deliveries_created on deliveries (created_at desc, id desc);

create table delivery_attempts (
    delivery_id text not null,
    number      smallint not null,
    fence       bigint not null,
    node        text not null,
    started_at  timestamptz not null,
    finished_at timestamptz not null,
    outcome     text not null check (outcome in ('sent', 'retry', 'dead', 'lapsed')),
    detail      text not null,
    primary key (delivery_id, number)
);
