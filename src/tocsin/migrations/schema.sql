-- The whole schema, made from the migrations by `make schema`. Read it, never run it;
-- a test keeps it equal to them.

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception '% is append-only', tg_table_name;
end $$;

CREATE TABLE public.acknowledgements (
    incident_id text NOT NULL,
    user_id text,
    at timestamp with time zone NOT NULL,
    label text NOT NULL
);

CREATE TABLE public.alert_group_marks (
    incident_id text NOT NULL,
    setting_id text NOT NULL,
    revision integer NOT NULL,
    key text NOT NULL,
    words text,
    said text
);

CREATE TABLE public.alert_groups (
    incident_id text NOT NULL,
    setting_id text NOT NULL,
    revision integer NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL
);

CREATE TABLE public.alerts (
    id text NOT NULL,
    service_id text NOT NULL,
    integration_id text,
    incident_id text,
    dedup_key text NOT NULL,
    status text NOT NULL,
    severity text NOT NULL,
    summary text NOT NULL,
    source text,
    component text,
    "grouping" text,
    class text,
    client text,
    client_url text,
    details jsonb,
    links jsonb DEFAULT '[]'::jsonb NOT NULL,
    images jsonb DEFAULT '[]'::jsonb NOT NULL,
    event_count integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_event_at timestamp with time zone NOT NULL,
    resolved_at timestamp with time zone,
    suppressed_by text,
    opened_in text,
    paused_until timestamp with time zone,
    CONSTRAINT alerts_severity_check CHECK ((severity = ANY (ARRAY['critical'::text, 'error'::text, 'warning'::text, 'info'::text]))),
    CONSTRAINT alerts_status_check CHECK ((status = ANY (ARRAY['triggered'::text, 'resolved'::text])))
);

CREATE TABLE public.api_keys (
    id text NOT NULL,
    name text NOT NULL,
    user_id text,
    role text,
    digest bytea NOT NULL,
    hint text NOT NULL,
    read_only boolean DEFAULT false NOT NULL,
    created_by text,
    created_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_check CHECK (((user_id IS NULL) = (role IS NOT NULL))),
    CONSTRAINT api_keys_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100))),
    CONSTRAINT api_keys_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'user'::text, 'limited_user'::text, 'observer'::text])))
);

CREATE TABLE public.assignments (
    incident_id text NOT NULL,
    user_id text NOT NULL,
    at timestamp with time zone NOT NULL
);

CREATE TABLE public.audit (
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor_kind text NOT NULL,
    actor_id text,
    actor_label text NOT NULL,
    method text NOT NULL,
    address text,
    action text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    subject_label text NOT NULL,
    before jsonb,
    after jsonb
);

CREATE TABLE public.audit_chain (
    chain bigint NOT NULL,
    audit_seq bigint NOT NULL,
    hash bytea NOT NULL
);

CREATE TABLE public.audit_pending (
    seq bigint NOT NULL
);

ALTER TABLE public.audit ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.bundles (
    id text NOT NULL,
    kind text NOT NULL,
    user_id text NOT NULL,
    urgency text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT bundles_kind_check CHECK ((kind = ANY (ARRAY['bundle'::text, 'summary'::text]))),
    CONSTRAINT bundles_urgency_check CHECK ((urgency = ANY (ARRAY['high'::text, 'low'::text])))
);

CREATE TABLE public.business_services (
    id text NOT NULL,
    name text NOT NULL,
    description text,
    point_of_contact text,
    team_id text,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT business_services_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255)))
);

CREATE TABLE public.change_events (
    id text NOT NULL,
    service_id text NOT NULL,
    integration_id text NOT NULL,
    summary text NOT NULL,
    source text,
    at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    links jsonb DEFAULT '[]'::jsonb NOT NULL,
    images jsonb DEFAULT '[]'::jsonb NOT NULL,
    details jsonb
);

CREATE TABLE public.contact_methods (
    id text NOT NULL,
    user_id text NOT NULL,
    channel text NOT NULL,
    label text NOT NULL,
    address_sealed bytea NOT NULL,
    secret_sealed bytea,
    address_hint text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    proven_at timestamp with time zone,
    dead_since timestamp with time zone,
    dead_reason text,
    deleted_at timestamp with time zone,
    CONSTRAINT contact_methods_label_check CHECK (((char_length(label) >= 1) AND (char_length(label) <= 100)))
);

CREATE TABLE public.deliveries (
    id text NOT NULL,
    kind text NOT NULL,
    cause text NOT NULL,
    page_id text,
    bundle_id text,
    incident_id text,
    user_id text NOT NULL,
    contact_method_id text,
    channel text NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    first_due_at timestamp with time zone NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    started_at timestamp with time zone,
    leased_until timestamp with time zone,
    leased_by text,
    fence bigint DEFAULT 0 NOT NULL,
    folded_into text,
    detail text,
    provider_id text,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    status_update_id text,
    CONSTRAINT deliveries_check CHECK (((state = 'sending'::text) = (leased_until IS NOT NULL))),
    CONSTRAINT deliveries_kind_check CHECK ((kind = ANY (ARRAY['page'::text, 'bundle'::text, 'summary'::text, 'test'::text, 'status_update'::text, 'handoff'::text]))),
    CONSTRAINT deliveries_method_check CHECK ((((kind = 'status_update'::text) = (contact_method_id IS NULL)) AND ((kind = 'status_update'::text) = (status_update_id IS NOT NULL)))),
    CONSTRAINT deliveries_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sending'::text, 'sent'::text, 'failed'::text, 'cancelled'::text, 'bundled'::text])))
);

CREATE TABLE public.delivery_attempts (
    delivery_id text NOT NULL,
    number smallint NOT NULL,
    fence bigint NOT NULL,
    node text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    outcome text NOT NULL,
    detail text NOT NULL,
    CONSTRAINT delivery_attempts_outcome_check CHECK ((outcome = ANY (ARRAY['sent'::text, 'retry'::text, 'dead'::text, 'lapsed'::text])))
);

