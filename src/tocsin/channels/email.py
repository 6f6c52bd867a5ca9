"""E-mail over SMTP, plain text with an HTML twin.

`Message-ID` follows from the delivery, so a repeat is recognised, and mails about one incident
thread together by `References`. A name or title can put nothing into a header: control characters
are removed before the standard library's policy encodes it. The mail server's address is judged by
the outbound guard when the connection is made, and TLS checks the name that was configured. With
`starttls` or `tls` neither the password nor the mail ever goes out unencrypted.
"""

import asyncio
import contextlib
import html
import re
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, formataddr, parseaddr
from typing import Any

import aiosmtplib
import msgspec

from tocsin.channels import texts
from tocsin.channels.model import Dead, Message, Receipt, Retry, Sent, Update
from tocsin.core.http import Outbound, OutboundError, Refused
from tocsin.core.outbound_guard import literal

STEP_SECONDS = 5.0
GOODBYE_SECONDS = 0.5
MOST_ADDRESS = 254
NOT_CONFIGURED = "e-mail is not set up: TOCSIN_SMTP_HOST names no mail server"
_WRONG_ADDRESS = "give one plain address, such as you@example.com"
# The unquoted form of RFC 5321; quoted local parts exist on paper.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}\Z")


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
        return self.sender or f"tocsin@{_domain(self.host or self.public_host)}"

    @property
    def domain(self) -> str:
        """What stands right of the @ in identifiers, and how this machine introduces itself."""
        return _domain(self.public_host)


def _domain(host: str) -> str:
    """A host as mail writes it: addresses stand in brackets (RFC 5321, 4.1.3)."""
    address = literal(host)
    if address is None:
        return host
    return f"[IPv6:{host}]" if address.version == 6 else f"[{host}]"


class _Misconfigured(Exception):
    """The server cannot do what the settings ask for."""


class _SubjectWhole(EmailPolicy):
    """The standard policy loses blanks between encoded words of a subject (CPython 92081).

    The older encoder does not, so subjects that need encoding go through that one.
    """

    def fold(self, name: str, value: Any) -> str:
        if name.lower() != "subject" or str(value).isascii():
            return str(super().fold(name, value))
        encoded = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
        return f"{name}: {encoded}{self.linesep}"

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() != "subject" or str(value).isascii():
            return super().fold_binary(name, value)
        return self.fold(name, value).encode("ascii")


# Seven bits and CRLF: what every mail server since 1982 passes on unchanged.
_POLICY = _SubjectWhole(cte_type="7bit", linesep="\r\n")


class EmailChannel:
    """Sends by SMTP, one connection a message."""

    name = "email"
    label = "E-mail"
    address_label = "Address"
    address_hint = "you@example.com"
    needs_secret = False

    def __init__(
        self, outbound: Outbound, settings: SmtpSettings, *, step_seconds: float = STEP_SECONDS
    ) -> None:
        """`step_seconds` bounds each answer of the server; the whole takes at most ten."""
        self._outbound = outbound
        self._settings = settings
        self._step_seconds = step_seconds

    def missing(self) -> str | None:
        """The mail server."""
        return None if self._settings.host else NOT_CONFIGURED

    def check_address(self, address: str) -> str | None:
        """One plain address."""
        return None if normal(address) else _WRONG_ADDRESS

    async def send(self, message: Message, address: str, secret: str | None) -> Receipt:
        """Hand the mail to the server."""
        settings = self._settings
        to = normal(address)
        if settings.host is None:
            return Dead(detail=NOT_CONFIGURED)
        if to is None:
            return Dead(detail=f"this is not an e-mail address: {_WRONG_ADDRESS}")
        try:
            mail = compose(message, to, settings)
        except ValueError as error:
            return Dead(detail=f"TOCSIN_SMTP_FROM is not an address mail can come from ({error})")
        try:
            async with asyncio.timeout(self._outbound.total_seconds):
                said = await self._hand_over(mail, settings.host)
        except Refused as error:
            return Dead(detail=f"the mail server may not be called: {error.reason}")
        except OutboundError as error:
            return Retry(detail=f"the mail server was not reached: {error.reason}")
        except _Misconfigured as error:
            return Dead(detail=str(error))
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _refusal(error.recipients[0].code, error.recipients[0].message)
        except aiosmtplib.SMTPResponseException as error:
            return _refusal(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # TimeoutError is an OSError. What ssl and smtp report here may pass by itself.
            said = texts.one_line(str(error)) or type(error).__name__
            return Retry(detail=f"the mail server broke off: {said}"[:300])
        return Sent(detail=texts.one_line(said)[:200], provider_id=str(mail["Message-ID"]))

    async def _hand_over(self, mail: EmailMessage, host: str) -> str:
        settings = self._settings
        # The socket is at the judged address; the certificate is checked for the name.
        client = aiosmtplib.SMTP(
            hostname=host,
            sock=await self._outbound.connect(host, settings.port),
            timeout=self._step_seconds,
            use_tls=settings.tls == "tls",
            start_tls=False,
            tls_context=self._outbound.tls,
            local_hostname=settings.domain,
        )
        try:
            await client.connect()
            await client.ehlo()
            if settings.tls == "starttls":
                await self._encrypt(client, host)
            if settings.user:
                await self._sign_in(client, settings.user, settings.password or "")
            _, said = await client.sendmail(
                parseaddr(settings.from_address)[1], [str(mail["To"])], mail.as_bytes()
            )
            # It is sent whatever becomes of the goodbye.
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=GOODBYE_SECONDS)
            return said
        finally:
            client.close()

    async def _encrypt(self, client: aiosmtplib.SMTP, host: str) -> None:
        if not client.supports_extension("starttls"):
            raise _Misconfigured(
                f"the mail server {host} offers no STARTTLS:"
                " set TOCSIN_SMTP_TLS to tls (port 465), or to none if you trust the network"
            )
        await client.starttls(server_hostname=host)
        await client.ehlo()

    async def _sign_in(self, client: aiosmtplib.SMTP, user: str, password: str) -> None:
        if not client.supported_auth_methods:
            raise _Misconfigured(
                "the mail server takes no user name on this connection:"
                " unset TOCSIN_SMTP_USER, or protect the connection with TOCSIN_SMTP_TLS"
            )
        await client.login(user, password)


