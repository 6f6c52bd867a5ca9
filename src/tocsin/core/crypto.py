"""Secrets: the master key, sealed columns, key digests, passwords, and signed link tokens.

One key protects an installation: the master key, 32 random bytes in a file only its owner can
read, or given as a setting. Everything else is derived from it by HKDF with a label for each use,
so no two uses ever share a key and a token made for one purpose is worthless for another.

Invariants: a sealed value opens only with the key and in the place (`context`) it was sealed for;
the error always says which of the two is wrong. Digests and signatures are compared in constant
time. Nothing here reads the clock: who verifies a token says what time it is.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
KEY_FILE = "master.key"
KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
MAX_PASSWORD_BYTES = 4096

_SEALED_VERSION = b"\x01"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12
_SEALED_HEAD = 1 + _KEY_ID_BYTES + _NONCE_BYTES
_TOKEN_VERSION = b"\x01"
_TOKEN_MAC_BYTES = 16  # Half the digest, the least RFC 2104 advises; links stay short.
_TOKEN_HEAD = 1 + 5
_MAX_TOKEN = 4096

# OWASP's first choice for Argon2id: 19 MiB, two passes, one lane.
_passwords = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class CryptoError(Exception):
    """Base of what is wrong with keys and sealed values."""


class MasterKeyError(CryptoError):
    """The master key cannot be read, made or understood; the message says how to mend it."""


class SealBroken(CryptoError):
    """A sealed value does not open."""


class WrongKey(SealBroken):
    """It was sealed under a master key this server does not have."""


class Damaged(SealBroken):
    """The bytes were changed, cut, or moved here from another row or column."""


class BadToken(Exception):
    """A signed token is not one of ours, was changed, or was made for another purpose."""


class ExpiredToken(BadToken):
    """A genuine token whose time has passed."""


def load_master_key(data_dir: Path, given: str | None = None) -> bytes:
    """The 32 bytes of the master key: `given` if there is one, else from `data_dir`/master.key.

    The file is made on the first start, readable by its owner alone. Two processes that start
    together end with the same key. Raises MasterKeyError.
    """
    if given is not None:
        return _parse_key(given, "TOCSIN_MASTER_KEY")
    path = data_dir / KEY_FILE
    try:
        if not path.exists():
            data_dir.mkdir(parents=True, exist_ok=True)
            _create_key_file(path)
        if path.stat().st_mode & 0o077:
            # A restored backup often comes back readable by all; we own it, so we close it again.
            path.chmod(0o600)
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise MasterKeyError(
            f"cannot use the master key file {path}: {error}. Make it readable and writable by the"
            " user Tocsin runs as (and by nobody else), or set TOCSIN_MASTER_KEY."
        ) from error
    return _parse_key(text, str(path))


def _create_key_file(path: Path) -> None:
    """Write a fresh key beside `path`, make it durable, and link it in place if none is there."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # Another process was first; its key is the key.
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        draft.unlink()


