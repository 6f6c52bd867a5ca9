-- What people add to incidents: a priority, a conference bridge, notes that can be changed, alerts
-- that move; and what lists of a million incidents need. Each index here is written when a person
-- acts or when an incident ends, never when one opens: the intake pays for none.

alter table incidents
    add column priority text check (priority in ('P1', 'P2', 'P3', 'P4', 'P5')),
    add column conference_number text,
    add column conference_url text;
create index incidents_priority on incidents (priority, created_at desc, id desc)
    where priority is not null;
create index incidents_resolved on incidents (resolved_at desc, id desc)
    where resolved_at is not null;
-- incidents_key holds the open ones only; whoever asks for a key means those of the past too.
create index incidents_any_key on incidents (incident_key) where incident_key is not null;

-- A note that was deleted stays, without its words, so that the timeline's entries lead somewhere.
alter table notes add column changed_at timestamptz, add column deleted_at timestamptz;

-- Where an alert came in, set when it moves to another incident; null while it never did.
alter table alerts add column opened_in text;
