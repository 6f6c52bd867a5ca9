"""Markdown and HTML that people write, made safe to show and to mail.

Rule: what comes out holds only tags of running text, links that lead somewhere a browser may go,
and no style, script, form or picture that calls home, whatever was put in.
"""

import nh3
from markdown_it import MarkdownIt

TAGS = {
    "a", "b", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "hr", "i", "li", "ol",
    "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
SCHEMES = {"http", "https", "mailto", "tel"}

# Typed HTML stays text; line ends are kept, because people write messages as they see them.
_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(
    ["table", "strikethrough"]
)


def from_markdown(text: str) -> str:
    """Safe HTML for a text in Markdown."""
    return safe(_markdown.render(text))


def safe(html: str) -> str:
    """The part of `html` that is safe to show."""
    return nh3.clean(
        html,
        tags=TAGS,
        attributes={"a": {"href", "title"}, "td": {"align"}, "th": {"align"}},
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
    ).strip()
