"""Keys, secrets and signatures. The only module that touches cryptography.

One master key (32 bytes) is made on first start or given as a setting; everything else follows from
it by HKDF with a purpose of its own, so that a link's signature can never pass for another's.
Secrets at rest are AES-256-GCM with the place they belong to (table, column, row) as associated
data: a sealed value copied to another row does not open. Tokens of keys and sessions are random and
kept as SHA-256; passwords as Argon2id.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID_BYTES = 4
_SIGNATURE_BYTES = 16
_FORMAT = b"\x01"
ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# OWASP's password storage guide: 19 MiB, two passes, one lane is the least for Argon2id.
_passwords = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class CryptoError(Exception):
    """A key is missing, damaged, or not the one a value was sealed with."""


class MasterKeyError(CryptoError):
    """The master key cannot be used; the message says what to do."""


class SealBroken(CryptoError):
    """A sealed value does not open: another master key, another row, or damage."""


def load_master_key(given: str | None, file: Path) -> bytes:
    """The master key: the one given (base64 or hex of 32 bytes), else the file's, else a new one.

    The file is made with mode 0600. Raises MasterKeyError.
    """
    if given is not None:
        return _decoded_key(given, "TOCSIN_MASTER_KEY")
    try:
        return _decoded_key(file.read_text("ascii"), str(file))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise MasterKeyError(f"{file} cannot be read ({error.strerror})") from error
    key = secrets.token_bytes(KEY_BYTES)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(base64.b64encode(key).decode() + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    try:
        # Link, not rename: of two first starts one wins and the other reads the winner's key.
        os.link(temporary, file)
    except FileExistsError:
        return _decoded_key(file.read_text("ascii"), str(file))
    finally:
        temporary.unlink()
    return key


def _decoded_key(text: str, name: str) -> bytes:
    text = text.strip()
    for decode in (bytes.fromhex, lambda value: base64.b64decode(value, validate=True)):
        try:
            key = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == KEY_BYTES:
            return key
    raise MasterKeyError(f"{name} must be 32 bytes as base64 or hex; `openssl rand -base64 32`")


def subkey(master: bytes, purpose: str) -> bytes:
    """The key for one purpose."""
    return HKDF(SHA256(), KEY_BYTES, None, b"tocsin " + purpose.encode()).derive(master)


class SecretBox:
    """Seals values at rest. `context` names the place, such as `contact_methods/address/P1`."""

    def __init__(self, master: bytes) -> None:
        key = subkey(master, "secrets at rest")
        self._cipher = AESGCM(key)
        self._key_id = hashlib.sha256(b"id" + key).digest()[:_KEY_ID_BYTES]

    def encrypt(self, value: str | bytes, context: str) -> bytes:
        """Seal a value for its place."""
        plain = value.encode() if isinstance(value, str) else value
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, plain, context.encode())
        return _FORMAT + self._key_id + nonce + sealed

    def decrypt(self, sealed: bytes, context: str) -> bytes:
        """Open a value from its place. Raises SealBroken."""
        head = len(_FORMAT) + _KEY_ID_BYTES
        if sealed[: len(_FORMAT)] != _FORMAT or len(sealed) < head + _NONCE_BYTES:
            raise SealBroken(f"{context} is not a sealed value")
        if sealed[len(_FORMAT) : head] != self._key_id:
            raise SealBroken(f"{context} was sealed with another master key")
        nonce, body = sealed[head : head + _NONCE_BYTES], sealed[head + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, context.encode())
        except InvalidTag as error:
            raise SealBroken(f"{context} is damaged or belongs to another row") from error

    def open_text(self, sealed: bytes, context: str) -> str:
        """Open a text from its place. Raises SealBroken."""
        return self.decrypt(sealed, context).decode()


class Signer:
    """Signs short statements for one purpose, with an expiry: one-tap links and the like."""

    def __init__(self, master: bytes, purpose: str) -> None:
        self._key = subkey(master, "signature " + purpose)

    def sign(self, payload: str, expires: datetime) -> str:
        """A URL-safe token that carries `payload` until `expires`."""
        body = f"{int(expires.timestamp())}.{payload}".encode()
        return _b64(body) + "." + _b64(self._signature(body))

    def verify(self, token: str, now: datetime) -> str | None:
        """The payload, or None when the token is forged, damaged or too old."""
        text, _, signature = token.partition(".")
        try:
            body, given = _unb64(text), _unb64(signature)
        except (ValueError, binascii.Error):
            return None
        if not hmac.compare_digest(given, self._signature(body)):
            return None
        stamp, _, payload = body.decode().partition(".")
        if now >= datetime.fromtimestamp(int(stamp), UTC):
            return None
        return payload

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_SIGNATURE_BYTES]


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def new_token(length: int, alphabet: str = ALPHANUMERIC) -> str:
    """A random text from the operating system's source."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def hash_key(token: str) -> bytes:
    """What is kept of a random token. Tokens are long and random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def hmac_sha256(key: bytes, message: bytes) -> str:
    """Hex HMAC-SHA256, as outgoing webhooks are signed."""
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def hash_password(password: str) -> str:
    """Argon2id; takes about 30 ms and 19 MiB, so call it off the event loop."""
    return _passwords.hash(password)


def verify_password(stored: str, password: str) -> bool:
    """Whether `password` is the one that was hashed; off the event loop, like hashing."""
    try:
        return _passwords.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _passwords.check_needs_rehash(stored)