def normal(address: str) -> str | None:
    """The address as mail servers read it, with an international domain in its ASCII form."""
    local, at, domain = address.strip().rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    if not at or not _LOCAL.match(local) or len(local) > 64 or len(address) > MOST_ADDRESS:
        return None
    if ascii_domain != "localhost" and not _DOMAIN.match(ascii_domain):
        return None
    return f"{local}@{ascii_domain}"


def _refusal(code: int, said: str) -> Receipt:
    """RFC 5321, 4.2.1: 4yz may be tried again, 5yz may not."""
    detail = f"SMTP {code}: {texts.one_line(said)}"[:300]
    return Dead(detail=detail) if 500 <= code < 600 else Retry(detail=detail)


def compose(message: Message, address: str, settings: SmtpSettings) -> EmailMessage:
    """The mail, as it goes over the wire. Raises ValueError when the sender is no address."""
    mail = EmailMessage(policy=_POLICY)
    host = settings.domain
    name, sender = parseaddr(settings.from_address)
    if not all(sender.rpartition("@")) or not settings.from_address.isprintable() or " " in sender:
        raise ValueError("there is no address in it")
    mail["From"] = formataddr((texts.one_line(name), sender))
    mail["To"] = address
    mail["Subject"] = texts.subject(message)
    mail["Date"] = format_datetime(message.now)
    # Attempts of one delivery are one message: a mail store that has it keeps one.
    mail["Message-ID"] = f"<{message.delivery_id}@{host}>"
    if len(message.incidents) == 1:
        thread = f"<incident-{message.incidents[0].incident_id}@{host}>"
        mail["References"] = thread
        mail["In-Reply-To"] = thread
    if message.update is None:
        mail["List-Id"] = f"Pages from Tocsin <pages.{host}>"
    else:
        mail["List-Id"] = f"Status updates from Tocsin <status-updates.{host}>"
    # No out-of-office answers, please: nobody reads them.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if message.update is None and any(line.urgency == "high" for line in message.incidents):
        mail["X-Priority"] = "1"
        mail["Importance"] = "high"
    mail["X-Tocsin-Delivery"] = message.delivery_id
    if message.update is not None:
        mail.set_content(_update_plain(message.update, message))
        mail.add_alternative(_update_html(message.update, message), subtype="html")
        return mail
    paragraphs = texts.paragraphs(message)
    mail.set_content(_plain(paragraphs, message))
    mail.add_alternative(_html(paragraphs, message), subtype="html")
    return mail


def _about(update: Update, message: Message) -> list[str]:
    """Who says it, of what, and why this person gets it."""
    incident = message.incidents[0]
    said = f"{texts.one_line(update.author)}, {update.at:%Y-%m-%d %H:%M} UTC"
    what = f"#{incident.number} {texts.one_line(incident.title)} ({incident.status})"
    return [said, what, "You get this because you follow the incident."]


def _update_plain(update: Update, message: Message) -> str:
    parts = [update.text.strip(), "-- \n" + "\n".join(_about(update, message))]
    if message.incident_url:
        parts.append(f"See it, or stop following it: {message.incident_url}")
    return "\n\n".join(parts) + "\n"


def _update_html(update: Update, message: Message) -> str:
    foot = "<br>".join(html.escape(line) for line in _about(update, message))
    if message.incident_url:
        address = html.escape(message.incident_url)
        foot += f'<br><a href="{address}">See it, or stop following it</a>'
    return (
        '<!doctype html><html lang="en"><body style="font-family:sans-serif;font-size:16px">'
        f'{update.html}<hr><p style="font-size:13px;color:#5b6470">{foot}</p></body></html>'
    )


def _plain(paragraphs: list[str], message: Message) -> str:
    parts = list(paragraphs)
    if message.acknowledge_url:
        parts.append(f"{message.act_label}: {message.acknowledge_url}")
    if message.incident_url:
        parts.append(f"Open: {message.incident_url}")
    return "\n\n".join(parts) + "\n"


def _html(paragraphs: list[str], message: Message) -> str:
    body = "".join(f"<p>{html.escape(part).replace(chr(10), '<br>')}</p>" for part in paragraphs)
    if message.acknowledge_url:
        body += (
            f'<p><a href="{html.escape(message.acknowledge_url)}" style="display:inline-block;'
            "padding:14px 28px;background:#f3b33d;color:#1f1500;border-radius:6px;"
            f'font-weight:600;text-decoration:none">{message.act_label}</a></p>'
        )
    if message.incident_url:
        body += f'<p><a href="{html.escape(message.incident_url)}">Open</a></p>'
    return (
        '<!doctype html><html lang="en"><body style="font-family:sans-serif;font-size:16px">'
        f"{body}</body></html>"
    )
