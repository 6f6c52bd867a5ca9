"""Schedules against a real database: what is kept, what is refused, and what the past remembers."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec
import pytest

from tocsin.accounts.model import SYSTEM, Actor, Role
from tocsin.core.database import Database, Tx
from tocsin.core.errors import Forbidden, Invalid, NotFound, Refused
from tocsin.schedules import actions
from tocsin.schedules.drafts import LayerDraft, OverrideDraft, ScheduleDraft
from tocsin.schedules.model import InvalidRange, Schedule, ShiftReason, WeeklyRestriction
from tocsin.schedules.overrides import Removal

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PEOPLE = ("ANN", "BOB", "CYD")

INSERT_USER = """
    insert into users (id, name, email, role, time_zone, created_at)
    values (%(id)s, %(id)s, %(email)s, 'limited_user', 'Etc/UTC', %(now)s)
"""
INSERT_TEAM = "insert into teams (id, name, created_at) values ('T1', 'Core', %(now)s)"
LEAVE = "update users set deleted_at = %(now)s where id = %(id)s"
AUDIT = "select action, subject_type, subject_label, before, after from audit order by seq"
INSERT_POLICY = """
    with policy as (
        insert into escalation_policies (id, name, created_at) values ('E1', 'Web', %(now)s)
    ), level as (
        insert into escalation_levels (id, policy_id, position, delay_seconds)
        values ('V1', 'E1', 0, 300)
    )
    insert into escalation_targets (level_id, position, kind, target_id)
    values ('V1', 0, 'schedule', %(id)s)
