"""The table at the end: what was measured, beside what it was measured against."""

import statistics
from collections.abc import Sequence

import msgspec


class Line(msgspec.Struct, frozen=True):
    """One measured thing. `target` is what the product aims at, empty where there is none."""

    part: str
    what: str
    value: str
    target: str = ""


def show(lines: Sequence[Line]) -> str:
    """The lines as a table that is also Markdown."""
    rows = [("part", "what", "measured", "aim")] + [
        (line.part, line.what, line.value, line.target) for line in lines
    ]
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def rates(values: Sequence[float], unit: str = "/s") -> str:
    """Best and median of several rounds."""
    if len(values) == 1:
        return f"{values[0]:,.0f}{unit}"
    return f"best {max(values):,.0f}{unit}, median {statistics.median(values):,.0f}{unit}"


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(values: Sequence[float]) -> str:
    """p50, p99 and the worst of some times in seconds, in milliseconds."""
    if not values:
        return "nothing arrived"
    ordered = sorted(values)
    cells = [("p50", 0.5), ("p99", 0.99), ("worst", 1.0)]
    return ", ".join(f"{name} {quantile(ordered, q) * 1000:.0f} ms" for name, q in cells)


def progress(text: str) -> None:
    """Say what is being measured."""
    print(f"  {text}", flush=True)
