"""The sliding minute: who gets through, who waits, and for how long."""

import pytest

from tocsin.ingest.limits import KEYS, RateLimiter, Verdict, Window, admit


@pytest.mark.parametrize(
    ("window", "now", "limit", "let_through", "retry_after"),
    [
        (Window(0, 0, 0), 0, 1, True, 0),
        (Window(0, 1, 0), 0, 1, False, 120),
        (Window(0, 119, 0), 30, 120, True, 0),
        (Window(0, 120, 0), 30, 120, False, 31),
        # Half a minute on, half of the previous minute still counts.
        (Window(0, 0, 120), 30, 120, True, 0),
        (Window(0, 60, 120), 30, 120, False, 1),
        (Window(0, 0, 120), 0, 120, False, 1),
        # The bucket moves on with time, by one minute and by many.
        (Window(0, 120, 0), 60, 120, False, 1),
        (Window(0, 120, 0), 61, 120, True, 0),
        (Window(0, 120, 120), 600, 120, True, 0),
    ],
)
def test_cases(window: Window, now: float, limit: int, let_through: bool, retry_after: int) -> None:
    verdict = admit(window, now, limit)
    assert (verdict.retry_after == 0) is let_through
    assert verdict.retry_after == retry_after
    counted = verdict.window.current - (
        window.current if verdict.window.start == window.start else 0
    )
    assert counted == (1 if let_through else 0)


def test_after_the_wait_it_is_let_through() -> None:
    for limit in (1, 2, 7, 120):
        window, now = Window(0), 5.0
        while not (verdict := admit(window, now, limit)).retry_after:
            window = verdict.window
        later: Verdict = admit(window, now + verdict.retry_after, limit)
        assert later.retry_after == 0


def test_a_limit_of_nothing_is_no_limit() -> None:
    limiter = RateLimiter(0)
    assert all(limiter.retry_after("PX", 0.0) == 0 for _ in range(1000))


def test_keys_do_not_share_and_are_forgotten_when_there_are_too_many() -> None:
    limiter = RateLimiter(1)
    assert limiter.retry_after("a", 0.0) == 0
    assert limiter.retry_after("b", 0.0) == 0
    assert limiter.retry_after("a", 1.0) > 0
    for number in range(KEYS):
        limiter.retry_after(f"other{number}", 1.0)
    assert limiter.retry_after("a", 1.0) == 0
