"""Which contact methods a page uses, and when: the person's notification rules made into a plan.

The rule this module owns: **never silence.** Rules are followed; a person without a rule for the
urgency is reached on every contact method at once; a dead method is left out and the rest move up
to its time; if every method is dead, all of them are tried all the same. Only a person without any
contact method gets an empty plan, and the plan says so.

Invariant: each contact method the rules name is either planned or skipped with a reason.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from tocsin.paging.model import ContactMethod, DeliveryReason, NotificationRule, Urgency

# A method that failed a moment ago may have met a passing fault, and the next method has been
# started already. Only one that stays dead for longer is left out.
DEAD_GRACE = timedelta(minutes=5)


class PlanReason(StrEnum):
    """Why the plan is what it is."""

    RULES = "notification_rules"
    NO_RULE = "no_rule_for_urgency"
    RULES_DEAD = "methods_in_rules_dead"
    LAST_RESORT = "all_methods_dead"
    NO_METHOD = "no_contact_method"


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery to make, `delay_seconds` after the page. `key` makes its cause unique."""

    contact_method_id: str
    channel: str
    key: str
    delay_seconds: int
    reason: DeliveryReason


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """One method left out, and why."""

    contact_method_id: str
    channel: str
    reason: DeliveryReason


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How one person is reached for one page."""

    reason: PlanReason
    planned: tuple[Planned, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def is_dead(method: ContactMethod, now: datetime) -> bool:
    """Whether the method has been dead for so long that others go first."""
    return method.dead_since is not None and now - method.dead_since >= DEAD_GRACE


def plan(
    methods: Sequence[ContactMethod],
    rules: Sequence[NotificationRule],
    urgency: Urgency,
    now: datetime,
) -> Plan:
    """The deliveries for a page of `urgency`, earliest first.

    `methods` are the person's own, oldest first; rules for other methods are ignored.
    """
    if not methods:
        return Plan(reason=PlanReason.NO_METHOD)
    known = {method.id: method for method in methods}
    chosen = sorted(
        (rule for rule in rules if rule.urgency == urgency and rule.contact_method_id in known),
        key=lambda rule: (rule.delay_seconds, rule.id),
    )
    alive = [method for method in methods if not is_dead(method, now)]
    if not alive:
        return Plan(
            reason=PlanReason.LAST_RESORT,
            planned=_at_once(methods, DeliveryReason.LAST_RESORT, 0),
        )
    if not chosen:
        return Plan(
            reason=PlanReason.NO_RULE,
            planned=_at_once(alive, DeliveryReason.NO_RULE, 0),
            skipped=_skipped(methods, alive),
        )
    return _by_rules(chosen, known, alive)


def _by_rules(
    chosen: Sequence[NotificationRule],
    known: dict[str, ContactMethod],
    alive: Sequence[ContactMethod],
) -> Plan:
    living = {method.id for method in alive}
    first_delay = chosen[0].delay_seconds
    named = [known[id] for id in dict.fromkeys(rule.contact_method_id for rule in chosen)]
    usable = [rule for rule in chosen if rule.contact_method_id in living]
    if not usable:
        return Plan(
            reason=PlanReason.RULES_DEAD,
            planned=_at_once(alive, DeliveryReason.NEXT_METHOD, first_delay),
            skipped=_skipped(named, alive),
        )
    planned = [
        Planned(
            contact_method_id=rule.contact_method_id,
            channel=known[rule.contact_method_id].channel,
            key=rule.id,
            # The first method that works takes the place of a dead one before it.
            delay_seconds=first_delay if position == 0 else rule.delay_seconds,
            reason=DeliveryReason.RULE,
        )
        for position, rule in enumerate(usable)
    ]
    return Plan(reason=PlanReason.RULES, planned=tuple(planned), skipped=_skipped(named, alive))


def _at_once(
    methods: Sequence[ContactMethod], reason: DeliveryReason, delay_seconds: int
) -> tuple[Planned, ...]:
    return tuple(
        Planned(
            contact_method_id=method.id,
            channel=method.channel,
            key=method.id,
            delay_seconds=delay_seconds,
            reason=reason,
        )
        for method in methods
    )


def _skipped(
    methods: Sequence[ContactMethod], alive: Sequence[ContactMethod]
) -> tuple[Skipped, ...]:
    living = {method.id for method in alive}
    return tuple(
        Skipped(
            contact_method_id=method.id,
            channel=method.channel,
            reason=DeliveryReason.METHOD_DEAD,
        )
        for method in methods
        if method.id not in living
    )


def next_method(
    methods: Sequence[ContactMethod], tried: frozenset[str], now: datetime
) -> ContactMethod | None:
    """The method to turn to when one failed: the first not yet tried, living ones before dead."""
    left = [method for method in methods if method.id not in tried]
    left.sort(key=lambda method: is_dead(method, now))
    return left[0] if left else None
