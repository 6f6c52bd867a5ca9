"""What makes two incidents alike, and how it is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.incidents import likeness
from tocsin.incidents.likeness import Category, Why


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Disk 97 % full on db7", {"disk", "full", "db"}),
        ("[FIRING:1] DiskFull (db9 critical)", {"diskfull", "db"}),
        ("pod checkout-7f9c8d-xk2 is not ready", {"pod", "checkout", "xk", "ready"}),
        ("p99 over 2 s", set()),
        ("Queue_depth too high", {"queue", "depth", "too", "high"}),
        ("Datenträger voll", {"datenträger", "voll"}),
        ("", set()),
    ],
)
def test_what_a_title_is_about(title: str, expected: set[str]) -> None:
    assert likeness.words(title) == expected


@pytest.mark.parametrize(
    ("title", "other", "same_key", "score", "why"),
    [
        ("Disk 97 % full on db7", "Disk 91 % full on db12", False, 100.0, Why.SIMILAR_TITLE),
        ("Disk full on db7", "Disk slow on db7", False, 50.0, Why.SIMILAR_TITLE),
        ("Disk full on db7", "Renamed by a person", True, 100.0, Why.SAME_KEY),
        ("Disk full on db7", "Certificate expires on web1", False, None, None),
        ("97 %", "98 %", False, None, None),
    ],
)
def test_past(title: str, other: str, same_key: bool, score: float | None, why: Why | None) -> None:
    found = likeness.past(title, other, same_key=same_key)
    assert (found and found.score, found and found.why) == (score, why)


def test_related() -> None:
    words = likeness.related(
        "Checkout database timeouts", "Timeouts talking to checkout database", connected=None
    )
    assert words is not None
    assert (words.why, words.words) == (Why.SHARED_WORDS, ("checkout", "database", "timeouts"))
    # One word is no reason, however much of the titles it is.
    assert likeness.related("Timeouts", "Timeouts", connected=None) is None
    assert likeness.related("Disk full", "Certificate expires", connected=None) is None
    needed = likeness.related("Disk full", "Certificate expires", connected=Why.SUPPORTING)
    assert needed is not None
    assert (needed.why, needed.score) == (Why.SUPPORTING, 0.0)


@pytest.mark.parametrize(
    ("alike", "others", "expected"),
    [
        (0, 0, Category.ANOMALY),
        (0, 500, Category.ANOMALY),
        (5, 100, Category.RARE),
        (6, 100, Category.USUAL),
        (19, 100, Category.USUAL),
        (20, 100, Category.FREQUENT),
        (1, 1, Category.FREQUENT),
    ],
)
def test_how_usual(alike: int, others: int, expected: Category) -> None:
    assert likeness.category(alike, others) is expected


def test_the_pattern_of_a_kind() -> None:
    others = ["Disk 91 % full on db12", "Disk 93 % full on db1"]
    assert likeness.pattern("Disk 97 % full on db7", others) == "Disk * % full on *"
    assert likeness.pattern("Disk full", ["Certificate expires soon"]) == "*"
    assert likeness.pattern("Disk full", []) == "Disk full"


TITLES = st.text(max_size=1100)


@given(one=TITLES, other=TITLES)
def test_likeness_goes_both_ways_and_stays_in_bounds(one: str, other: str) -> None:
    mine, theirs = likeness.words(one), likeness.words(other)
    assert len(mine) <= likeness.MOST_WORDS * 3
    assert likeness.score(mine, theirs) == likeness.score(theirs, mine)
    assert 0 <= likeness.score(mine, theirs) <= 100
    assert likeness.score(mine, mine) == (100 if mine else 0)
    likeness.pattern(one, [other])
