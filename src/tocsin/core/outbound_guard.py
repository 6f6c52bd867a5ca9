"""Which addresses the server may call: pure rules, no sockets and no look-ups.

The rule this module owns: **a request that people or machines can influence reaches the public
internet and nothing else, unless the operator listed it.** ``core.http`` asks here twice: about the
host as it was written, before anything is looked up, and about every address the name resolves to,
at the moment of connecting. Only the second answer can be trusted against a name server that says
one thing to us and another a second later.

Python's own ``is_private`` and ``is_global`` miss shared address space (100.64/10), NAT64, 6to4,
site-local, multicast and 192.88.99/24, so the ranges stand here in full. In IPv6 only 2000::/3 is
public at all; whatever carries an IPv4 address inside is judged by both.
"""

import re
from enum import StrEnum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_ALLOW_ENTRIES = 500
ALLOW_SETTING = "TOCSIN_OUTBOUND_ALLOW"


class Range(StrEnum):
    """What kind of address it is. `PUBLIC` is the only one that may be called unlisted."""

    PUBLIC = "public"
    THIS_HOST = "unspecified"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    SHARED = "shared (carrier-grade NAT)"
    LINK_LOCAL = "link-local"
    METADATA = "cloud metadata"
    MULTICAST = "multicast"
    RESERVED = "reserved"
    EMBEDDED = "IPv4-in-IPv6"


# A listed name opens these. The others a name server could answer for a trusted name as well, and
# no service people mean to call lives there: they open by address only.
_OPENED_BY_NAME = frozenset({Range.LOOPBACK, Range.PRIVATE, Range.SHARED})

# First match wins, so the single metadata addresses stand before the networks around them.
_V4_RANGES: tuple[tuple[IPv4Network, Range], ...] = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("169.254.169.254/32", Range.METADATA),  # most clouds
        ("169.254.170.2/32", Range.METADATA),  # container credentials
        ("100.100.100.200/32", Range.METADATA),
        ("168.63.129.16/32", Range.METADATA),  # a public address that is answered by the host
        ("192.0.0.192/32", Range.METADATA),
        ("0.0.0.0/8", Range.THIS_HOST),
        ("10.0.0.0/8", Range.PRIVATE),
        ("100.64.0.0/10", Range.SHARED),
        ("127.0.0.0/8", Range.LOOPBACK),
        ("169.254.0.0/16", Range.LINK_LOCAL),
        ("172.16.0.0/12", Range.PRIVATE),
        ("192.0.0.0/24", Range.RESERVED),
        ("192.0.2.0/24", Range.RESERVED),
        ("192.88.99.0/24", Range.RESERVED),  # 6to4 relays
        ("192.168.0.0/16", Range.PRIVATE),
        ("198.18.0.0/15", Range.RESERVED),  # benchmarks
        ("198.51.100.0/24", Range.RESERVED),
        ("203.0.113.0/24", Range.RESERVED),
        ("224.0.0.0/4", Range.MULTICAST),
        ("240.0.0.0/4", Range.RESERVED),  # with the broadcast address
    )
)
_V6_RANGES: tuple[tuple[IPv6Network, Range], ...] = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("fd00:ec2::254/128", Range.METADATA),
        ("fd20:ce::254/128", Range.METADATA),
        ("::/128", Range.THIS_HOST),
        ("::1/128", Range.LOOPBACK),
        ("::ffff:0:0/96", Range.EMBEDDED),  # mapped
        ("::ffff:0:0:0/96", Range.EMBEDDED),  # translated (RFC 2765)
        ("64:ff9b::/96", Range.EMBEDDED),  # NAT64
        ("64:ff9b:1::/48", Range.EMBEDDED),  # local NAT64
        ("2002::/16", Range.EMBEDDED),  # 6to4
        ("2001::/32", Range.EMBEDDED),  # Teredo
        ("::/96", Range.EMBEDDED),  # IPv4-compatible, long withdrawn
        ("2001::/23", Range.RESERVED),  # protocol assignments
        ("2001:db8::/32", Range.RESERVED),  # documentation
        ("3fff::/20", Range.RESERVED),  # documentation
        ("fe80::/10", Range.LINK_LOCAL),
        ("fec0::/10", Range.PRIVATE),  # site-local
        ("fc00::/7", Range.PRIVATE),
        ("ff00::/8", Range.MULTICAST),
    )
)
_V6_PUBLIC = IPv6Network("2000::/3")

