"""How long a session lives, and when a sign of life is worth a write.

A session ends twelve hours after it was last used and thirty days after it began, whichever comes
first. "Last seen" and "last used" are written at most once a minute, so reading pages costs no
writes; the idle limit is therefore exact to a minute.
"""

from datetime import datetime, timedelta

IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=30)
TOUCH_EVERY = timedelta(minutes=1)


def alive(*, last_seen_at: datetime, expires_at: datetime, now: datetime) -> bool:
    """Whether a session still opens the door."""
    return now < expires_at and now < last_seen_at + IDLE


def touch_due(last: datetime | None, now: datetime) -> bool:
    """Whether the time of last use is old enough to be written again."""
    return last is None or now - last >= TOUCH_EVERY
