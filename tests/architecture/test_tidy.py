"""Checks on the code itself: size, purity, names, who uses whose store, and no clock in SQL."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "tocsin"

AREAS = {
    "accounts",
    "timeline",
    "catalog",
    "events",
    "paging",
    "schedules",
    "suppression",
    "escalations",
    "incidents",
    "tags",
    "webhooks",
}
# Within an area these modules may touch the world; every other one is a rule and may not.
IMPURE = {"actions", "store", "feed", "audit", "acceptor"}
BANNED_IN_RULES = {
    "psycopg",
    "httpx",
    "asyncio",
    "os",
    "socket",
    "time",
    "random",
    "secrets",
    "logging",
    "structlog",
    "pathlib",
    "threading",
}
PURE_CORE = {
    "tocsin.core.ids",
    "tocsin.core.timezones",
    "tocsin.core.errors",
    "tocsin.core.outbound_guard",
}
BANNED_NAMES = {"utils", "helpers", "common", "misc", "manager", "service", "services"}
MOST_LINES = 500
MOST_FUNCTION_LINES = 70
MOST_POSITIONAL = 5


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SRC.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(SRC)}:{node.name}", node


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rules() -> Iterator[tuple[Path, ast.Module]]:
    """The modules of areas that decide: everything but the doors and the stores."""
    for path, tree in modules():
        parts = path.relative_to(SRC).with_suffix("").parts
        if parts[0] in AREAS and len(parts) > 1 and not IMPURE & set(parts):
            yield path, tree


def test_no_file_is_longer_than_500_lines() -> None:
    files = [p for p in SRC.rglob("*") if p.suffix in {".py", ".html", ".sql"}]
    long = [str(p.relative_to(ROOT)) for p in files if p.read_text().count("\n") > MOST_LINES]
    assert [name for name in long if not name.endswith("schema.sql")] == []


def test_no_function_is_longer_than_70_lines() -> None:
    assert [
        name
        for name, node in functions()
        if (node.end_lineno or node.lineno) - node.lineno >= MOST_FUNCTION_LINES
    ] == []


def test_no_function_takes_more_than_five_positional_parameters() -> None:
    def positional(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        return len([name for name in names if name not in ("self", "cls")])

    assert [name for name, node in functions() if positional(node) > MOST_POSITIONAL] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [str(p) for p, _ in modules() if p.stem in BANNED_NAMES] == []


def test_every_module_says_what_it_is() -> None:
    assert [str(p) for p, tree in modules() if not ast.get_docstring(tree)] == []


def test_rules_do_no_input_or_output() -> None:
    bad = []
    for path, tree in rules():
        for target in imported(tree):
            own = ".".join(target.split(".")[:3])
            impure_import = target.startswith("tocsin.") and IMPURE & set(target.split("."))
            foreign_core = target.startswith("tocsin.core.") and own not in PURE_CORE
            if target.split(".")[0] in BANNED_IN_RULES or impure_import or foreign_core:
                bad.append(f"{path.relative_to(SRC)}: {target}")
        bad += [
            f"{path.relative_to(SRC)}: async def {node.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.AsyncFunctionDef)
        ]
    assert bad == []


def test_a_store_is_used_only_by_its_own_area() -> None:
    bad = []
    for path, tree in modules():
        area = path.relative_to(SRC).parts[0]
        for target in imported(tree):
            match = re.match(r"tocsin\.(\w+)\.store\b", target)
            if match and match[1] != area:
                bad.append(f"{path.relative_to(SRC)}: {target}")
    assert bad == []


def test_sql_never_reads_the_clock() -> None:
    clock = re.compile(
        r"\b(now\(\)|current_timestamp|clock_timestamp|localtimestamp|current_date)", re.I
    )
    verb = re.compile(r"\b(select|insert|update|delete|create)\b", re.I)
    bad = []
    for path, tree in modules():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and verb.search(node.value)
                and clock.search(node.value)
                and not path.match("core/database.py")
                and "never" not in node.value
            ):
                bad.append(f"{path.relative_to(SRC)}:{node.lineno}")
    for path in (SRC / "migrations").glob("*.sql"):
        if clock.search(path.read_text()) and path.name != "schema.sql":
            bad.append(path.name)
    assert bad == []


def test_only_the_clock_reads_time() -> None:
    """Ruff bans the calls; this catches imports where ruff was told to hush."""
    allowed = {"core/clock.py", "core/ids.py"}
    bad = [
        f"{path.relative_to(SRC)}: {target}"
        for path, tree in modules()
        for target in imported(tree)
        if target.split(".")[0] in {"time", "random", "uuid"}
        and str(path.relative_to(SRC)) not in allowed
        and not path.name.startswith("embedded_")
    ]
    assert bad == []


def test_templates_carry_no_inline_code_or_style() -> None:
    """The Content-Security-Policy would refuse them; better to learn it here."""
    inline = re.compile(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", re.I)
    bad = []
    for path in (SRC / "web" / "templates").rglob("*.html"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if inline.search(re.sub(r"\{#.*?#\}", "", line)):
                bad.append(f"{path.name}:{number}: {line.strip()[:80]}")
    assert bad == []


def test_the_repository_speaks_of_the_product_alone() -> None:
    """No machine's paths and no private hosts in what is tracked."""
    words = re.compile(r"/(?:work|root|home/\w+)/|registry\.npmjs|pythonhosted|pypi\.org/simple")
    bad = []
    for path in ROOT.rglob("*"):
        skip = {".git", ".venv", ".cache", "node_modules", "var", "static", "__pycache__"}
        skip |= {".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
        skip |= {".import_linter_cache"}
        if skip & set(path.relative_to(ROOT).parts) or not path.is_file():
            continue
        if path == Path(__file__) or path.suffix in {".png", ".ico", ".woff2"}:
            continue
        text = path.read_text("utf-8", errors="ignore")
        if words.search(text):
            bad.append(str(path.relative_to(ROOT)))
    assert bad == []
