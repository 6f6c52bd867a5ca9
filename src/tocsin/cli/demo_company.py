"""A made-up company for `tocsin demo`: its people, teams, schedules, policies and services, and the
last days of its operations as a list of stories.

Only data. Names, hosts and events are invented; `demo_history` plays them through the real product.
"""

from typing import Literal

import msgspec

from tocsin.accounts.model import Role

Verb = Literal[
    "acknowledge", "resolve", "clear", "snooze", "note", "repeat", "escalate", "reassign"
]


class Employee(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of the company. The first one is the owner, who may sign in."""

    name: str
    title: str
    zone: str
    role: Role = Role.RESPONDER

    @property
    def email(self) -> str:
        """A made-up address under a domain that is reserved for examples."""
        return f"{self.name.lower().replace(' ', '.')}@harbourline.example"


class Step(msgspec.Struct, frozen=True):
    """What happens, minutes after the story began. `word` is a text, a number of minutes or a
    person, as the verb wants it."""

    after: float
    verb: Verb
    word: str = ""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One trouble: when it began (minutes before now), what a monitor said, and what happened."""

    ago: float
    service: str
    summary: str
    severity: str
    source: str
    component: str
    steps: tuple[Step, ...] = ()
    details: dict[str, str] = {}


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """One change that a pipeline told of, minutes before now."""

    ago: float
    service: str
    summary: str
    source: str
    link: str


PEOPLE = (
    Employee(
        name="Maya Lindqvist", title="Head of Platform", zone="Europe/Stockholm", role=Role.OWNER
    ),
    Employee(name="Jonas Weber", title="Site reliability engineer", zone="Europe/Berlin"),
    Employee(name="Aiko Tanaka", title="Site reliability engineer", zone="Asia/Tokyo"),
    Employee(name="Priya Raman", title="Payments engineer", zone="Asia/Kolkata"),
    Employee(
        name="Tomas Silva",
        title="Payments lead",
        zone="Europe/Lisbon",
        role=Role.MANAGER,
    ),
    Employee(name="Nora Haddad", title="Storefront engineer", zone="America/New_York"),
    Employee(name="Ben Carter", title="Storefront engineer", zone="America/New_York"),
    Employee(name="Lena Fischer", title="Support", zone="Europe/Berlin", role=Role.OBSERVER),
)
TEAMS = {
    "Platform": ("Maya Lindqvist", "Jonas Weber", "Aiko Tanaka"),
    "Payments": ("Tomas Silva", "Priya Raman"),
    "Storefront": ("Nora Haddad", "Ben Carter", "Lena Fischer"),
}
# Service -> (team, what it is).
SERVICES = {
    "API gateway": ("Platform", "Every request from outside passes through it."),
    "Database cluster": ("Platform", "PostgreSQL, one primary and two standbys."),
    "Kubernetes": ("Platform", "Three node pools in two regions."),
    "Checkout": ("Payments", "From the basket to the order."),
    "Card processor": ("Payments", "Talks to the banks."),
    "Web shop": ("Storefront", "What customers see."),
    "Search": ("Storefront", "Product search and suggestions."),
}

# Business service -> (what it is, whom to ask).
BUSINESS = {
    "Buying": ("A customer finds something, pays for it and gets an order.", "Tomas Silva"),
    "Company website": ("Everything under harbourline.example.", "Nora Haddad"),
    "Paying suppliers": ("Money that goes out.", "Payments"),
}
# Each needs the others.
NEEDS = {
    "Company website": ("Buying", "Web shop"),
    "Buying": ("Web shop", "Checkout", "Search"),
    "Paying suppliers": ("Card processor",),
    "Web shop": ("API gateway",),
    "Search": ("API gateway", "Kubernetes"),
    "Checkout": ("API gateway", "Card processor", "Database cluster"),
    "Card processor": ("Kubernetes", "Database cluster"),
    "API gateway": ("Kubernetes",),
}
# Tag -> the people and teams that carry it.
TAGS = {
    "Europe": ("Maya Lindqvist", "Jonas Weber", "Tomas Silva", "Lena Fischer"),
    "PostgreSQL": ("Jonas Weber", "Priya Raman", "Platform"),
    "Card data": ("Tomas Silva", "Priya Raman", "Payments"),
}
CHANGES = (
    Changed(
        ago=4455,
        service="Checkout",
        summary="Release 2214 of orders-api",
        source="delivery pipeline",
        link="https://ci.harbourline.example/orders-api/2214",
    ),
    Changed(
        ago=1985,
        service="API gateway",
        summary="Cache nodes: new kernel, one after the other",
        source="fleet manager",
        link="https://ci.harbourline.example/fleet/771",
    ),
    Changed(
        ago=520,
        service="Card processor",
        summary="Memory limit of payments-worker from 2 to 1.5 GB",
        source="delivery pipeline",
        link="https://ci.harbourline.example/payments-worker/96",
    ),
    Changed(
        ago=28,
        service="Database cluster",
        summary="Pool size of orders-api from 40 to 120 connections",
        source="configuration repository",
        link="https://git.harbourline.example/config/4f1c09",
    ),
)

STORIES = (
    Story(
        ago=5600,
        service="Database cluster",
        summary="Replication lag of db-standby-2 is above 30 s",
        severity="error",
        source="db-standby-2",
        component="postgresql",
        details={"lag_seconds": "41", "primary": "db-1"},
        steps=(
            Step(3, "acknowledge"),
            Step(9, "note", "A reporting query holds back replay. Moved it to the other standby."),
            Step(22, "clear"),
        ),
    ),
    Story(
        ago=5090,
        service="Web shop",
        summary="Certificate of shop.harbourline.example expires in 6 days",
        severity="warning",
        source="blackbox-exporter",
        component="tls",
        steps=(Step(41, "acknowledge"), Step(180, "resolve", "Renewed; automatic renewal works.")),
    ),
    Story(
        ago=4420,
        service="Checkout",
        summary="5xx rate of POST /orders is 7%",
        severity="critical",
        source="prometheus-eu",
        component="orders-api",
        details={"rate": "7.1%", "threshold": "2%", "since": "5 min"},
        # Nobody answers at first: the second level is paged and takes it.
        steps=(
            Step(7, "acknowledge"),
            Step(12, "note", "Rolled back release 2214, errors are falling."),
            Step(26, "resolve", "Release 2214 sent an empty currency. Rolled back."),
        ),
    ),
    Story(
        ago=3890,
        service="Kubernetes",
        summary="Node pool eu-west: 3 nodes are not ready",
        severity="critical",
        source="kube-state-metrics",
        component="nodes",
        steps=(Step(1.5, "acknowledge"), Step(4, "repeat"), Step(31, "clear")),
    ),
    Story(
        ago=3310,
        service="Search",
        summary="Indexing is 20 minutes behind",
        severity="warning",
        source="search-indexer",
        component="indexer",
        steps=(Step(14, "clear"),),
    ),
    Story(
        ago=2700,
        service="Card processor",
        summary="Time-outs to the acquiring bank: 12% of authorisations",
        severity="critical",
        source="prometheus-eu",
        component="acquirer-link",
        steps=(
            Step(2, "acknowledge"),
            Step(6, "note", "The bank confirms trouble on their side, ticket 88412."),
            Step(74, "clear"),
        ),
    ),
    Story(
        ago=1960,
        service="API gateway",
        summary="p99 latency is above 2 s",
        severity="error",
        source="prometheus-us",
        component="gateway",
        steps=(Step(2.5, "acknowledge"), Step(48, "resolve", "Cache nodes were restarting.")),
    ),
    Story(
        ago=1445,
        service="Database cluster",
        summary="Disk of db-1 is 85% full",
        severity="warning",
        source="db-1",
        component="disk",
        steps=(Step(11, "acknowledge"), Step(12, "snooze", "1440")),
    ),
    Story(
        ago=910,
        service="Web shop",
        summary="Error rate of the basket page is 3%",
        severity="error",
        source="browser-monitoring",
        component="basket",
        steps=(Step(5.5, "acknowledge"), Step(40, "clear")),
    ),
    Story(
        ago=420,
        service="Kubernetes",
        summary="Pod payments-worker restarts again and again",
        severity="error",
        source="kube-state-metrics",
        component="payments-worker",
        steps=(
            Step(2, "acknowledge"),
            Step(8, "reassign", "Priya Raman"),
            Step(12, "acknowledge"),
            Step(55, "resolve", "Memory limit raised; the leak is ticket PAY-311."),
        ),
    ),
    Story(
        ago=96,
        service="Search",
        summary="Suggestions answer in more than 800 ms",
        severity="error",
        source="prometheus-us",
        component="suggest",
        steps=(
            Step(4, "acknowledge"),
            Step(19, "note", "One shard is hot; rebalancing, about an hour to go."),
        ),
    ),
    Story(
        ago=37,
        service="API gateway",
        summary="Backup of the configuration did not finish",
        severity="info",
        source="cron-3",
        component="backup",
    ),
    Story(
        ago=12,
        service="Checkout",
        summary="Queue of unpaid orders grows: 1,840 waiting",
        severity="critical",
        source="prometheus-eu",
        component="order-queue",
        details={"waiting": "1840", "growth": "120 a minute"},
        steps=(Step(3, "repeat"), Step(6, "acknowledge")),
    ),
    Story(
        ago=2,
        service="Database cluster",
        summary="Connections of db-1 are 96% used",
        severity="critical",
        source="db-1",
        component="postgresql",
        details={"used": "288", "max": "300"},
    ),
)
