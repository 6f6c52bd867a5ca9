"""Who wants to be told of what. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from tocsin.webhooks.model import FilterType, Happening, Listener


def wants(listener: Listener, happening: Happening, team_id: str | None) -> bool:
    """Whether a subscription is told of it. `team_id` is the team that owns the service."""
    if happening.type not in listener.events or happening.at < listener.starts_at:
        return False
    match listener.filter_type:
        case FilterType.ACCOUNT:
            return True
        case FilterType.SERVICE:
            return listener.filter_id == happening.service_id
        case FilterType.TEAM:
            return team_id is not None and listener.filter_id == team_id


def wanted(
    happenings: Iterable[Happening],
    listeners: Sequence[Listener],
    teams: Mapping[str, str | None],
) -> list[tuple[Happening, tuple[str, ...]]]:
    """What somebody wants to be told, in order, each with the ids of those subscriptions. `teams`
    holds the owning team by service."""
    found = []
    for happening in happenings:
        team_id = teams.get(happening.service_id)
        ids = tuple(one.id for one in listeners if wants(one, happening, team_id))
        if ids:
            found.append((happening, ids))
    return found