def _parse_key(text: str, source: str) -> bytes:
    """The key from base64 (either alphabet) or hexadecimal text."""
    word = text.strip()
    try:
        if len(word) == 2 * KEY_BYTES:
            return bytes.fromhex(word)
        padded = word.rstrip("=").replace("-", "+").replace("_", "/") + "="
        key = base64.b64decode(padded, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise MasterKeyError(
            f"{source} must hold 32 random bytes as base64 (44 characters) or hexadecimal (64)."
            " Make one with: openssl rand -base64 32"
        )
    return key


@lru_cache(maxsize=256)
def derive(master_key: bytes, label: str) -> bytes:
    """A 32-byte subkey for one use; `label` names the use. HKDF-SHA256 (RFC 5869)."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"tocsin/" + label.encode()).derive(master_key)


class SecretBox:
    """Seals secrets at rest: AES-256-GCM with a random nonce, a key id, and the place as AAD.

    Sealed bytes are: version (1), key id (8), nonce (12), ciphertext and tag. `older` holds former
    master keys: they still open what they sealed, and nothing new is sealed with them.
    """

    def __init__(self, master_key: bytes, older: Sequence[bytes] = ()) -> None:
        self._ciphers: dict[bytes, AESGCM] = {}
        for key in (master_key, *older):
            if len(key) != KEY_BYTES:
                raise ValueError(f"a master key has {KEY_BYTES} bytes, not {len(key)}")
            self._ciphers.setdefault(_key_id(key), AESGCM(derive(key, "sealed")))
        self._current = _key_id(master_key)

    @property
    def key_id(self) -> str:
        """Public name of the current key, in hexadecimal; it reveals nothing of the key."""
        return self._current.hex()

    def encrypt(self, plaintext: str | bytes, context: str) -> bytes:
        """Seal `plaintext` for one place, named as "table.column/row id"."""
        data = plaintext.encode() if isinstance(plaintext, str) else plaintext
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(
            nonce, data, self._aad(self._current, context)
        )
        return _SEALED_VERSION + self._current + nonce + sealed

    def decrypt(self, sealed: bytes, context: str) -> str:
        """The text sealed by :meth:`encrypt`. Raises WrongKey or Damaged."""
        data = self.decrypt_bytes(sealed, context)
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Damaged(f"the value at {context} is not text: it was sealed as bytes") from None

    def decrypt_bytes(self, sealed: bytes, context: str) -> bytes:
        """As :meth:`decrypt`, for values that are not text."""
        sealed = bytes(sealed)
        if len(sealed) < _SEALED_HEAD + 16 or sealed[:1] != _SEALED_VERSION:
            raise Damaged(f"the value at {context} is cut short or was not sealed by Tocsin")
        key_id = sealed[1 : 1 + _KEY_ID_BYTES]
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise WrongKey(
                f"the value at {context} was sealed with master key {key_id.hex()}, but this server"
                f" runs with {self.key_id}. Put back the master.key file (or TOCSIN_MASTER_KEY)"
                " that belongs to this database."
            )
        nonce = sealed[1 + _KEY_ID_BYTES : _SEALED_HEAD]
        try:
            return cipher.decrypt(nonce, sealed[_SEALED_HEAD:], self._aad(key_id, context))
        except InvalidTag:
            raise Damaged(
                f"the value at {context} does not open: it was changed or copied from another place"
            ) from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether the value is sealed with today's key; a key rotation seals the others again."""
        return bytes(sealed[1 : 1 + _KEY_ID_BYTES]) == self._current

    @staticmethod
    def _aad(key_id: bytes, context: str) -> bytes:
        return _SEALED_VERSION + key_id + context.encode()


def _key_id(master_key: bytes) -> bytes:
    return derive(master_key, "key id")[:_KEY_ID_BYTES]


def new_token(length: int = 32, alphabet: str = KEY_ALPHABET) -> str:
    """`length` characters drawn evenly from `alphabet` by the system's random source."""
    if length < 1 or len(set(alphabet)) < 2:
        raise ValueError("a token needs a length and an alphabet of at least two characters")
    return "".join(secrets.choice(alphabet) for _ in range(length))


def hash_key(token: str) -> bytes:
    """SHA-256 of an API key or session token. Enough for random tokens, never for passwords."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def same(left: str | bytes, right: str | bytes) -> bool:
    """Equality in constant time."""
    a = left.encode("utf-8", "surrogatepass") if isinstance(left, str) else left
    b = right.encode("utf-8", "surrogatepass") if isinstance(right, str) else right
    return hmac.compare_digest(a, b)


def hash_password(password: str) -> str:
    """Argon2id, as a self-describing string. Takes tens of milliseconds: run it in a thread."""
    data = password.encode()
    if len(data) > MAX_PASSWORD_BYTES:
        raise ValueError(f"a password has at most {MAX_PASSWORD_BYTES} bytes")
    return _passwords.hash(data)


def verify_password(hashed: str, password: str) -> bool:
    """Whether the password is the one that was hashed. As slow as hashing; never raises."""
    try:
        data = password.encode()
        return len(data) <= MAX_PASSWORD_BYTES and _passwords.verify(hashed, data)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def needs_rehash(hashed: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    try:
        return _passwords.check_needs_rehash(hashed)
    except InvalidHashError:
        return True


def sign(purpose: str, payload: str, key: bytes, *, expires_at: datetime) -> str:
    """A URL-safe token that carries `payload` until `expires_at` (whole seconds, aware).

    `purpose` separates uses ("acknowledge", "verify address"); `key` is the master key. The payload
    is signed, not hidden: put ids in it, never secrets.
    """
    if expires_at.tzinfo is None:
        raise ValueError("expires_at must be an aware datetime")
    body = _TOKEN_VERSION + int(expires_at.timestamp()).to_bytes(5, "big") + payload.encode()
    token = base64.urlsafe_b64encode(_mac(purpose, body, key) + body).rstrip(b"=").decode()
    if len(token) > _MAX_TOKEN:
        raise ValueError("the payload is too long for a link")
    return token


def verify(
    purpose: str, token: str, key: bytes, *, now: datetime, older: Sequence[bytes] = ()
) -> str:
    """The payload of a token made by :func:`sign` for the same purpose.

    `older` lists former master keys whose links still count. Raises ExpiredToken, or BadToken for
    everything else; the signature is checked first, so only a genuine token can be "expired".
    """
    if not token or len(token) > _MAX_TOKEN or not token.isascii():
        raise BadToken("this link is incomplete or was changed")
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise BadToken("this link is incomplete or was changed") from None
    mac, body = raw[:_TOKEN_MAC_BYTES], raw[_TOKEN_MAC_BYTES:]
    genuine = [hmac.compare_digest(mac, _mac(purpose, body, each)) for each in (key, *older)]
    canonical = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token
    if not any(genuine) or not canonical or len(body) < _TOKEN_HEAD or body[:1] != _TOKEN_VERSION:
        raise BadToken("this link is incomplete or was changed")
    if int(now.timestamp()) >= int.from_bytes(body[1:_TOKEN_HEAD], "big"):
        raise ExpiredToken("this link has expired")
    return body[_TOKEN_HEAD:].decode()


class Signer:
    """Signed links of one purpose, under this installation's key."""

    def __init__(self, master_key: bytes, purpose: str) -> None:
        self._key = master_key
        self._purpose = purpose

    def sign(self, payload: str, expires_at: datetime) -> str:
        """As :func:`sign`."""
        return sign(self._purpose, payload, self._key, expires_at=expires_at)

    def verify(self, token: str, now: datetime) -> str:
        """As :func:`verify`: the payload, or ExpiredToken or BadToken."""
        return verify(self._purpose, token, self._key, now=now)


def hmac_sha256(key: bytes, message: bytes) -> str:
    """Hexadecimal HMAC-SHA256 (RFC 2104), as outgoing webhooks are signed."""
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def _mac(purpose: str, body: bytes, key: bytes) -> bytes:
    subkey = derive(key, f"token/{purpose}")
    return hmac.digest(subkey, body, "sha256")[:_TOKEN_MAC_BYTES]
