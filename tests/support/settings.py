"""Settings for a program under test."""

from pathlib import Path
from typing import Any

from tocsin.core import config
from tocsin.core.config import Settings

# Any key will do; a fixed one keeps simulated runs the same.
MASTER_KEY = "00" * 31 + "01"


def settings_for(data_dir: Path, **flags: Any) -> Settings:
    """The defaults, in a directory of the test's own, with a fixed key and loopback allowed."""
    given = {
        "data_dir": str(data_dir),
        "master_key": MASTER_KEY,
        "outbound_allow": "127.0.0.0/8",
        "node_name": "test",
        "public_url": "http://tocsin.test",
        **flags,
    }
    return config.load(given, {})
