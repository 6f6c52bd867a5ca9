"""E-mail over SMTP, plain text with an HTML twin.

`Message-ID` follows from the delivery, so a repeat is recognised, and mails about one incident
thread together by `References`. A name or title can put nothing into a header: control characters
are removed before the standard library's policy encodes it. The mail server's address is judged by
the outbound guard when the connection is made, and TLS checks the name that was configured.
"""

import asyncio
import html
import socket
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import aiosmtplib
import msgspec

from tocsin.channels import texts
from tocsin.channels.model import Dead, Message, Receipt, Retry, Sent
from tocsin.core.http import Guard, OutboundError, Refused

CONNECT_SECONDS = 5.0
SEND_SECONDS = 6.0
NOT_CONFIGURED = "e-mail is not set up: TOCSIN_SMTP_HOST names no mail server"


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the mail server. `tls` is starttls, tls or none."""

    host: str | None
    port: int
    user: str | None
    password: str | None
    tls: str
    sender: str | None
    public_host: str

    @property
    def from_address(self) -> str:
        """The sender, made from the mail server's name when none was set."""
        return self.sender or f"tocsin@{self.host or self.public_host}"


class EmailChannel:
    """Sends by SMTP, one connection a message."""

    name = "email"
    label = "E-mail"
    address_label = "Address"
    address_hint = "you@example.com"
    needs_secret = False

    def __init__(
        self, guard: Guard, settings: SmtpSettings, tls_context: ssl.SSLContext | None = None
    ) -> None:
        self._guard = guard
        self._settings = settings
        self._tls_context = tls_context

    def missing(self) -> str | None:
        """The mail server."""
        return None if self._settings.host else NOT_CONFIGURED

    def check_address(self, address: str) -> str | None:
        """One plain address."""
        if len(address) > 254 or any(not c.isprintable() or c in ' ,;<>"' for c in address):
            return "give one plain address, such as you@example.com"
        local, _, domain = parseaddr(address)[1].rpartition("@")
        if not local or ("." not in domain.strip(".") and domain != "localhost"):
            return "give one plain address, such as you@example.com"
        return None

    async def send(self, message: Message, address: str, secret: str | None) -> Receipt:
        """Hand the mail to the server."""
        settings = self._settings
        if settings.host is None:
            return Dead(detail=NOT_CONFIGURED)
        mail = compose(message, address, settings)
        try:
            addresses = await self._guard.addresses(settings.host, settings.port)
        except Refused as error:
            return Dead(detail=str(error))
        except OutboundError as error:
            return Retry(detail=str(error))
        try:
            said = await self._hand_over(mail, addresses[0])
        except aiosmtplib.SMTPResponseException as error:
            return _refusal(error.code, error.message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            first = error.recipients[0]
            return _refusal(first.code, first.message)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return Retry(detail=f"{type(error).__name__}: {error}"[:300])
        return Sent(detail=said[:200], provider_id=str(mail["Message-ID"]))

    async def _hand_over(self, mail: EmailMessage, connect_to: str) -> str:
        settings = self._settings
        assert settings.host is not None
        context = self._tls_context or ssl.create_default_context()
        # The socket goes to the judged address; the certificate is checked for the name.
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=None,
            sock=await _connect(connect_to, settings.port),
            timeout=CONNECT_SECONDS,
            use_tls=settings.tls == "tls",
            start_tls=False,
            tls_context=context,
            local_hostname=settings.public_host,
        )
        async with client:
            if settings.tls == "starttls":
                await client.starttls(server_hostname=settings.host, timeout=CONNECT_SECONDS)
            if settings.user and settings.password:
                await client.login(settings.user, settings.password, timeout=CONNECT_SECONDS)
            _, said = await client.send_message(mail, timeout=SEND_SECONDS)
            return said


def _refusal(code: int, said: str) -> Receipt:
    """RFC 5321, 4.2.1: 4yz may be tried again, 5yz may not."""
    detail = f"SMTP {code}: {said}"[:300]
    return Dead(detail=detail) if 500 <= code < 600 else Retry(detail=detail)


async def _connect(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(connection, (address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def compose(message: Message, address: str, settings: SmtpSettings) -> EmailMessage:
    """The mail, as it goes over the wire."""
    mail = EmailMessage()
    host = settings.public_host
    mail["From"] = settings.from_address
    mail["To"] = address
    mail["Subject"] = texts.subject(message)
    mail["Date"] = format_datetime(message.now)
    # Attempts of one delivery are one message: a mail store that has it keeps one.
    mail["Message-ID"] = f"<{message.delivery_id}@{host}>"
    if len(message.incidents) == 1:
        thread = f"<incident-{message.incidents[0].incident_id}@{host}>"
        mail["References"] = thread
        mail["In-Reply-To"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Priority"] = "1" if any(i.urgency == "high" for i in message.incidents) else "3"
    paragraphs = texts.paragraphs(message)
    mail.set_content(_plain(paragraphs, message))
    mail.add_alternative(_html(paragraphs, message), subtype="html")
    return mail


def _plain(paragraphs: list[str], message: Message) -> str:
    parts = list(paragraphs)
    if message.acknowledge_url:
        parts.append(f"Acknowledge: {message.acknowledge_url}")
    if message.incident_url:
        parts.append(f"Open: {message.incident_url}")
    return "\n\n".join(parts) + "\n"


def _html(paragraphs: list[str], message: Message) -> str:
    body = "".join(f"<p>{html.escape(part).replace(chr(10), '<br>')}</p>" for part in paragraphs)
    if message.acknowledge_url:
        body += (
            f'<p><a href="{html.escape(message.acknowledge_url)}" style="display:inline-block;'
            "padding:14px 28px;background:#f3b33d;color:#1f1500;border-radius:6px;"
            'font-weight:600;text-decoration:none">Acknowledge</a></p>'
        )
    if message.incident_url:
        body += f'<p><a href="{html.escape(message.incident_url)}">Open the incident</a></p>'
    return (
        '<!doctype html><html lang="en"><body style="font-family:sans-serif;font-size:16px">'
        f"{body}</body></html>"
    )
