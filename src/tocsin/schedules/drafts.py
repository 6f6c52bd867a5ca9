"""Drafts: a schedule as somebody wants it, before ids and the past are taken into account.

The rule: a draft's layers run from the lowest to the highest and read their local times in the
draft's zone. A layer with an id carries on the stored layer of that id; one without is new.
"""

from collections.abc import Collection
from datetime import datetime

import msgspec

from tocsin.schedules.model import InvalidSchedule, Layer, Restriction, Schedule
from tocsin.schedules.validation import flaws


class LayerDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One wanted layer. Without a start it begins now; without a name it is called by its place."""

    id: str | None = None
    name: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    rotation_virtual_start: datetime
    rotation_turn_length_seconds: int
    members: tuple[str | None, ...]
    restrictions: tuple[Restriction, ...] = ()


class ScheduleDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A wanted schedule."""

    name: str
    description: str | None = None
    time_zone: str
    team_id: str | None = None
    layers: tuple[LayerDraft, ...]


class OverrideDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A wanted override."""

    user_id: str
    start: datetime
    end: datetime


def settle(draft: ScheduleDraft, *, id: str, layer_ids: tuple[str, ...], now: datetime) -> Schedule:
    """The draft as a schedule. `layer_ids` has a fresh id for each layer, used where it has none.

    Raises InvalidSchedule for the first thing that is wrong.
    """
    schedule = Schedule(
        id=id,
        name=draft.name,
        description=draft.description,
        time_zone=draft.time_zone,
        team_id=draft.team_id,
        layers=tuple(
            Layer(
                id=layer.id or fresh,
                name=layer.name or f"Layer {number}",
                time_zone=draft.time_zone,
                start=layer.start or now,
                end=layer.end,
                rotation_virtual_start=layer.rotation_virtual_start,
                rotation_turn_length_seconds=layer.rotation_turn_length_seconds,
                members=layer.members,
                restrictions=layer.restrictions,
            )
            for number, (layer, fresh) in enumerate(
                zip(draft.layers, layer_ids, strict=True), start=1
            )
        ),
    )
    for flaw in flaws(schedule):
        raise InvalidSchedule(flaw.field, flaw.message)
    return schedule


def refuse_unknown(
    draft: ScheduleDraft, *, layers: Collection[str], users: Collection[str]
) -> None:
    """Raise InvalidSchedule when the draft names a layer or a person there is not."""
    for index, layer in enumerate(draft.layers):
        field = f"schedule_layers[{index}]"
        if layer.id is not None and layer.id not in layers:
            raise InvalidSchedule(
                f"{field}.id", f"this schedule has no layer {layer.id}; leave the id out to add one"
            )
        for member in layer.members:
            if member is not None and member not in users:
                raise InvalidSchedule(f"{field}.users", f"there is no user {member}")


def members(draft: ScheduleDraft) -> frozenset[str]:
    """Everybody the draft names."""
    return frozenset(
        member for layer in draft.layers for member in layer.members if member is not None
    )
