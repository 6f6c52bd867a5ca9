-- The nodes that share the work, and the one logical time they share.

create table nodes (
    id         text primary key,
    name       text not null,
    role       text not null check (role in ('web', 'engine', 'all')),
    version    text not null,
    started_at timestamptz not null,
    beat_at    timestamptz not null
);

create table logical_time (
    single boolean primary key default true check (single),
    at   timestamptz not null,
    -- Counts the beats of all nodes; a starting node that sees it move knows the time is alive.
    beat bigint not null default 0
);

-- When each engine stage last finished a cycle; the auditor and /readyz read it.
create table stages (
    name        text primary key,
    finished_at timestamptz not null,
    node        text not null,
    detail      text
);
