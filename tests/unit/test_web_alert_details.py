"""What machines send is bounded, readable, and never a link to something dangerous."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.web.alert_details import MOST_LINES, MOST_VALUE, lines, links, safe_url

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=60,
)


@given(JSON)
def test_any_json_becomes_few_short_lines(details: object) -> None:
    found, more = lines(details)
    assert len(found) <= MOST_LINES
    assert more >= 0
    assert all(len(line.text) <= MOST_VALUE for line in found)


def test_nested_values_have_dotted_paths_and_empty_ones_are_left_out() -> None:
    found, more = lines({"a": {"b": [1, 2], "c": ""}, "d": [{"e": True}, None]})
    assert [(line.path, line.text) for line in found] == [("a.b", "1, 2"), ("d[0].e", "yes")]
    assert more == 0


def test_too_many_values_are_counted() -> None:
    found, more = lines({str(n): n for n in range(MOST_LINES + 7)})
    assert len(found) == MOST_LINES
    assert more == 7


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "http://",
        "http://[",
        "java\nscript:alert(1)",
        None,
        7,
    ],
)
def test_only_web_addresses_are_links(url: object) -> None:
    assert safe_url(url) is None


def test_pictures_become_links_and_unsafe_ones_vanish() -> None:
    found = links(
        [{"href": "https://r.example/x", "text": "Runbook"}, {"href": "javascript:x"}],
        [{"src": "https://g.example/1.png", "alt": "Lag"}],
        "Grafana",
        "https://g.example/d",
    )
    assert [(link.text, link.is_image) for link in found] == [
        ("Grafana", False),
        ("Runbook", False),
        ("Lag", True),
    ]
