"""The groups that the new alerts of one batch may join: loaded at once, joined in memory, written
at once. Which one is joined is `incidents.grouping`'s to say.

A batch without a service that groups costs nothing here. Two slices of the intake may work on
services of one setting: the setting's lock, taken before any incident's, lets one decide at a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tocsin.core.database import Tx
from tocsin.events.model import Arrived, Event
from tocsin.incidents import grouping
from tocsin.incidents.actions.work import Work
from tocsin.incidents.grouping import MOST_COMPARED, Group, Joining, Mark, Way
from tocsin.incidents.model import MAX_ALERTS, Settings
from tocsin.incidents.store import groups as store
from tocsin.incidents.store.groups import Bucket

FORGET_AT_ONCE = 1000


class Joins:
    """See the module."""

    def __init__(
        self, ways: Mapping[str, Way], buckets: dict[Bucket, dict[str, Group]], now: datetime
    ) -> None:
        self.ways = ways
        self.now = now
        self.incident_ids: set[str] = set()
        """The incidents that may be joined, to be locked."""
        self._buckets = buckets
        self._opened: list[tuple[Way, Group]] = []
        self._grown: dict[str, Group] = {}
        self._marks: list[tuple[Way, str, Mark]] = []

    @classmethod
    async def load(
        cls, tx: Tx, settings: Mapping[str, Settings], arrived: Sequence[Arrived], now: datetime
    ) -> "Joins":
        """What the alerts of this batch may join. Call it before incidents are locked."""
        chosen = {
            service.service_id: service.grouping_setting_id
            for service in settings.values()
            if service.grouping_setting_id is not None
        }
        if not chosen:
            return cls({}, {}, now)
        await store.lock(tx, set(chosen.values()))
        known = await store.ways(tx, set(chosen.values()))
        ways = {id: known[setting] for id, setting in chosen.items() if setting in known}
        marks: dict[tuple[str, int], set[Mark]] = {}
        for one in arrived:
            way = ways.get(one.service_id)
            for event in one.events if way is not None else ():
                if way is not None and event.action == "trigger":
                    found = grouping.marks_of(way, event)
                    marks.setdefault((way.id, way.revision), set()).update(found)
        wanted = {(*setting, mark.key) for setting, some in marks.items() for mark in some}
        joins = cls(ways, await store.candidates(tx, wanted, now) if wanted else {}, now)
        joins._choose_likely(marks)
        return joins

    def _choose_likely(self, marks: Mapping[tuple[str, int], set[Mark]]) -> None:
        """Only incidents that an alert of the batch is like can be joined in it: the others need
        not be locked. What a group gains in the batch comes from an alert that it was like."""
        for setting, some in marks.items():
            by_key: dict[str, list[Mark]] = {}
            for mark in some:
                by_key.setdefault(mark.key, []).append(mark)
            for key, alike in by_key.items():
                for id, group in self._buckets.get((*setting, key), {}).items():
                    live = group.is_open and group.until >= self.now
                    if live and id not in self.incident_ids and grouping.matches(alike, group):
                        self.incident_ids.add(id)

    def find(self, work: Work, service_id: str, event: Event) -> Joining | None:
        """The incident that a new alert joins; it counts as joined from here on."""
        way = self.ways.get(service_id)
        marks = grouping.marks_of(way, event) if way is not None else ()
        if way is None or not marks:
            return None
        near: dict[str, Group] = {}
        for mark in marks:
            bucket = self._buckets.get((way.id, way.revision, mark.key), {})
            for group in list(bucket.values())[-MOST_COMPARED:]:
                near[group.incident_id] = group
        room = [group for group in near.values() if _has_room(work, group)]
        joining = grouping.choose(way, event, marks, room, self.now)
        if joining is not None:
            group = near[joining.incident_id]
            group.last_at = self.now
            group.until = grouping.until(way, group.opened_at, self.now)
            self._grown[group.incident_id] = group
            self._keep(way, group, marks)
        return joining

    def opened(self, service_id: str, event: Event, incident_id: str) -> None:
        """A new alert joined nothing and opened this incident, which later ones may join."""
        way = self.ways.get(service_id)
        marks = grouping.marks_of(way, event) if way is not None else ()
        if way is None or not marks:
            return
        until = grouping.until(way, self.now, self.now)
        group = Group(incident_id, self.now, self.now, until)
        self._opened.append((way, group))
        self._keep(way, group, marks)

    def _keep(self, way: Way, group: Group, marks: Iterable[Mark]) -> None:
        for mark in grouping.keep(group, marks):
            self._marks.append((way, group.incident_id, mark))
            bucket = self._buckets.setdefault((way.id, way.revision, mark.key), {})
            bucket[group.incident_id] = group

    async def flush(self, tx: Tx) -> None:
        """Write what became of the groups."""
        new = {group.incident_id for _, group in self._opened}
        grown = [group for id, group in self._grown.items() if id not in new]
        await store.write(tx, self._opened, grown, self._marks)


async def forget_groups(tx: Tx, now: datetime) -> int:
    """Drop groups that nothing can join any more, a bounded number; how many. For upkeep."""
    return await store.forget(tx, now, FORGET_AT_ONCE)


def _has_room(work: Work, group: Group) -> bool:
    draft = work.drafts.get(group.incident_id)
    if draft is None:
        return False
    return draft.incident.is_open and draft.incident.alert_count < MAX_ALERTS