"""


def person(id: str, role: Role = Role.RESPONDER, **teams: str) -> Actor:
    return Actor(kind="person", id=id, label=id, role=role, teams=teams)


BOSS = person("BOSS", Role.MANAGER)


@pytest.fixture
async def db(database: Database) -> Database:
    async with database.transaction() as tx:
        for id in PEOPLE:
            await tx.execute(INSERT_USER, {"id": id, "email": f"{id}@example.com", "now": NOW})
        await tx.execute(INSERT_TEAM, {"now": NOW})
    return database


def layer(*members: str | None, **changes: Any) -> LayerDraft:
    base = LayerDraft(
        rotation_virtual_start=datetime(2026, 6, 1, tzinfo=UTC),
        rotation_turn_length_seconds=86_400,
        members=members or ("ANN", "BOB"),
    )
    return msgspec.structs.replace(base, **changes)


def draft(*layers: LayerDraft, **changes: Any) -> ScheduleDraft:
    base = ScheduleDraft(name="Primary", time_zone="Etc/UTC", layers=layers or (layer(),))
    return msgspec.structs.replace(base, **changes)


def again(schedule: Schedule, **changes: Any) -> ScheduleDraft:
    """The draft a client sends back after reading a schedule."""
    layers = tuple(
        LayerDraft(
            id=x.id, name=x.name, start=x.start, end=x.end,
            rotation_virtual_start=x.rotation_virtual_start,
            rotation_turn_length_seconds=x.rotation_turn_length_seconds,
            members=x.members, restrictions=x.restrictions,
        )
        for x in schedule.layers
    )  # fmt: skip
    base = ScheduleDraft(
        name=schedule.name, description=schedule.description, time_zone=schedule.time_zone,
        team_id=schedule.team_id, layers=layers,
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


async def who(tx: Tx, schedule_id: str, at: datetime) -> str | None:
    found = (await actions.on_call(tx, [schedule_id], at))[schedule_id]
    return found[0].user_id if found else None


def cover(user: str, start: datetime, end: datetime) -> OverrideDraft:
    return OverrideDraft(user_id=user, start=start, end=end)


async def test_a_schedule_comes_back_as_it_was_written(db: Database) -> None:
    nights = WeeklyRestriction(
        start_day_of_week=5, start_time_of_day=time(18, 30), duration_seconds=7200
    )
    async with db.transaction() as tx:
        made = await actions.create(
            tx,
            BOSS,
            draft(
                layer("ANN", None, "BOB"),
                layer("CYD", name="Nights", end=NOW + 90 * DAY, restrictions=(nights,)),
                description="Who is first",
                time_zone="Australia/Lord_Howe",
                team_id="T1",
            ),
            NOW,
        )
    async with db.transaction() as tx:
        read = await actions.get(tx, BOSS, made.id, NOW)
    assert read == made
    assert [x.name for x in read.layers] == ["Layer 1", "Nights"]
    assert [x.start for x in read.layers] == [NOW, NOW]
    assert read.layers[0].members == ("ANN", None, "BOB")
    assert read.layers[1].restrictions == (nights,)
    assert {x.time_zone for x in read.layers} == {"Australia/Lord_Howe"}
    assert (read.team_id, read.description) == ("T1", "Who is first")


async def test_an_edit_leaves_the_past_and_turns_the_future(db: Database) -> None:
    later = NOW + 5 * DAY
    async with db.transaction() as tx:
        made = await actions.create(tx, BOSS, draft(), NOW)
        before = [await who(tx, made.id, NOW + n * HOUR) for n in range(0, 120, 6)]
        wanted = again(made, time_zone="Asia/Tokyo")
        wanted = msgspec.structs.replace(
            wanted, layers=(msgspec.structs.replace(wanted.layers[0], members=("CYD",)),)
        )
        changed = await actions.update(tx, BOSS, made.id, wanted, later)
    assert changed.layers[0].id == made.layers[0].id
    async with db.transaction() as tx:
        assert [await who(tx, made.id, NOW + n * HOUR) for n in range(0, 120, 6)] == before
        assert await who(tx, made.id, later - timedelta(microseconds=1)) in {"ANN", "BOB"}
        assert await who(tx, made.id, later) == "CYD"
        shown = await actions.rendered(tx, BOSS, made.id, NOW, later + DAY)
    assert len(shown.layers) == 1
    assert shown.final.shifts == shown.layers[0].shifts
    assert shown.final.coverage.percentage == 100.0
    assert {s.user_id for s in shown.final.shifts if s.end <= later} == {"ANN", "BOB"}


async def test_sending_back_what_was_read_changes_nothing(db: Database) -> None:
    async with db.transaction() as tx:
        made = await actions.create(tx, BOSS, draft(layer(), layer("CYD")), NOW)
        same = await actions.update(tx, BOSS, made.id, again(made), NOW + DAY)
        assert same == made
        assert await tx.value("select count(*) from schedule_layers") == 2


async def test_a_layer_left_out_ends_and_keeps_its_history(db: Database) -> None:
    async with db.transaction() as tx:
        made = await actions.create(tx, BOSS, draft(layer("ANN"), layer("CYD")), NOW)
        wanted = again(made)
        wanted = msgspec.structs.replace(wanted, layers=wanted.layers[:1])
        left = await actions.update(tx, BOSS, made.id, wanted, NOW + DAY)
        assert [x.id for x in left.layers] == [made.layers[0].id]
        assert await who(tx, made.id, NOW + HOUR) == "CYD"
        assert await who(tx, made.id, NOW + DAY) == "ANN"


async def test_overrides_are_added_one_by_one_and_the_latest_wins(db: Database) -> None:
    async with db.transaction() as tx:
        made = await actions.create(tx, BOSS, draft(layer("ANN")), NOW)
        outcomes = await actions.add_overrides(
            tx,
            BOSS,
            made.id,
            [
                cover("BOB", NOW + HOUR, NOW + 9 * HOUR),
                cover("CYD", NOW + 2 * HOUR, NOW + 3 * HOUR),
                cover("NOBODY", NOW + HOUR, NOW + 2 * HOUR),
                cover("BOB", NOW - 3 * HOUR, NOW - 2 * HOUR),
                cover("BOB", NOW - 3 * HOUR, NOW + timedelta(minutes=30)),
            ],
            NOW,
        )
    assert [o.error.field if o.error else None for o in outcomes] == [
        None, None, "user", "end", None,
    ]  # fmt: skip
    moved = outcomes[4].override
    assert moved is not None
    assert moved.start == NOW
    async with db.transaction() as tx:
        at = [await who(tx, made.id, NOW + n * HOUR) for n in (0, 0.75, 1, 2, 3, 8.9, 9)]
        assert at == ["BOB", "ANN", "BOB", "CYD", "BOB", "BOB", "ANN"]
        (found,) = (await actions.on_call(tx, [made.id], NOW + 2 * HOUR))[made.id]
        assert found.reason is ShiftReason.OVERRIDE
        shown = await actions.rendered(tx, BOSS, made.id, NOW, NOW + DAY)
        assert [s.user_id for s in shown.overrides.shifts] == ["BOB", "BOB", "CYD", "BOB"]


async def test_an_override_is_taken_back_without_touching_the_past(db: Database) -> None:
    async with db.transaction() as tx:
        made = await actions.create(tx, BOSS, draft(layer("ANN")), NOW)
        outcomes = await actions.add_overrides(
            tx, BOSS, made.id,
            [cover("BOB", NOW + n * DAY, NOW + (n + 1) * DAY) for n in range(3)], NOW,
        )  # fmt: skip
        over, under_way, ahead = [o.override.id for o in outcomes if o.override]
        now = NOW + DAY + HOUR
        with pytest.raises(Refused) as caught:
            await actions.remove_override(tx, BOSS, made.id, over, now)
        assert caught.value.reason == "override_in_past"
        removed = [
            await actions.remove_override(tx, BOSS, made.id, id, now) for id in (under_way, ahead)
        ]
        assert removed == [Removal.ENDED_NOW, Removal.DELETED_FUTURE]
        assert [await who(tx, made.id, NOW + DAY + n * HOUR) for n in (0, 0.9, 1, 30)] == [
            "BOB", "BOB", "ANN", "ANN",
        ]  # fmt: skip
        with pytest.raises(NotFound):
            await actions.remove_override(tx, BOSS, made.id, ahead, now)


async def test_many_schedules_are_answered_together(db: Database) -> None:
    async with db.transaction() as tx:
        some = [
            await actions.create(tx, BOSS, draft(layer(PEOPLE[n % 3]), name=f"S{n}"), NOW)
            for n in range(6)
        ]
        empty = await actions.create(
            tx, BOSS, draft(layer("ANN", end=NOW + HOUR), name="Short"), NOW
        )
        wanted = [s.id for s in some] + [empty.id, "PNONE"]
        found = await actions.on_call(tx, wanted, NOW + DAY)
        assert list(found) == wanted
        assert [tuple(x.user_id for x in found[id]) for id in wanted] == [
            ("ANN",), ("BOB",), ("CYD",), ("ANN",), ("BOB",), ("CYD",), (), (),
        ]  # fmt: skip
        shifts = await actions.shifts_at(tx, wanted, NOW)
        assert set(shifts) == set(wanted[:-1])
        short = shifts[empty.id]
        assert short is not None
        assert (short.start, short.end) == (NOW, NOW + HOUR)
        handoffs = await actions.next_handoffs(tx, [some[0].id, empty.id], NOW)
        assert handoffs[some[0].id] is None
        handoff = handoffs[empty.id]
        assert handoff is not None
        assert (handoff.at, handoff.to_user_id) == (NOW + HOUR, None)


async def test_who_has_left_is_never_on_call_but_stays_in_the_record(db: Database) -> None:
    async with db.transaction() as tx:
        made = await actions.create(tx, BOSS, draft(layer("ANN"), layer("BOB")), NOW)
        await actions.add_overrides(tx, BOSS, made.id, [cover("BOB", NOW, NOW + 10 * DAY)], NOW)
        await tx.execute(LEAVE, {"id": "BOB", "now": NOW + DAY})
        assert await who(tx, made.id, NOW + HOUR) == "BOB"
        assert await who(tx, made.id, NOW + DAY) == "ANN"


async def test_what_is_wrong_is_refused_with_its_field(db: Database) -> None:
    async with db.transaction() as tx:
        made = await actions.create(tx, BOSS, draft(), NOW)
        cases = [
            (draft(layer("ANN", "WHO"), name="x"), "schedule_layers[0].users"),
            (draft(layer(id="PXXXXXX"), name="x"), "schedule_layers[0].id"),
            (draft(name="primary"), "name"),
            (draft(name="x", time_zone="Mars"), "time_zone"),
            (draft(name="x", team_id="TNONE"), "team"),
        ]
        for wanted, field in cases:
            with pytest.raises(Invalid) as caught:
                await actions.create(tx, SYSTEM, wanted, NOW)
            assert caught.value.field == field
        renamed = await actions.update(tx, BOSS, made.id, again(made, name="PRIMARY"), NOW + HOUR)
        assert renamed.name == "PRIMARY"
        with pytest.raises(InvalidRange):
            await actions.rendered(tx, BOSS, made.id, NOW, NOW + 800 * DAY)
        with pytest.raises(Invalid):
            await actions.add_overrides(tx, BOSS, made.id, [], NOW)


async def test_who_may_do_what(db: Database) -> None:
    ann, watcher = person("ANN"), person("CYD", Role.OBSERVER)
    stranger, manager = person("BOB", Role.RESTRICTED), person("BOB", T1="manager")
    async with db.transaction() as tx:
        made = await actions.create(tx, manager, draft(team_id="T1"), NOW)
        own, other = cover("ANN", NOW, NOW + DAY), cover("BOB", NOW, NOW + DAY)
        (outcome,) = await actions.add_overrides(tx, ann, made.id, [own], NOW)
        assert outcome.override is not None
        assert (
            await actions.remove_override(tx, ann, made.id, outcome.override.id, NOW + HOUR)
            is Removal.ENDED_NOW
        )
        (given,) = await actions.add_overrides(tx, manager, made.id, [other], NOW)
        assert given.override is not None
        reply = msgspec.structs.replace(ann, kind="reply")
        for actor, refused in [
            (ann, actions.add_overrides(tx, ann, made.id, [own, other], NOW)),
            (ann, actions.remove_override(tx, ann, made.id, given.override.id, NOW)),
            (reply, actions.add_overrides(tx, reply, made.id, [own], NOW)),
            (watcher, actions.add_overrides(tx, watcher, made.id, [cover("CYD", NOW, NOW + DAY)],
                                            NOW)),
            (ann, actions.create(tx, ann, draft(name="x"), NOW)),
            (ann, actions.update(tx, ann, made.id, again(made), NOW)),
            # A team's manager may not give the schedule away to no team at all.
            (manager, actions.update(tx, manager, made.id, again(made, team_id=None), NOW)),
            (ann, actions.delete(tx, ann, made.id, NOW)),
            (ann, actions.preview(tx, ann, draft(), NOW, NOW + DAY, now=NOW)),
        ]:  # fmt: skip
            with pytest.raises(Forbidden, match=actor.label):
                await refused
        for hidden in (
            actions.get(tx, stranger, made.id, NOW),
            actions.update(tx, stranger, made.id, again(made), NOW),
            actions.rendered(tx, stranger, made.id, NOW, NOW + DAY),
            actions.delete(tx, stranger, "PNONE", NOW),
        ):
            with pytest.raises(NotFound):
                await hidden
        assert (await actions.get(tx, watcher, made.id, NOW)).id == made.id


async def test_a_schedule_in_use_is_not_deleted(db: Database) -> None:
    async with db.transaction() as tx:
        made = await actions.create(tx, BOSS, draft(), NOW)
        await tx.execute(INSERT_POLICY, {"id": made.id, "now": NOW})
        with pytest.raises(Refused, match="Web") as caught:
            await actions.delete(tx, BOSS, made.id, NOW)
        assert caught.value.reason == "schedule_in_use"
        await tx.execute("delete from escalation_targets")
        await actions.delete(tx, BOSS, made.id, NOW)
        with pytest.raises(NotFound):
            await actions.get(tx, BOSS, made.id, NOW)
        assert await actions.on_call(tx, [made.id], NOW) == {made.id: ()}
        # Its name is free again.
        await actions.create(tx, BOSS, draft(), NOW)


async def test_the_list_is_paged_searched_and_limited_to_what_one_may_see(db: Database) -> None:
    async with db.transaction() as tx:
        for name in ("beta", "Alpha", "gamma", "100% sure", "delta"):
            team = "T1" if name == "delta" else None
            await actions.create(tx, BOSS, draft(name=name, team_id=team), NOW)
        first = await actions.page(tx, BOSS, limit=3)
        rest = await actions.page(tx, BOSS, limit=3, cursor=first.next)
        assert [h.name for h in (*first.items, *rest.items)] == [
            "100% sure", "Alpha", "beta", "delta", "gamma",
        ]  # fmt: skip
        assert rest.next is None
        assert [h.name for h in (await actions.page(tx, BOSS, query="%")).items] == ["100% sure"]
        assert [h.name for h in (await actions.page(tx, BOSS, query="ALPH")).items] == ["Alpha"]
        member = person("ANN", Role.RESTRICTED, T1="observer")
        assert [h.name for h in (await actions.page(tx, member)).items] == ["delta"]
        with pytest.raises(Forbidden):
            await actions.page(tx, person("ANN", Role.RESTRICTED))


async def test_each_change_leaves_its_audit_row(db: Database) -> None:
    async with db.transaction() as tx:
        made = await actions.create(tx, BOSS, draft(layer("ANN")), NOW)
        (outcome,) = await actions.add_overrides(
            tx, BOSS, made.id, [cover("BOB", NOW, NOW + DAY)], NOW
        )
        assert outcome.override is not None
        await actions.remove_override(tx, BOSS, made.id, outcome.override.id, NOW + HOUR)
        wanted = again(made, name="Second", layers=(layer("CYD"),))
        await actions.update(tx, BOSS, made.id, wanted, NOW + 2 * HOUR)
        await actions.delete(tx, BOSS, made.id, NOW + 3 * HOUR)
        rows = await tx.rows(AUDIT)
    assert [(r["action"], r["subject_type"], r["subject_label"]) for r in rows] == [
        ("create", "schedule", "Primary"), ("create", "override", "Primary"),
        ("update", "override", "Primary"), ("update", "schedule", "Second"),
        ("delete", "schedule", "Second"),
    ]  # fmt: skip
    assert set(rows[2]["after"]) == {"end"}
    assert set(rows[3]["after"]) == {"name", "layers", "layer_changes"}
    assert rows[3]["before"]["name"] == "Primary"
    assert sorted(change for change, _ in rows[3]["after"]["layer_changes"]) == ["added", "ended"]


async def test_a_preview_keeps_nothing(db: Database) -> None:
    async with db.transaction() as tx:
        shown = await actions.preview(
            tx, BOSS, draft(layer("ANN", "BOB")), NOW, NOW + 2 * DAY, now=NOW
        )
        assert [s.user_id for s in shown.final.shifts] == ["BOB", "ANN", "BOB"]
        assert await tx.value("select count(*) from schedules") == 0
