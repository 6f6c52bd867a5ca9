"""Making and reading X.509 certificates: a local authority, and what it signs for this server.

Rules: the authority signs nothing but server certificates that it is the direct issuer of; a server
certificate never outlives its authority; keys leave here only sealed with a passphrase. Nothing
here touches files, and nothing reads the clock.
"""

import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=90)
# Renewed while a third of its life is left: a machine asleep for weeks wakes with a good one.
RENEW_BEFORE = timedelta(days=30)
# Clocks of clients may be behind.
BACKDATED = timedelta(days=1)
MOST_IN_A_NAME = 64


class Authority(NamedTuple):
    """The local authority: its certificate and the key that signs with it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What matters of a server's certificate."""

    names: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime


def make_authority(label: str, now: datetime) -> Authority:
    """A new authority; `label` tells people which machine's it is."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Tocsin authority of {label}")
    builder = (
        _builder(name, name, key.public_key(), now, now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return Authority(builder.sign(key, hashes.SHA256()), key)


def make_server(
    authority: Authority, names: Sequence[str], now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate for `names` (host names and addresses), and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    ends = min(now + SERVER_LIFE, issuer.not_valid_after_utc)
    key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
    builder = (
        _builder(_name(names[0]), issuer.subject, key.public_key(), now, ends)
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False
        )
    )
    return builder.sign(authority.key, hashes.SHA256()), key


def usable_names(names: Sequence[str]) -> tuple[str, ...]:
    """Those that a certificate can hold, each once and as it holds them, in order."""
    found: dict[str, None] = {}
    for name in names:
        try:
            found[str(_general(name).value)] = None
        except ValueError:
            continue
    return tuple(found)


def facts(certificate: x509.Certificate) -> Facts:
    """What a person wants to know of it."""
    try:
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [
            *held.get_values_for_type(x509.DNSName),
            *(str(one) for one in held.get_values_for_type(x509.IPAddress)),
        ]
    except x509.ExtensionNotFound:
        names = []
    return Facts(
        names=tuple(names),
        starts_at=certificate.not_valid_before_utc,
        ends_at=certificate.not_valid_after_utc,
    )


def covers(names: Sequence[str], host: str) -> bool:
    """Whether a certificate for `names` is good for `host`; `*.` stands for one label."""
    host = host.lower().rstrip(".")
    wild = "*." + host.partition(".")[2]
    return any(name.lower() in (host, wild) for name in names)


def sealed_key(key: ec.EllipticCurvePrivateKey, passphrase: bytes) -> bytes:
    """The key as PEM that opens with the passphrase alone."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )


def opened_key(pem: bytes, passphrase: bytes) -> ec.EllipticCurvePrivateKey:
    """The key of :func:`sealed_key`. Raises ValueError when it does not open."""
    key = serialization.load_pem_private_key(pem, passphrase)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("it is not a key of the kind that is made here")
    return key


def pem_of(certificate: x509.Certificate) -> bytes:
    """The certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def server_context() -> ssl.SSLContext:
    """A context without a certificate yet: TLS 1.2 and newer, HTTP/1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:MOST_IN_A_NAME])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    ascii_name = (name if name.isascii() else name.encode("idna").decode()).lower()
    labels = ascii_name.split(".")
    if len(ascii_name) > 253 or not all(0 < len(label) <= 63 for label in labels):
        raise ValueError(f"{name!r} is no host name")
    return x509.DNSName(ascii_name)
