"""Templates to text.

Rules: autoescape is on for every template; an undefined name is an error, never an empty string;
the clock is not read here: a page that writes a time is given `now`. Each template sees `ui`, the
macros of `templates/macros/` by name (`ui.button`, `ui.status`), bound to the page's context.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.environment import TemplateModule
from jinja2.runtime import Context

from tocsin.core import rich_text
from tocsin.web import formats
from tocsin.web.assets import assets

TEMPLATE_DIRECTORY = Path(__file__).parent / "templates"
MACRO_FOLDER = "macros"
THEME_COOKIE = "tocsin_theme"
THEMES = ("light", "dark")

# What base.html and bare.html read; a page overrides what it knows. `now` has no default.
DEFAULTS: Mapping[str, Any] = {
    "viewer": None,
    "nav": None,
    "csrf_token": "",
    "theme": "",
    "toasts": (),
    "organisation": "",
}


def theme_of(cookie: str | None) -> str:
    """The theme a cookie asks for: `light`, `dark`, or `` to follow the system."""
    return cookie if cookie in THEMES else ""


class Parts:
    """The macros by name. A file is bound to the page's context when its first macro is used."""

    def __init__(self, env: Environment, where: Mapping[str, str], context: dict[str, Any]) -> None:
        self._env = env
        self._where = where
        self._context = context
        self._modules: dict[str, TemplateModule] = {}

    def __getattr__(self, name: str) -> Callable[..., str]:
        try:
            file = self._where[name]
        except KeyError:
            raise AttributeError(f"there is no macro {name!r} in {MACRO_FOLDER}/") from None
        module = self._modules.get(file)
        if module is None:
            module = self._env.get_template(file).make_module(self._context)
            self._modules[file] = module
        macro: Callable[..., str] = getattr(module, name)
        return macro


def _zone(context: Context, zone: str | None) -> str:
    """The zone asked for, else the viewer's, else UTC."""
    if zone:
        return zone
    viewer = context.get("viewer")
    if viewer is None:
        return "UTC"
    found = viewer["time_zone"] if isinstance(viewer, Mapping) else viewer.time_zone
    return str(found or "UTC")


def _now(context: Context) -> datetime:
    """The page's `now`. A page that writes times and passes none is a defect."""
    now = context.get("now")
    if not isinstance(now, datetime):
        raise TypeError("this page writes a relative time: pass now=... to render()")
    return now


@pass_context
def _clock(context: Context, at: datetime, zone: str | None = None, seconds: bool = False) -> str:
    return formats.clock(at, _zone(context, zone), seconds=seconds)


@pass_context
def _moment(context: Context, at: datetime, zone: str | None = None, seconds: bool = False) -> str:
    return formats.moment(at, _zone(context, zone), _now(context), seconds=seconds)


@pass_context
def _date(context: Context, at: datetime, zone: str | None = None) -> str:
    return formats.date(at, _zone(context, zone))


@pass_context
def _full(context: Context, at: datetime, zone: str | None = None) -> str:
    return formats.full(at, _zone(context, zone))


@pass_context
def _relative(context: Context, at: datetime) -> str:
    return formats.relative(at, _now(context))


@pass_context
def _age(context: Context, at: datetime, parts: int = 1) -> str:
    """How long ago, without the word: `5 min`."""
    return formats.duration(_now(context) - at, parts=parts)


@pass_context
def _seconds_until(context: Context, at: datetime) -> int:
    """Whole seconds from `now` until then, never below zero."""
    return max(0, round((at - _now(context)).total_seconds()))


@pass_context
def _live_until(context: Context, at: datetime | None) -> str:
    """The hx-trigger of a part that says who is on call: when the server tells of a change, and at
    the next hand-off, which nothing but time brings."""
    return "live" if at is None else f"live, load delay:{_seconds_until(context, at) + 1}s"


@pass_context
def _is_night(context: Context, zone: str) -> bool:
    """Whether it is night now for a person in that zone."""
    return formats.is_night(_now(context), zone)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "clock": _clock,
    "moment": _moment,
    "date": _date,
    "full": _full,
    "relative": _relative,
    "age": _age,
    "seconds_until": _seconds_until,
    "live_until": _live_until,
    "is_night": _is_night,
    "iso": formats.iso,
    "duration": formats.duration,
    "countdown": formats.countdown,
    "initials": formats.initials,
    "short_name": formats.short_name,
    "fill_of": formats.fill_of,
    "spark_path": formats.spark_path,
    "number": formats.number,
    "plural": formats.plural,
    "clean": rich_text.safe,
}


def make_environment(directory: Path, *, reload: bool = False) -> Environment:
    """An environment over one template directory. `reload` looks for changed files: development."""
    env = Environment(
        loader=FileSystemLoader(directory),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=reload,
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    env.filters.update(FILTERS)
    env.globals["asset"] = lambda name: assets().url(name)
    env.globals["icon_url"] = lambda name: assets().icon_url(name)
    return env


@cache
def environment() -> Environment:
    """The product's templates, compiled once per process."""
    return make_environment(TEMPLATE_DIRECTORY)


@cache
def macro_files() -> Mapping[str, str]:
    """Which macro file defines which macro. Two macros of one name are a defect and are refused."""
    env = environment()
    where: dict[str, str] = {}
    for file in sorted((TEMPLATE_DIRECTORY / MACRO_FOLDER).glob("*.html")):
        path = f"{MACRO_FOLDER}/{file.name}"
        for name in vars(env.get_template(path).make_module(dict(DEFAULTS))):
            if name.startswith("_"):
                continue
            if name in where:
                raise ValueError(f"macro {name!r} is defined in {where[name]} and in {path}")
            where[name] = path
    return where


def render(name: str, /, **context: Any) -> str:
    """Render a template of `templates/`. Raises jinja2.UndefinedError for a name nobody passed.

    Context every full page takes is described at the top of `templates/base.html`; a fragment for
    htmx takes only what it uses. Times need `now` (aware UTC) and follow `viewer.time_zone`.
    """
    values = {**DEFAULTS, **context}
    values["ui"] = Parts(environment(), macro_files(), values)
    return environment().get_template(name).render(values)