_URL_SCHEMES = {"http": 80, "https": 443}
# Below 1024 live protocols that can be fooled by an HTTP request (mail, Redis' elders, line
# printers); the web itself uses two of these ports.
_FIRST_OPEN_PORT = 1024
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")
_NUMBER_LIKE = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)\Z")
_NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f\\]")


class AllowList(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator opened, from `TOCSIN_OUTBOUND_ALLOW`. Port None means every port."""

    networks: tuple[tuple[Network, int | None], ...] = ()
    names: frozenset[tuple[str, int | None]] = frozenset()

    def has_name(self, host: str, port: int) -> bool:
        """Whether the host is listed by name."""
        name = plain_name(host)
        return (name, None) in self.names or (name, port) in self.names

    def has_address(self, address: Address, port: int) -> bool:
        """Whether a listed network or address holds it."""
        return any(
            address.version == network.version and address in network and listed in (None, port)
            for network, listed in self.networks
        )


NOTHING = AllowList()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a connection may be made; if not, `why` is a sentence that names the fix."""

    allowed: bool
    why: str = ""


ALLOWED = Verdict(allowed=True)


def _refused(why: str) -> Verdict:
    return Verdict(allowed=False, why=why)


def parse_allow_list(text: str) -> AllowList:
    """Read "127.0.0.0/8, 10.1.2.3, ntfy.internal, mail.lan:25, [fd00::1]:8080".

    Raises ValueError naming the entry that is wrong and what would be right.
    """
    entries = [entry for entry in re.split(r"[\s,]+", text) if entry]
    if len(entries) > MAX_ALLOW_ENTRIES:
        raise ValueError(f"lists {len(entries)} entries; {MAX_ALLOW_ENTRIES} is the most")
    networks: list[tuple[Network, int | None]] = []
    names: set[tuple[str, int | None]] = set()
    for entry in entries:
        host, port = _split_port(entry)
        try:
            networks.append((ip_network(host), port))
            continue
        except ValueError as error:
            if "host bits" in str(error):
                wider = ip_network(host, strict=False)
                raise ValueError(f"{entry!r} is not a network: write {wider}") from None
        if "/" in host or ":" in host or _written(host) is not None:
            raise ValueError(
                f"{entry!r} is neither a network (10.0.0.0/8), an address (10.1.2.3, [fd00::1]),"
                " nor a host name (ntfy.lan), each with a port or without (ntfy.lan:8080)"
            )
        names.add((plain_name(host), port))
    return AllowList(networks=tuple(networks), names=frozenset(names))


def _split_port(entry: str) -> tuple[str, int | None]:
    """Take a final ":port" off, but not the tail of a bare IPv6 address."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", entry)
    if bracketed:
        host, port = bracketed.group(1), bracketed.group(2)
    elif entry.count(":") == 1:
        host, port = entry.split(":")
    else:
        host, port = entry, None
    if port is None:
        return host, None
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise ValueError(f"{entry!r}: the port must be from 1 to 65535")
    return host, int(port)


def plain_name(host: str) -> str:
    """A host name as it is compared: lower case, without the root's dot."""
    return host.lower().removesuffix(".")


def literal(host: str) -> Address | None:
    """The address a host is, when it is written as one in its normal form."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def classify(address: Address) -> Range:
    """The kind of range an address lies in."""
    if isinstance(address, IPv4Address):
        return next((kind for net, kind in _V4_RANGES if address in net), Range.PUBLIC)
    kind = next((kind for net, kind in _V6_RANGES if address in net), None)
    if kind is not None:
        return kind
    return Range.PUBLIC if address in _V6_PUBLIC else Range.RESERVED


def embedded_v4(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses inside a mapped, translated, NAT64, 6to4 or Teredo address."""
    if isinstance(address, IPv4Address) or classify(address) is not Range.EMBEDDED:
        return ()
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    return (IPv4Address(int(address) & 0xFFFFFFFF),)


def judge_url(scheme: str, userinfo: str, host: str, port: int | None, allow: AllowList) -> Verdict:
    """Whether a URL may be called as far as its text tells; the address is judged on connecting."""
    if scheme not in _URL_SCHEMES:
        return _refused("only http:// and https:// addresses can be called")
    if userinfo:
        return _refused("the address contains a user name or password: remove what is before the @")
    number = _URL_SCHEMES[scheme] if port is None else port
    verdict = judge_host(host, number)
    if not verdict.allowed:
        return verdict
    return _judge_port(host, number, allow)


def judge_url_text(url: str) -> Verdict:
    """Whether the text of a URL is free of characters that programs read in different ways."""
    if len(url) > 2000:
        return _refused("the address is longer than 2000 characters")
    if _NOT_IN_URLS.search(url):
        return _refused("the address contains a space, a control character or a backslash")
    return ALLOWED


def _judge_port(host: str, port: int, allow: AllowList) -> Verdict:
    if port in _URL_SCHEMES.values() or port >= _FIRST_OPEN_PORT:
        return ALLOWED
    address = literal(host)
    if allow.has_name(host, port) or (address and allow.has_address(address, port)):
        return ALLOWED
    return _refused(
        f"port {port} is not one that web servers use: choose 80, 443 or one from 1024 up,"
        f" or list {host}:{port} in {ALLOW_SETTING}"
    )


def judge_host(host: str, port: int) -> Verdict:
    """Whether a host is a plain name or an address in its one normal form."""
    if not 0 < port < 65536:
        return _refused("the port must be from 1 to 65535")
    why = _written(host)
    return _refused(why) if why else ALLOWED


def _written(host: str) -> str | None:
    """What is wrong with the way a host is written, if anything is."""
    if not host:
        return "the address has no host"
    if "%" in host:
        return f"{host!r} names a network interface: leave out the part from the % on"
    if literal(host) is not None:
        return None
    if not host.isascii() or len(host) > 253 or ":" in host:
        return f"{host[:80]!r} is not a host name"
    labels = host.removesuffix(".").split(".")
    # Resolvers take 127.1, 0x7f.0.0.1, 017700000001 and 2130706433 for an address. Whoever writes
    # one by accident is helped by the message; whoever means to hide one is refused.
    if _NUMBER_LIKE.match(labels[-1]):
        return f"{host!r} is not an address in its usual form: write it like 192.0.2.10"
    if not all(_LABEL.match(label) for label in labels):
        return f"{host!r} is not a host name"
    return None


def judge_address(host: str, port: int, address: str, allow: AllowList) -> Verdict:
    """Whether a connection for `host` may go to `address`, one of those the name resolved to."""
    try:
        target = ip_address(address)
    except ValueError:
        return _refused(f"{host} resolves to something that is not an address")
    if isinstance(target, IPv6Address) and target.scope_id is not None:
        return _refused(f"{host} resolves to an address that is bound to a network interface")
    kind = classify(target)
    if kind is Range.PUBLIC:
        return ALLOWED
    if kind is Range.EMBEDDED:
        return _judge_embedded(host, port, target, allow)
    if allow.has_address(target, port):
        return ALLOWED
    if kind in _OPENED_BY_NAME and allow.has_name(host, port):
        return ALLOWED
    return _refused(_explain(host, target, kind))


def _judge_embedded(host: str, port: int, target: Address, allow: AllowList) -> Verdict:
    """An address that carries another is allowed only when the outer is listed and the inner fits.

    So listing 64:ff9b::/96 for an IPv6-only network opens the public internet through it and not
    the loopback behind it.
    """
    if allow.has_address(target, port) and all(
        classify(inner) is Range.PUBLIC or allow.has_address(inner, port)
        for inner in embedded_v4(target)
    ):
        return ALLOWED
    return _refused(_explain(host, target, Range.EMBEDDED))


def _explain(host: str, target: Address, kind: Range) -> str:
    article = "an" if kind.value[0] in "aeiouI" else "a"
    # Not the resolved address: whoever typed the name may not know the operator's network.
    if literal(host) is not None:
        return (
            f"{host} is {article} {kind.value} address; an operator can list it in {ALLOW_SETTING}"
        )
    fix = (
        f"an operator can list {plain_name(host)} in {ALLOW_SETTING}"
        if kind in _OPENED_BY_NAME
        else f"an operator can list that address in {ALLOW_SETTING}"
    )
    return f"{host} resolves to {article} {kind.value} address; {fix}"