CREATE TABLE public.escalation_levels (
    id text NOT NULL,
    policy_id text NOT NULL,
    "position" integer NOT NULL,
    delay_seconds integer NOT NULL,
    strategy text DEFAULT 'assign_to_everyone'::text NOT NULL,
    CONSTRAINT escalation_levels_delay_seconds_check CHECK (((delay_seconds >= 60) AND (delay_seconds <= 86400))),
    CONSTRAINT escalation_levels_strategy_check CHECK ((strategy = ANY (ARRAY['assign_to_everyone'::text, 'round_robin'::text])))
);

CREATE TABLE public.escalation_policies (
    id text NOT NULL,
    name text NOT NULL,
    description text,
    team_id text,
    loops integer DEFAULT 0 NOT NULL,
    handoff_notifications text DEFAULT 'if_has_services'::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT escalation_policies_handoff_notifications_check CHECK ((handoff_notifications = ANY (ARRAY['if_has_services'::text, 'always'::text]))),
    CONSTRAINT escalation_policies_loops_check CHECK (((loops >= 0) AND (loops <= 9))),
    CONSTRAINT escalation_policies_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255)))
);

CREATE TABLE public.escalation_runs (
    incident_id text NOT NULL,
    policy_id text NOT NULL,
    ladder jsonb NOT NULL,
    state text NOT NULL,
    level integer DEFAULT 0 NOT NULL,
    loop integer DEFAULT 0 NOT NULL,
    step integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone,
    reason text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    error text,
    CONSTRAINT escalation_runs_check CHECK (((state = 'running'::text) = (due_at IS NOT NULL))),
    CONSTRAINT escalation_runs_state_check CHECK ((state = ANY (ARRAY['running'::text, 'stopped'::text, 'exhausted'::text])))
);

CREATE TABLE public.escalation_targets (
    level_id text NOT NULL,
    "position" integer NOT NULL,
    kind text NOT NULL,
    target_id text NOT NULL,
    CONSTRAINT escalation_targets_kind_check CHECK ((kind = ANY (ARRAY['user'::text, 'schedule'::text])))
);

CREATE TABLE public.escalation_turns (
    level_id text NOT NULL,
    turn bigint NOT NULL
);

CREATE TABLE public.event_outcomes (
    seq bigint NOT NULL,
    "position" smallint NOT NULL,
    reason text NOT NULL,
    alert_id text,
    incident_id text
);

CREATE TABLE public.events (
    seq bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    service_id text NOT NULL,
    integration_id text NOT NULL,
    format text NOT NULL,
    dedup_key text,
    body bytea NOT NULL
);

ALTER TABLE public.events ALTER COLUMN seq ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.events_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.grouping_settings (
    id text NOT NULL,
    name text,
    description text,
    type text NOT NULL,
    timeout integer DEFAULT 0 NOT NULL,
    time_window integer DEFAULT 0 NOT NULL,
    aggregate text,
    fields text[] DEFAULT '{}'::text[] NOT NULL,
    text_fields text[] DEFAULT '{}'::text[] NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT grouping_settings_aggregate_check CHECK ((aggregate = ANY (ARRAY['all'::text, 'any'::text]))),
    CONSTRAINT grouping_settings_time_window_check CHECK (((time_window >= 0) AND (time_window <= 86400))),
    CONSTRAINT grouping_settings_timeout_check CHECK (((timeout >= 0) AND (timeout <= 86400))),
    CONSTRAINT grouping_settings_type_check CHECK ((type = ANY (ARRAY['time'::text, 'content_based'::text, 'intelligent'::text, 'content_based_intelligent'::text])))
);

CREATE TABLE public.handoff_notices (
    delivery_id text NOT NULL,
    schedule_id text NOT NULL,
    direction text NOT NULL,
    at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone,
    other_user_id text,
    CONSTRAINT handoff_notices_direction_check CHECK ((direction = ANY (ARRAY['oncall'::text, 'offcall'::text])))
);

CREATE TABLE public.handoff_rules (
    id text NOT NULL,
    user_id text NOT NULL,
    contact_method_id text NOT NULL,
    direction text NOT NULL,
    advance_seconds integer NOT NULL,
    CONSTRAINT handoff_rules_advance_seconds_check CHECK (((advance_seconds >= 0) AND (advance_seconds <= 604800))),
    CONSTRAINT handoff_rules_direction_check CHECK ((direction = ANY (ARRAY['both'::text, 'oncall'::text, 'offcall'::text])))
);

CREATE TABLE public.inbox (
    seq bigint NOT NULL,
    slice smallint NOT NULL,
    service_id text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    quarantined boolean DEFAULT false NOT NULL,
    error text
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000');

CREATE SEQUENCE public.incident_numbers
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.incident_subscribers (
    incident_id text NOT NULL,
    kind text NOT NULL,
    subscriber_id text NOT NULL,
    added_by text NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT incident_subscribers_kind_check CHECK ((kind = ANY (ARRAY['user'::text, 'team'::text])))
);

CREATE TABLE public.incident_timers (
    incident_id text NOT NULL,
    kind text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    error text,
    CONSTRAINT incident_timers_kind_check CHECK ((kind = ANY (ARRAY['acknowledgement_timeout'::text, 'auto_resolve'::text, 'snooze'::text])))
);

CREATE TABLE public.incidents (
    id text NOT NULL,
    number bigint DEFAULT nextval('public.incident_numbers'::regclass) NOT NULL,
    service_id text NOT NULL,
    escalation_policy_id text NOT NULL,
    title text NOT NULL,
    status text NOT NULL,
    urgency text NOT NULL,
    incident_key text,
    body text,
    test boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    acknowledged_at timestamp with time zone,
    resolved_at timestamp with time zone,
    snoozed_until timestamp with time zone,
    resolution text,
    merged_into text,
    alert_count integer DEFAULT 0 NOT NULL,
    open_alert_count integer DEFAULT 0 NOT NULL,
    last_alert_at timestamp with time zone,
    priority text,
    conference_number text,
    conference_url text,
    CONSTRAINT incidents_priority_check CHECK ((priority = ANY (ARRAY['P1'::text, 'P2'::text, 'P3'::text, 'P4'::text, 'P5'::text]))),
    CONSTRAINT incidents_status_check CHECK ((status = ANY (ARRAY['triggered'::text, 'acknowledged'::text, 'resolved'::text]))),
    CONSTRAINT incidents_urgency_check CHECK ((urgency = ANY (ARRAY['high'::text, 'low'::text])))
)
WITH (fillfactor='85');

CREATE TABLE public.instance (
    name text NOT NULL,
    value jsonb NOT NULL
);

CREATE TABLE public.integrations (
    id text NOT NULL,
    service_id text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    key_digest bytea NOT NULL,
    key_sealed bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT integrations_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255)))
);

