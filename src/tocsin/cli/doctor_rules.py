"""What the doctor concludes from what it has found: a verdict, what is wrong, how to mend it.

Pure: facts in, one or more checks out. "bad" means that somebody may not be paged or that data may
be lost; "warn" means that it works now and something should be mended all the same.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from tocsin.core.certificates import Facts, covers

GIB = 1024**3
# The first minor version of each major that has the security fixes of November 2025.
SAFE_MINORS = {15: 15, 16: 11, 17: 7, 18: 1}
OLDEST_MAJOR = 15
MOST_NAMED = 5
GIVEN_ENDS_SOON = timedelta(days=14)
# Our own is renewed thirty days before its end: half of that has passed and it was not.
OWN_ENDS_SOON = timedelta(days=15)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at. `fix` says what to do; it is None when all is well."""

    name: str
    verdict: Verdict
    finding: str
    fix: str | None = None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may be paged. `working` counts the contact methods a page can take now."""

    id: str
    name: str
    methods: int
    working: int


class PolicyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An escalation policy and everyone it leads to within the coming days."""

    name: str
    people: tuple[str, ...]


class ScheduleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule that a policy uses, and when nobody is on call in the coming days."""

    name: str
    gaps: tuple[tuple[datetime, datetime], ...]


def ok(name: str, finding: str) -> Check:
    """All is well."""
    return Check(name=name, verdict=Verdict.OK, finding=finding)


def warn(name: str, finding: str, fix: str) -> Check:
    """It works, and should be mended."""
    return Check(name=name, verdict=Verdict.WARN, finding=finding, fix=fix)


def bad(name: str, finding: str, fix: str) -> Check:
    """Somebody may not be paged, or data may be lost."""
    return Check(name=name, verdict=Verdict.BAD, finding=finding, fix=fix)


def named(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def server_version(number: int) -> Check:
    """`number` is the server's server_version_num, such as 180006."""
    major, minor = divmod(number, 10_000)
    text = f"PostgreSQL {major}.{minor}"
    if major < OLDEST_MAJOR:
        return bad("server version", f"{text} is too old", "upgrade to PostgreSQL 15 or newer")
    safe = SAFE_MINORS.get(major)
    if safe is not None and minor < safe:
        return warn(
            "server version",
            f"{text} lacks security fixes",
            f"upgrade to {major}.{safe} or newer: a minor upgrade needs only a restart",
        )
    return ok("server version", text)


def server_settings(values: Mapping[str, str]) -> Check:
    """`values` are PostgreSQL's own settings by name."""
    unsafe = [
        name
        for name in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")
        if values.get(name) == "off"
    ]
    if unsafe:
        return bad(
            "server settings",
            f"{', '.join(unsafe)} off: a crash may lose accepted events or fill the disk",
            f"set {', '.join(f'{name}=on' for name in unsafe)} and restart PostgreSQL",
        )
    if values.get("data_checksums") == "off":
        return warn(
            "server settings",
            "data checksums are off: damage on the disk is not noticed",
            "turn them on with pg_checksums --enable while the server is stopped",
        )
    return ok("server settings", "nothing that protects data is switched off")


def schema(missing: Sequence[str], problem: str | None) -> Check:
    """`missing` are migrations that have not run; `problem` what keeps us from saying."""
    if problem is not None:
        return bad("schema", problem, "run the newest Tocsin that has used this database")
    if missing:
        return bad(
            "schema",
            f"{len(missing)} migrations have not run: {named(missing)}",
            "start the server once, or run `tocsin db migrate`",
        )
    return ok("schema", "up to date")


def disk(place: str, free: int, total: int) -> Check:
    """Free and total space in bytes of the disk under `place`."""
    share = free / total if total else 0.0
    text = f"{free / GIB:.1f} GiB ({share:.0%}) free for {place}"
    fix = "free some space or move the data directory to a larger disk"
    if free < GIB or share < 0.02:
        return bad("disk space", text, fix)
    if free < 5 * GIB and share < 0.10:
        return warn("disk space", text, fix)
    return ok("disk space", text)


def clocks(machine: float, logical: float | None) -> Check:
    """How far the machine's clock and the product's own time are ahead of the database's, in
    seconds. `logical` is None when no server is running."""
    apart = [("this machine", machine)]
    if logical is not None:
        apart.append(("Tocsin's own time", logical))
    worst = max(abs(seconds) for _, seconds in apart)
    text = "; ".join(f"{who} is {seconds:+.1f} s from the database" for who, seconds in apart)
    fix = "let NTP set the clock of every machine (timedatectl), then restart Tocsin"
    if worst > 60:
        return bad("clocks", text, fix)
    if worst > 2:
        return warn("clocks", text, fix)
    return ok("clocks", text)


