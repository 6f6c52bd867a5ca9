"""What https shows itself with: the certificate of the settings, or one of a local authority.

The local authority is made on the first start, in DATA_DIR/tls. Its key and the server's key are
sealed with a passphrase derived from the master key, in files that only their owner may read.
Invariants: the authority is made once and never replaced by itself, because people have told their
machines to trust it; a certificate that cannot be loaded never takes the place of one that works;
two processes of one data directory end with the same files.
"""

import contextlib
import fcntl
import os
import secrets
import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from cryptography import x509

from tocsin.core import certificates, crypto
from tocsin.core.certificates import Authority, Facts
from tocsin.core.config import Settings

FOLDER = "tls"
AUTHORITY_FILE = "ca.pem"
AUTHORITY_KEY_FILE = "ca.key"
SERVER_FILE = "server.pem"
LOCK_FILE = "lock"
ALWAYS = ("localhost", "127.0.0.1", "::1")
MAX_FILE = 1_048_576
Stamp = tuple[tuple[int, int, int], ...]


class TlsError(Exception):
    """The certificate cannot be made, read or used; the message says what to mend."""


class Source(Protocol):
    """Where the certificate and its key come from."""

    def ready(self, now: datetime) -> None:
        """Make or renew what has to be there. Raises TlsError."""
        ...

    def due(self, facts: Facts, now: datetime) -> bool:
        """Whether `ready` has something to do about a certificate that is loaded."""
        ...

    def stamp(self) -> Stamp:
        """Differs as soon as the files are others. Raises TlsError when they are gone."""
        ...

    def load(self, context: ssl.SSLContext) -> Facts:
        """Give the context the certificate and key. Raises TlsError."""
        ...


class GivenFiles:
    """Files that somebody else keeps up to date; `key` may stand in the certificate's file."""

    def __init__(self, certificate: Path, key: Path | None) -> None:
        self.certificate = certificate
        self.key = key or certificate

    def ready(self, now: datetime) -> None:
        """Nothing: they are not ours."""

    def due(self, facts: Facts, now: datetime) -> bool:
        """Never, likewise."""
        return False

    def stamp(self) -> Stamp:
        """See Source."""
        return _stamp(self.certificate, self.key)

    def load(self, context: ssl.SSLContext) -> Facts:
        """See Source."""

        def ask() -> str:
            raise TlsError(f"{self.key} has a passphrase: give the key without one")

        return _load(context, self.certificate, self.key, ask)