CREATE TABLE public.log_entries (
    id text NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    incident_id text NOT NULL,
    service_id text NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    actor_kind text NOT NULL,
    actor_id text,
    actor_label text NOT NULL,
    data jsonb
);

ALTER TABLE public.log_entries ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.log_entries_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.logical_time (
    single boolean DEFAULT true NOT NULL,
    at timestamp with time zone NOT NULL,
    beat bigint DEFAULT 0 NOT NULL,
    CONSTRAINT logical_time_single_check CHECK (single)
);

CREATE TABLE public.login_throttle (
    subject text NOT NULL,
    failures integer NOT NULL,
    last_at timestamp with time zone NOT NULL,
    locked_until timestamp with time zone
);

CREATE TABLE public.maintenance_holds (
    service_id text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    error text
);

CREATE TABLE public.maintenance_windows (
    id text NOT NULL,
    sequence_number bigint NOT NULL,
    description text NOT NULL,
    service_ids text[] NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    created_by text,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT maintenance_windows_check CHECK ((ends_at >= starts_at)),
    CONSTRAINT maintenance_windows_description_check CHECK ((char_length(description) <= 1024)),
    CONSTRAINT maintenance_windows_service_ids_check CHECK (((cardinality(service_ids) >= 1) AND (cardinality(service_ids) <= 250)))
);

ALTER TABLE public.maintenance_windows ALTER COLUMN sequence_number ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.maintenance_windows_sequence_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.nodes (
    id text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    version text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    beat_at timestamp with time zone NOT NULL,
    CONSTRAINT nodes_role_check CHECK ((role = ANY (ARRAY['web'::text, 'engine'::text, 'all'::text])))
);

CREATE TABLE public.notes (
    id text NOT NULL,
    incident_id text NOT NULL,
    user_id text,
    label text NOT NULL,
    content text NOT NULL,
    at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone,
    deleted_at timestamp with time zone
);

CREATE TABLE public.notification_rules (
    id text NOT NULL,
    user_id text NOT NULL,
    contact_method_id text NOT NULL,
    urgency text NOT NULL,
    delay_seconds integer NOT NULL,
    CONSTRAINT notification_rules_delay_seconds_check CHECK (((delay_seconds >= 0) AND (delay_seconds <= 86400))),
    CONSTRAINT notification_rules_urgency_check CHECK ((urgency = ANY (ARRAY['high'::text, 'low'::text])))
);

CREATE TABLE public.page_windows (
    user_id text NOT NULL,
    urgency text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    singles smallint NOT NULL,
    bundle_id text
);

CREATE TABLE public.pages (
    id text NOT NULL,
    incident_id text NOT NULL,
    service_id text NOT NULL,
    user_id text NOT NULL,
    step integer NOT NULL,
    urgency text NOT NULL,
    reason text NOT NULL,
    state text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    bundle_id text,
    stopped_at timestamp with time zone,
    stopped_reason text,
    responder_request_id text,
    CONSTRAINT pages_state_check CHECK ((state = ANY (ARRAY['open'::text, 'stopped'::text]))),
    CONSTRAINT pages_urgency_check CHECK ((urgency = ANY (ARRAY['high'::text, 'low'::text])))
);

CREATE TABLE public.pause_holds (
    service_id text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    error text
);

CREATE TABLE public.responder_requests (
    id text NOT NULL,
    incident_id text NOT NULL,
    requester_id text,
    requester_label text NOT NULL,
    message text NOT NULL,
    at timestamp with time zone NOT NULL
);

CREATE TABLE public.responder_targets (
    id text NOT NULL,
    request_id text NOT NULL,
    incident_id text NOT NULL,
    kind text NOT NULL,
    target_id text NOT NULL,
    label text NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    ladder jsonb,
    level integer DEFAULT 0 NOT NULL,
    loop integer DEFAULT 0 NOT NULL,
    step integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone,
    attempts smallint DEFAULT 0 NOT NULL,
    error text,
    CONSTRAINT responder_targets_check CHECK (((kind = 'escalation_policy'::text) = (ladder IS NOT NULL))),
    CONSTRAINT responder_targets_check1 CHECK (((due_at IS NULL) OR (state = 'pending'::text))),
    CONSTRAINT responder_targets_kind_check CHECK ((kind = ANY (ARRAY['user'::text, 'escalation_policy'::text]))),
    CONSTRAINT responder_targets_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'joined'::text, 'declined'::text, 'cancelled'::text])))
);

CREATE TABLE public.responders (
    id text NOT NULL,
    target_id text NOT NULL,
    request_id text NOT NULL,
    incident_id text NOT NULL,
    user_id text NOT NULL,
    step integer NOT NULL,
    level integer NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    note text,
    asked_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT responders_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'joined'::text, 'declined'::text, 'cancelled'::text])))
);

CREATE TABLE public.schedule_layers (
    id text NOT NULL,
    schedule_id text NOT NULL,
    layer_id text NOT NULL,
    time_zone text NOT NULL,
    "position" integer NOT NULL,
    name text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone,
    rotation_virtual_start timestamp with time zone NOT NULL,
    turn_seconds bigint NOT NULL,
    members text[] NOT NULL,
    restrictions jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT schedule_layers_turn_seconds_check CHECK (((turn_seconds >= 60) AND (turn_seconds <= 31536000)))
);

