"""`python -m tests.chaos`: see docs/guides/reliability.md."""

import argparse
import asyncio
import secrets
import sys
from pathlib import Path

from tests.chaos import report, run


def main() -> int:
    """Run what was asked for; 0 when everything held."""
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="length of the run")
    parser.add_argument("--seed", type=int, default=None, help="repeat the faults of a seed")
    parser.add_argument("--rate", type=float, default=200.0, help="events a second")
    parser.add_argument("--sweep", action="store_true", help="die once at every crash point")
    parser.add_argument("--defects", action="store_true", help="check the checker")
    parser.add_argument("--only", default="", help="with --sweep or --defects: these, with commas")
    parser.add_argument("--keep", type=Path, default=None, help="copy the logs to this folder")
    given = parser.parse_args()
    seed = secrets.randbelow(100_000) if given.seed is None else given.seed
    only = [name for name in given.only.split(",") if name]
    if given.sweep or given.defects:
        from tests.chaos import defects, sweep

        good = True
        if given.sweep:
            good = asyncio.run(sweep.sweep(seed, only, given.keep)) and good
        if given.defects:
            good = asyncio.run(defects.all_caught(seed, only, given.keep)) and good
        return 0 if good else 1
    report.say(f"chaos: seed {seed}, {given.minutes:g} min at {given.rate:g} events/s")
    return 0 if asyncio.run(run.everyday(given.minutes, seed, given.rate, given.keep)) else 1


if __name__ == "__main__":
    sys.exit(main())
