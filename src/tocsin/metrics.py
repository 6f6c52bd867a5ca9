"""What the product counts, for Prometheus. Each metric is declared once, here, and documented in
docs/reference/metrics.md, which a test compares with this file.

The lowest area beside `channels`: every other part may count, none may read a decision from here.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

EVENTS_ACCEPTED = Counter(
    "tocsin_events_accepted", "Events stored and answered.", ["source"], registry=REGISTRY
)
EVENTS_REJECTED = Counter(
    "tocsin_events_rejected", "Requests refused at the front door.", ["reason"], registry=REGISTRY
)
EVENTS_PROCESSED = Counter(
    "tocsin_events_processed",
    "Events that became alerts, or did not.",
    ["reason"],
    registry=REGISTRY,
)
ENGINE_LAG = Gauge(
    "tocsin_engine_lag_seconds", "Age of the oldest event that still waits.", registry=REGISTRY
)
DUE_WORK = Gauge("tocsin_due_work", "Rows that are due now, by kind.", ["kind"], registry=REGISTRY)
STAGE_RUNS = Counter(
    "tocsin_stage_runs",
    "Finished passes of an engine stage.",
    ["stage", "result"],
    registry=REGISTRY,
)
STAGE_AGE = Gauge(
    "tocsin_stage_age_seconds",
    "Time since a stage last finished a pass.",
    ["stage"],
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "tocsin_deliveries", "Attempts to reach a person.", ["channel", "result"], registry=REGISTRY
)
WEBHOOKS = Counter(
    "tocsin_webhooks", "Attempts to tell a webhook subscription.", ["result"], registry=REGISTRY
)
PAGE_LATENCY = Histogram(
    "tocsin_page_latency_seconds",
    "From the moment a page was due to its hand-over to the provider.",
    ["channel"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 300),
    registry=REGISTRY,
)
OVERDUE = Gauge(
    "tocsin_overdue_findings", "Findings of the auditor, by kind.", ["kind"], registry=REGISTRY
)
CLOCK_DRIFT = Gauge(
    "tocsin_clock_drift_seconds",
    "How far the database's clock is ahead of the product's own time.",
    registry=REGISTRY,
)
DATABASE_UP = Gauge(
    "tocsin_database_up", "Whether the database answered when this was read.", registry=REGISTRY
)

COUNTERS = {
    next(iter(counter.describe())).name: counter
    for counter in tuple(globals().values())
    if isinstance(counter, Counter)
}


def counts() -> dict[tuple[str, tuple[str, ...]], float]:
    """How far each counter has come in this process, by its name and the values of its labels."""
    return {
        (name, tuple(sample.labels.values())): sample.value
        for name, counter in COUNTERS.items()
        for family in counter.collect()
        for sample in family.samples
        if sample.name == f"{name}_total"
    }


def add(rises: Iterable[tuple[str, list[str], float]]) -> None:
    """Add what another process of this server counted."""
    for name, labels, rise in rises:
        counter = COUNTERS[name]
        (counter.labels(*labels) if labels else counter).inc(rise)
