-- Alerts, incidents, who owns them, what is due, and the append-only timeline.
-- The incident row is the lock for everything about that incident: whoever changes its
-- escalation, pages or timers holds it FOR UPDATE first.
--
-- The tables that grow with every alert carry no foreign keys: rows of an incident are written only
-- by transactions that hold (or have just made) its row, incidents are never deleted one by one,
-- and services, policies and users are only ever marked as deleted. A key would cost the intake a
-- look-up for each row of each batch to prove what the code already guarantees.

create sequence incident_numbers;

create table incidents (
    id                   text primary key,
    number               bigint not null unique default nextval('incident_numbers'),
    service_id           text not null,
    escalation_policy_id text not null,
    title                text not null,
    status               text not null check (status in ('triggered', 'acknowledged', 'resolved')),
    urgency              text not null check (urgency in ('high', 'low')),
    -- Set only on incidents made by hand; alerts have dedup keys of their own.
    incident_key         text,
    body                 text,
    test                 boolean not null default false,
    created_at           timestamptz not null,
    changed_at           timestamptz not null,
    acknowledged_at      timestamptz,
    resolved_at          timestamptz,
    snoozed_until        timestamptz,
    resolution           text,
    merged_into          text,
    alert_count          integer not null default 0,
    open_alert_count     integer not null default 0,
    last_alert_at        timestamptz
) with (fillfactor = 85);  -- Room for updates on the same page, which then touch no index.
create index incidents_open on incidents (status, created_at desc, id desc) where status <> 'resolved';
create index incidents_created on incidents (created_at desc, id desc);
create index incidents_service on incidents (service_id, created_at desc, id desc);
create unique index incidents_key on incidents (service_id, incident_key)
    where status <> 'resolved' and incident_key is not null;

create table alerts (
    id             text primary key,
    service_id     text not null,
    integration_id text,
    incident_id    text not null,
    dedup_key      text not null,
    status         text not null check (status in ('triggered', 'resolved')),
    severity       text not null check (severity in ('critical', 'error', 'warning', 'info')),
    summary        text not null,
    source         text,
    component      text,
    grouping       text,
    class          text,
    client         text,
    client_url     text,
    details        jsonb,
    links          jsonb not null default '[]',
    images         jsonb not null default '[]',
    event_count    integer not null default 1,
    created_at     timestamptz not null,
    last_event_at  timestamptz not null,
    resolved_at    timestamptz
);
-- One open alert for each dedup key of an integration: the index is the deduplication.
create unique index alerts_open_key on alerts (integration_id, dedup_key) where status = 'triggered';
create index alerts_incident on alerts (incident_id, id);
-- Was it seen before? Written when an alert ends, so that opening one pays nothing for it.
create index alerts_past_key on alerts (service_id, dedup_key, created_at desc)
    where status = 'resolved';

create table assignments (
    incident_id text not null,
    user_id     text not null,
    at          timestamptz not null,
    primary key (incident_id, user_id)
);
create index assignments_user on assignments (user_id);

create table acknowledgements (
    incident_id text not null,
    user_id     text,
    at          timestamptz not null,
    label       text not null
);
create index acknowledgements_incident on acknowledgements (incident_id);

create table incident_timers (
    incident_id text not null,
    kind        text not null check (kind in ('acknowledgement_timeout', 'auto_resolve', 'snooze')),
    due_at      timestamptz not null,
    attempts    smallint not null default 0,
    error       text,
    primary key (incident_id, kind)
);
create index incident_timers_due on incident_timers (due_at);

create table notes (
    id          text primary key,
    incident_id text not null references incidents (id),
    user_id     text references users (id),
    label       text not null,
    content     text not null,
    at          timestamptz not null
);
create index notes_incident on notes (incident_id, at);

create table log_entries (
    id          text primary key,
    seq         bigint generated always as identity,
    at          timestamptz not null,
    incident_id text not null,
    service_id  text not null,
    kind        text not null,
    reason      text not null,
    actor_kind  text not null,
    actor_id    text,
    actor_label text not null,
    data        jsonb
);
create index log_entries_incident on log_entries (incident_id, seq);
create unique index log_entries_seq on log_entries (seq);

-- The ladder of one incident. `ladder` is the policy as it was when the incident opened.
create table escalation_runs (
    incident_id text primary key,
    policy_id   text not null,
    ladder      jsonb not null,
    state       text not null check (state in ('running', 'stopped', 'exhausted')),
    level       integer not null default 0,
    loop        integer not null default 0,
    step        integer not null default 0,
    due_at      timestamptz,
    reason      text not null,
    changed_at  timestamptz not null,
    attempts    smallint not null default 0,
    error       text,
    check ((state = 'running') = (due_at is not null))
);
create index escalation_runs_due on escalation_runs (due_at) where state = 'running';
