-- Alert grouping, support hours, and the pause before an alert opens an incident.

-- How the alerts of one or more services are brought together. `revision` counts the changes that
-- make older groups unfit to be joined: another type, other fields.
create table grouping_settings (
    id          text primary key,
    name        text,
    description text,
    type        text not null check (
        type in ('time', 'content_based', 'intelligent', 'content_based_intelligent')),
    -- Seconds from the first alert; 0 is until the incident is resolved. For type time.
    timeout     integer not null default 0 check (timeout between 0 and 86400),
    -- Seconds from the last alert; 0 is the recommended one. For all other types.
    time_window integer not null default 0 check (time_window between 0 and 86400),
    aggregate   text check (aggregate in ('all', 'any')),
    -- What must be the same, and what is compared as text.
    fields      text[] not null default '{}',
    text_fields text[] not null default '{}',
    revision    integer not null default 1,
    created_at  timestamptz not null,
    updated_at  timestamptz not null
);
create index grouping_settings_created on grouping_settings (created_at, id);

-- A service has at most one setting because this is one column.
alter table services
    add column grouping_setting_id text references grouping_settings (id),
    -- With support hours, urgency_rule counts within them and this one outside.
    add column urgency_outside text check (urgency_outside in ('high', 'low', 'severity_based')),
    add column support_time_zone text,
    add column support_days      smallint[],
    add column support_start     time,
    add column support_end       time,
    -- When open incidents of low urgency become urgent: support_hours_start, support_hours_end.
    add column raise_at          text[] not null default '{}',
    add column pause_seconds     integer check (pause_seconds in (120, 180, 300, 600, 900)),
    add constraint services_support_hours check (
        (urgency_outside is null) = (support_time_zone is null)
        and (urgency_outside is null) = (support_days is null)
        and (urgency_outside is null) = (support_start is null)
        and (urgency_outside is null) = (support_end is null)
        and (urgency_outside is not null or raise_at = '{}'));
create index services_grouping on services (grouping_setting_id)
    where grouping_setting_id is not null;

-- An incident that was opened while its service groups, as long as alerts may join it.
create table alert_groups (
    incident_id text primary key,
    setting_id  text not null,
    revision    integer not null,
    opened_at   timestamptz not null,
    last_at     timestamptz not null,
    -- Later alerts do not join; infinity is until it is resolved.
    until       timestamptz not null
);
create index alert_groups_setting on alert_groups (setting_id, revision, opened_at desc);
create index alert_groups_until on alert_groups (until);

-- What an alert must have to join: `key` is a digest of the values that must be the same ('' where
-- none need be), `words` what its text is compared with, `said` that text as it was.
create table alert_group_marks (
    incident_id text not null references alert_groups (incident_id) on delete cascade,
    setting_id  text not null,
    revision    integer not null,
    key         text not null,
    words       text,
    said        text
);
create index alert_group_marks_key on alert_group_marks (setting_id, revision, key);
create index alert_group_marks_incident on alert_group_marks (incident_id);

-- When the urgency of a service's open incidents is raised next; a row only where it ever is.
create table urgency_raises (
    service_id text primary key references services (id),
    due_at     timestamptz not null,
    attempts   smallint not null default 0,
    error      text
);
create index urgency_raises_due on urgency_raises (due_at);

-- Until when a new alert waits before it opens an incident. It stays set, so that it can be told
-- how many alerts ended by themselves meanwhile.
alter table alerts add column paused_until timestamptz;
create index alerts_paused on alerts (service_id, paused_until, id)
    where paused_until is not null and incident_id is null and status = 'triggered';
create index alerts_were_paused on alerts (service_id, created_at desc)
    where paused_until is not null;

-- A service with alerts that wait; `due_at` is when the first of them has waited long enough.
create table pause_holds (
    service_id text primary key,
    due_at     timestamptz not null,
    attempts   smallint not null default 0,
    error      text
);
create index pause_holds_due on pause_holds (due_at);
