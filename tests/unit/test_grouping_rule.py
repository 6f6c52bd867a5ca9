"""Which open incident a new alert joins, and why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.catalog.grouping import GroupingInput, checked
from tocsin.core.errors import Invalid
from tocsin.events.model import Event
from tocsin.incidents import grouping
from tocsin.incidents.grouping import FOREVER, Group, Joining, Way

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def way(type: str, **fields: Any) -> Way:
    values = {
        "timeout": 0,
        "time_window": 300,
        "aggregate": None,
        "fields": (),
        "text_fields": (),
        **fields,
    }
    return Way(id="P1", name="Mine", revision=1, type=type, **values)


TEXT = way("intelligent", text_fields=("summary",))


def event(summary: str = "", **fields: Any) -> Event:
    return Event(action="trigger", dedup_key="k", summary=summary, **fields)


def group(how: Way, first: Event, id: str = "Q1", age: int = 0) -> Group:
    opened_at = NOW - timedelta(seconds=age)
    made = Group(id, opened_at, opened_at, grouping.until(how, opened_at, opened_at))
    grouping.keep(made, grouping.marks_of(how, first))
    return made


def choose(how: Way, new: Event, *groups: Group) -> Joining | None:
    return grouping.choose(how, new, grouping.marks_of(how, new), groups, NOW)


@pytest.mark.parametrize(
    ("one", "other", "score"),
    [
        ("CPU of web-01 is at 97 %", "CPU of web-02 is at 99.5 %", 100),
        ("pod api-7f9c4b6d-x2x4z restarted", "pod api-55d8f7c9-qqq7p restarted", 100),
        ("timeout to 10.0.0.7:5432", "timeout to 10.0.3.19:5432", 100),
        ("job deadbeefcafe failed", "job cafebabe0000 failed", 100),
        ("CPU of web-01 is high", "CPU of db-01 is high", None),
        ("checkout latency above 500 ms in eu", "checkout latency above 900 ms in us", 83),
        ("disk full", "disk almost full", 80),
        ("disk full", "certificate expires", None),
        ("the", "the", 100),
    ],
)
def test_text(one: str, other: str, score: int | None) -> None:
    found = choose(TEXT, event(other), group(TEXT, event(one)))
    assert (None if found is None else found.why["score"]) == score
    if found is not None:
        assert found.why["like"] == one
        assert found.why["compared"] == ["summary"]


def test_a_word_counts_where_it_stands() -> None:
    how = way("intelligent", text_fields=("summary", "component"))
    first = group(how, event("down", component="database"))
    assert choose(how, event("database", component="down"), first) is None
    assert choose(how, event("down", component="database"), first) is not None


def test_nothing_is_like_nothing() -> None:
    assert grouping.marks_of(TEXT, event("")) == ()
    how = way("content_based", aggregate="all", fields=("source",))
    assert grouping.marks_of(how, event("x", source="")) == ()


@pytest.mark.parametrize(
    ("details", "field", "found"),
    [
        ({"a": {"b": 1}}, "custom_details.a.b", 1),
        ({"a": {"b": 0}}, "custom_details.a.b", 0),
        ({"a": {"b": None}}, "custom_details.a.b", None),
        ({"a": "text"}, "custom_details.a.b", None),
        (["a"], "custom_details.a", None),
        ("text", "custom_details.a", None),
        (None, "custom_details.a", None),
    ],
)
def test_values(details: Any, field: str, found: Any) -> None:
    assert grouping.value(event(details=details), field) == found


def test_plain_values() -> None:
    one = event("s", grouping="g", class_="c", component="o", source="r", severity="info")
    names = ("summary", "group", "class", "component", "source", "severity")
    assert [grouping.value(one, name) for name in names] == ["s", "g", "c", "o", "r", "info"]


def test_values_are_told_apart_by_their_kind() -> None:
    how = way("content_based", aggregate="all", fields=("custom_details.n",))
    first = group(how, event(details={"n": 1}))
    assert choose(how, event(details={"n": "1"}), first) is None
    assert choose(how, event(details={"n": 1}), first) is not None


def test_the_best_then_the_latest_is_joined() -> None:
    near = group(TEXT, event("disk almost full"), "Q1", age=10)
    same = group(TEXT, event("disk full"), "Q2", age=200)
    found = choose(TEXT, event("disk full"), near, same)
    assert found is not None
    assert found.incident_id == "Q2"
    how = way("content_based", aggregate="all", fields=("source",))
    older = group(how, event(source="a"), "Q3", age=20)
    newer = group(how, event(source="a"), "Q4", age=10)
    found = choose(how, event(source="a"), newer, older)
    assert found is not None
    assert found.incident_id == "Q4"


@pytest.mark.parametrize(
    ("how", "opened", "last", "until"),
    [
        (way("time", timeout=600), 100, 50, 500),
        (way("time", timeout=0), 100, 50, None),
        (TEXT, 100, 50, 250),
        (way("intelligent", time_window=0), 100, 50, 250),
        (way("content_based", time_window=3600), 86_000, 0, 400),
    ],
)
def test_until(how: Way, opened: int, last: int, until: int | None) -> None:
    found = grouping.until(how, NOW - timedelta(seconds=opened), NOW - timedelta(seconds=last))
    assert found == (FOREVER if until is None else NOW + timedelta(seconds=until))


def test_the_last_moment_counts() -> None:
    how = way("time", timeout=60)
    assert choose(how, event("x"), group(how, event("y"), age=60)) is not None
    assert choose(how, event("x"), group(how, event("y"), age=61)) is None


texts = st.lists(
    st.sampled_from(["disk", "cpu", "web-1", "web-2", "db", "full", "high", "97", "%", "of", "is"]),
    min_size=1,
    max_size=6,
).map(" ".join)


@given(texts, texts)
def test_likeness_is_mutual(one: str, other: str) -> None:
    there = choose(TEXT, event(other), group(TEXT, event(one)))
    back = choose(TEXT, event(one), group(TEXT, event(other)))
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert there.why["score"] == back.why["score"]


@given(st.text(max_size=2000))
def test_any_text_is_like_itself(text: str) -> None:
    marks = grouping.marks_of(TEXT, event(text))
    if marks:
        found = choose(TEXT, event(text), group(TEXT, event(text)))
        assert found is not None
        assert found.why["score"] == 100
        assert len(marks[0].words or ()) <= grouping.MOST_WORDS


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"type": "magic"}, "type"),
        ({"service_ids": []}, "services"),
        ({"type": "time", "service_ids": ["a", "b"]}, "services"),
        ({"service_ids": [str(n) for n in range(251)]}, "services"),
        ({"type": "time", "timeout": 59}, "config.timeout"),
        ({"type": "time", "timeout": 86_401}, "config.timeout"),
        ({"time_window": 299}, "config.time_window"),
        ({"time_window": 86_400, "service_ids": ["a", "b"]}, "config.time_window"),
        ({"type": "intelligent", "time_window": 86_400}, "config.time_window"),
        ({"aggregate": "some"}, "config.aggregate"),
        ({"fields": []}, "config.fields"),
        ({"fields": ["host"]}, "config.fields"),
        ({"fields": ["custom_details."]}, "config.fields"),
        ({"fields": ["custom_details" + ".a" * 9]}, "config.fields"),
        ({"type": "intelligent", "text_fields": ["host"]}, "config.iag_fields"),
    ],
)
def test_what_cannot_be_set(values: dict[str, Any], field: str) -> None:
    good: dict[str, Any] = {
        "type": "content_based",
        "service_ids": ["a"],
        "aggregate": "all",
        "fields": ["source"],
    }
    checked(GroupingInput(**good))
    with pytest.raises(Invalid) as refused:
        checked(GroupingInput(**{**good, **values}))
    assert refused.value.field == field
