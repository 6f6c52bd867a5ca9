"""Revisions: what an edit of a schedule's layers does to the layer versions that are kept.

The rule: an edit acts on the future alone. A version under way is ended at `now` and a new version
of the same layer begins there; a version that has not begun is replaced; one that has ended is
never touched. Only a layer's name and a later end may change in place, because neither changes who
was on call before `now`.

Invariant: for every instant before `now`, the versions after an edit name the same person as the
versions before it.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from tocsin.schedules.model import Layer


class Change(StrEnum):
    """What happens to one layer, for the audit record."""

    ADDED = "added"
    ENDED = "ended"
    REVISED = "revised"
    UPDATED = "updated"
    DROPPED_FUTURE = "dropped_future"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A stored layer version: its row, its place among the layers, and the layer itself."""

    row_id: str
    position: int
    layer: Layer


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """The rows to write: end, delete, update in place, and insert (position, layer)."""

    ended: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    updated: tuple[Version, ...] = ()
    inserted: tuple[tuple[int, Layer], ...] = ()
    changes: tuple[tuple[Change, str], ...] = ()


def revise(stored: Sequence[Version], wanted: Sequence[Layer], now: datetime) -> Revision:
    """Turn the stored versions into the wanted layers from `now` on.

    `wanted` runs from the lowest to the highest layer; a layer's id says which stored layer it
    carries on. A wanted layer that begins in the past begins at `now`, unless it is unchanged.
    """
    plan = _Plan(now)
    alive: dict[str, list[Version]] = {}
    for version in stored:
        if version.layer.end is None or version.layer.end > now:
            alive.setdefault(version.layer.id, []).append(version)
    for position, layer in enumerate(wanted):
        plan.carry_on(alive.pop(layer.id, []), position, layer)
    for versions in alive.values():
        for version in versions:
            plan.end(version, Change.ENDED)
    return plan.revision()


class _Plan:
    """The edit as it is worked out, layer by layer."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.ended: list[str] = []
        self.deleted: list[str] = []
        self.updated: list[Version] = []
        self.inserted: list[tuple[int, Layer]] = []
        self.changes: list[tuple[Change, str]] = []

    def carry_on(self, current: list[Version], position: int, layer: Layer) -> None:
        if len(current) == 1 and self._in_place(current[0], position, layer):
            return
        for version in current:
            self.end(version, None)
        start = max(layer.start, self.now)
        if layer.end is None or layer.end > start:
            self.inserted.append((position, msgspec.structs.replace(layer, start=start)))
            self.changes.append((Change.REVISED if current else Change.ADDED, layer.id))
        elif current:
            self.changes.append((Change.ENDED, layer.id))

    def _in_place(self, version: Version, position: int, layer: Layer) -> bool:
        old = version.layer
        if layer.end is not None and layer.end <= self.now:
            return False
        # A client sends back the start it first gave; for a layer under way that is no edit.
        same_start = old.start == layer.start or (old.start <= self.now and layer.start <= self.now)
        settled = msgspec.structs.replace(old, name=layer.name, end=layer.end)
        target = msgspec.structs.replace(layer, start=old.start)
        if not same_start or version.position != position or settled != target:
            return False
        if settled != old:
            self.updated.append(msgspec.structs.replace(version, layer=settled))
            self.changes.append((Change.UPDATED, old.id))
        return True

    def end(self, version: Version, change: Change | None) -> None:
        future = version.layer.start >= self.now
        (self.deleted if future else self.ended).append(version.row_id)
        if change is not None:
            self.changes.append((Change.DROPPED_FUTURE if future else change, version.layer.id))

    def revision(self) -> Revision:
        return Revision(
            ended=tuple(self.ended),
            deleted=tuple(self.deleted),
            updated=tuple(self.updated),
            inserted=tuple(self.inserted),
            changes=tuple(self.changes),
        )