def nodes(engines: int, webs: int) -> Check:
    """How many nodes that run the engine, and that serve requests, are alive."""
    if engines == 0 and webs == 0:
        return warn("nodes", "no server runs on this database", "start it with `tocsin serve`")
    if engines == 0:
        return bad(
            "nodes",
            "no node runs the engine: events are accepted and nobody is paged",
            "start a node with `--role engine` or `--role all`",
        )
    return ok("nodes", f"{engines} run the engine, {webs} serve requests")


def channels(used: Mapping[str, int], missing: Mapping[str, str], simulated: bool) -> list[Check]:
    """`used` counts the contact methods of each channel, `missing` says which channels are not set
    up and why, `simulated` whether the channel that sends nothing is offered."""
    checks = []
    real = {name: count for name, count in used.items() if name != "simulated" and count}
    broken = [name for name in real if name in missing]
    if not any(name not in missing for name in real):
        checks.append(
            bad(
                "channels",
                "no contact method uses a channel that works: nobody can be paged",
                "set up e-mail (TOCSIN_SMTP_HOST) or add an ntfy, Slack or webhook contact method",
            )
        )
    elif not broken:
        checks.append(ok("channels", f"in use: {', '.join(sorted(real))}"))
    for name in sorted(broken):
        count = real[name]
        checks.append(
            bad("channels", f"{count} contact methods use {name}, which is off", missing[name])
        )
    if simulated:
        checks.append(
            warn(
                "simulated channel",
                "the simulated channel is offered; what it takes reaches nobody",
                "unset TOCSIN_SIMULATED_CHANNEL outside of trials",
            )
        )
    return checks


def people(everyone: Sequence[Person], on_policies: frozenset[str]) -> Check:
    """Who has no contact method that works. Somebody who may be paged makes it bad."""
    mute = [person for person in everyone if person.working == 0]
    needed = [person.name for person in mute if person.id in on_policies]
    if needed:
        return bad(
            "people",
            f"on an escalation policy without a working contact method: {named(needed)}",
            "they add one on their profile page and test it there, or with `tocsin send-test`",
        )
    if mute:
        return warn(
            "people",
            f"without a working contact method: {named([person.name for person in mute])}",
            "add one before they go on call",
        )
    return ok("people", f"{len(everyone)} people, all with a contact method that works")


def policies(found: Sequence[PolicyFacts], reachable: frozenset[str]) -> Check:
    """Policies that lead to nobody who can be reached."""
    if not found:
        return warn(
            "escalation policies",
            "there are none: only the catch-all person would be paged",
            "make one, with the people or the schedule to page",
        )
    nobody = [policy.name for policy in found if not policy.people]
    mute = [p.name for p in found if p.people and not reachable & set(p.people)]
    if nobody:
        return bad(
            "escalation policies",
            f"with nobody on any level for the next 14 days: {named(nobody)}",
            "put a person on a level, or fill the schedule",
        )
    if mute:
        return bad(
            "escalation policies",
            f"with nobody who can be reached: {named(mute)}",
            "give one of their people a contact method that works",
        )
    return ok("escalation policies", f"{len(found)}, each leads to somebody who can be reached")


def schedules(found: Sequence[ScheduleFacts]) -> Check:
    """Gaps in the next 14 days of the schedules that policies use."""
    holes = [schedule for schedule in found if schedule.gaps]
    if not holes:
        return ok("schedules", f"{len(found)} in use, nobody is missing in the next 14 days")
    texts = [
        f"{schedule.name} from {schedule.gaps[0][0]:%a %d %b %H:%M} to"
        f" {schedule.gaps[0][1]:%a %d %b %H:%M} UTC"
        + (f" and {len(schedule.gaps) - 1} more times" if len(schedule.gaps) > 1 else "")
        for schedule in holes
    ]
    return warn(
        "schedules",
        f"nobody on call: {named(texts)}",
        "add an override, a layer, or a person on a later level of the policy",
    )


