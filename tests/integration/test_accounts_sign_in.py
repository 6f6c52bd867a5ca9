"""Signing in, sessions, throttling, passwords and REST keys: a real database, a manual clock."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.accounts import actions
from tocsin.accounts.actions.hashing import hashed, proven
from tocsin.accounts.actions.sessions import session_id
from tocsin.accounts.model import (
    SYSTEM,
    Actor,
    Member,
    NewKey,
    NewUser,
    Role,
    SignIn,
    SignInReason,
    User,
    UserChange,
)
from tocsin.core.clock import ManualClock
from tocsin.core.database import Database, Tx
from tocsin.core.errors import Forbidden, Invalid, NotFound, Refused

PASSWORD = "correct horse battery"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))


@pytest.fixture
async def ada(database: Database, clock: ManualClock) -> User:
    async with database.transaction() as tx:
        new = NewUser(name="Ada", email="ada@example.com", role=Role.ADMIN, password=PASSWORD)
        return await actions.create_user(tx, SYSTEM, new, clock.now())


def acting(user: User) -> Actor:
    return Actor(kind="person", id=user.id, label=user.name, role=Role(user.role))


async def enter(
    database: Database,
    clock: ManualClock,
    password: str = PASSWORD,
    *,
    email: str = "ada@example.com",
    address: str = "192.0.2.7",
    previous: str | None = None,
) -> SignIn:
    return await actions.sign_in(
        database,
        email=email,
        password=password,
        address=address,
        user_agent="Firefox\r\n1",
        now=clock.now(),
        previous_token=previous,
    )


async def token_of(database: Database, clock: ManualClock) -> str:
    outcome = await enter(database, clock)
    assert outcome.token is not None
    return outcome.token


async def whoami(database: Database, clock: ManualClock, token: str) -> Actor | None:
    async with database.transaction() as tx:
        return await actions.actor_for_session(tx, token, clock.now(), address="192.0.2.9")


async def count(database: Database, table: str) -> int:
    async with database.transaction() as tx:
        return int(await tx.value(f"select count(*) from {table}"))  # type: ignore[arg-type]


async def test_a_session_knows_who_it_is_and_sees_changes_at_once(
    database: Database, clock: ManualClock, ada: User
) -> None:
    outcome = await enter(database, clock, email=" ADA@example.com ")
    assert (outcome.reason, outcome.user) == (SignInReason.SIGNED_IN, ada)
    assert outcome.token is not None
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", outcome.token)
    actor = await whoami(database, clock, outcome.token)
    assert actor == Actor(
        kind="person", id=ada.id, label="Ada", role=Role.ADMIN, address="192.0.2.9"
    )
    async with database.transaction() as tx:
        now = clock.now()
        team = await actions.create_team(tx, SYSTEM, now, name="Core")
        member = Member(team_id=team.id, user_id=ada.id, role="manager")
        await actions.set_member(tx, SYSTEM, member, now)
        await actions.update_user(tx, SYSTEM, ada.id, UserChange(role="observer"), now)
    actor = await whoami(database, clock, outcome.token)
    assert actor is not None
    assert (actor.role, actor.teams) == (Role.OBSERVER, {team.id: "manager"})


async def test_the_token_is_stored_nowhere(
    database: Database, clock: ManualClock, ada: User
) -> None:
    token = await token_of(database, clock)
    async with database.transaction() as tx:
        stored = await tx.value("select string_agg(s::text, ' ') from sessions s")
        (session,) = await actions.list_sessions(tx, acting(ada), ada.id, clock.now())
    assert token not in stored
    assert token.encode().hex() not in stored
    assert session.id == session_id(token)
    assert (session.user_agent, session.address) == ("Firefox1", "192.0.2.7")


@pytest.mark.parametrize(
    "token", ["", "x", "A" * 43, "A" * 44, "\N{SNOWMAN}" * 43, "'; drop--" * 5]
)
async def test_tokens_that_are_not_ours(database: Database, clock: ManualClock, token: str) -> None:
    assert await whoami(database, clock, token) is None
    async with database.transaction() as tx:
        await actions.sign_out(tx, token)


async def test_a_session_ends_after_twelve_idle_hours(
    database: Database, clock: ManualClock, ada: User
) -> None:
    token = await token_of(database, clock)
    clock.advance(timedelta(hours=11, minutes=59))
    assert await whoami(database, clock, token) is not None
    clock.advance(timedelta(hours=11, minutes=59))
    assert await whoami(database, clock, token) is not None
    clock.advance(timedelta(hours=12))
    assert await whoami(database, clock, token) is None
    async with database.transaction() as tx:
        assert await actions.list_sessions(tx, acting(ada), ada.id, clock.now()) == []


async def test_a_session_ends_after_thirty_days_however_busy(
    database: Database, clock: ManualClock, ada: User
) -> None:
    token = await token_of(database, clock)
    for _ in range(71):
        clock.advance(timedelta(hours=10))
        assert await whoami(database, clock, token) is not None
    clock.advance(timedelta(hours=10))
    assert await whoami(database, clock, token) is None


async def test_last_seen_is_written_at_most_once_a_minute(
    database: Database, clock: ManualClock, ada: User
) -> None:
    token = await token_of(database, clock)
    began = clock.now()

    async def last_seen() -> datetime:
        await whoami(database, clock, token)
        async with database.transaction() as tx:
            return (await actions.list_sessions(tx, acting(ada), ada.id, clock.now()))[
                0
            ].last_seen_at

    clock.advance(timedelta(seconds=59))
    assert await last_seen() == began
    clock.advance(timedelta(seconds=1))
    assert await last_seen() == began + timedelta(seconds=60)


async def test_signing_in_again_replaces_the_old_session(
    database: Database, clock: ManualClock, ada: User
) -> None:
    first = await token_of(database, clock)
    second = (await enter(database, clock, previous=first)).token
    assert second is not None
    assert second != first
    assert await whoami(database, clock, first) is None
    assert await whoami(database, clock, second) is not None
    async with database.transaction() as tx:
        await actions.sign_out(tx, second)
    assert await whoami(database, clock, second) is None


async def test_sessions_are_revoked_one_by_one_or_all(
    database: Database, clock: ManualClock, ada: User
) -> None:
    tokens = [await token_of(database, clock) for _ in range(3)]
    async with database.transaction() as tx:
        now = clock.now()
        bob = await actions.create_user(tx, SYSTEM, NewUser(name="Bob", email="b@example.com"), now)
        with pytest.raises(Forbidden):
            await actions.revoke_sessions(tx, acting(bob), ada.id, now)
        with pytest.raises(Forbidden):
            await actions.list_sessions(tx, acting(bob), ada.id, now)
        mine = session_id(tokens[0])
        assert not await actions.revoke_session(tx, acting(bob), bob.id, mine, now)
        assert await actions.revoke_session(tx, acting(ada), ada.id, mine, now)
    assert [await whoami(database, clock, t) is None for t in tokens] == [True, False, False]
    async with database.transaction() as tx:
        assert await actions.revoke_sessions(tx, acting(ada), ada.id, clock.now()) == 2
    assert await count(database, "sessions") == 0


async def test_wrong_unknown_and_passwordless_get_the_same_answer(
    database: Database, clock: ManualClock, ada: User
) -> None:
    async with database.transaction() as tx:
        new = NewUser(name="Bob", email="bob@example.com")
        await actions.create_user(tx, SYSTEM, new, clock.now())
    wrong = SignIn(reason=SignInReason.WRONG)
    assert await enter(database, clock, "wrong") == wrong
    assert await enter(database, clock, email="nobody@example.com") == wrong
    assert await enter(database, clock, email="bob@example.com") == wrong
    for odd in ("", "x\x00y", "\ud800", "x" * 100_000):
        assert await enter(database, clock, odd, email="odd@example.com", address="a") == wrong
    assert await enter(database, clock, email="\x00\ud800" + "y" * 9999) == wrong


async def test_an_account_locks_after_five_failures_known_or_not(
    database: Database, clock: ManualClock, ada: User
) -> None:
    for email in ("ada@example.com", "nobody@example.com"):
        for _ in range(5):
            assert (await enter(database, clock, "wrong", email=email)).reason == "wrong"
        locked = await enter(database, clock, email=email)
        assert locked == SignIn(reason=SignInReason.LOCKED, retry_after=15)
    clock.advance(timedelta(seconds=15))
    assert (await enter(database, clock, "wrong")).reason == "wrong"
    assert (await enter(database, clock)).retry_after == 30
    clock.advance(timedelta(seconds=30))
    assert (await enter(database, clock)).reason == "signed_in"
    assert (await enter(database, clock, "wrong")).reason == "wrong"
    assert (await enter(database, clock)).reason == "signed_in"


async def test_guessing_in_parallel_gains_nothing(
    database: Database, clock: ManualClock, ada: User
) -> None:
    guesses = [f"guess number {n}" for n in range(11)] + [PASSWORD]
    outcomes = await asyncio.gather(
        *(
            enter(database, clock, guess, address=f"198.51.100.{n}")
            for n, guess in enumerate(guesses)
        )
    )
    looked_at = [outcome for outcome in outcomes if outcome.reason != SignInReason.LOCKED]
    assert len(looked_at) <= 5


async def test_one_address_cannot_try_many_accounts(
    database: Database, clock: ManualClock, ada: User
) -> None:
    outcomes = [
        await enter(database, clock, "wrong", email=f"u{n}@example.com", address=f"2001:db8::{n:x}")
        for n in range(31)
    ]
    assert [outcome.reason for outcome in outcomes[:30]] == [SignInReason.WRONG] * 30
    assert outcomes[30].reason == SignInReason.LOCKED
    assert (await enter(database, clock, address="2001:db8::ffff")).reason == "locked"
    assert (await enter(database, clock, address="2001:db8:0:1::1")).reason == "signed_in"


async def test_what_was_typed_is_not_kept(database: Database, clock: ManualClock) -> None:
    await enter(database, clock, "x", email="my-secret-typed-here")
    async with database.transaction() as tx:
        kept = await tx.value("select string_agg(t::text, ' ') from login_throttle t")
    assert "secret" not in kept
    assert "192.0.2.7" not in kept


async def test_a_new_password_ends_every_session(
    database: Database, clock: ManualClock, ada: User
) -> None:
    tokens = [await token_of(database, clock) for _ in range(2)]
    actor = await whoami(database, clock, tokens[0])
    assert actor is not None
    with pytest.raises(Invalid, match="current_password"):
        await actions.change_password(
            database, actor, current="wrong", new="a much better one", now=clock.now()
        )
    with pytest.raises(Invalid, match="new_password"):
        await actions.change_password(
            database, actor, current=PASSWORD, new="short", now=clock.now()
        )
    assert await whoami(database, clock, tokens[1]) is not None
    await actions.change_password(
        database, actor, current=PASSWORD, new="a much better one", now=clock.now()
    )
    assert [await whoami(database, clock, token) for token in tokens] == [None, None]
    assert (await enter(database, clock)).reason == "wrong"
    assert (await enter(database, clock, "a much better one")).reason == "signed_in"


async def test_guessing_through_a_stolen_session_is_throttled_too(
    database: Database, clock: ManualClock, ada: User
) -> None:
    for _ in range(5):
        with pytest.raises(Invalid):
            await actions.change_password(
                database, acting(ada), current="guess", new="a much better one", now=clock.now()
            )
    with pytest.raises(Refused) as refused:
        await actions.change_password(
            database, acting(ada), current=PASSWORD, new="a much better one", now=clock.now()
        )
    assert refused.value.reason == "locked"


async def test_who_sets_whose_password(database: Database, clock: ManualClock, ada: User) -> None:
    async with database.transaction() as tx:
        now = clock.now()
        bob = await actions.create_user(tx, SYSTEM, NewUser(name="Bob", email="b@example.com"), now)
        assert not await actions.has_password(tx, bob.id)
        with pytest.raises(Forbidden):
            await actions.set_password(tx, acting(bob), ada.id, "a much better one", now)
        with pytest.raises(Refused, match="current"):
            await actions.set_password(tx, acting(ada), ada.id, "a much better one", now)
        await actions.set_password(tx, acting(ada), bob.id, "a much better one", now)
        assert await actions.has_password(tx, bob.id)
    outcome = await enter(database, clock, "a much better one", email="b@example.com")
    assert outcome.reason == "signed_in"


async def test_a_deactivated_person_is_out_at_once(
    database: Database, clock: ManualClock, ada: User
) -> None:
    token = await token_of(database, clock)
    async with database.transaction() as tx:
        await actions.deactivate_user(tx, SYSTEM, ada.id, clock.now())
    assert await whoami(database, clock, token) is None
    assert (await enter(database, clock)).reason == "wrong"


async def test_hashing_leaves_the_event_loop_free() -> None:
    turns = 0
    done = asyncio.Event()

    async def other_work() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)

    worker = asyncio.create_task(other_work())
    await asyncio.sleep(0)
    counted = []
    kept = await hashed(PASSWORD)
    counted.append(turns)
    assert await proven(kept, PASSWORD)
    counted.append(turns)
    assert not await proven(None, PASSWORD)
    counted.append(turns)
    done.set()
    await worker
    # A blocking call would let the other task run once or not at all while it works.
    assert counted[0] > 10
    assert counted[1] - counted[0] > 10
    assert counted[2] - counted[1] > 10


async def test_a_password_changed_while_it_was_being_proven_does_not_open(
    database: Database, clock: ManualClock, ada: User
) -> None:
    async with database.transaction() as tx:
        await actions.set_password(tx, SYSTEM, ada.id, "a much better one", clock.now())
        attempt = asyncio.create_task(enter(database, clock, PASSWORD))
        # The try is committed together with having read the old hash.
        while not await count(database, "login_throttle"):  # noqa: ASYNC110 - another connection
            await asyncio.sleep(0.01)
    assert (await attempt).reason == SignInReason.WRONG
    assert await count(database, "sessions") == 0


async def test_what_is_over_is_swept(database: Database, clock: ManualClock, ada: User) -> None:
    await token_of(database, clock)
    await enter(database, clock, "wrong", email="x@example.com")
    async with database.transaction() as tx:
        assert await actions.sweep(tx, clock.now()) == 0
    clock.advance(timedelta(hours=13))
    living = await token_of(database, clock)
    async with database.transaction() as tx:
        assert await actions.sweep(tx, clock.now()) >= 2
    assert await count(database, "sessions") == 1
    assert await whoami(database, clock, living) is not None


async def make_key(tx: Tx, clock: ManualClock, actor: Actor, **key: object) -> str:
    new = NewKey(name="ci", **key)  # type: ignore[arg-type]
    return (await actions.create_key(tx, actor, new, clock.now()))[1]


async def test_a_key_is_shown_once_and_found_by_its_digest(
    database: Database, clock: ManualClock, ada: User
) -> None:
    async with database.transaction() as tx:
        key, token = await actions.create_key(
            tx, acting(ada), NewKey(name=" ci ", user_id=ada.id), clock.now()
        )
        stored = await tx.value("select string_agg(k::text, ' ') from api_keys k")
        actor = await actions.actor_for_key(tx, token, clock.now(), address="192.0.2.9")
        (listed,) = (await actions.list_keys(tx, acting(ada), user_id=ada.id)).items
    assert re.fullmatch(r"[0-9A-Za-z_+-]{20}", token)
    assert token not in stored
    assert (key.name, key.hint, key.created_by) == ("ci", token[-4:], ada.id)
    assert actor == Actor(kind="key", id=ada.id, label="Ada", role=Role.ADMIN, address="192.0.2.9")
    assert listed.last_used_at == clock.now()


async def test_account_keys_have_a_role_of_their_own_and_nobody_behind_them(
    database: Database, clock: ManualClock, ada: User
) -> None:
    async with database.transaction() as tx:
        token = await make_key(tx, clock, acting(ada), role="observer", read_only=True)
        full = await make_key(tx, clock, acting(ada))
        actor = await actions.actor_for_key(tx, token, clock.now())
        admin = await actions.actor_for_key(tx, full, clock.now())
        assert actor is not None
        assert admin is not None
        assert (actor.role, actor.user_id, actor.read_only) == (Role.OBSERVER, None, True)
        assert actor.label == f"ci (key …{token[-4:]})"
        assert (admin.role, admin.read_only) == (Role.ADMIN, False)
        with pytest.raises(Invalid, match="role"):
            await make_key(tx, clock, SYSTEM, role="owner")
        with pytest.raises(Invalid, match="role"):
            await make_key(tx, clock, SYSTEM, role="admin", user_id=ada.id)


async def test_a_users_key_follows_their_role(
    database: Database, clock: ManualClock, ada: User
) -> None:
    async with database.transaction() as tx:
        token = await make_key(tx, clock, acting(ada), user_id=ada.id)
        await actions.update_user(tx, SYSTEM, ada.id, UserChange(role="observer"), clock.now())
        actor = await actions.actor_for_key(tx, token, clock.now())
        assert actor is not None
        assert actor.role == Role.OBSERVER
        await actions.deactivate_user(tx, SYSTEM, ada.id, clock.now())
        assert await actions.actor_for_key(tx, token, clock.now()) is None


async def test_who_makes_and_revokes_keys(
    database: Database, clock: ManualClock, ada: User
) -> None:
    async with database.transaction() as tx:
        now = clock.now()
        bob = await actions.create_user(tx, SYSTEM, NewUser(name="Bob", email="b@example.com"), now)
        owner = await actions.create_user(
            tx, SYSTEM, NewUser(name="Olga", email="o@example.com", role="owner"), now
        )
        for forbidden in ({"user_id": ada.id}, {"role": "observer"}):
            with pytest.raises(Forbidden):
                await make_key(tx, clock, acting(bob), **forbidden)
        with pytest.raises(Forbidden, match="owner"):
            await make_key(tx, clock, acting(ada), user_id=owner.id)
        own = await make_key(tx, clock, acting(bob), user_id=bob.id, read_only=True)
        as_key = await actions.actor_for_key(tx, own, now)
        assert as_key is not None
        with pytest.raises(Forbidden, match="read-only"):
            await make_key(tx, clock, as_key, user_id=bob.id)
        with pytest.raises(Forbidden):
            await actions.list_keys(tx, acting(bob))
        (key,) = (await actions.list_keys(tx, as_key, user_id=bob.id)).items
        with pytest.raises(Forbidden, match="read-only"):
            await actions.revoke_key(tx, as_key, key.id, now)
        await actions.revoke_key(tx, acting(bob), key.id, now)
        assert await actions.actor_for_key(tx, own, now) is None
        with pytest.raises(NotFound):
            await actions.revoke_key(tx, acting(bob), key.id, now)


async def test_last_used_is_written_at_most_once_a_minute(
    database: Database, clock: ManualClock, ada: User
) -> None:
    async with database.transaction() as tx:
        token = await make_key(tx, clock, acting(ada))

    async def last_used() -> datetime | None:
        async with database.transaction() as tx:
            await actions.actor_for_key(tx, token, clock.now())
            return (await actions.list_keys(tx, SYSTEM)).items[0].last_used_at

    first = await last_used()
    assert first == clock.now()
    clock.advance(timedelta(seconds=59))
    assert await last_used() == first
    clock.advance(timedelta(seconds=1))
    assert await last_used() == clock.now()


@pytest.mark.parametrize("token", ["", "x" * 20, "x" * 19 + "\x00", "\N{SNOWMAN}" * 20, "x" * 4000])
async def test_keys_that_are_not_ours(database: Database, clock: ManualClock, token: str) -> None:
    async with database.transaction() as tx:
        assert await actions.actor_for_key(tx, token, clock.now()) is None
