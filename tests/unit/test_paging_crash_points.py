"""Crash points: nothing by default, a handler in simulations, a real death when named."""

import os
import subprocess
import sys

import pytest

from tocsin.core import crash_points
from tocsin.engine import pump_deliveries

PROGRAM = """
from tocsin.core import crash_points
here = crash_points.point("test.here")
for number in range(5):
    crash_points.reach("test.elsewhere")
    crash_points.reach(here)
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    ("setting", "code", "printed"),
    [
        ("", 0, ["0", "1", "2", "3", "4"]),
        ("test.nowhere", 0, ["0", "1", "2", "3", "4"]),
        ("test.here", 137, []),
        ("test.here:3", 137, ["0", "1"]),
    ],
)
def test_the_named_place_ends_the_process(setting: str, code: int, printed: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "TOCSIN_CRASH_AT": setting},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (code, printed)


def test_a_handler_sees_each_place_until_it_is_taken_away() -> None:
    seen: list[str] = []
    crash_points.handle(seen.append)
    crash_points.reach(pump_deliveries.CLAIMED)
    crash_points.handle(None)
    crash_points.reach(pump_deliveries.CLAIMED)
    assert seen == [pump_deliveries.CLAIMED]


def test_a_place_has_one_name() -> None:
    with pytest.raises(ValueError, match="named twice"):
        crash_points.point(pump_deliveries.CLAIMED)