def catch_all(name: str | None, reachable: bool) -> Check:
    """Who is paged when nobody else is."""
    if name is None:
        return bad(
            "catch-all",
            "there is no owner to page when nobody else is on call",
            "make the first account at /app, or set TOCSIN_ADMIN_EMAIL and TOCSIN_ADMIN_PASSWORD",
        )
    if not reachable:
        return bad(
            "catch-all",
            f"{name} is paged when nobody else is, and has no working contact method",
            "add one, or choose somebody else under Settings",
        )
    return ok("catch-all", f"{name} is paged when nobody else is")


def master_key(given: bool, mode: int | None) -> Check:
    """`mode` is the file's permission bits, None when there is no file."""
    if given:
        return ok("master key", "given by TOCSIN_MASTER_KEY")
    if mode is None:
        return warn(
            "master key",
            "there is no key file on this machine",
            "the first start makes one; on another node copy it from the first",
        )
    if mode & 0o077:
        return bad(
            "master key",
            f"others may read the key file (mode {mode:04o})",
            "chmod 600 DATA_DIR/master.key",
        )
    return ok("master key", "only its owner may read the file")


def sealed(total: int, broken: Sequence[str]) -> Check:
    """How many sealed values there are, and which do not open."""
    if broken:
        return bad(
            "sealed values",
            f"{len(broken)} of {total} do not open with this master key: {named(broken)}",
            "put the master key of the backup or of the other nodes in place, or enter them again",
        )
    return ok("sealed values", f"{total}, all open")


def public_url(given: bool, host: str, base_url: str) -> Check:
    """Whether the links that people get lead here."""
    if not given and host not in LOOPBACK:
        return warn(
            "public URL",
            f"links say {base_url}, which people may not reach",
            "set TOCSIN_PUBLIC_URL to the address people and machines use",
        )
    if not given:
        return warn(
            "public URL",
            f"links in pages say {base_url}, which works on this machine only",
            "set TOCSIN_PUBLIC_URL before phones are to open them",
        )
    if base_url.startswith("http://"):
        return warn(
            "public URL",
            f"{base_url} is not encrypted: passwords and one-tap links can be read on the way",
            "use the https:// address that the server has itself, or that of a proxy with TLS",
        )
    return ok("public URL", base_url)


def https(
    facts: Facts | None, problem: str | None, *, now: datetime, host: str | None, given: bool
) -> Check:
    """The certificate of https: `facts` of the one on the disk, `host` what people call us, if
    the certificate has to say so."""
    where = "the files of TOCSIN_TLS_CERTIFICATE" if given else "DATA_DIR/tls"
    if problem is not None:
        return bad("https", problem, f"mend {where}; http is served all the same")
    if facts is None:
        return ok("https", "a local authority is made at the first start")
    until = f"{facts.ends_at:%Y-%m-%d %H:%M} UTC"
    renewal = (
        "put a renewed one into the same files: it is taken up without a restart"
        if given
        else "start the server: it renews its certificate by itself"
    )
    if facts.ends_at <= now:
        return bad("https", f"the certificate has ended on {until}", renewal)
    if facts.starts_at > now:
        begins = f"{facts.starts_at:%Y-%m-%d %H:%M} UTC"
        return bad("https", f"the certificate counts from {begins} on", "check the machine's clock")
    if host is not None and not covers(facts.names, host):
        return warn(
            "https",
            f"the certificate is for {named(facts.names) or 'no name'}, not for {host}",
            "get one for that name" if given else "start the server again: it makes one that fits",
        )
    if facts.ends_at - now < (GIVEN_ENDS_SOON if given else OWN_ENDS_SOON):
        return warn("https", f"the certificate ends on {until}", renewal)
    return ok("https", f"the certificate is for {named(facts.names)} until {until}")


def quarantined(lines: Sequence[str]) -> Check:
    """Events that could not be recorded, one line each."""
    if lines:
        return bad(
            "set aside",
            f"events that could not be recorded: {named(lines)}",
            "see docs/guides/troubleshoot.md, and report the error",
        )
    return ok("set aside", "no event failed")


def overdue(lines: Sequence[str]) -> Check:
    """What the auditor finds late, one line each."""
    if lines:
        return bad(
            "overdue",
            "; ".join(lines),
            "see that a node runs the engine, and read its log; docs/guides/troubleshoot.md",
        )
    return ok("overdue", "nothing waits that should have happened")


def dead_man(given: bool) -> Check:
    """Whether anybody outside notices when all of this is gone."""
    if given:
        return ok("outside watch", "a dead man's switch is called each minute")
    return warn(
        "outside watch",
        "nobody outside notices when this machine is gone",
        "set TOCSIN_DEAD_MAN_URL to a heartbeat URL of a service that runs elsewhere",
    )