CREATE TABLE public.schedule_overrides (
    id text NOT NULL,
    schedule_id text NOT NULL,
    user_id text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT schedule_overrides_check CHECK ((ends_at > starts_at))
);

CREATE TABLE public.schedules (
    id text NOT NULL,
    name text NOT NULL,
    description text,
    time_zone text NOT NULL,
    team_id text,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    handoffs_due_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    handoffs_error text,
    CONSTRAINT schedules_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255)))
);

CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    applied_at timestamp with time zone NOT NULL
);

CREATE TABLE public.service_dependencies (
    id text NOT NULL,
    supporting_kind text NOT NULL,
    supporting_id text NOT NULL,
    dependent_kind text NOT NULL,
    dependent_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT service_dependencies_check CHECK ((supporting_id <> dependent_id)),
    CONSTRAINT service_dependencies_dependent_kind_check CHECK ((dependent_kind = ANY (ARRAY['service'::text, 'business_service'::text]))),
    CONSTRAINT service_dependencies_supporting_kind_check CHECK ((supporting_kind = ANY (ARRAY['service'::text, 'business_service'::text])))
);

CREATE TABLE public.services (
    id text NOT NULL,
    name text NOT NULL,
    description text,
    escalation_policy_id text NOT NULL,
    urgency_rule text DEFAULT 'high'::text NOT NULL,
    acknowledgement_timeout integer,
    auto_resolve_timeout integer,
    slice smallint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_incident_at timestamp with time zone,
    disabled_at timestamp with time zone,
    deleted_at timestamp with time zone,
    grouping_setting_id text,
    urgency_outside text,
    support_time_zone text,
    support_days smallint[],
    support_start time without time zone,
    support_end time without time zone,
    raise_at text[] DEFAULT '{}'::text[] NOT NULL,
    pause_seconds integer,
    CONSTRAINT services_acknowledgement_timeout_check CHECK (((acknowledgement_timeout >= 60) AND (acknowledgement_timeout <= 604800))),
    CONSTRAINT services_auto_resolve_timeout_check CHECK (((auto_resolve_timeout >= 60) AND (auto_resolve_timeout <= 604800))),
    CONSTRAINT services_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255))),
    CONSTRAINT services_pause_seconds_check CHECK ((pause_seconds = ANY (ARRAY[120, 180, 300, 600, 900]))),
    CONSTRAINT services_slice_check CHECK (((slice >= 0) AND (slice <= 63))),
    CONSTRAINT services_support_hours CHECK ((((urgency_outside IS NULL) = (support_time_zone IS NULL)) AND ((urgency_outside IS NULL) = (support_days IS NULL)) AND ((urgency_outside IS NULL) = (support_start IS NULL)) AND ((urgency_outside IS NULL) = (support_end IS NULL)) AND ((urgency_outside IS NOT NULL) OR (raise_at = '{}'::text[])))),
    CONSTRAINT services_urgency_outside_check CHECK ((urgency_outside = ANY (ARRAY['high'::text, 'low'::text, 'severity_based'::text]))),
    CONSTRAINT services_urgency_rule_check CHECK ((urgency_rule = ANY (ARRAY['high'::text, 'low'::text, 'severity_based'::text])))
);

CREATE TABLE public.sessions (
    digest bytea NOT NULL,
    user_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    user_agent text NOT NULL,
    address text NOT NULL
);

CREATE TABLE public.stages (
    name text NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    node text NOT NULL,
    detail text
);

CREATE TABLE public.status_updates (
    id text NOT NULL,
    incident_id text NOT NULL,
    user_id text,
    label text NOT NULL,
    subject text NOT NULL,
    message text NOT NULL,
    html text NOT NULL,
    recipients integer NOT NULL,
    at timestamp with time zone NOT NULL
);

CREATE TABLE public.summary_pages (
    bundle_id text NOT NULL,
    page_id text NOT NULL
);

CREATE TABLE public.taggings (
    tag_id text NOT NULL,
    kind text NOT NULL,
    entity_id text NOT NULL,
    CONSTRAINT taggings_kind_check CHECK ((kind = ANY (ARRAY['user'::text, 'team'::text, 'escalation_policy'::text])))
);

CREATE TABLE public.tags (
    id text NOT NULL,
    label text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT tags_label_check CHECK (((char_length(label) >= 1) AND (char_length(label) <= 191)))
);

CREATE TABLE public.team_members (
    team_id text NOT NULL,
    user_id text NOT NULL,
    role text NOT NULL,
    CONSTRAINT team_members_role_check CHECK ((role = ANY (ARRAY['manager'::text, 'responder'::text, 'observer'::text])))
);

CREATE TABLE public.teams (
    id text NOT NULL,
    name text NOT NULL,
    description text,
    default_role text DEFAULT 'manager'::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT teams_default_role_check CHECK ((default_role = ANY (ARRAY['manager'::text, 'none'::text]))),
    CONSTRAINT teams_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100)))
);

CREATE TABLE public.timeline_readers (
    name text NOT NULL,
    log_seq bigint NOT NULL,
    audit_chain bigint NOT NULL
);

CREATE TABLE public.urgency_raises (
    service_id text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    error text
);

CREATE TABLE public.users (
    id text NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    time_zone text NOT NULL,
    job_title text,
    description text,
    color text DEFAULT 'teal'::text NOT NULL,
    password_hash text,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT users_email_check CHECK (((char_length(email) >= 3) AND (char_length(email) <= 100))),
    CONSTRAINT users_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100))),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'user'::text, 'limited_user'::text, 'observer'::text, 'restricted_access'::text, 'read_only_user'::text, 'read_only_limited_user'::text])))
);

CREATE TABLE public.webhook_deliveries (
    id text NOT NULL,
    "position" bigint NOT NULL,
    subscription_id text NOT NULL,
    event_id text NOT NULL,
    resource_id text NOT NULL,
    ping boolean NOT NULL,
    state text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    started_at timestamp with time zone,
    leased_until timestamp with time zone,
    leased_by text,
    fence bigint DEFAULT 0 NOT NULL,
    status integer,
    detail text,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT webhook_deliveries_check CHECK (((state = 'sending'::text) = (leased_until IS NOT NULL))),
    CONSTRAINT webhook_deliveries_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'queued'::text, 'sending'::text, 'delivered'::text, 'dropped'::text, 'expired'::text, 'cancelled'::text])))
);

