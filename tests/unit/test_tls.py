"""The certificate of https: made once, renewed in time, changed under a running server."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.support import certificates as made
from tests.support.settings import settings_for
from tocsin.core import certificates, tls
from tocsin.core.certificates import covers
from tocsin.core.tls import GivenFiles, LocalAuthority, Shown, TlsError

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
NAMES = ("localhost", "127.0.0.1", "::1", "pager.example.com")


def authority(folder: Path, key: bytes = KEY, names: tuple[str, ...] = NAMES) -> LocalAuthority:
    return LocalAuthority(folder / "tls", key, names)


def shown(source: LocalAuthority, now: datetime) -> Shown:
    found = Shown(source)
    assert found.refresh(now)
    return found


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_first_start_makes_an_authority_and_a_certificate(tmp_path: Path) -> None:
    found = shown(authority(tmp_path), NOW)
    assert found.facts is not None
    assert set(found.facts.names) == set(NAMES)
    assert found.facts.ends_at == NOW + certificates.SERVER_LIFE
    folder = tmp_path / "tls"
    ca, server = read(folder / "ca.pem"), read(folder / "server.pem")
    server.verify_directly_issued_by(ca)
    assert ca.not_valid_after_utc - NOW > timedelta(days=3000)
    for name in ("ca.key", "server.pem"):
        assert (folder / name).stat().st_mode & 0o077 == 0
        # Whoever has the file alone has no key.
        assert b"ENCRYPTED PRIVATE KEY" in (folder / name).read_bytes()


def test_a_second_start_shows_the_same(tmp_path: Path) -> None:
    shown(authority(tmp_path), NOW)
    before = {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()}
    later = shown(authority(tmp_path), NOW + timedelta(days=59))
    assert {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()} == before
    assert not later.refresh(NOW + timedelta(days=59))


def test_it_is_renewed_while_it_runs_and_by_the_same_authority(tmp_path: Path) -> None:
    found = shown(authority(tmp_path), NOW)
    ca = (tmp_path / "tls" / "ca.pem").read_bytes()
    assert not found.refresh(NOW + timedelta(days=59))
    assert found.refresh(NOW + timedelta(days=60))
    assert found.facts is not None
    assert found.facts.ends_at == NOW + timedelta(days=150)
    assert (tmp_path / "tls" / "ca.pem").read_bytes() == ca


def test_another_process_takes_up_what_the_first_renewed(tmp_path: Path) -> None:
    one, two = (shown(authority(tmp_path), NOW) for _ in range(2))
    at = NOW + timedelta(days=61)
    assert one.refresh(at)
    assert two.refresh(at)
    assert one.facts == two.facts


def test_other_names_make_another_certificate_at_the_start(tmp_path: Path) -> None:
    shown(authority(tmp_path), NOW)
    found = shown(authority(tmp_path, names=("localhost", "new.example.com")), NOW)
    assert found.facts is not None
    assert set(found.facts.names) == {"localhost", "new.example.com"}


@pytest.mark.parametrize("hurt", [b"", b"nonsense"])
def test_a_damaged_certificate_is_made_again(tmp_path: Path, hurt: bytes) -> None:
    shown(authority(tmp_path), NOW)
    (tmp_path / "tls" / "server.pem").write_bytes(hurt)
    assert shown(authority(tmp_path), NOW).facts is not None


def test_another_master_key_is_said_and_replaces_nothing(tmp_path: Path) -> None:
    shown(authority(tmp_path), NOW)
    before = (tmp_path / "tls" / "ca.pem").read_bytes()
    with pytest.raises(TlsError, match=r"put back the master\.key"):
        shown(authority(tmp_path, OTHER_KEY), NOW)
    assert (tmp_path / "tls" / "ca.pem").read_bytes() == before


def test_the_end_of_the_authority(tmp_path: Path) -> None:
    shown(authority(tmp_path), NOW)
    end = read(tmp_path / "tls" / "ca.pem").not_valid_after_utc
    last = shown(authority(tmp_path), end - timedelta(days=3))
    assert last.facts is not None
    assert last.facts.ends_at == end
    written = (tmp_path / "tls" / "server.pem").read_bytes()
    # Nothing longer can be had: it is not made again at every look.
    assert not last.refresh(end - timedelta(days=1))
    assert (tmp_path / "tls" / "server.pem").read_bytes() == written
    with pytest.raises(TlsError, match="remove the directory"):
        last.refresh(end + timedelta(seconds=1))


def test_given_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    pem = made.pem_file(tmp_path, "one.example.com")
    found = Shown(GivenFiles(pem, None))
    assert found.refresh(NOW)
    assert not found.refresh(NOW)
    made.pem_file(tmp_path, "two.example.com")
    assert found.refresh(NOW)
    assert found.facts is not None
    assert found.facts.names == ("two.example.com",)


def test_files_that_do_not_fit_leave_what_is_shown(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    pem = made.pem_file(tmp_path, "one.example.com")
    other = made.pem_file(tmp_path / "other", "two.example.com")
    key = tmp_path / "key.pem"
    key.write_bytes(pem.read_bytes())
    found = Shown(GivenFiles(pem, key))
    found.refresh(NOW)
    key.write_bytes(other.read_bytes())
    with pytest.raises(TlsError, match="cannot be used: key values mismatch"):
        found.refresh(NOW)
    assert handshake(found.context, "one.example.com")
    key.unlink()
    with pytest.raises(TlsError, match=r"key\.pem cannot be read"):
        found.refresh(NOW)
    assert handshake(found.context, "one.example.com")


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    shown(authority(tmp_path), NOW)
    with pytest.raises(TlsError, match="give the key without one"):
        Shown(GivenFiles(tmp_path / "tls" / "server.pem", None)).refresh(NOW)


def handshake(context: ssl.SSLContext, name: str) -> bool:
    """Whether a client that trusts the test's certificate of this name agrees with the server."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = made.client_context(name).wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize(
    ("names", "host", "good"),
    [
        (("pager.example.com",), "pager.example.com", True),
        (("pager.example.com",), "PAGER.example.com.", True),
        (("*.example.com",), "pager.example.com", True),
        (("*.example.com",), "a.pager.example.com", False),
        (("*.example.com",), "example.com", False),
        (("127.0.0.1",), "127.0.0.1", True),
        ((), "localhost", False),
    ],
)
def test_whom_a_certificate_is_for(names: tuple[str, ...], host: str, good: bool) -> None:
    assert covers(names, host) is good


def test_the_local_certificate_names_this_machine_and_the_public_url(tmp_path: Path) -> None:
    names = tls.names_of(
        settings_for(tmp_path, host="0.0.0.0", public_url="https://pager.example.com:8443")
    )
    assert {"localhost", "127.0.0.1", "::1", "pager.example.com"} <= set(names)
    assert "0.0.0.0" not in names
    given = ("Büro.example.com", "a..b", "x" * 64, "OK", "ok", "0:0:0:0:0:0:0:1")
    assert certificates.usable_names(given) == ("xn--bro-hoa.example.com", "ok", "::1")
