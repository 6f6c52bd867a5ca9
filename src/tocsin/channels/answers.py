"""What an HTTP answer means for a delivery: pure, one table for every channel.

2xx is sent. 429 and 503 wait as long as they say. 408, 425 and 5xx may heal. Every other answer,
redirects included, will be the same next time.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tocsin.channels.model import Dead, Receipt, Retry, Sent
from tocsin.core import planted_defects
from tocsin.core.http import Answer

MOST_WAIT_SECONDS = 900.0
_MAY_HEAL = {408, 425, 429}


def receipt_of(answer: Answer, now: datetime, provider_id: str | None = None) -> Receipt:
    """The receipt for an answer; `now` turns a Retry-After date into seconds."""
    detail = f"HTTP {answer.status}"
    if 300 <= answer.status < 400:
        return Dead(detail=f"{detail}: redirects are not followed, give the final address")
    if answer.ok or planted_defects.ANY_ANSWER_IS_SENT:
        return Sent(detail=detail, provider_id=provider_id)
    said = answer.text(200)
    if said:
        detail += f": {said}"
    if answer.status in _MAY_HEAL or answer.status >= 500:
        return Retry(detail=detail, after_seconds=retry_after(answer, now))
    return Dead(detail=detail)


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Seconds the provider asks to wait (RFC 9110, 10.2.3), bounded, or None."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        try:
            then = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        if then.tzinfo is None:
            then = then.replace(tzinfo=UTC)
        seconds = (then - now).total_seconds()
    return min(max(seconds, 0.0), MOST_WAIT_SECONDS)
