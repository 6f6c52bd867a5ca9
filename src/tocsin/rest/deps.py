"""What the REST API is given when the program is built."""

from collections.abc import Mapping

import msgspec

from tocsin.core.clock import Clock
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Database
from tocsin.paging.actions import AddressRules


class RestDeps(msgspec.Struct, frozen=True, kw_only=True):
    """`channels` are those that people may be reached through, by name. `base_url_given` says that
    somebody set `base_url`: then it holds behind a proxy that hides what clients asked for."""

    database: Database
    clock: Clock
    base_url: str
    base_url_given: bool = True
    secret_box: SecretBox
    channels: Mapping[str, AddressRules]
    version: str = ""
