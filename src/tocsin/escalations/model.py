"""Escalation policies, the ladder an incident climbs, and what one rung decides.

A `Ladder` is a policy frozen at the time an incident opened: later edits of the policy do not reach
incidents that are already open. Levels and loops count as people do: `Progress.level` 1 is the
first level, 0 means not begun; `loop` counts finished passes. `step` numbers the rungs that paged
somebody, so that each rung asks each person once.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

MAX_LEVELS = 50
MAX_TARGETS = 10
MAX_LOOPS = 9
MIN_DELAY_MINUTES = 1
MAX_DELAY_MINUTES = 1440
MAX_NAME = 255
MAX_DESCRIPTION = 4096


class Strategy(StrEnum):
    """Whom a level pages: all its targets, or one in turn."""

    EVERYONE = "assign_to_everyone"
    ROUND_ROBIN = "round_robin"


class TargetKind(StrEnum):
    """What a level may point at."""

    USER = "user"
    SCHEDULE = "schedule"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One user or schedule of a level."""

    kind: TargetKind
    id: str


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """Who is paged together, and how long the ladder then waits, in seconds."""

    id: str
    delay_seconds: int
    strategy: Strategy = Strategy.EVERYONE
    targets: tuple[Target, ...]


class Ladder(msgspec.Struct, frozen=True, kw_only=True):
    """A policy as it was when the incident opened."""

    policy_id: str
    policy_name: str
    loops: int
    levels: tuple[Level, ...]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """An escalation policy as it is now."""

    id: str
    name: str
    description: str | None
    team_id: str | None
    loops: int
    handoff_notifications: str
    created_at: datetime
    levels: tuple[Level, ...]


class LevelInput(msgspec.Struct, frozen=True, kw_only=True):
    """One level as a caller wants it. An `id` of the policy keeps that level's round-robin turn."""

    delay_minutes: int
    targets: tuple[Target, ...]
    strategy: Strategy = Strategy.EVERYONE
    id: str | None = None


class PolicyInput(msgspec.Struct, frozen=True, kw_only=True):
    """A whole policy as a caller wants it."""

    name: str
    levels: tuple[LevelInput, ...]
    description: str | None = None
    team_id: str | None = None
    loops: int = 0
    handoff_notifications: str = "if_has_services"


class Progress(msgspec.Struct, frozen=True):
    """How far up the ladder an incident is."""

    level: int = 0
    loop: int = 0
    step: int = 0


class RunState(StrEnum):
    """Whether the ladder still moves by itself."""

    RUNNING = "running"
    STOPPED = "stopped"
    EXHAUSTED = "exhausted"


class Reason(StrEnum):
    """Why the ladder did what it did: on the run, on the timeline, and on each page."""

    OPENED = "opened"
    NO_ANSWER = "no_answer"
    REPEATED = "repeated"
    NOBODY_ON_CALL = "nobody_on_call"
    """Every level was empty, so the catch-all person was paged."""
    NOBODY_ANSWERED = "nobody_answered"
    NOBODY_TO_PAGE = "nobody_to_page"
    """Every level was empty and there is not even a catch-all: an operator must act."""
    LOW_URGENCY = "low_urgency"
    """Low urgency pages one level and does not climb."""
    MOVED = "moved"
    """A person chose the level."""
    RETURNED = "returned"
    """The incident is triggered again and pages where it was."""
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REASSIGNED = "reassigned"
    """A person chose people, so there is no ladder to climb."""


class SkipReason(StrEnum):
    """Why a target of a level was not paged."""

    NOBODY_ON_CALL = "nobody_on_call"
    USER_GONE = "user_gone"
    NO_CONTACT_METHOD = "no_contact_method"


class Skip(msgspec.Struct, frozen=True):
    """A target that was passed over. `user_id` is the person on call, where there was one."""

    level: int
    target: Target
    reason: SkipReason
    user_id: str | None = None


class Person(msgspec.Struct, frozen=True):
    """What the ladder needs to know of a user who exists."""

    id: str
    name: str
    reachable: bool


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """The world at one instant, as far as ladders care. Users not in `people` are gone; `on_call`
    maps a schedule to the people on call, none when it is absent."""

    on_call: Mapping[str, tuple[str, ...]] = {}
    people: Mapping[str, Person] = {}
    catch_all: str | None = None
    turns: Mapping[str, int] = {}


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What one move of the ladder does. `turn` is the round-robin level whose turn was used."""

    state: RunState
    reason: Reason
    progress: Progress
    user_ids: tuple[str, ...] = ()
    due_at: datetime | None = None
    skips: tuple[Skip, ...] = ()
    repeated: bool = False
    turn: str | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The ladder of one incident and where it stands."""

    incident_id: str
    ladder: Ladder
    state: RunState
    progress: Progress
    due_at: datetime | None
    reason: Reason
    changed_at: datetime
    attempts: int = 0
    error: str | None = None


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the preview: who would be paged at `at`, if nobody answers before."""

    level: int
    loop: int
    at: datetime | None
    user_ids: tuple[str, ...]
    skips: tuple[Skip, ...]
    reason: Reason


class Move(StrEnum):
    """Which of the ladder's questions is asked."""

    BEGIN = "begin"
    ADVANCE = "advance"
    MOVE_TO = "move_to"
    RESUME = "resume"


class Climb(msgspec.Struct, frozen=True, kw_only=True):
    """One incident's question to its ladder. `level` belongs to MOVE_TO, `assignees` to RESUME;
    `climbs` is False for low urgency."""

    move: Move
    ladder: Ladder
    progress: Progress = Progress()
    level: int | None = None
    assignees: tuple[str, ...] = ()
    climbs: bool = True
