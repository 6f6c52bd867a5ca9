"""What a run prints: one short table, and each broken invariant with examples."""

import sys
from collections import Counter
from collections.abc import Sequence

from tests.chaos import checker
from tests.chaos.checker import Check
from tests.chaos.evidence import Evidence

EXAMPLES = 4


def say(text: str = "") -> None:
    """A line for whoever started this."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def table(found: Evidence, seed: int) -> None:
    """Counts and percentiles."""
    arena = found.arena
    handed = arena.handed
    told = Counter(len([s for s in sends if s.told]) for sends in found.sends.values())
    latencies = sorted(arena.client.latencies) or [0.0]
    rows: list[tuple[str, object]] = [
        ("seed", seed),
        ("events accepted", len(arena.ledger.accepted)),
        ("  sent again", arena.client.retried),
        ("  answer p50 / p99", _two(latencies)),
        ("incidents", len(found.rows["incidents"])),
        ("  one-tap acknowledgements", len(arena.client.taps)),
        ("pages", len(found.rows["pages"])),
        ("deliveries", len(found.rows["deliveries"])),
        ("  requests to providers", len(handed)),
        ("  delivered once / twice / more", _shares(told)),
        ("late p50 / p99 / max", checker.lateness(found)),
        ("ladder late p50 / p99 / max", checker.climbs(found)),
        ("product time behind", f"{found.drift:.2f} s"),
        ("faults", len(arena.faults)),
    ]
    for name, value in rows:
        say(f"  {name:<34}{value}")
    kinds = Counter(f"{f.target} {f.what.split(' ')[0]}" for f in arena.faults)
    for name, count in sorted(kinds.items()):
        say(f"    {count:>3}  {name}")


def _two(values: Sequence[float]) -> str:
    middle, most = values[len(values) // 2], values[int(len(values) * 0.99)]
    return f"{middle * 1000:.0f} / {most * 1000:.0f} ms"


def _shares(told: Counter[int]) -> str:
    return f"{told[1]} / {told[2]} / {sum(c for n, c in told.items() if n > 2)}"


def verdict(checks: Sequence[Check], title: str = "") -> int:
    """Each broken invariant with examples; how many."""
    broken = checker.failed(checks)
    for one in broken:
        say(f"  VIOLATED {title}: {one.name} ({len(one.violations)})".replace(" :", ":"))
        for example in one.violations[:EXAMPLES]:
            say(f"      {example}")
    return len(broken)
