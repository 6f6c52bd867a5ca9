-- Schedules, escalation policies, services and their integrations.

create table schedules (
    id          text primary key,
    name        text not null check (char_length(name) between 1 and 255),
    description text,
    time_zone   text not null,
    team_id     text references teams (id),
    created_at  timestamptz not null,
    deleted_at  timestamptz
);
create unique index schedules_name on schedules (lower(name)) where deleted_at is null;

-- Each row is one version of a layer. A version is never rewritten: an edit ends it (ends_at) and
-- starts another with the same layer_id, so the past stays. The zone stands here because a version
-- that has ended keeps its local times after the schedule has moved to another zone.
create table schedule_layers (
    id                     text primary key,
    schedule_id            text not null references schedules (id),
    layer_id               text not null,
    time_zone              text not null,
    position               integer not null,
    name                   text not null,
    starts_at              timestamptz not null,
    ends_at                timestamptz,
    rotation_virtual_start timestamptz not null,
    turn_seconds           bigint not null check (turn_seconds between 60 and 31536000),
    members                text[] not null,
    restrictions           jsonb not null default '[]'
);
create index schedule_layers_schedule on schedule_layers (schedule_id, position);

create table schedule_overrides (
    id          text primary key,
    schedule_id text not null references schedules (id),
    user_id     text not null references users (id),
    starts_at   timestamptz not null,
    ends_at     timestamptz not null,
    created_at  timestamptz not null,
    created_by  text not null,
    check (ends_at > starts_at)
);
create index schedule_overrides_range on schedule_overrides (schedule_id, ends_at);

create table escalation_policies (
    id          text primary key,
    name        text not null check (char_length(name) between 1 and 255),
    description text,
    team_id     text references teams (id),
    loops       integer not null default 0 check (loops between 0 and 9),
    handoff_notifications text not null default 'if_has_services'
        check (handoff_notifications in ('if_has_services', 'always')),
    created_at  timestamptz not null,
    deleted_at  timestamptz
);
create unique index escalation_policies_name on escalation_policies (lower(name))
    where deleted_at is null;

create table escalation_levels (
    id            text primary key,
    policy_id     text not null references escalation_policies (id),
    position      integer not null,
    delay_seconds integer not null check (delay_seconds between 60 and 86400),
    strategy      text not null default 'assign_to_everyone'
        check (strategy in ('assign_to_everyone', 'round_robin')),
    unique (policy_id, position) deferrable initially deferred
);

create table escalation_targets (
    level_id  text not null references escalation_levels (id) on delete cascade,
    position  integer not null,
    kind      text not null check (kind in ('user', 'schedule')),
    target_id text not null,
    primary key (level_id, position)
);
create index escalation_targets_target on escalation_targets (target_id);

-- Whose turn it is on a round-robin level.
create table escalation_turns (
    level_id text primary key references escalation_levels (id) on delete cascade,
    turn     bigint not null
);

create table services (
    id                      text primary key,
    name                    text not null check (char_length(name) between 1 and 255),
    description             text,
    escalation_policy_id    text not null references escalation_policies (id),
    urgency_rule            text not null default 'high'
        check (urgency_rule in ('high', 'low', 'severity_based')),
    acknowledgement_timeout integer check (acknowledgement_timeout between 60 and 604800),
    auto_resolve_timeout    integer check (auto_resolve_timeout between 60 and 604800),
    -- Which slice of the intake works on this service's events; one writer per slice at a time.
    slice                   smallint not null check (slice between 0 and 63),
    created_at              timestamptz not null,
    last_incident_at        timestamptz,
    disabled_at             timestamptz,
    deleted_at              timestamptz
);
create unique index services_name on services (lower(name)) where deleted_at is null;
create index services_policy on services (escalation_policy_id);

create table integrations (
    id         text primary key,
    service_id text not null references services (id),
    name       text not null check (char_length(name) between 1 and 255),
    kind       text not null,
    key_digest bytea not null unique,
    key_sealed bytea not null,
    created_at timestamptz not null,
    deleted_at timestamptz
);
create index integrations_service on integrations (service_id, id) where deleted_at is null;
