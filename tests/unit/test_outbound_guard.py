"""What may be called and what may not: the rules, then the same over real sockets.

The second half connects for real: a resolver that lies, a rebinding name server, redirects, every
odd way of writing 127.0.0.1. The proof is always that the server on loopback saw no connection.
"""

import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.certificates import client_context, server_context
from tests.support.fake_providers import (
    Drip,
    FakeHttp,
    Huge,
    Raw,
    Reset,
    ResetBeforeReading,
    Slow,
    Status,
)
from tocsin.core import http
from tocsin.core import outbound_guard as guard
from tocsin.core.http import Outbound, Refused, Unreachable
from tocsin.core.outbound_guard import NOTHING, parse_allow_list

REFUSED = [
    # this host, loopback
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "127.0.0.53",
    "127.255.255.255",
    "::",
    "::1",
    # private
    "10.0.0.0",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.255",
    "fc00::1",
    "fd12:3456:789a::1",
    "fdff:ffff::1",
    "fec0::1",
    "feff::1",
    # shared address space
    "100.64.0.0",
    "100.100.1.1",
    "100.127.255.255",
    # link-local and cloud metadata
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "fe80::1",
    "febf::1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
    # reserved, documentation, benchmarks, relays
    "192.0.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "240.0.0.1",
    "255.255.255.254",
    "255.255.255.255",
    "2001:db8::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "100::1",
    "100:0:0:1::1",
    "5f00::1",
    "4000::1",
    "8000::1",
    "1::1",
    # multicast
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "ff05::1:3",
    "ff0e::1",
    # an IPv4 address inside
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::ffff:0:7f00:1",
    "::127.0.0.1",
    "::8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "64:ff9b:1:ffff::7f00:1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "2002:808:808::1",
    "2001:0:7f00:1::1",
    "2001::1",
]

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.88.98.1",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "203.0.112.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
    "2001:4860:4860::8888",
    "2003::1",
    "2400:cb00::1",
]

# Ways to write an address that some resolver, somewhere, takes for 127.0.0.1 or a neighbour.
ODD_HOSTS = [
    "127.1",
    "127.0.1",
    "0",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0X7F.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0.0x1",
    "127.0.0.1.",
    "127.0.0.01",
    "127.000.000.001",
    "999.1.1.1",
    "256.256.256.256",
    "4294967297",
    "1.2.3.4.5",
    "example.0x1",
    "169.254.43518",
    "fe80::1%eth0",
    "::1%lo",
    "",
    ".",
    "a..b",
    "-a.example",
    "a b.example",
    "exa mple.com",
    "x" * 64 + ".example",
    ("a." * 127) + "example",
    "ex\u00e4mple.com",
    "host:80",
    "a/b",
    "a\\b",
    "a@b",
    "a\tb",
]

BAD_URLS = [
    "",
    "example.com",
    "//example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "unix:///run/docker.sock",
    "http+unix://%2Frun%2Fdocker.sock/info",
    "javascript:alert(1)",
    "data:text/plain,x",
    "ws://example.com/",
    "ldap://example.com/",
    "http://",
    "http:///path",
    "https://:443/",
    "http://user@example.com/",
    "http://user:pass@example.com/",
    "http://example.com@127.0.0.1/",
    "http://example.com:80@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com\\.internal/",
    "http://exa\tmple.com/",
    "http://example.com/a b",
    "http://example.com/\r\nHost: internal",
    "http://example.com/\x00",
    " http://example.com/",
    "http://example.com/\x7f",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:99999999/",
    "http://example.com:22/",
    "http://example.com:25/",
    "https://example.com:143/",
    "http://[::1%25lo]/",
    "http://[::1/",
    "http://[not-an-address]/",
    "http://1.2.3/",
    "http://0x7f.1/",
    "http://2130706433/",
    "http://0/",
    "http://example.com/" + "a" * 2000,
]

