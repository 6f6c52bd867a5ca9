"""Which conference bridges people can be sent to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.incidents import conference
from tocsin.incidents.model import Conference


@pytest.mark.parametrize(
    ("number", "url", "field"),
    [
        ("+1 415 555 1212,,,,1234#", None, None),
        (None, "https://meet.example.com/room?pwd=1#x", None),
        ("0800 123", "http://10.0.0.1:8080/room", None),
        ("call me", None, "conference_number"),
        ("1\n2", None, "conference_number"),
        ("1" * 256, None, "conference_number"),
        (None, "javascript:alert(1)", "conference_url"),
        (None, "data:text/html,1", "conference_url"),
        (None, "meet.example.com/room", "conference_url"),
        (None, "https://", "conference_url"),
        (None, "https://[::1", "conference_url"),
        (None, "https://meet.example.com/a b", "conference_url"),
        (None, "https://meet.example.com/\u202e", "conference_url"),
        (None, "https://" + "x" * 300, "conference_url"),
    ],
)
def test_a_bridge(number: str | None, url: str | None, field: str | None) -> None:
    found = conference.problem(conference.tidied(Conference(number=number, url=url)))
    assert (found and found[0]) == field


def test_nothing_is_no_bridge() -> None:
    assert conference.tidied(Conference(number=" ", url="")) is None
    assert conference.tidied(None) is None
    assert conference.problem(None) is None
    assert conference.tidied(Conference(number=" 1 ")) == Conference(number="1")


@given(number=st.text(), url=st.text())
def test_whatever_is_written_is_judged(number: str, url: str) -> None:
    found = conference.tidied(Conference(number=number, url=url))
    if conference.problem(found) is None and found is not None and found.url is not None:
        assert found.url.startswith(
            ("http://", "https://", "HTTP", "Http", "hTt", "htT", "hT", "H")
        )
