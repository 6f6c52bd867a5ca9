"""The checker: what must hold after every run, whatever was done to the server.

Each check takes the evidence and returns one line for each violation; none means it holds.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from tests.chaos import model
from tests.chaos.evidence import GRACE, Evidence, Row, seconds
from tests.chaos.providers import Handed
from tests.chaos.world import LEVEL_SECONDS
from tocsin.engine.pump_deliveries import LEASE_SECONDS, START_WITHIN

MOST_WITH_FAULTS = 3
P99_SECONDS = 5.0
MAX_SECONDS = 15.0
EARLY_SECONDS = 1.0
AFTER_STOP_SECONDS = 1.0
# A message on its way when somebody acknowledges may take this long to arrive.
IN_FLIGHT_SECONDS = 5.0
# Below this many steps the worst is all there is to say.
ENOUGH_FOR_P99 = 200
# Requests of one delivery nearer than this can never be under two leases: a send starts within the
# first part of its lease. A second is for clocks and the network.
APART_SECONDS = LEASE_SECONDS * (1.0 - START_WITHIN) - 1.0


@dataclass(frozen=True)
class Rules:
    """What this run promised. `faults` False: nothing was done to it, so everything is exact."""

    faults: bool
    # Ladders were made due by hand, so they climb when they are told to.
    ladder_moved: bool = False


@dataclass(frozen=True)
class Check:
    """One invariant and how it fared."""

    name: str
    violations: tuple[str, ...]


@dataclass(frozen=True)
class Lateness:
    """Seconds from when a step was due to when a provider first had it."""

    values: tuple[float, ...]

    def at(self, share: float) -> float:
        """The value below which `share` of all are."""
        if not self.values:
            return 0.0
        return self.values[min(len(self.values) - 1, int(len(self.values) * share))]

    def __str__(self) -> str:
        if not self.values:
            return "none"
        return f"{self.at(0.5):.2f} / {self.at(0.99):.2f} / {self.values[-1]:.2f} s"


def check(found: Evidence, rules: Rules) -> list[Check]:
    """Every invariant."""
    checks: list[tuple[str, Callable[[Evidence, Rules], Iterator[str]]]] = [
        ("every event answered with 202 is stored", accepted_are_stored),
        ("every stored event is processed, once", stored_are_processed),
        ("one open alert for each key", one_open_alert),
        ("alerts are what the events come to", alerts_equal_model),
        ("every alert that still holds has an incident", alerts_open),
        ("every incident pages its person", incidents_page),
        ("every page has its steps", pages_have_steps),
        ("every due step is delivered", steps_are_delivered),
        ("no step is delivered too often", not_too_often),
        ("no step is early or too late", in_time),
        ("every ladder climbs in time", ladders_climb),
        ("nobody is paged after an acknowledgement", quiet_after_stop),
        ("every tap that was confirmed counts", taps_count),
        ("no lease outlives twice its length", leases_end),
        ("a delivery has one holder at a time", one_holder),
        ("every message a provider has is on record", no_strangers),
        ("the audit chain verifies", audit_verifies),
    ]
    return [Check(name, tuple(rule(found, rules))) for name, rule in checks]


def accepted_are_stored(found: Evidence, rules: Rules) -> Iterator[str]:
    stored = {event.number for event in found.heard}
    for number, at in found.arena.ledger.accepted.items():
        if at < found.began and number not in stored:
            yield f"event {number}, accepted {at - found.arena.began:.1f} s into the run"


def stored_are_processed(found: Evidence, rules: Rules) -> Iterator[str]:
    for row in found.rows["inbox"]:
        yield f"event seq {row['seq']} waits (attempts {row['attempts']}, error {row['error']})"
    outcomes = {row["seq"] for row in found.rows["outcomes"]}
    for event in found.heard:
        if event.seq not in outcomes:
            yield f"event {event.number} (seq {event.seq}) has no outcome"
    if not rules.faults:
        for number, count in Counter(event.number for event in found.heard).items():
            if count > 1:
                yield f"event {number} is stored {count} times without a fault"


def one_open_alert(found: Evidence, rules: Rules) -> Iterator[str]:
    rows = [row for row in found.rows["alerts"] if row["status"] == "triggered"]
    for (_, key), count in Counter((r["integration_id"], r["dedup_key"]) for r in rows).items():
        if count > 1:
            yield f"{key} has {count} open alerts"
    opened = [i for i in found.rows["incidents"] if i["status"] != "resolved"]
    keys = {row["incident_id"]: row["dedup_key"] for row in found.rows["alerts"]}
    for key, count in Counter(keys.get(incident["id"]) for incident in opened).items():
        if count > 1:
            yield f"{key} has {count} open incidents"


def alerts_equal_model(found: Evidence, rules: Rules) -> Iterator[str]:
    expected = model.alerts(found.heard)
    stored: dict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
    for row in found.rows["alerts"]:
        stored[row["integration_id"], row["dedup_key"]].append(
            (row["event_count"], row["status"] == "triggered")
        )
    for key in expected.keys() | stored.keys():
        want = sorted((one.events, one.open) for one in expected.get(key, []))
        have = sorted(stored.get(key, []))
        if want != have:
            yield f"{key[1]}: (events, open) are {have}, should be {want}"


def alerts_open(found: Evidence, rules: Rules) -> Iterator[str]:
    for row in found.rows["alerts"]:
        if row["status"] == "triggered" and row["incident_id"] is None:
            yield f"{row['dedup_key']} of {row['created_at']:%H:%M:%S} was held back and forgotten"


def incidents_page(found: Evidence, rules: Rules) -> Iterator[str]:
    people = {service.id: service.user_id for service in found.arena.world.services}
    paged = {(page["incident_id"], page["user_id"]) for page in found.rows["pages"]}
    for incident in found.rows["incidents"]:
        # What opens and ends within one batch needs nobody.
        if incident["created_at"] in (incident["acknowledged_at"], incident["resolved_at"]):
            continue
        if (incident["id"], people[incident["service_id"]]) not in paged:
            yield f"incident {incident['number']} ({incident['title']}) paged nobody"


def pages_have_steps(found: Evidence, rules: Rules) -> Iterator[str]:
    rows = {
        (row["page_id"] or row["bundle_id"], row["contact_method_id"])
        for row in found.rows["deliveries"]
    }
    methods: dict[str, list[str]] = defaultdict(list)
    for rule in found.rows["rules"]:
        methods[rule["user_id"]].append(rule["contact_method_id"])
    for page in found.rows["pages"]:
        for method in set(methods[page["user_id"]]):
            if (page["bundle_id"] or page["id"], method) not in rows:
                yield f"page {page['id']} of {page['created_at']:%H:%M:%S} lacks a step"


def steps_are_delivered(found: Evidence, rules: Rules) -> Iterator[str]:
    for row in found.rows["deliveries"]:
        told = [send for send in found.sends.get(row["id"], []) if send.told]
        name = f"{row['kind']} {row['id']} by {row['channel']}, due {row['first_due_at']:%H:%M:%S}"
        state = row["state"]
        if state == "sent" and not told:
            yield f"{name}: marked sent, but no provider took it ({row['detail']})"
        elif state == "queued" and row["due_at"] < found.now - GRACE:
            yield f"{name}: due and not sent"
        elif state == "failed":
            yield f"{name}: failed ({row['detail']})"
        elif state == "cancelled" and any(p["state"] == "open" for p in found.pages_of(row)):
            yield f"{name}: cancelled while its page is open"


def not_too_often(found: Evidence, rules: Rules) -> Iterator[str]:
    calm = found.arena.calm_until
    for id, sends in found.sends.items():
        told = [send for send in sends if send.told]
        if len(told) > MOST_WITH_FAULTS:
            yield f"{told[0].provider} delivery {id} was delivered {len(told)} times"
        calmly = [s for s in sends if not rules.faults or (calm and s.arrived < calm)]
        if len(calmly) > 1:
            yield f"{sends[0].provider} delivery {id} was sent {len(calmly)} times without a fault"


def lateness(found: Evidence) -> Lateness:
    """How late each step was that a provider has heard of."""
    due = {row["id"]: seconds(row["first_due_at"]) for row in found.rows["deliveries"]}
    return Lateness(
        tuple(sorted(sends[0].arrived - due[id] for id, sends in found.sends.items() if id in due))
    )


def climbs(found: Evidence) -> Lateness:
    """How late the second rung of each ladder was."""
    late = []
    pages: dict[str, list[Row]] = defaultdict(list)
    for page in found.rows["pages"]:
        pages[page["incident_id"]].append(page)
    for own in pages.values():
        by_step = sorted(own, key=lambda page: page["created_at"])
        if len(by_step) > 1:
            between = by_step[1]["created_at"] - by_step[0]["created_at"]
            late.append(between.total_seconds() - LEVEL_SECONDS)
    return Lateness(tuple(sorted(late)))


def in_time(found: Evidence, rules: Rules) -> Iterator[str]:
    late = lateness(found)
    if late.values and late.values[0] < -EARLY_SECONDS:
        yield f"the earliest came {-late.values[0]:.1f} s before it was due"
    if len(late.values) >= ENOUGH_FOR_P99 and late.at(0.99) > P99_SECONDS:
        yield f"p99 is {late.at(0.99):.1f} s late"
    if late.values and late.values[-1] > MAX_SECONDS:
        count = sum(value > MAX_SECONDS for value in late.values)
        yield f"{count} were more than {MAX_SECONDS:.0f} s late, the worst {late.values[-1]:.1f} s"


def ladders_climb(found: Evidence, rules: Rules) -> Iterator[str]:
    if rules.ladder_moved:
        return
    late = climbs(found)
    if late.values and late.values[0] < -EARLY_SECONDS:
        yield f"a ladder climbed {-late.values[0]:.1f} s early"
    if late.values and late.values[-1] > MAX_SECONDS:
        yield f"a ladder climbed {late.values[-1]:.1f} s late"
    climbed = Counter(page["incident_id"] for page in found.rows["pages"])
    patience = timedelta(seconds=LEVEL_SECONDS + MAX_SECONDS)
    for incident in found.rows["incidents"]:
        waits = found.now - incident["created_at"] > patience
        if incident["status"] == "triggered" and waits and climbed[incident["id"]] < 2:
            yield f"incident {incident['number']} should have reached the deputy"
    for run in found.rows["runs"]:
        if run["error"]:
            yield f"the ladder of {run['incident_id']} failed: {run['error']}"


def quiet_after_stop(found: Evidence, rules: Rules) -> Iterator[str]:
    attempts: dict[str, list[float]] = defaultdict(list)
    for attempt in found.rows["attempts"]:
        attempts[attempt["delivery_id"]].append(seconds(attempt["started_at"]))
    for row in found.rows["deliveries"]:
        if row["started_at"] is not None:
            attempts[row["id"]].append(seconds(row["started_at"]))
        for send in found.sends.get(row["id"], []):
            for page in found.pages_of(row):
                if not _tells_of(found, send, page) or page["stopped_at"] is None:
                    continue
                stopped = _stopped(page)
                after = send.arrived - stopped
                begun = max((at for at in attempts[row["id"]] if at < send.arrived), default=0.0)
                allowed = IN_FLIGHT_SECONDS if begun <= stopped else AFTER_STOP_SECONDS
                if after > allowed and not _stood_still(found, send, page):
                    yield (
                        f"{send.provider} delivery {row['id']} came {after:.1f} s after incident"
                        f" {page['incident_id']} was taken, begun {begun - stopped:+.1f} s"
                    )


def _stopped(page: Row) -> float:
    """When the acknowledgement was committed: on a busy machine well after it was decided."""
    return max(seconds(page["stopped_at"]), seconds(page["committed_at"] or page["stopped_at"]))


def _tells_of(found: Evidence, send: Handed, page: Row) -> bool:
    return any(found.incident_of_event.get(e) == page["incident_id"] for e in send.events)


def _stood_still(found: Evidence, send: Handed, page: Row) -> bool:
    """Whether a process was stopped between the last look, before the stop, and the send."""
    stopped = _stopped(page)
    return any(
        fault.what.startswith("SIGSTOP")
        and stopped - IN_FLIGHT_SECONDS < fault.ended
        and fault.began < send.arrived < fault.ended + IN_FLIGHT_SECONDS
        for fault in found.arena.faults
    )


def taps_count(found: Evidence, rules: Rules) -> Iterator[str]:
    taken = {
        row["incident_id"]
        for row in found.rows["entries"]
        if row["kind"] == "acknowledge" and row["actor_kind"] == "reply"
    }
    for tap in found.arena.client.taps:
        if tap.at < found.began and found.incident_of_event.get(tap.event) not in taken:
            yield f"the tap for event {tap.event} was confirmed and is not on the timeline"


def leases_end(found: Evidence, rules: Rules) -> Iterator[str]:
    lease = timedelta(seconds=LEASE_SECONDS)
    for sample in found.arena.samples:
        if sample.logical is None or sample.oldest_lease is None:
            continue
        if sample.logical - sample.oldest_lease > lease:
            ended = f"{sample.oldest_lease:%H:%M:%S}"
            yield f"at {sample.logical:%H:%M:%S} a lease that ended at {ended} was still held"
    for row in found.rows["deliveries"]:
        if row["state"] == "sending" and found.now - row["leased_until"] > GRACE:
            yield f"delivery {row['id']} is still leased"


def one_holder(found: Evidence, rules: Rules) -> Iterator[str]:
    for id, sends in found.sends.items():
        for first, second in pairwise(sends):
            ended = first.answered or 0.0
            overlap = ended - second.arrived
            if 0.0 < second.arrived - first.arrived < APART_SECONDS and overlap > 0.05:
                yield f"delivery {id} was being sent twice at once, {overlap:.1f} s long"
    by_delivery: dict[str, list[Row]] = defaultdict(list)
    for attempt in found.rows["attempts"]:
        by_delivery[attempt["delivery_id"]].append(attempt)
    for row in found.rows["deliveries"]:
        fences = {attempt["fence"]: attempt for attempt in by_delivery[row["id"]]}
        last = fences.get(row["fence"])
        if row["state"] == "sent" and last is not None and last["outcome"] != "sent":
            yield f"delivery {row['id']} is sent, but its last holder said {last['outcome']}"


def no_strangers(found: Evidence, rules: Rules) -> Iterator[str]:
    for handed in found.strangers:
        if handed.arrived < found.began:
            yield f"{handed.provider} has a message to {handed.address} about {handed.events}"


def audit_verifies(found: Evidence, rules: Rules) -> Iterator[str]:
    if found.broken_audit is not None:
        yield f"row {found.broken_audit} is not what was sealed"


def failed(checks: Sequence[Check]) -> list[Check]:
    """Those that did not hold."""
    return [one for one in checks if one.violations]