GOOD_URLS = [
    "https://example.com",
    "http://example.com/path?q=1#f",
    "https://hooks.slack.com/services/T0/B0/abc",
    "https://example.com:8443/x",
    "https://EXAMPLE.com./",
    "https://b\u00fccher.example/",
    "http://[2606:4700:4700::1111]/",
    "http://1.1.1.1/",
    "https://under_score.example/",
    "https://ntfy/topic",
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not guard.judge_address(address, 443, address, NOTHING).allowed
    verdict = guard.judge_address("rebind.example", 443, address, NOTHING)
    assert not verdict.allowed
    assert "TOCSIN_OUTBOUND_ALLOW" in verdict.why
    assert address not in verdict.why


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert guard.judge_address("example.com", 443, address, NOTHING).allowed


@pytest.mark.parametrize("host", ODD_HOSTS)
def test_an_odd_host_is_refused_before_it_is_looked_up(host: str) -> None:
    assert not guard.judge_host(host, 443).allowed


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_url_is_refused_with_a_reason(url: str) -> None:
    problem = http.url_problem(url)
    assert problem
    assert "Traceback" not in problem


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_good_url_has_no_problem(url: str) -> None:
    assert http.url_problem(url) is None


@given(st.ip_addresses(v=4))
def test_what_we_call_public_is_public_for_python_too(address: IPv4Address) -> None:
    if guard.classify(address) is guard.Range.PUBLIC:
        assert address.is_global
        assert not address.is_private
        assert not address.is_multicast
        assert not address.is_reserved


@given(st.ip_addresses(v=6))
def test_of_ipv6_only_global_unicast_is_public(address: IPv6Address) -> None:
    if guard.classify(address) is guard.Range.PUBLIC:
        assert int(address) >> 125 == 1
        assert not address.is_private


@given(st.ip_addresses(v=4))
def test_no_carrier_makes_an_address_callable(inner: IPv4Address) -> None:
    carriers = [
        IPv6Address((0xFFFF << 32) | int(inner)),
        IPv6Address((0x64FF9B << 96) | int(inner)),
        IPv6Address((0x2002 << 112) | (int(inner) << 80) | 1),
        IPv6Address(int(inner)),
    ]
    for carrier in carriers:
        assert not guard.judge_address("h.example", 443, str(carrier), NOTHING).allowed


@given(st.text(max_size=60))
def test_no_text_makes_the_rules_raise(text: str) -> None:
    guard.judge_host(text, 443)
    guard.judge_address(text, 443, text, NOTHING)
    http.url_problem(text)
    http.url_problem("http://" + text)


@pytest.mark.parametrize(
    ("entries", "host", "address", "port", "allowed"),
    [
        ("127.0.0.0/8", "127.0.0.1", "127.0.0.1", 80, True),
        ("127.0.0.0/8", "any.example", "127.9.9.9", 8080, True),
        ("127.0.0.1", "127.0.0.2", "127.0.0.2", 80, False),
        ("10.1.2.3", "x.example", "10.1.2.3", 80, True),
        ("10.1.2.3", "x.example", "10.1.2.4", 80, False),
        ("10.1.2.3:8080", "x.example", "10.1.2.3", 8080, True),
        ("10.1.2.3:8080", "x.example", "10.1.2.3", 8081, False),
        ("ntfy.internal", "ntfy.internal", "10.9.9.9", 80, True),
        ("ntfy.internal", "NTFY.Internal.", "10.9.9.9", 80, True),
        ("ntfy.internal", "evil.ntfy.internal", "10.9.9.9", 80, False),
        ("ntfy.internal", "ntfy.internal.evil", "10.9.9.9", 80, False),
        ("ntfy.internal:8080", "ntfy.internal", "10.9.9.9", 8080, True),
        ("ntfy.internal:8080", "ntfy.internal", "10.9.9.9", 80, False),
        ("ntfy.internal", "ntfy.internal", "127.0.0.1", 80, True),
        ("ntfy.internal", "ntfy.internal", "100.64.1.1", 80, True),
        ("ntfy.internal", "ntfy.internal", "fd00::7", 80, True),
        # A trusted name does not open what only an attacker would make it point at.
        ("ntfy.internal", "ntfy.internal", "169.254.169.254", 80, False),
        ("ntfy.internal", "ntfy.internal", "fd00:ec2::254", 80, False),
        ("ntfy.internal", "ntfy.internal", "0.0.0.0", 80, False),
        ("ntfy.internal", "ntfy.internal", "224.0.0.1", 80, False),
        ("ntfy.internal", "ntfy.internal", "::ffff:10.0.0.1", 80, False),
        ("169.254.169.254", "metadata", "169.254.169.254", 80, True),
        ("fd00::/8", "x.example", "fd00::1", 80, True),
        ("[fd00::1]:8080", "x.example", "fd00::1", 8080, True),
        ("[fd00::1]:8080", "x.example", "fd00::1", 8081, False),
        ("fd00::1", "x.example", "fd00::1", 1, True),
        # A carrier is allowed only when what it carries fits as well.
        ("64:ff9b::/96", "x.example", "64:ff9b::808:808", 80, True),
        ("64:ff9b::/96", "x.example", "64:ff9b::7f00:1", 80, False),
        ("64:ff9b::/96, 127.0.0.0/8", "x.example", "64:ff9b::7f00:1", 80, True),
        ("127.0.0.0/8", "x.example", "::ffff:127.0.0.1", 80, False),
        ("::ffff:0:0/96, 127.0.0.0/8", "x.example", "::ffff:127.0.0.1", 80, True),
        ("0.0.0.0/0", "x.example", "::1", 80, False),
        ("", "x.example", "10.0.0.1", 80, False),
        ("10.0.0.0/8", "x.example", "8.8.8.8", 80, True),
    ],
)
def test_the_allow_list(entries: str, host: str, address: str, port: int, allowed: bool) -> None:
    allow = parse_allow_list(entries)
    assert guard.judge_address(host, port, address, allow).allowed is allowed


@pytest.mark.parametrize(
    "text", ["10.0.0.1/8", "10.0.0/8", "a b/c", "ntfy.lan:0", "ntfy.lan:x", "127.1", "[::1", "*"]
)
def test_a_wrong_entry_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"is neither|is not a network|the port must be"):
        parse_allow_list(f"10.0.0.0/8, {text.split()[-1]}")