class LocalAuthority:
    """See the module. `folder` is DATA_DIR/tls."""

    def __init__(self, folder: Path, master_key: bytes, names: tuple[str, ...]) -> None:
        self.folder = folder
        self.names = certificates.usable_names(names)
        self._passphrase = crypto.derive(master_key, "tls keys").hex().encode()

    @property
    def server(self) -> Path:
        """The server's key, certificate and the authority's certificate, in one file."""
        return self.folder / SERVER_FILE

    def ready(self, now: datetime) -> None:
        """Make the authority when there is none, and a new certificate when it is time."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _locked(self.folder / LOCK_FILE):
                authority = self._authority(now)
                if not self._holds(authority, now):
                    self._write_server(authority, now)
        except OSError as error:
            raise TlsError(f"{self.folder} cannot be used: {error}") from error

    def due(self, facts: Facts, now: datetime) -> bool:
        """When its last third begins."""
        return facts.ends_at - now <= certificates.RENEW_BEFORE

    def stamp(self) -> Stamp:
        """See Source."""
        return _stamp(self.server)

    def load(self, context: ssl.SSLContext) -> Facts:
        """See Source."""
        return _load(context, self.server, self.server, self._passphrase)

    def _authority(self, now: datetime) -> Authority:
        certificate, key = self.folder / AUTHORITY_FILE, self.folder / AUTHORITY_KEY_FILE
        if not certificate.exists():
            made = certificates.make_authority(socket.gethostname(), now)
            # The certificate is written last: it is what says that there is an authority.
            _write(key, certificates.sealed_key(made.key, self._passphrase))
            _write(certificate, certificates.pem_of(made.certificate), mode=0o644)
            return made
        try:
            found = x509.load_pem_x509_certificate(_content(certificate))
            opened = certificates.opened_key(_content(key), self._passphrase)
            if opened.public_key() != found.public_key():
                raise ValueError("the key is another certificate's")
        except ValueError as error:
            raise TlsError(
                f"the authority in {self.folder} does not open with this master key ({error}): put"
                " back the master.key that belongs to it, or remove the directory so that a new"
                " one is made, and trust that one"
            ) from error
        return Authority(found, opened)

    def _holds(self, authority: Authority, now: datetime) -> bool:
        """Whether the certificate that is there is still the right one."""
        try:
            found = x509.load_pem_x509_certificate(_content(self.server))
            certificates.opened_key(_content(self.server), self._passphrase)
            found.verify_directly_issued_by(authority.certificate)
        except Exception:
            # Missing, cut short, or another authority's: it is made again in any case.
            return False
        told = certificates.facts(found)
        # The last one of an authority ends with it, and cannot be renewed.
        last = told.ends_at == authority.certificate.not_valid_after_utc > now
        fresh = last or not self.due(told, now)
        return fresh and told.starts_at <= now and set(told.names) == set(self.names)

    def _write_server(self, authority: Authority, now: datetime) -> None:
        if authority.certificate.not_valid_after_utc <= now:
            raise TlsError(
                f"the authority in {self.folder} has ended: remove the directory so that a new one"
                " is made, and trust that one"
            )
        certificate, key = certificates.make_server(authority, self.names, now)
        parts = (
            certificates.sealed_key(key, self._passphrase),
            certificates.pem_of(certificate),
            certificates.pem_of(authority.certificate),
        )
        _write(self.server, b"".join(parts))


class Shown:
    """The context that connections are accepted with, kept in step with its source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.context = certificates.server_context()
        self.facts: Facts | None = None
        self._stamp: Stamp = ()

    def refresh(self, now: datetime) -> bool:
        """Renew, and load what has changed; connections that stand are not touched.

        Called where the connections are accepted: a context is not changed under another thread.

        True when another certificate is shown from now on. Raises TlsError; then the one before
        it is shown on.
        """
        if self.facts is None or self.source.due(self.facts, now):
            self.source.ready(now)
        stamp = self.source.stamp()
        if stamp == self._stamp:
            return False
        # Tried on a context of its own: half a change would leave no certificate at all.
        self.source.load(certificates.server_context())
        self.facts = self.source.load(self.context)
        self._stamp = stamp
        return True


def source_of(settings: Settings) -> Source:
    """What the settings say."""
    if settings.tls_certificate is not None:
        return GivenFiles(settings.tls_certificate, settings.tls_key)
    master = crypto.load_master_key(settings.data_dir, settings.master_key)
    return LocalAuthority(settings.data_dir / FOLDER, master, names_of(settings))


def names_of(settings: Settings) -> tuple[str, ...]:
    """Whom the local certificate is for: this machine, and what the public URL calls it."""
    public = urlsplit(settings.public_url or "").hostname
    names = [*ALWAYS, socket.gethostname(), settings.tls_listen_host, *([public] if public else [])]
    return tuple(name for name in names if not _is_every_address(name))


def authority_certificate(settings: Settings) -> Path:
    """Where the local authority's certificate is kept."""
    return settings.data_dir / FOLDER / AUTHORITY_FILE


def read_facts(settings: Settings) -> Facts | None:
    """What the certificate on the disk says; None when there is none yet. Raises TlsError."""
    given = settings.tls_certificate
    path = given or settings.data_dir / FOLDER / SERVER_FILE
    if given is None and not path.exists():
        return None
    source = source_of(settings)
    return source.load(certificates.server_context())


def _is_every_address(name: str) -> bool:
    try:
        return ip_address(name).is_unspecified
    except ValueError:
        return False


def _load(context: ssl.SSLContext, certificate: Path, key: Path, password: object) -> Facts:
    try:
        context.load_cert_chain(certificate, key, password)  # type: ignore[arg-type]
        return certificates.facts(x509.load_pem_x509_certificate(_content(certificate)))
    except ssl.SSLError as error:
        reason = (error.reason or "").replace("_", " ").lower() or str(error)
        raise TlsError(f"{certificate} and {key} cannot be used: {reason}") from error
    except (OSError, ValueError) as error:
        raise TlsError(f"{certificate} and {key} cannot be used: {error}") from error


def _stamp(*paths: Path) -> Stamp:
    found = []
    for path in paths:
        try:
            state = path.stat()
        except OSError as error:
            raise TlsError(f"{path} cannot be read: {error.strerror}") from error
        found.append((state.st_ino, state.st_mtime_ns, state.st_size))
    return tuple(found)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE)


def _write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put the whole file in place at once."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
