"""The shell and the parts as text: safe under the policy, complete, and honest about mistakes."""

import re
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from tocsin.web import components
from tocsin.web.assets import STATIC_DIRECTORY, STATIC_URL, AssetsMissing, assets, read_assets
from tocsin.web.render import (
    DEFAULTS,
    TEMPLATE_DIRECTORY,
    Parts,
    environment,
    macro_files,
    render,
    theme_of,
)

NOW = datetime(2026, 10, 22, 1, 12, 34, tzinfo=UTC)
VIEWER = {
    "id": "PINES",
    "name": "Ines Carvalho",
    "time_zone": "Europe/Berlin",
    "role": "responder",
    "theme": "",
}
HOSTILE = "<script>alert(1)</script>\"'>"
VOID = {"meta", "col", "link", "input", "br", "hr", "img", "path", "rect", "circle", "line", "use"}
ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """The elements of a page, and what is wrong with their nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.elements if name == tag]


def shell(**changes: Any) -> dict[str, Any]:
    return {
        "page": {"title": "Components", "section": "incidents"},
        "viewer": VIEWER,
        "nav": {"triggered": 7},
        "now": NOW,
        "csrf_token": "token-1",
    } | changes


def parts_page(**changes: Any) -> Page:
    return Page(render("components.html", **components.examples(NOW), **shell(**changes)))


def snippet(source: str, **context: Any) -> str:
    """Render a few lines of template with the macros, as a page would."""
    values = {**DEFAULTS, "now": NOW, "viewer": VIEWER, "csrf_token": "token-1", **context}
    values["ui"] = Parts(environment(), macro_files(), values)
    return environment().from_string(source).render(**values)


def test_every_part_renders_balanced_and_with_unique_ids() -> None:
    page = parts_page()
    assert page.open == []
    ids = Counter(attrs["id"] for _, attrs in page.elements if "id" in attrs)
    assert [name for name, count in ids.items() if count > 1] == []


def test_nothing_on_the_page_needs_an_unsafe_policy() -> None:
    for tag, attrs in parts_page().elements:
        assert "style" not in attrs, tag
        assert not [name for name in attrs if name.startswith("on")], tag
        assert tag != "style"
        assert not attrs.get("href", "").startswith("javascript:")
    scripts = parts_page().all("script")
    assert [script["src"] for script in scripts] == [assets().url("app.js")]


def test_templates_hold_no_inline_style_script_or_handler() -> None:
    for file in TEMPLATE_DIRECTORY.rglob("*.html"):
        text = file.read_text("utf-8")
        code = re.sub(r"{#.*?#}", "", text, flags=re.S)
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)", code), file


def test_labels_and_descriptions_point_at_something() -> None:
    page = parts_page()
    ids = {attrs["id"] for _, attrs in page.elements if "id" in attrs}
    for tag, attrs in page.elements:
        targets = attrs.get("aria-describedby", "").split() + attrs.get("for", "").split()
        targets += attrs.get("aria-labelledby", "").split() + attrs.get("data-dialog", "").split()
        assert set(targets) <= ids, (tag, attrs)


def test_every_button_of_icons_alone_has_a_name() -> None:
    for tag, attrs in parts_page().elements:
        if tag in ("a", "button") and "icon" in attrs.get("class", "").split():
            assert attrs.get("aria-label"), attrs


def test_every_drawn_icon_is_in_the_sprite() -> None:
    page = parts_page()
    dots = [attrs for attrs in page.all("use") if attrs["href"].endswith("#i-dot")]
    assert len(dots) == 1, "only the sheet of icons itself shows the fallback"
    named = re.compile(r"ui\.icon\(\"([a-z]+)\"|icon=\"([a-z]+)\"")
    for file in TEMPLATE_DIRECTORY.rglob("*.html"):
        for match in named.findall(file.read_text("utf-8")):
            assert next(filter(None, match)) in assets().icons, file


def test_the_page_of_parts_shows_every_macro() -> None:
    shown = "".join(
        (TEMPLATE_DIRECTORY / name).read_text("utf-8") for name in ("components.html", "base.html")
    )
    macros = "".join(
        (TEMPLATE_DIRECTORY / name).read_text("utf-8") for name in set(macro_files().values())
    )
    for name in macro_files():
        direct = f"ui.{name}(" in shown
        within = len(re.findall(rf"(?<!macro )\b{name}\(", macros)) > 0
        assert direct or within, f"ui.{name} is shown nowhere"


def test_every_plain_post_form_carries_the_token() -> None:
    text = render("components.html", **components.examples(NOW), **shell())
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", text, flags=re.S)
    assert len(forms) >= 3
    for form in forms:
        assert 'name="csrf_token" value="token-1"' in form


def test_the_current_section_is_marked_in_nav_and_dock() -> None:
    page = parts_page(page={"title": "Who", "section": "policies"})
    current = [a["href"] for a in page.all("a") if a.get("aria-current") == "page"]
    assert "/app/escalation-policies" in current
    assert "/app/incidents" not in current


def test_the_theme_is_set_before_the_first_paint() -> None:
    assert parts_page(viewer={**VIEWER, "theme": "dark"}).all("html")[0]["data-theme"] == "dark"
    assert "data-theme" not in parts_page().all("html")[0]
    assert theme_of("dark") == "dark"
    assert theme_of("dark; x") == ""
    assert theme_of(None) == ""


def test_times_follow_the_viewer_and_zone_can_be_given() -> None:
    assert snippet("{{ now | clock }}") == "03:12"
    assert snippet("{{ now | clock('Asia/Singapore') }}") == "09:12"
    assert snippet("{{ now | clock }}", viewer=None) == "01:12"
    assert 'datetime="2026-10-22T01:12:34Z"' in snippet("{{ ui.time(now) }}")
    assert snippet("{{ ui.time(none, missing='not yet') }}") == "not yet"


def test_a_page_that_writes_a_relative_time_must_pass_now() -> None:
    with pytest.raises(TypeError, match="pass now="):
        snippet("{{ at | relative }}", now=None, at=NOW)


def test_a_name_nobody_passed_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("components.html", **shell())
    with pytest.raises(UndefinedError):
        snippet("{{ ui.no_such_macro() }}")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ui.button(x, key=x, name=x, value=x, attrs={'data-a': x}) }}",
        "{{ ui.act(x, x, fields={'a': x}) }}",
        "{{ ui.field('a', x, x, hint=x, error=x) }}{{ ui.textarea('b', x, x) }}",
        "{{ ui.select('a', x, [(x, x)], x) }}{{ ui.radios('b', x, [(x, x, x)], x) }}",
        "{{ ui.person(x, x, sub=x, href=x) }}{{ ui.badge(x) }}{{ ui.priority(x) }}",
        "{{ ui.toast(x, undo=x, oob=True) }}{{ ui.snippet(x, x) }}{{ ui.copyable(x) }}",
        "{{ ui.kv([(x, x)]) }}{{ ui.stat(x, x) }}{{ ui.tabs([{'label': x, 'href': x}]) }}",
        "{{ ui.ladder([{'number': 1, 'who': x, 'state': 'done', 'note': x}]) }}",
        "{% call ui.entry(now, 'bell', because=x, detail=x) %}{{ x }}{% endcall %}",
        "{% call ui.card(x, end=x, foot=x) %}{{ x }}{% endcall %}",
        "{% call ui.dialog('d', x, action=x) %}{{ x }}{% endcall %}{{ ui.chip(x, x, x, on=True) }}",
    ],
)
def test_what_machines_and_people_wrote_is_escaped(source: str) -> None:
    text = snippet(source, x=HOSTILE)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    for _, attrs in Page(text).elements:
        assert "alert(1)<" not in attrs


def test_a_field_with_an_error_says_so_to_everybody() -> None:
    page = Page(snippet("{{ ui.field('end', 'Ends', '9', hint='In days.', error='Too far.') }}"))
    field = page.all("input")[0]
    assert field["aria-invalid"] == "true"
    assert field["aria-describedby"] == "f-end-e f-end-h"
    assert "Too far." in page.text
    assert "In days." in page.text


RUNGS = [
    {"number": 1, "who": "Ines Carvalho", "state": "done"},
    {"number": 2, "who": "Tomasz Wieczorek", "state": "next", "seconds": 161},
    {"number": 3, "who": "Leads", "state": "later"},
]


def test_the_ladder_says_who_is_next_and_when_in_three_sizes() -> None:
    full = Page(snippet("{{ ui.ladder(rungs) }}", rungs=RUNGS))
    assert [li["class"] for li in full.all("li")] == ["rung done", "rung next", "rung later"]
    for name in ("ladder", "ladder_strip", "ladder_dots"):
        page = Page(snippet(f"{{{{ ui.{name}(rungs) }}}}", rungs=RUNGS))
        assert [e["data-countdown"] for _, e in page.elements if "data-countdown" in e] == ["161"]
        assert "2:41" in page.text
        assert "Wieczorek" in page.text


def test_a_stopped_ladder_says_where() -> None:
    rungs = [{"number": 2, "who": "Ines", "state": "stopped", "at": NOW}]
    assert "stopped at level 2" in snippet("{{ ui.ladder_dots(rungs) }}", rungs=rungs)
    assert "snoozed" in snippet("{{ ui.ladder_dots(rungs, 'snoozed') }}", rungs=rungs)


def test_an_unknown_icon_or_priority_still_renders() -> None:
    assert snippet("{{ ui.icon('no such thing') }}").count("#i-dot") == 1
    assert "p5" in snippet("{{ ui.priority('Sev-2') }}")
    assert snippet("{{ ui.priority(none) }}") == ""


def test_a_page_without_shell_and_without_person() -> None:
    text = render("bare.html", page={"title": "Sign in"}, now=NOW, theme="dark")
    page = Page(text)
    assert page.all("html")[0]["data-theme"] == "dark"
    assert page.all("nav") == []
    assert "Sign in · Tocsin" in page.text


def test_static_files_exist_under_hashed_names() -> None:
    for name in ("app.css", "app.js", "icons.svg", "favicon.svg"):
        url = assets().url(name)
        stem, extension = name.split(".")
        assert re.fullmatch(rf"/static/{stem}-[0-9A-Z]{{8}}\.{extension}", url)
        assert (STATIC_DIRECTORY / url.removeprefix(STATIC_URL)).stat().st_size > 0
    with pytest.raises(AssetsMissing, match=r"Known: app\.css"):
        assets().url("nope.js")


def test_unbuilt_or_damaged_assets_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AssetsMissing, match=r"python hatch_build\.py"):
        read_assets(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(AssetsMissing, match="damaged"):
        read_assets(tmp_path)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def tokens(theme: int) -> dict[str, str]:
    text = (ROOT / "frontend/src/tokens.css").read_text("utf-8")
    pairs = re.findall(r"--([\w-]+):\s*light-dark\((#\w{6}), (#\w{6})\);", text)
    plain = re.findall(r"--([\w-]+):\s*(#\w{6});", text)
    return {name: pair[theme] for name, *pair in pairs} | dict(plain)


GROUNDS = ("canvas", "surface", "raised", "hover", "selected", "sunken")
TEXTS = ("ink", "ink-2", "ink-3", "accent", "triggered", "acknowledged", "resolved", "suppressed")
TEXTS += ("critical", "error", "warning", "info")
ON_SOLID = [
    ("on-triggered", "triggered-solid"),
    ("on-acknowledged", "acknowledged-solid"),
    ("on-resolved", "resolved-solid"),
    ("on-primary", "primary"),
    ("on-inverse", "inverse"),
    *((f"on-p{n}", f"p{n}") for n in (1, 2, 3, 4)),
    *((name, f"{name}-tint") for name in ("triggered", "acknowledged", "resolved", "suppressed")),
    *(("ink", f"who-{n}") for n in range(1, 7)),
    ("ink", "current"),
]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_has_aa_contrast_on_every_ground(theme: int) -> None:
    colour = tokens(theme)
    for text in TEXTS:
        for ground in GROUNDS:
            assert contrast(colour[text], colour[ground]) >= 4.5, (text, ground)
    for text, ground in ON_SOLID:
        assert contrast(colour[text], colour[ground]) >= 4.5, (text, ground)
    for edge in ("line-control", "focus"):
        assert contrast(colour[edge], colour["surface"]) >= 3, edge
