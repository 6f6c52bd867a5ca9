"""What the pages are given when the program is built. No page makes its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tocsin.core.clock import Clock
from tocsin.core.database import Database
from tocsin.web.glance import Glance
from tocsin.web.live import LiveHub


class ChannelKind(msgspec.Struct, frozen=True, kw_only=True):
    """One way to reach a person, as a form offers it."""

    name: str
    label: str
    address_label: str
    address_hint: str
    configured: bool
    missing: str | None
    check_address: Callable[[str], str | None]
    needs_secret: bool = False


@dataclass(frozen=True, kw_only=True)
class WebDeps:
    """The outside of the pages."""

    database: Database
    clock: Clock
    base_url: str
    secret_box: Any
    channels: Sequence[ChannelKind]
    live: LiveHub
    glance: Glance
    # (incident_id, user_id) -> (acknowledge_url, incident_url)
    links: Callable[[str, str], tuple[str, str]]
    version: str

    @property
    def secure(self) -> bool:
        """Whether people reach us by https, so that cookies may be marked so."""
        return self.base_url.startswith("https://")
