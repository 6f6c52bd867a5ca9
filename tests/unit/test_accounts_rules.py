"""Validation, passwords, throttling and lifetimes: tables of cases and a few laws."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.accounts import lifetimes, passwords, throttle, validation
from tocsin.accounts.throttle import ACCOUNT, Failures
from tocsin.core.errors import Invalid

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FRESH = Failures(failures=0, last_at=None, locked_until=None)


@pytest.mark.parametrize(
    "good",
    [
        "ada@example.com",
        "a.b+c@sub.example.co",
        "ops@localhost",
        "o'hara@x-y.org",
        "Ada@Example.COM",
    ],
)
def test_addresses_that_a_mail_server_takes(good: str) -> None:
    assert validation.email("email", f"  {good} ") == good


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "a@b@example.com",
        "a da@example.com",
        "ada@exa mple.com",
        "ada@example..com",
        ".ada@example.com",
        "ada@-example.com",
        "ada@example.com\r\nBcc: all@example.com",
        "ada\x00@example.com",
        '"ada"@example.com',
        "Ada <ada@example.com>",
        "a@b.c",
        "x" * 65 + "@example.com",
        "ada@" + "e" * 97 + ".com",
        None,
        17,
    ],
)
def test_addresses_that_are_refused(bad: object) -> None:
    with pytest.raises(Invalid) as refused:
        validation.email("email", bad)
    assert refused.value.field == "email"


@pytest.mark.parametrize(
    "bad", ["", "   ", "a\nb", "a\x1bb", "x" * 101, "\u2028", "a\ud800", None, 3]
)
def test_names_that_are_refused(bad: object) -> None:
    with pytest.raises(Invalid, match="name"):
        validation.line("name", bad)


def test_names_are_trimmed_and_composed() -> None:
    assert validation.line("name", "  Zoe\u0308 Łukasz 王 ") == "Zoë Łukasz 王"
    assert validation.line("name", "x" * 100) == "x" * 100


def test_time_zones() -> None:
    assert validation.time_zone("time_zone", "Europe/Berlin") == "Europe/Berlin"
    with pytest.raises(Invalid, match="Europe/Berlin"):
        validation.time_zone("time_zone", "Berlin")
    with pytest.raises(Invalid):
        validation.time_zone("time_zone", "../../etc/passwd")


@pytest.mark.parametrize(
    "weak",
    [
        "short",
        "ninechars",
        "x" * 257,
        "aaaaaaaaaaaa",
        "abababababab",
        "1234567890",
        "9876543210",
        "qwertyuiop",
        "abcdefghijkl",
        "password123",
        "Password1234!",
        "passwordpassword",
        "Administrator",
        "changeme2026",
        "tocsin12345",
        "ada@example.com",
        "ADA@EXAMPLE.COM",
        "Ada Lovelace",
        "adalovelace",
        "Ada Lovelace1",
        "ecalevol ada",
    ],
)
def test_weak_passwords_are_refused(weak: str) -> None:
    with pytest.raises(Invalid) as refused:
        passwords.check("password", weak, email="ada@example.com", name="Ada Lovelace")
    assert refused.value.field == "password"


@pytest.mark.parametrize(
    "good",
    [
        "correct horse battery staple",
        "8203948571",
        "tRoub4dor&3x",
        "ünïcödé-word",
        "x7" * 5 + "abcq",
    ],
)
def test_good_passwords_pass(good: str) -> None:
    assert passwords.check("password", good, email="ada@example.com", name="Ada") == good


def test_a_password_is_the_same_however_it_was_composed() -> None:
    assert passwords.clean("caf\u00e9") == passwords.clean("cafe\u0301")
    assert passwords.clean("broken \ud800").encode()


def test_the_first_failures_are_free_then_the_wait_doubles_to_a_limit() -> None:
    state, waits, now = FRESH, [], NOW
    for _ in range(14):
        state = throttle.after_failure(state, ACCOUNT, now)
        waits.append(throttle.wait(state, now))
        now += timedelta(seconds=waits[-1])
    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4:11] == [15, 30, 60, 120, 240, 480, 900]
    assert waits[11:] == [900, 900, 900]


def test_a_quiet_hour_forgets() -> None:
    state = FRESH
    for _ in range(9):
        state = throttle.after_failure(state, ACCOUNT, NOW)
    later = NOW + throttle.FORGET_AFTER
    assert throttle.wait(throttle.after_failure(state, ACCOUNT, later), later) == 0


def test_a_right_password_takes_back_only_its_own_try() -> None:
    state = Failures(failures=7, last_at=NOW, locked_until=NOW)
    assert throttle.after_success(state).failures == 6
    assert throttle.after_success(FRESH).failures == 0


@given(st.lists(st.integers(0, 7200), max_size=60))
def test_a_wait_is_never_longer_than_the_limit(gaps: list[int]) -> None:
    state, now = FRESH, NOW
    for gap in gaps:
        now += timedelta(seconds=gap)
        state = throttle.after_failure(state, ACCOUNT, now)
        assert 0 <= throttle.wait(state, now) <= ACCOUNT.longest.total_seconds()


def test_the_last_fraction_of_a_second_still_counts() -> None:
    state = Failures(failures=5, last_at=NOW, locked_until=NOW + timedelta(milliseconds=300))
    assert throttle.wait(state, NOW) == 1
    assert throttle.wait(state, NOW + timedelta(milliseconds=300)) == 0


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_host_cannot_hide_in_its_network(address: str, counted: str) -> None:
    assert throttle.network(address) == counted


@pytest.mark.parametrize(
    ("idle", "age", "alive"),
    [
        (timedelta(), timedelta(), True),
        (timedelta(hours=11, minutes=59), timedelta(days=1), True),
        (timedelta(hours=12), timedelta(days=1), False),
        (timedelta(minutes=1), timedelta(days=29, hours=23), True),
        (timedelta(minutes=1), timedelta(days=30), False),
    ],
)
def test_how_long_a_session_lives(idle: timedelta, age: timedelta, alive: bool) -> None:
    expires = NOW - age + lifetimes.ABSOLUTE
    assert lifetimes.alive(last_seen_at=NOW - idle, expires_at=expires, now=NOW) is alive


def test_signs_of_life_are_written_once_a_minute() -> None:
    assert lifetimes.touch_due(None, NOW)
    assert not lifetimes.touch_due(NOW - timedelta(seconds=59), NOW)
    assert lifetimes.touch_due(NOW - timedelta(seconds=60), NOW)