def test_the_list_may_be_written_with_spaces_and_lines() -> None:
    allow = parse_allow_list("127.0.0.0/8,10.1.2.3\n ntfy.internal  [::1]:80,,")
    assert len(allow.networks) == 3
    assert allow.has_name("ntfy.internal", 1)
    assert allow.has_address(ip_address("::1"), 80)


def test_too_many_entries_are_refused() -> None:
    with pytest.raises(ValueError, match="500"):
        parse_allow_list(",".join(f"10.0.{n // 250}.{n % 250}" for n in range(501)))


def test_a_listed_host_and_port_opens_a_low_port() -> None:
    allow = parse_allow_list("legacy.example:81")
    assert guard.judge_url("http", "", "legacy.example", 81, allow).allowed
    assert not guard.judge_url("http", "", "other.example", 81, allow).allowed


# -- over real sockets -------------------------------------------------------------------------


class Names:
    """A name server that answers from a script; the last answer stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


LOOPBACK = parse_allow_list("127.0.0.0/8")


@pytest.fixture
async def inside() -> AsyncIterator[FakeHttp]:
    """A server that nobody outside may reach."""
    async with FakeHttp() as server:
        yield server


async def test_an_answer_comes_back(inside: FakeHttp) -> None:
    outbound = Outbound(LOOPBACK)
    inside.script(Status(201, {"X-Thing": "1"}, b"made"))
    answer = await outbound.request(
        "POST", f"{inside.url}/a?b=c", headers={"X-Mine": "y"}, content=b"hello"
    )
    assert (answer.status, answer.body, answer.headers["x-thing"]) == (201, b"made", "1")
    [request] = inside.requests
    assert (request.method, request.path, request.body) == ("POST", "/a?b=c", b"hello")
    assert request.headers["x-mine"] == "y"
    await outbound.aclose()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.0.0.1.",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::1]",
        "[::]",
        "\u2460\u2461\u2466.0.0.1",
        "\uff11\uff12\uff17.0.0.1",
        "127\u30020\u30020\u30021",
    ],
)
async def test_no_way_of_writing_it_reaches_loopback(inside: FakeHttp, host: str) -> None:
    outbound = Outbound(NOTHING)
    with pytest.raises((Refused, Unreachable)):
        await outbound.request("GET", f"http://{host}:{inside.port}/")
    assert inside.connections == 0
    await outbound.aclose()


async def test_a_name_that_resolves_inside_is_refused(inside: FakeHttp) -> None:
    outbound = Outbound(NOTHING, resolver=Names(["127.0.0.1"]))
    with pytest.raises(Refused, match=r"hook\.example resolves to a loopback address"):
        await outbound.request("GET", f"http://hook.example:{inside.port}/")
    assert inside.connections == 0
    await outbound.aclose()


@pytest.mark.parametrize(
    "records",
    [
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["2606:4700:4700::1111", "::1"],
        ["8.8.8.8"] * 20 + ["10.0.0.1"],
        ["8.8.8.8", "fe80::1%eth0"],
        ["8.8.8.8", "nonsense"],
    ],
)
async def test_one_bad_record_refuses_the_name(records: list[str]) -> None:
    outbound = Outbound(NOTHING, resolver=Names(records))
    with pytest.raises(Refused):
        await outbound.request("GET", "http://mixed.example/")
    await outbound.aclose()


async def test_rebinding_between_two_requests_is_seen(inside: FakeHttp) -> None:
    """First allowed, then loopback without permission: every connection asks anew."""
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    outbound = Outbound(parse_allow_list("127.0.0.2"), resolver=names)
    url = f"http://rebind.example:{inside.port}/"
    with pytest.raises(Unreachable):
        await outbound.request("GET", url)
    with pytest.raises(Refused):
        await outbound.request("GET", url)
    assert inside.connections == 0
    await outbound.aclose()


async def test_a_name_is_looked_up_once_for_one_connection(inside: FakeHttp) -> None:
    """So there is no second answer: the judged address is the one connected to."""
    names = Names(["127.0.0.1"], ["10.255.255.1"])
    outbound = Outbound(LOOPBACK, resolver=names)
    answer = await outbound.request("GET", f"http://once.example:{inside.port}/")
    assert answer.ok
    assert names.asked == ["once.example"]
    assert inside.requests[0].headers["host"] == f"once.example:{inside.port}"
    await outbound.aclose()


async def test_a_redirect_is_an_answer_and_goes_nowhere(inside: FakeHttp) -> None:
    async with FakeHttp() as front:
        front.script(Status(302, {"Location": f"{inside.url}/secret"}))
        outbound = Outbound(LOOPBACK)
        answer = await outbound.request("GET", f"{front.url}/")
        assert answer.status == 302
        assert inside.connections == 0
        await outbound.aclose()


async def test_proxies_from_the_environment_are_ignored(
    inside: FakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeHttp() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "")
        outbound = Outbound(LOOPBACK)
        assert (await outbound.request("GET", inside.url)).ok
        assert proxy.connections == 0
        assert inside.connections == 1
        await outbound.aclose()


async def test_the_next_address_is_tried_when_one_does_not_answer(inside: FakeHttp) -> None:
    names = Names(["127.0.0.9", "127.0.0.1"])
    outbound = Outbound(LOOPBACK, resolver=names)
    assert (await outbound.request("GET", f"http://two.example:{inside.port}/")).ok
    await outbound.aclose()


async def test_a_long_body_is_cut(inside: FakeHttp) -> None:
    inside.script(Huge(5_000_000))
    outbound = Outbound(LOOPBACK)
    answer = await outbound.request("GET", inside.url)
    assert (len(answer.body), answer.truncated) == (65_536, True)
    assert (await outbound.request("GET", inside.url)).ok
    await outbound.aclose()


async def test_a_body_of_exactly_the_limit_is_whole(inside: FakeHttp) -> None:
    inside.script(Huge(65_536))
    outbound = Outbound(LOOPBACK)
    answer = await outbound.request("GET", inside.url)
    assert (len(answer.body), answer.truncated) == (65_536, False)
    await outbound.aclose()


async def test_a_compressed_answer_is_not_expanded(inside: FakeHttp) -> None:
    inside.script(Status(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b not really"))
    outbound = Outbound(LOOPBACK)
    answer = await outbound.request("GET", inside.url)
    assert answer.body == b"\x1f\x8b not really"
    assert inside.requests[0].headers["accept-encoding"] == "identity"
    await outbound.aclose()


@pytest.mark.parametrize("fault", [Slow(60), Drip()])
async def test_the_total_time_is_bounded(inside: FakeHttp, fault: Slow | Drip) -> None:
    inside.script(fault)
    outbound = Outbound(LOOPBACK)
    with pytest.raises(Unreachable, match=r"within 0\.3 s") as caught:
        await outbound.request("GET", inside.url, timeout=0.3)
    assert caught.value.maybe_arrived
    await outbound.aclose()


async def test_a_lost_answer_may_have_arrived(inside: FakeHttp) -> None:
    inside.script(Reset())
    outbound = Outbound(LOOPBACK)
    with pytest.raises(Unreachable) as caught:
        await outbound.request("POST", inside.url, content=b"x")
    assert caught.value.maybe_arrived
    assert len(inside.requests) == 1
    await outbound.aclose()


async def test_a_refused_connection_cannot_have_arrived(inside: FakeHttp) -> None:
    await inside.stop()
    outbound = Outbound(LOOPBACK)
    with pytest.raises(Unreachable, match="connection refused") as caught:
        await outbound.request("POST", inside.url, content=b"x")
    assert not caught.value.maybe_arrived
    await outbound.aclose()


@pytest.mark.parametrize(
    "fault",
    [
        ResetBeforeReading(),
        Raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        Raw(b"HTTP/1.1 abc\r\n\r\n"),
        Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
        Raw(b""),
        Raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000),
    ],
)
async def test_nonsense_is_unreachable_not_a_crash(
    inside: FakeHttp, fault: Raw | ResetBeforeReading
) -> None:
    inside.script(fault)
    outbound = Outbound(LOOPBACK)
    with pytest.raises(Unreachable):
        await outbound.request("GET", inside.url)
    assert (await outbound.request("GET", inside.url)).ok
    await outbound.aclose()


async def test_a_header_cannot_be_smuggled(inside: FakeHttp) -> None:
    outbound = Outbound(LOOPBACK)
    with pytest.raises(Refused):
        await outbound.request("GET", inside.url, headers={"X-A": "1\r\nX-B: 2"})
    assert inside.requests == []
    await outbound.aclose()


async def test_a_name_that_does_not_exist_is_unreachable() -> None:
    async def nobody(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    outbound = Outbound(NOTHING, resolver=nobody)
    with pytest.raises(Unreachable, match="cannot be resolved"):
        await outbound.request("GET", "http://nowhere.example/")
    await outbound.aclose()


async def test_tls_checks_the_name_not_the_address() -> None:
    async with FakeHttp(tls=server_context("hook.example")) as server:
        outbound = Outbound(
            LOOPBACK, resolver=Names(["127.0.0.1"]), tls=client_context("hook.example")
        )
        assert (await outbound.request("GET", f"https://hook.example:{server.port}/")).ok
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            await outbound.request("GET", f"https://other.example:{server.port}/")
        await outbound.aclose()


async def test_an_unknown_authority_is_not_trusted() -> None:
    async with FakeHttp(tls=server_context("hook.example")) as server:
        outbound = Outbound(LOOPBACK, resolver=Names(["127.0.0.1"]))
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            await outbound.request("GET", f"https://hook.example:{server.port}/")
        assert server.requests == []
        await outbound.aclose()


def test_the_default_context_verifies() -> None:
    context = http.trusted()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_a_plain_socket_is_guarded_too(inside: FakeHttp) -> None:
    closed = Outbound(NOTHING, resolver=Names(["127.0.0.1"]))
    for host in ("127.0.0.1", "mail.example", "127.1", "::1", "0x7f.1"):
        with pytest.raises(Refused):
            await closed.connect(host, inside.port)
    await closed.aclose()
    assert inside.connections == 0
    outbound = Outbound(parse_allow_list("mail.example"), resolver=Names(["127.0.0.1"]))
    with await outbound.connect("mail.example", inside.port) as sock:
        assert sock.getpeername() == ("127.0.0.1", inside.port)
    await outbound.aclose()


async def test_a_body_beyond_the_bound_is_a_defect_of_the_caller() -> None:
    outbound = Outbound(NOTHING)
    with pytest.raises(ValueError, match="1048576"):
        await outbound.request("POST", "http://example.com/", content=b"x" * 1_048_577)
    await outbound.aclose()
