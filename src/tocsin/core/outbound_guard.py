"""Which addresses the product may call. Pure: the connection itself asks at connect time.

Whatever a user can type into a webhook, a topic or a mail server is a way to reach what only this
machine can reach. So every address is judged when it is connected to, after name resolution, and
anything that is not plainly public is refused unless the operator listed it. The standard library's
`is_private` misses carrier-grade NAT, NAT64, 6to4, Teredo, site-local and more; the list below is
explicit, and addresses that carry an IPv4 address inside are judged by that one too.
"""

import ipaddress
from collections.abc import Iterable

import msgspec

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Sources: the IANA special-purpose address registries for IPv4 and IPv6.
REFUSED_NETWORKS: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "::1/128",
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "100:0:0:1::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


class AllowList(msgspec.Struct, frozen=True):
    """What the operator listed: networks, host names, and either with a port."""

    networks: tuple[tuple[Network, int | None], ...] = ()
    hosts: tuple[tuple[str, int | None], ...] = ()

    def allows_address(self, address: Address, port: int) -> bool:
        """Whether a listed network holds this address."""
        candidates = (address, *_inside(address))
        return any(
            only in (None, port)
            and any(one in network for one in candidates if _same(one, network))
            for network, only in self.networks
        )

    def allows_host(self, host: str, port: int) -> bool:
        """Whether this host name is listed; then its addresses are not judged."""
        name = host.rstrip(".").lower()
        return any(listed == name and only in (None, port) for listed, only in self.hosts)


def parse_allow_list(text: str) -> AllowList:
    """Read `10.0.0.0/8, ntfy.lan, 192.168.1.5:25, [::1]:8080`. Raises ValueError with the entry."""
    networks: list[tuple[Network, int | None]] = []
    hosts: list[tuple[str, int | None]] = []
    for raw in text.replace(";", ",").split(","):
        entry = raw.strip()
        if not entry:
            continue
        name, port = _split_port(entry)
        try:
            networks.append((ipaddress.ip_network(name, strict=False), port))
        except ValueError:
            if "/" in name or not _is_host_name(name):
                raise ValueError(
                    f"{entry!r} is neither a network (10.0.0.0/8), an address nor a host name"
                ) from None
            hosts.append((name.rstrip(".").lower(), port))
    return AllowList(tuple(networks), tuple(hosts))


def judge(addresses: Iterable[str], host: str, port: int, allow: AllowList) -> str | None:
    """Why `host` must not be called, or None. `addresses` are all that its name resolved to.

    One bad record among good ones refuses the name: which one a connection takes is chance.
    """
    if not 1 <= port <= 65535:
        return f"port {port} does not exist"
    if allow.allows_host(host, port):
        return None
    found = False
    for text in addresses:
        found = True
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return f"{host} resolves to {text!r}, which is no address"
        if not is_public(address) and not allow.allows_address(address, port):
            return (
                f"{host} is {address}, which is not a public address;"
                " list it in TOCSIN_OUTBOUND_ALLOW if it may be called"
            )
    return None if found else f"{host} resolves to nothing"


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could call this address."""
    for one in (address, *_inside(address)):
        if any(one in network for network in REFUSED_NETWORKS if _same(one, network)):
            return False
    return isinstance(address, ipaddress.IPv4Address) or address in _GLOBAL_UNICAST


def _inside(address: Address) -> tuple[Address, ...]:
    """IPv4 addresses that an IPv6 address carries."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    found: list[Address] = []
    if address.ipv4_mapped is not None:
        found.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    number = int(address)
    if number >> 32 in (0, 0x64FF9B << 64):
        found.append(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    return tuple(found)


def _same(address: Address, network: Network) -> bool:
    return address.version == network.version


def _split_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, _port(entry, rest.removeprefix(":")) if rest else None
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, _port(entry, port)
    return entry, None


def _port(entry: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{entry!r} has a port that does not exist")
    return int(text)


def _is_host_name(name: str) -> bool:
    labels = name.rstrip(".").split(".")
    return len(name) <= 253 and all(
        0 < len(label) <= 63
        and label.replace("-", "").replace("_", "").isalnum()
        and label.isascii()
        for label in labels
    )