ALTER TABLE public.webhook_deliveries ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.webhook_deliveries_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.webhook_events (
    id text NOT NULL,
    type text NOT NULL,
    source text NOT NULL,
    resource_id text NOT NULL,
    body text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.webhook_secrets (
    id text NOT NULL,
    subscription_id text NOT NULL,
    secret_sealed bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.webhook_subscriptions (
    id text NOT NULL,
    description text,
    filter_type text NOT NULL,
    filter_id text,
    events text[] NOT NULL,
    url_sealed bytea NOT NULL,
    url_hint text NOT NULL,
    header_names text[] NOT NULL,
    headers_sealed bytea,
    active boolean NOT NULL,
    disabled_at timestamp with time zone,
    disabled_until timestamp with time zone,
    disabled_reason text,
    refusals integer DEFAULT 0 NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT webhook_subscriptions_check CHECK (((filter_type = 'account'::text) = (filter_id IS NULL))),
    CONSTRAINT webhook_subscriptions_check1 CHECK (((disabled_at IS NULL) = (disabled_reason IS NULL))),
    CONSTRAINT webhook_subscriptions_description_check CHECK ((char_length(description) <= 1024)),
    CONSTRAINT webhook_subscriptions_events_check CHECK ((cardinality(events) > 0)),
    CONSTRAINT webhook_subscriptions_filter_type_check CHECK ((filter_type = ANY (ARRAY['account'::text, 'service'::text, 'team'::text])))
);

ALTER TABLE ONLY public.alert_groups
    ADD CONSTRAINT alert_groups_pkey PRIMARY KEY (incident_id);

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_digest_key UNIQUE (digest);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.assignments
    ADD CONSTRAINT assignments_pkey PRIMARY KEY (incident_id, user_id);

ALTER TABLE ONLY public.audit_chain
    ADD CONSTRAINT audit_chain_audit_seq_key UNIQUE (audit_seq);

ALTER TABLE ONLY public.audit_chain
    ADD CONSTRAINT audit_chain_pkey PRIMARY KEY (chain);

ALTER TABLE ONLY public.audit_pending
    ADD CONSTRAINT audit_pending_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.bundles
    ADD CONSTRAINT bundles_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.business_services
    ADD CONSTRAINT business_services_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.change_events
    ADD CONSTRAINT change_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.contact_methods
    ADD CONSTRAINT contact_methods_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_cause_key UNIQUE (cause);

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.delivery_attempts
    ADD CONSTRAINT delivery_attempts_pkey PRIMARY KEY (delivery_id, number);

ALTER TABLE ONLY public.escalation_levels
    ADD CONSTRAINT escalation_levels_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.escalation_levels
    ADD CONSTRAINT escalation_levels_policy_id_position_key UNIQUE (policy_id, "position") DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY public.escalation_policies
    ADD CONSTRAINT escalation_policies_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.escalation_runs
    ADD CONSTRAINT escalation_runs_pkey PRIMARY KEY (incident_id);

ALTER TABLE ONLY public.escalation_targets
    ADD CONSTRAINT escalation_targets_pkey PRIMARY KEY (level_id, "position");

ALTER TABLE ONLY public.escalation_turns
    ADD CONSTRAINT escalation_turns_pkey PRIMARY KEY (level_id);

ALTER TABLE ONLY public.event_outcomes
    ADD CONSTRAINT event_outcomes_pkey PRIMARY KEY (seq, "position");

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.grouping_settings
    ADD CONSTRAINT grouping_settings_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.handoff_notices
    ADD CONSTRAINT handoff_notices_pkey PRIMARY KEY (delivery_id);

ALTER TABLE ONLY public.handoff_rules
    ADD CONSTRAINT handoff_rules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.handoff_rules
    ADD CONSTRAINT handoff_rules_user_id_contact_method_id_direction_advance_s_key UNIQUE (user_id, contact_method_id, direction, advance_seconds);

ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.incident_subscribers
    ADD CONSTRAINT incident_subscribers_pkey PRIMARY KEY (incident_id, kind, subscriber_id);

ALTER TABLE ONLY public.incident_timers
    ADD CONSTRAINT incident_timers_pkey PRIMARY KEY (incident_id, kind);

ALTER TABLE ONLY public.incidents
    ADD CONSTRAINT incidents_number_key UNIQUE (number);

ALTER TABLE ONLY public.incidents
    ADD CONSTRAINT incidents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.instance
    ADD CONSTRAINT instance_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.integrations
    ADD CONSTRAINT integrations_key_digest_key UNIQUE (key_digest);

ALTER TABLE ONLY public.integrations
    ADD CONSTRAINT integrations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.log_entries
    ADD CONSTRAINT log_entries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.logical_time
    ADD CONSTRAINT logical_time_pkey PRIMARY KEY (single);

ALTER TABLE ONLY public.login_throttle
    ADD CONSTRAINT login_throttle_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY public.maintenance_holds
    ADD CONSTRAINT maintenance_holds_pkey PRIMARY KEY (service_id);

ALTER TABLE ONLY public.maintenance_windows
    ADD CONSTRAINT maintenance_windows_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.maintenance_windows
    ADD CONSTRAINT maintenance_windows_sequence_number_key UNIQUE (sequence_number);

ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.notes
    ADD CONSTRAINT notes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.notification_rules
    ADD CONSTRAINT notification_rules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.notification_rules
    ADD CONSTRAINT notification_rules_user_id_contact_method_id_urgency_delay__key UNIQUE (user_id, contact_method_id, urgency, delay_seconds);

ALTER TABLE ONLY public.page_windows
    ADD CONSTRAINT page_windows_pkey PRIMARY KEY (user_id, urgency);

ALTER TABLE ONLY public.pages
    ADD CONSTRAINT pages_incident_id_user_id_step_key UNIQUE (incident_id, user_id, step);

ALTER TABLE ONLY public.pages
    ADD CONSTRAINT pages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pause_holds
    ADD CONSTRAINT pause_holds_pkey PRIMARY KEY (service_id);

ALTER TABLE ONLY public.responder_requests
    ADD CONSTRAINT responder_requests_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.responder_targets
    ADD CONSTRAINT responder_targets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.responders
    ADD CONSTRAINT responders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schedule_layers
    ADD CONSTRAINT schedule_layers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schedule_overrides
    ADD CONSTRAINT schedule_overrides_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.service_dependencies
    ADD CONSTRAINT service_dependencies_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.services
    ADD CONSTRAINT services_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (digest);

ALTER TABLE ONLY public.stages
    ADD CONSTRAINT stages_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.status_updates
    ADD CONSTRAINT status_updates_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.summary_pages
    ADD CONSTRAINT summary_pages_pkey PRIMARY KEY (bundle_id, page_id);

ALTER TABLE ONLY public.taggings
    ADD CONSTRAINT taggings_pkey PRIMARY KEY (kind, entity_id, tag_id);

ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_pkey PRIMARY KEY (team_id, user_id);

ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.timeline_readers
    ADD CONSTRAINT timeline_readers_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.urgency_raises
    ADD CONSTRAINT urgency_raises_pkey PRIMARY KEY (service_id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_subscription_id_event_id_key UNIQUE (subscription_id, event_id);

ALTER TABLE ONLY public.webhook_events
    ADD CONSTRAINT webhook_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webhook_events
    ADD CONSTRAINT webhook_events_source_key UNIQUE (source);

ALTER TABLE ONLY public.webhook_secrets
    ADD CONSTRAINT webhook_secrets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webhook_subscriptions
    ADD CONSTRAINT webhook_subscriptions_pkey PRIMARY KEY (id);

CREATE INDEX acknowledgements_incident ON public.acknowledgements USING btree (incident_id);

CREATE INDEX alert_group_marks_incident ON public.alert_group_marks USING btree (incident_id);

CREATE INDEX alert_group_marks_key ON public.alert_group_marks USING btree (setting_id, revision, key);

CREATE INDEX alert_groups_setting ON public.alert_groups USING btree (setting_id, revision, opened_at DESC);

CREATE INDEX alert_groups_until ON public.alert_groups USING btree (until);

CREATE INDEX alerts_held ON public.alerts USING btree (service_id, id) WHERE ((suppressed_by IS NOT NULL) AND (status = 'triggered'::text));

CREATE INDEX alerts_incident ON public.alerts USING btree (incident_id, id);

CREATE UNIQUE INDEX alerts_open_key ON public.alerts USING btree (integration_id, dedup_key) WHERE (status = 'triggered'::text);

CREATE INDEX alerts_past_key ON public.alerts USING btree (service_id, dedup_key, created_at DESC) WHERE (status = 'resolved'::text);

CREATE INDEX alerts_paused ON public.alerts USING btree (service_id, paused_until, id) WHERE ((paused_until IS NOT NULL) AND (incident_id IS NULL) AND (status = 'triggered'::text));

CREATE INDEX alerts_suppressed ON public.alerts USING btree (service_id, created_at DESC, id DESC) WHERE (suppressed_by IS NOT NULL);

CREATE INDEX alerts_were_paused ON public.alerts USING btree (service_id, created_at DESC) WHERE (paused_until IS NOT NULL);

CREATE INDEX api_keys_user ON public.api_keys USING btree (user_id) WHERE (revoked_at IS NULL);

CREATE INDEX assignments_user ON public.assignments USING btree (user_id);

CREATE INDEX audit_at ON public.audit USING btree (at, seq);

CREATE INDEX audit_subject ON public.audit USING btree (subject_type, subject_id, seq);

CREATE INDEX bundles_open_summary ON public.bundles USING btree (user_id) WHERE ((kind = 'summary'::text) AND (closed_at IS NULL));

CREATE UNIQUE INDEX business_services_name ON public.business_services USING btree (lower(name)) WHERE (deleted_at IS NULL);

CREATE INDEX change_events_at ON public.change_events USING btree (at DESC, id DESC);

CREATE INDEX change_events_integration ON public.change_events USING btree (integration_id, at DESC, id DESC);

CREATE INDEX change_events_service ON public.change_events USING btree (service_id, at DESC, id DESC);

CREATE INDEX contact_methods_user ON public.contact_methods USING btree (user_id) WHERE (deleted_at IS NULL);

CREATE INDEX deliveries_bundle ON public.deliveries USING btree (bundle_id) WHERE (bundle_id IS NOT NULL);

CREATE INDEX deliveries_created ON public.deliveries USING btree (created_at DESC, id DESC);

CREATE INDEX deliveries_due ON public.deliveries USING btree (due_at) WHERE (state = 'queued'::text);

CREATE INDEX deliveries_incident ON public.deliveries USING btree (incident_id, id) WHERE (incident_id IS NOT NULL);

CREATE INDEX deliveries_lane ON public.deliveries USING btree (channel, due_at) WHERE (state = 'queued'::text);

CREATE INDEX deliveries_leased ON public.deliveries USING btree (leased_until) WHERE (state = 'sending'::text);

CREATE INDEX deliveries_method ON public.deliveries USING btree (contact_method_id, finished_at) WHERE (state = 'sent'::text);

CREATE INDEX deliveries_page ON public.deliveries USING btree (page_id) WHERE (page_id IS NOT NULL);

CREATE INDEX deliveries_started ON public.deliveries USING btree (started_at DESC, id DESC) WHERE (started_at IS NOT NULL);

CREATE INDEX deliveries_updates ON public.deliveries USING btree (due_at) WHERE ((state = 'queued'::text) AND (kind = ANY (ARRAY['status_update'::text, 'handoff'::text])));

CREATE INDEX deliveries_user ON public.deliveries USING btree (user_id, created_at DESC);

CREATE UNIQUE INDEX escalation_policies_name ON public.escalation_policies USING btree (lower(name)) WHERE (deleted_at IS NULL);

CREATE INDEX escalation_runs_due ON public.escalation_runs USING btree (due_at) WHERE (state = 'running'::text);

CREATE INDEX escalation_targets_target ON public.escalation_targets USING btree (target_id);

CREATE INDEX events_service ON public.events USING btree (service_id, seq);

CREATE INDEX grouping_settings_created ON public.grouping_settings USING btree (created_at, id);

CREATE INDEX inbox_due ON public.inbox USING btree (slice, service_id, seq) WHERE (NOT quarantined);

CREATE INDEX inbox_quarantined ON public.inbox USING btree (seq) WHERE quarantined;

CREATE INDEX incident_subscribers_subscriber ON public.incident_subscribers USING btree (kind, subscriber_id, incident_id);

CREATE INDEX incident_timers_due ON public.incident_timers USING btree (due_at);

CREATE INDEX incidents_any_key ON public.incidents USING btree (incident_key) WHERE (incident_key IS NOT NULL);

CREATE INDEX incidents_created ON public.incidents USING btree (created_at DESC, id DESC);

CREATE UNIQUE INDEX incidents_key ON public.incidents USING btree (service_id, incident_key) WHERE ((status <> 'resolved'::text) AND (incident_key IS NOT NULL));

CREATE INDEX incidents_open ON public.incidents USING btree (status, created_at DESC, id DESC) WHERE (status <> 'resolved'::text);

CREATE INDEX incidents_open_service ON public.incidents USING btree (service_id) WHERE (status <> 'resolved'::text);

CREATE INDEX incidents_priority ON public.incidents USING btree (priority, created_at DESC, id DESC) WHERE (priority IS NOT NULL);

CREATE INDEX incidents_resolved ON public.incidents USING btree (resolved_at DESC, id DESC) WHERE (resolved_at IS NOT NULL);

CREATE INDEX incidents_service ON public.incidents USING btree (service_id, created_at DESC, id DESC);

CREATE INDEX integrations_service ON public.integrations USING btree (service_id, id) WHERE (deleted_at IS NULL);

CREATE INDEX log_entries_incident ON public.log_entries USING btree (incident_id, seq);

CREATE UNIQUE INDEX log_entries_seq ON public.log_entries USING btree (seq);

CREATE INDEX login_throttle_age ON public.login_throttle USING btree (last_at);

CREATE INDEX maintenance_holds_due ON public.maintenance_holds USING btree (due_at);

CREATE INDEX maintenance_windows_ends ON public.maintenance_windows USING btree (ends_at) WHERE (deleted_at IS NULL);

CREATE INDEX maintenance_windows_starts ON public.maintenance_windows USING btree (starts_at DESC, id DESC) WHERE (deleted_at IS NULL);

CREATE INDEX notes_incident ON public.notes USING btree (incident_id, at);

CREATE INDEX pages_bundle ON public.pages USING btree (bundle_id) WHERE (bundle_id IS NOT NULL);

CREATE INDEX pages_open ON public.pages USING btree (incident_id) WHERE (state = 'open'::text);

CREATE INDEX pages_user ON public.pages USING btree (user_id, created_at DESC);

CREATE INDEX pause_holds_due ON public.pause_holds USING btree (due_at);

CREATE INDEX responder_requests_incident ON public.responder_requests USING btree (incident_id, at);

CREATE INDEX responder_targets_due ON public.responder_targets USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX responder_targets_incident ON public.responder_targets USING btree (incident_id, id);

CREATE INDEX responder_targets_pending ON public.responder_targets USING btree (incident_id) WHERE (state = 'pending'::text);

CREATE INDEX responder_targets_request ON public.responder_targets USING btree (request_id);

CREATE INDEX responders_incident ON public.responders USING btree (incident_id, id);

CREATE INDEX responders_user ON public.responders USING btree (user_id, incident_id) WHERE (state = 'pending'::text);

CREATE INDEX schedule_layers_schedule ON public.schedule_layers USING btree (schedule_id, "position");

CREATE INDEX schedule_overrides_range ON public.schedule_overrides USING btree (schedule_id, ends_at);

CREATE INDEX schedules_handoffs ON public.schedules USING btree (handoffs_due_at) WHERE (deleted_at IS NULL);

CREATE UNIQUE INDEX schedules_name ON public.schedules USING btree (lower(name)) WHERE (deleted_at IS NULL);

CREATE INDEX service_dependencies_down ON public.service_dependencies USING btree (dependent_id, supporting_id);

CREATE UNIQUE INDEX service_dependencies_up ON public.service_dependencies USING btree (supporting_id, dependent_id);

CREATE INDEX services_grouping ON public.services USING btree (grouping_setting_id) WHERE (grouping_setting_id IS NOT NULL);

CREATE UNIQUE INDEX services_name ON public.services USING btree (lower(name)) WHERE (deleted_at IS NULL);

CREATE INDEX services_policy ON public.services USING btree (escalation_policy_id);

CREATE INDEX sessions_expiry ON public.sessions USING btree (expires_at);

CREATE INDEX sessions_user ON public.sessions USING btree (user_id);

CREATE INDEX status_updates_incident ON public.status_updates USING btree (incident_id, at DESC, id DESC);

CREATE INDEX taggings_tag ON public.taggings USING btree (tag_id, kind, entity_id);

CREATE UNIQUE INDEX tags_label ON public.tags USING btree (lower(label));

CREATE INDEX team_members_user ON public.team_members USING btree (user_id);

CREATE UNIQUE INDEX teams_name ON public.teams USING btree (lower(name)) WHERE (deleted_at IS NULL);

CREATE INDEX urgency_raises_due ON public.urgency_raises USING btree (due_at);

CREATE UNIQUE INDEX users_email ON public.users USING btree (lower(email)) WHERE (deleted_at IS NULL);

CREATE INDEX webhook_deliveries_chain ON public.webhook_deliveries USING btree (subscription_id, resource_id, "position") WHERE (state = ANY (ARRAY['waiting'::text, 'queued'::text, 'sending'::text]));

CREATE INDEX webhook_deliveries_due ON public.webhook_deliveries USING btree (subscription_id, due_at, "position") WHERE (state = 'queued'::text);

CREATE INDEX webhook_deliveries_event ON public.webhook_deliveries USING btree (event_id);

CREATE INDEX webhook_deliveries_leased ON public.webhook_deliveries USING btree (leased_until) WHERE (state = 'sending'::text);

CREATE INDEX webhook_deliveries_recent ON public.webhook_deliveries USING btree (subscription_id, "position" DESC);

CREATE INDEX webhook_events_age ON public.webhook_events USING btree (created_at);

CREATE INDEX webhook_secrets_subscription ON public.webhook_secrets USING btree (subscription_id, id);

CREATE INDEX webhook_subscriptions_filter ON public.webhook_subscriptions USING btree (filter_id) WHERE (deleted_at IS NULL);

CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER audit_chain_append_only BEFORE DELETE OR UPDATE ON public.audit_chain FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

ALTER TABLE ONLY public.alert_group_marks
    ADD CONSTRAINT alert_group_marks_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.alert_groups(incident_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.audit_chain
    ADD CONSTRAINT audit_chain_audit_seq_fkey FOREIGN KEY (audit_seq) REFERENCES public.audit(seq);

ALTER TABLE ONLY public.audit_pending
    ADD CONSTRAINT audit_pending_seq_fkey FOREIGN KEY (seq) REFERENCES public.audit(seq);

ALTER TABLE ONLY public.business_services
    ADD CONSTRAINT business_services_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);

ALTER TABLE ONLY public.change_events
    ADD CONSTRAINT change_events_service_id_fkey FOREIGN KEY (service_id) REFERENCES public.services(id);

ALTER TABLE ONLY public.contact_methods
    ADD CONSTRAINT contact_methods_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.escalation_levels
    ADD CONSTRAINT escalation_levels_policy_id_fkey FOREIGN KEY (policy_id) REFERENCES public.escalation_policies(id);

ALTER TABLE ONLY public.escalation_policies
    ADD CONSTRAINT escalation_policies_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);

ALTER TABLE ONLY public.escalation_targets
    ADD CONSTRAINT escalation_targets_level_id_fkey FOREIGN KEY (level_id) REFERENCES public.escalation_levels(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.escalation_turns
    ADD CONSTRAINT escalation_turns_level_id_fkey FOREIGN KEY (level_id) REFERENCES public.escalation_levels(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.handoff_rules
    ADD CONSTRAINT handoff_rules_contact_method_id_fkey FOREIGN KEY (contact_method_id) REFERENCES public.contact_methods(id);

ALTER TABLE ONLY public.handoff_rules
    ADD CONSTRAINT handoff_rules_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.incident_subscribers
    ADD CONSTRAINT incident_subscribers_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id);

ALTER TABLE ONLY public.integrations
    ADD CONSTRAINT integrations_service_id_fkey FOREIGN KEY (service_id) REFERENCES public.services(id);

ALTER TABLE ONLY public.notes
    ADD CONSTRAINT notes_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id);

ALTER TABLE ONLY public.notes
    ADD CONSTRAINT notes_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.notification_rules
    ADD CONSTRAINT notification_rules_contact_method_id_fkey FOREIGN KEY (contact_method_id) REFERENCES public.contact_methods(id);

ALTER TABLE ONLY public.notification_rules
    ADD CONSTRAINT notification_rules_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.responder_requests
    ADD CONSTRAINT responder_requests_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id);

ALTER TABLE ONLY public.responder_requests
    ADD CONSTRAINT responder_requests_requester_id_fkey FOREIGN KEY (requester_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.responder_targets
    ADD CONSTRAINT responder_targets_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id);

ALTER TABLE ONLY public.responder_targets
    ADD CONSTRAINT responder_targets_request_id_fkey FOREIGN KEY (request_id) REFERENCES public.responder_requests(id);

ALTER TABLE ONLY public.responders
    ADD CONSTRAINT responders_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id);

