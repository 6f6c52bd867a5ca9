"""`python -m bench [--quick] [--only accept,drain]`: measure, and print one table."""

import argparse
import sys
import time

from bench import accept, drain, growth, latency, lists, machine, memory, storm
from bench.report import Line, show

# Memory comes last: it tells what the servers of the other parts took.
PARTS = {
    "accept": accept.measure,
    "drain": drain.measure,
    "latency": latency.measure,
    "storm": storm.measure,
    "growth": growth.measure,
    "lists": lists.measure,
    "memory": memory.measure,
}


def main() -> int:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, rougher numbers")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas: %(default)s")
    given = parser.parse_args()
    wanted = [name.strip() for name in given.only.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in PARTS]
    if unknown or not wanted:
        parser.error(f"unknown part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    print(machine.describe(), flush=True)
    started = time.monotonic()
    lines: list[Line] = []
    failed = 0
    for name in PARTS:
        if name not in wanted:
            continue
        begun = time.monotonic()
        try:
            lines += PARTS[name](given.quick)
        except Exception as error:  # One part that fails must not take the others' numbers.
            failed += 1
            lines.append(Line(name, "could not be measured", str(error).partition("\n")[0]))
            print(f"  {name} failed: {error}", file=sys.stderr, flush=True)
        print(f"  {name} took {time.monotonic() - begun:.0f} s", flush=True)
    print()
    print(show(lines))
    print(f"\n{time.monotonic() - started:.0f} s in all")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
