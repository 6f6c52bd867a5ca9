"""What people write is shown as they meant it, and does nothing that they did not mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core import rich_text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("**down**", "<p><strong>down</strong></p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("![x](https://example.com/pixel.gif)", "<p></p>"),
    ],
)
def test_markdown(text: str, wanted: str) -> None:
    assert rich_text.from_markdown(text) == wanted


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ('<p onclick="x()" style="x">a</p>', "<p>a</p>"),
        ("<script>alert(1)</script>b", "b"),
        ('<a href="javascript:x">a</a>', '<a rel="noopener noreferrer nofollow">a</a>'),
        ("<iframe src=x></iframe><form><input></form>c", "c"),
        ('<svg onload="x"><p>d', "<p>d</p>"),
    ],
)
def test_html(html: str, wanted: str) -> None:
    assert rich_text.safe(html) == wanted


@given(st.text(alphabet=st.sampled_from("<>/=\"' abscriptonload:javsc&;#x![]()`*\n")))
def test_nothing_that_runs_gets_through(text: str) -> None:
    for found in (rich_text.from_markdown(text), rich_text.safe(text)):
        assert "<script" not in found.lower()
        assert "<img" not in found.lower()
        # What was cleaned once is clean.
        assert rich_text.safe(found) == found