ALTER TABLE ONLY public.responders
    ADD CONSTRAINT responders_request_id_fkey FOREIGN KEY (request_id) REFERENCES public.responder_requests(id);

ALTER TABLE ONLY public.responders
    ADD CONSTRAINT responders_target_id_fkey FOREIGN KEY (target_id) REFERENCES public.responder_targets(id);

ALTER TABLE ONLY public.responders
    ADD CONSTRAINT responders_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.schedule_layers
    ADD CONSTRAINT schedule_layers_schedule_id_fkey FOREIGN KEY (schedule_id) REFERENCES public.schedules(id);

ALTER TABLE ONLY public.schedule_overrides
    ADD CONSTRAINT schedule_overrides_schedule_id_fkey FOREIGN KEY (schedule_id) REFERENCES public.schedules(id);

ALTER TABLE ONLY public.schedule_overrides
    ADD CONSTRAINT schedule_overrides_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);

ALTER TABLE ONLY public.services
    ADD CONSTRAINT services_escalation_policy_id_fkey FOREIGN KEY (escalation_policy_id) REFERENCES public.escalation_policies(id);

ALTER TABLE ONLY public.services
    ADD CONSTRAINT services_grouping_setting_id_fkey FOREIGN KEY (grouping_setting_id) REFERENCES public.grouping_settings(id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.status_updates
    ADD CONSTRAINT status_updates_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id);

ALTER TABLE ONLY public.status_updates
    ADD CONSTRAINT status_updates_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.taggings
    ADD CONSTRAINT taggings_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES public.tags(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.urgency_raises
    ADD CONSTRAINT urgency_raises_service_id_fkey FOREIGN KEY (service_id) REFERENCES public.services(id);

ALTER TABLE ONLY public.webhook_secrets
    ADD CONSTRAINT webhook_secrets_subscription_id_fkey FOREIGN KEY (subscription_id) REFERENCES public.webhook_subscriptions(id);
