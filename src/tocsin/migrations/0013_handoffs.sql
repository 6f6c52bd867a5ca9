-- Who wants to be told before their turn on call begins or ends.

create table handoff_rules (
    id                text primary key,
    user_id           text not null references users (id),
    contact_method_id text not null references contact_methods (id),
    direction         text not null check (direction in ('both', 'oncall', 'offcall')),
    advance_seconds   integer not null check (advance_seconds between 0 and 604800),
    unique (user_id, contact_method_id, direction, advance_seconds)
);

-- When the hand-offs of a schedule are next looked at: an edit or an override says now.
alter table schedules
    add column handoffs_due_at timestamptz not null default '-infinity',
    add column handoffs_error  text;
create index schedules_handoffs on schedules (handoffs_due_at) where deleted_at is null;

-- What the delivery of a hand-off tells. `at` is when the turn begins or ends, `ends_at` when the
-- turn that begins is over; `other_user_id` is who comes after, or came before.
create table handoff_notices (
    delivery_id   text primary key,
    schedule_id   text not null,
    direction     text not null check (direction in ('oncall', 'offcall')),
    at            timestamptz not null,
    ends_at       timestamptz,
    other_user_id text
);

alter table deliveries drop constraint deliveries_kind_check;
alter table deliveries add constraint deliveries_kind_check
    check (kind in ('page', 'bundle', 'summary', 'test', 'status_update', 'handoff'));
drop index deliveries_updates;
create index deliveries_updates on deliveries (due_at)
    where state = 'queued' and kind in ('status_update', 'handoff');
