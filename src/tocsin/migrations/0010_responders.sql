-- Who is asked to join an incident and what they answered; status updates and who gets them.

create table responder_requests (
    id              text primary key,
    incident_id     text not null references incidents (id),
    -- Null when a key of the account asked that speaks for nobody.
    requester_id    text references users (id),
    requester_label text not null,
    message         text not null,
    at              timestamptz not null
);
create index responder_requests_incident on responder_requests (incident_id, at);

-- One person or one escalation policy of a request. A policy climbs its own ladder, as it was when
-- it was asked, until somebody joins; `due_at` is when it moves, null once it has nowhere to go.
create table responder_targets (
    id          text primary key,
    request_id  text not null references responder_requests (id),
    incident_id text not null references incidents (id),
    kind        text not null check (kind in ('user', 'escalation_policy')),
    target_id   text not null,
    label       text not null,
    state       text not null check (state in ('pending', 'joined', 'declined', 'cancelled')),
    reason      text not null,
    changed_at  timestamptz not null,
    ladder      jsonb,
    level       integer not null default 0,
    loop        integer not null default 0,
    step        integer not null default 0,
    due_at      timestamptz,
    attempts    smallint not null default 0,
    error       text,
    check ((kind = 'escalation_policy') = (ladder is not null)),
    check (due_at is null or state = 'pending')
);
create index responder_targets_incident on responder_targets (incident_id, id);
create index responder_targets_request on responder_targets (request_id);
create index responder_targets_pending on responder_targets (incident_id) where state = 'pending';
create index responder_targets_due on responder_targets (due_at) where due_at is not null;

-- One person who was asked, for one target. `step` is the rung of the target's ladder.
create table responders (
    id          text primary key,
    target_id   text not null references responder_targets (id),
    request_id  text not null references responder_requests (id),
    incident_id text not null references incidents (id),
    user_id     text not null references users (id),
    step        integer not null,
    level       integer not null,
    state       text not null check (state in ('pending', 'joined', 'declined', 'cancelled')),
    reason      text not null,
    note        text,
    asked_at    timestamptz not null,
    changed_at  timestamptz not null
);
create index responders_incident on responders (incident_id, id);
create index responders_user on responders (user_id, incident_id) where state = 'pending';

-- A page of a responder is stopped by the answer or the end of the incident, and not, as those of
-- the ladder are, by an acknowledgement.
alter table pages add column responder_request_id text;

create table status_updates (
    id          text primary key,
    incident_id text not null references incidents (id),
    user_id     text references users (id),
    label       text not null,
    subject     text not null,
    message     text not null,
    html        text not null,
    recipients  integer not null,
    at          timestamptz not null
);
create index status_updates_incident on status_updates (incident_id, at desc, id desc);

create table incident_subscribers (
    incident_id   text not null references incidents (id),
    kind          text not null check (kind in ('user', 'team')),
    subscriber_id text not null,
    added_by      text not null,
    at            timestamptz not null,
    primary key (incident_id, kind, subscriber_id)
);
create index incident_subscribers_subscriber
    on incident_subscribers (kind, subscriber_id, incident_id);

-- A status update goes to the address of the person's profile, so it has no contact method.
alter table deliveries add column status_update_id text;
alter table deliveries alter column contact_method_id drop not null;
alter table deliveries drop constraint deliveries_kind_check;
alter table deliveries add constraint deliveries_kind_check
    check (kind in ('page', 'bundle', 'summary', 'test', 'status_update'));
alter table deliveries add constraint deliveries_method_check
    check ((kind = 'status_update') = (contact_method_id is null)
        and (kind = 'status_update') = (status_update_id is not null));
create index deliveries_updates on deliveries (due_at)
    where state = 'queued' and kind = 'status_update';
