"""A certificate authority for one test run: server certificates and a context that trusts them."""

import datetime
import ssl
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@cache
def _make(names: tuple[str, ...]) -> tuple[bytes, bytes]:
    """A self-signed certificate for `names` and 127.0.0.1, and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tocsin tests")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    if "127.0.0.1" in names:
        alternatives = [x509.IPAddress(IPv4Address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def pem_file(folder: Path, *names: str) -> Path:
    """A file with a certificate for these names and its key, for servers that want a file."""
    certificate, key = _make(names)
    path = folder / "server.pem"
    path.write_bytes(certificate + key)
    return path


def server_context(*names: str) -> ssl.SSLContext:
    """A server's context with a certificate for these names."""
    certificate, key = _make(names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "server.pem"
        path.write_bytes(certificate + key)
        context.load_cert_chain(path)
    return context


def client_context(*names: str) -> ssl.SSLContext:
    """A client's context that trusts the certificate of these names, and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=_make(names)[0].decode())
    return context
