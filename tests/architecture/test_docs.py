"""The reference pages say what the code says: every setting, metric and command, and no other.

When one of these fails, put the rows that the message shows into the page.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tocsin import metrics
from tocsin.cli import group
from tocsin.core import config

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def rows(page: str) -> set[str]:
    """The rows of every table of a reference page, without headings."""
    lines = (REFERENCE / page).read_text().splitlines()
    return {line for line in lines if line.startswith("| `")}


def cells(*texts: str) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def setting_rows() -> set[str]:
    found = set()
    for setting in config.SETTINGS:
        default = setting.shown_default
        if default is None:
            plain = setting.default
            # One and true are equal, and so are the keys of a table.
            default = "not set" if plain in (None, "") else f"`{plain}`"
            if isinstance(plain, bool):
                default = "true" if plain else "false"
        secret = " Secret." if setting.secret else ""
        found.add(
            cells(f"`{setting.variable}`", f"`{setting.flag}`", default, setting.help + secret)
        )
    return found


def metric_rows() -> set[str]:
    found = set()
    for metric in vars(metrics).values():
        if not hasattr(metric, "_labelnames"):
            continue
        kind = metric._type
        name = metric._name + ("_total" if kind == "counter" else "")
        labels = ", ".join(metric._labelnames) or "–"
        found.add(cells(f"`{name}`", kind, labels, metric._documentation))
    return found


def commands(command: click.Command, path: str = "tocsin") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its full name."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from commands(child, f"{path} {name}")


def own_options(command: click.Command) -> Iterator[tuple[str, str]]:
    """A command's options beside the settings, which have a page of their own."""
    settings = {setting.flag for setting in config.SETTINGS}
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not settings & set(parameter.opts):
            yield ", ".join(parameter.opts), parameter.help or ""


def command_rows() -> set[str]:
    found = set()
    for path, command in commands(group):
        found |= {cells(f"`{path}`", f"`{o}`", help) for o, help in own_options(command)}
    return found


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("settings.md", setting_rows()),
        ("metrics.md", metric_rows()),
        ("cli.md", command_rows()),
    ],
)
def test_a_reference_page_says_what_the_code_says(page: str, expected: set[str]) -> None:
    there = rows(page)
    missing, strange = sorted(expected - there), sorted(there - expected)
    assert not missing, f"{page} lacks:\n" + "\n".join(missing)
    assert not strange, f"{page} has what the code has not:\n" + "\n".join(strange)


def test_every_command_has_its_words_in_the_reference() -> None:
    text = (REFERENCE / "cli.md").read_text()
    for path, command in commands(group):
        assert f"## {path}\n" in text, path
        assert command.help, path
        first = command.help.partition("\n\n")[0].replace("\n", " ")
        assert first in text, f"{path}: {first}"


def test_links_within_the_documentation_lead_somewhere() -> None:
    broken = []
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md"]
    for page in [*pages, *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_the_guides_name_only_settings_that_exist() -> None:
    known = {setting.variable for setting in config.SETTINGS}
    wrong = []
    for page in [ROOT / "README.md", *(ROOT / "docs" / "guides").glob("*.md")]:
        for name in re.findall(r"TOCSIN_[A-Z_]*[A-Z]", page.read_text()):
            if name.removesuffix("_FILE") not in known and not name.startswith("TOCSIN_TEST"):
                wrong.append(f"{page.name}: {name}")
    assert wrong == []
