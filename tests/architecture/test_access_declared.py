"""What keeps the security base from eroding: every page is in the access matrix, every action that
takes an actor asks what they may do, and nothing reaches a page without being escaped."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.access_table import TABLE
from tocsin.core import rich_text
from tocsin.web.all_pages import PAGES
from tocsin.web.render import FILTERS

SRC = Path(__file__).parents[2] / "src" / "tocsin"
TEMPLATES = SRC / "web" / "templates"

# `|safe` switches escaping off. Each place, with why what stands before it is never user input.
SAFE = {
    ("macros/controls.html", '"</a>" | safe'): "a closing tag written here",
    ("macros/controls.html", '"</button>" | safe'): "a closing tag written here",
    ("macros/controls.html", '"</form>" | safe'): "a closing tag written here",
    ("macros/controls.html", '"</div>" | safe'): "a closing tag written here",
    ("macros/surfaces.html", "clean | safe"): "what people wrote, through nh3 in the same breath",
}
# Pages that need no sign-in, each with its reason.
PUBLIC = {
    ("GET", "/"): "leads on",
    ("GET", "/app"): "leads on",
    ("GET", "/app/sign-in"): "where one signs in",
    ("POST", "/app/sign-in"): "where one signs in",
    ("POST", "/app/sign-out"): "harmless without a session",
    ("GET", "/app/setup"): "leads on",
    ("GET", "/app/setup/account"): "makes the owner, only while nobody exists",
    ("POST", "/app/setup/account"): "makes the owner, only while nobody exists",
}
ASKS = {
    "require",
    "require_somewhere",
    "require_self_or",
    "require_self_or_looking",
    "allowed",
    "visible_teams",
    "visible",
    "is_self",
}
# Actions whose check is elsewhere, each with where.
NOT_ASKED = {
    "accounts/audit.py:record": "writes down what an action that asked has done",
}


def test_every_page_is_in_the_access_matrix() -> None:
    pages = {(page.method, page.path) for page in PAGES}
    assert pages - set(TABLE) == set()
    for (method, path), trials in TABLE.items():
        acting = [trial for trial in trials if trial.acts]
        assert method == "POST" or not acting, f"{path}: looking must not act"


def test_every_page_without_sign_in_is_listed_with_its_reason() -> None:
    public = {(page.method, page.path) for page in PAGES if page.public or page.signed}
    assert public == set(PUBLIC)


def test_nothing_typed_by_people_or_machines_skips_escaping() -> None:
    found = set()
    for path in sorted(TEMPLATES.rglob("*.html")):
        name = str(path.relative_to(TEMPLATES))
        text = path.read_text()
        for match in re.finditer(r"[^\s{(]+\s*\|\s*safe\b", text):
            found.add((name, match[0]))
        assert not re.search(r"autoescape\s+(false|off)|\{%-?\s*autoescape", text), name
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), f"{name} has an inline script"
        assert not re.search(r"<style\b|\sstyle=", text), f"{name} has an inline style"
        assert not re.search(r"\son[a-z]+=", text), f"{name} has an inline handler"
        assert not re.search(r"(href|src|action)=[^\"'\s>]*\{\{", text), f"{name}: quote it"
    assert found == set(SAFE)


def test_no_code_makes_markup_by_hand() -> None:
    for path in sorted((SRC / "web").rglob("*.py")) + sorted((SRC / "replies").rglob("*.py")):
        text = path.read_text()
        for word in ("Markup(", "markupsafe", "autoescape=False", "from_string("):
            assert word not in text, f"{path.name} uses {word}"
    # What people wrote goes through nh3, where it is made and again where it is shown.
    assert FILTERS["clean"] is rich_text.safe
    for path in SRC.rglob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {
            name.name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for name in node.names
        } | {
            (node.module or "").partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
        }
        assert "markdown_it" not in imported or "nh3" in imported, path


def _actions() -> Iterator[tuple[str, ast.AsyncFunctionDef, ast.Module]]:
    """Every public function of an area that takes an actor."""
    for path in sorted(SRC.rglob("*.py")):
        if "actions" not in path.parts and path.name not in ("actions.py", "audit.py"):
            continue
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_"):
                names = {arg.arg for arg in (*node.args.args, *node.args.kwonlyargs)}
                if "actor" in names:
                    yield f"{path.relative_to(SRC)}:{node.name}", node, tree


def _called(node: ast.AST) -> set[str]:
    names = set()
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            function = call.func
            if isinstance(function, ast.Attribute):
                names.add(function.attr)
            elif isinstance(function, ast.Name):
                names.add(function.id)
    return names


def _everything_called() -> dict[str, set[str]]:
    """What each function of the areas calls, by its bare name."""
    found: dict[str, set[str]] = {}
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                found.setdefault(node.name, set()).update(_called(node))
    return found


def test_every_action_that_takes_an_actor_asks_what_they_may() -> None:
    """Directly, or through a function it calls (three deep)."""
    calls = _everything_called()
    silent = []
    count = 0
    for name, node, _ in _actions():
        count += 1
        reached = _called(node)
        for _ in range(3):
            reached |= {deeper for one in reached for deeper in calls.get(one, ())}
        if not reached & ASKS and name not in NOT_ASKED:
            silent.append(name)
    assert count > 40
    assert silent == []
