"""What the doctor concludes from what it finds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.cli import doctor_rules as rules
from tocsin.cli.doctor_rules import GIB, Check, Person, PolicyFacts, ScheduleFacts
from tocsin.core.certificates import Facts

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)

ANN = Person(id="ann", name="Ann", methods=1, working=1)
MUTE = Person(id="mute", name="Mute", methods=1, working=0)
EMPTY = PolicyFacts(name="P", people=())
GAP = ScheduleFacts(name="Nights", gaps=((AT, LATER), (LATER, LATER)))


def https_for(
    hours: int, *, host: str | None = "pager.example.com", given: bool = True, began: int = -24
) -> Check:
    """A certificate that ends so many hours from now."""
    facts = Facts(
        names=("pager.example.com",),
        starts_at=AT + timedelta(hours=began),
        ends_at=AT + timedelta(hours=hours),
    )
    return rules.https(facts, None, now=AT, host=host, given=given)


CASES: list[tuple[str, Check | list[Check], str, str]] = [
    # what is looked at, the check, the verdict, a part of what it says
    ("version", rules.server_version(180006), "ok", "18.6"),
    ("version", rules.server_version(150014), "warn", "15.15 or newer"),
    ("version", rules.server_version(140020), "bad", "too old"),
    ("version", rules.server_version(190000), "ok", "19.0"),
    ("settings", rules.server_settings({"fsync": "on", "data_checksums": "on"}), "ok", "nothing"),
    ("settings", rules.server_settings({"fsync": "off"}), "bad", "fsync=on"),
    ("settings", rules.server_settings({"synchronous_commit": "off"}), "bad", "lose accepted"),
    ("settings", rules.server_settings({"data_checksums": "off"}), "warn", "pg_checksums"),
    ("schema", rules.schema((), None), "ok", "up to date"),
    ("schema", rules.schema(("0007_x",), None), "bad", "tocsin db migrate"),
    ("schema", rules.schema((), "newer"), "bad", "newest Tocsin"),
    ("disk", rules.disk("it", 50 * GIB, 100 * GIB), "ok", "50%"),
    ("disk", rules.disk("it", 4 * GIB, 100 * GIB), "warn", "4.0 GiB"),
    ("disk", rules.disk("it", 4 * GIB, 10 * GIB), "ok", "4.0 GiB"),
    ("disk", rules.disk("it", GIB // 2, 2 * GIB), "bad", "0.5 GiB"),
    ("disk", rules.disk("it", 0, 0), "bad", "0.0 GiB"),
    ("clocks", rules.clocks(0.3, -0.9), "ok", "-0.9 s"),
    ("clocks", rules.clocks(0.3, None), "ok", "this machine"),
    ("clocks", rules.clocks(-3, None), "warn", "NTP"),
    ("clocks", rules.clocks(0, 3600), "bad", "+3600.0 s"),
    ("https", rules.https(None, None, now=AT, host="x", given=False), "ok", "first start"),
    ("https", rules.https(None, "it is gone", now=AT, host=None, given=True), "bad", "it is gone"),
    ("https", https_for(5000), "ok", "pager.example.com until 2026-09-26"),
    ("https", https_for(200), "warn", "without a restart"),
    ("https", https_for(200, given=False), "warn", "renews its certificate by itself"),
    ("https", https_for(-1), "bad", "has ended on 2026-03-02 08:00"),
    ("https", https_for(5000, host="other.example.com"), "warn", "not for other.example.com"),
    ("https", https_for(5000, host=None), "ok", "until"),
    ("https", https_for(5000, began=1), "bad", "the machine's clock"),
    ("nodes", rules.nodes(1, 1), "ok", "1 run the engine"),
    ("nodes", rules.nodes(0, 0), "warn", "tocsin serve"),
    ("nodes", rules.nodes(0, 2), "bad", "nobody is paged"),
    ("channels", rules.channels({"ntfy": 2}, {"email": "set it"}, False), "ok", "ntfy"),
    ("channels", rules.channels({}, {}, False), "bad", "nobody can be paged"),
    ("channels", rules.channels({"simulated": 4}, {}, False), "bad", "nobody can be paged"),
    ("channels", rules.channels({"email": 1, "ntfy": 1}, {"email": "set it"}, False), "bad", "set"),
    ("channels", rules.channels({"ntfy": 1}, {}, True)[1], "warn", "SIMULATED"),
    ("people", rules.people((ANN,), frozenset({"ann"})), "ok", "1 people"),
    ("people", rules.people((ANN, MUTE), frozenset({"ann"})), "warn", "Mute"),
    ("people", rules.people((ANN, MUTE), frozenset({"mute"})), "bad", "Mute"),
    ("policies", rules.policies((), frozenset()), "warn", "catch-all"),
    (
        "policies",
        rules.policies((EMPTY,), frozenset({"ann"})),
        "bad",
        "P",
    ),
    (
        "policies",
        rules.policies((PolicyFacts(name="P", people=("mute",)),), frozenset({"ann"})),
        "bad",
        "can be reached",
    ),
    (
        "policies",
        rules.policies((PolicyFacts(name="P", people=("mute", "ann")),), frozenset({"ann"})),
        "ok",
        "1, each",
    ),
    ("schedules", rules.schedules((ScheduleFacts(name="Days", gaps=()),)), "ok", "1 in use"),
    (
        "schedules",
        rules.schedules((GAP,)),
        "warn",
        "Mon 02 Mar 09:00 to Mon 02 Mar 17:00 UTC",
    ),
    ("catch-all", rules.catch_all(None, False), "bad", "TOCSIN_ADMIN_EMAIL"),
    ("catch-all", rules.catch_all("Ann", False), "bad", "Ann"),
    ("catch-all", rules.catch_all("Ann", True), "ok", "Ann"),
    ("key", rules.master_key(True, None), "ok", "TOCSIN_MASTER_KEY"),
    ("key", rules.master_key(False, None), "warn", "no key file"),
    ("key", rules.master_key(False, 0o600), "ok", "owner"),
    ("key", rules.master_key(False, 0o640), "bad", "chmod 600"),
    ("sealed", rules.sealed(3, ()), "ok", "3, all open"),
    ("sealed", rules.sealed(3, ("Ann / Phone",)), "bad", "Ann / Phone"),
    ("url", rules.public_url(True, "0.0.0.0", "https://t.example"), "ok", "https://t.example"),
    ("url", rules.public_url(True, "0.0.0.0", "http://t.example"), "warn", "TLS"),
    ("url", rules.public_url(False, "0.0.0.0", "http://127.0.0.1:8080"), "warn", "may not reach"),
    ("url", rules.public_url(False, "127.0.0.1", "http://127.0.0.1:8080"), "warn", "this machine"),
    ("aside", rules.quarantined(()), "ok", "no event"),
    ("aside", rules.quarantined(("#7 of Shop (boom)",)), "bad", "#7 of Shop"),
    ("overdue", rules.overdue(()), "ok", "nothing waits"),
    ("overdue", rules.overdue(("3: messages are due",)), "bad", "3: messages"),
    ("outside", rules.dead_man(True), "ok", "each minute"),
    ("outside", rules.dead_man(False), "warn", "TOCSIN_DEAD_MAN_URL"),
]


@pytest.mark.parametrize(("what", "found", "verdict", "says"), CASES)
def test_a_verdict(what: str, found: Any, verdict: str, says: str) -> None:
    check = found[0] if isinstance(found, list) else found
    assert check.verdict == verdict
    assert says in f"{check.finding} {check.fix}"


@pytest.mark.parametrize("found", [case[1] for case in CASES])
def test_whatever_is_not_well_says_how_to_mend_it(found: Any) -> None:
    for check in found if isinstance(found, list) else [found]:
        assert (check.fix is None) == (check.verdict == "ok")
        assert check.finding


def test_long_lists_of_names_are_cut() -> None:
    assert rules.named([f"n{i}" for i in range(7)]) == "n0, n1, n2, n3, n4 and 2 more"
