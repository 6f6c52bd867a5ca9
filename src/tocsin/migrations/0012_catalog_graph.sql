-- What stands around services: tags, business services, and what depends on what.

create table tags (
    id         text primary key,
    label      text not null check (char_length(label) between 1 and 191),
    created_at timestamptz not null
);
create unique index tags_label on tags (lower(label));

-- What carries a tag. There is no foreign key to the thing, because it is one of three kinds;
-- whoever reads joins what is alive.
create table taggings (
    tag_id    text not null references tags (id) on delete cascade,
    kind      text not null check (kind in ('user', 'team', 'escalation_policy')),
    entity_id text not null,
    primary key (kind, entity_id, tag_id)
);
create index taggings_tag on taggings (tag_id, kind, entity_id);

create table business_services (
    id               text primary key,
    name             text not null check (char_length(name) between 1 and 255),
    description      text,
    point_of_contact text,
    team_id          text references teams (id),
    created_at       timestamptz not null,
    deleted_at       timestamptz
);
create unique index business_services_name on business_services (lower(name))
    where deleted_at is null;

-- Each row says that one service needs another. Ids are unique over both kinds, so a pair of ids is
-- a relationship, and the graph is walked by id alone.
create table service_dependencies (
    id              text primary key,
    supporting_kind text not null check (supporting_kind in ('service', 'business_service')),
    supporting_id   text not null,
    dependent_kind  text not null check (dependent_kind in ('service', 'business_service')),
    dependent_id    text not null,
    created_at      timestamptz not null,
    check (supporting_id <> dependent_id)
);
create unique index service_dependencies_up on service_dependencies (supporting_id, dependent_id);
create index service_dependencies_down on service_dependencies (dependent_id, supporting_id);

-- What is open on given services: the map and the business services ask for it on each look.
create index incidents_open_service on incidents (service_id) where status <> 'resolved';
create index change_events_integration on change_events (integration_id, at desc, id desc);
