"""E-mail against a real SMTP server on loopback, well and badly behaved."""

import pytest

from tests.support.certificates import client_context, server_context
from tests.support.fake_providers import FakeMail, SmtpDrop, SmtpReply, SmtpStall
from tests.support.messages import line, page
from tocsin.channels.email import EmailChannel, SmtpSettings
from tocsin.channels.model import Dead, Receipt, Retry, Sent
from tocsin.core.http import Outbound
from tocsin.core.outbound_guard import NOTHING, parse_allow_list

LOOPBACK = parse_allow_list("127.0.0.0/8")


async def loopback(host: str, port: int) -> list[str]:
    """Every name is this machine."""
    return ["127.0.0.1"]


def settings(server: FakeMail, **changes: str | None) -> SmtpSettings:
    fields: dict[str, str | None] = {
        "host": "127.0.0.1",
        "user": None,
        "password": None,
        "tls": "none",
        "sender": "Tocsin <pages@example.com>",
    } | changes
    return SmtpSettings(
        host=fields["host"],
        port=server.port,
        user=fields["user"],
        password=fields["password"],
        tls=fields["tls"] or "none",
        sender=fields["sender"],
        public_host="tocsin.example",
    )


async def send(
    server: FakeMail, *, outbound: Outbound | None = None, **changes: str | None
) -> Receipt:
    outbound = outbound or Outbound(LOOPBACK)
    try:
        channel = EmailChannel(outbound, settings(server, **changes))
        return await channel.send(page(), "ann@example.com", None)
    finally:
        await outbound.aclose()


async def test_a_page_arrives_as_text_and_html() -> None:
    with FakeMail() as server:
        receipt = await send(server)
        assert isinstance(receipt, Sent)
        assert receipt.detail == "queued as fake-1"
        assert receipt.provider_id == "<Q1DELIVERY@tocsin.example>"
        [mail] = server.mails
    assert mail.sender == "pages@example.com"
    assert mail.recipients == ("ann@example.com",)
    content = mail.content
    assert content["Subject"] == "[high] checkout: p99 over 2 s (3 alerts)"
    assert content["From"] == "Tocsin <pages@example.com>"
    assert content["To"] == "ann@example.com"
    assert content["Message-ID"] == "<Q1DELIVERY@tocsin.example>"
    assert content["References"] == "<incident-Q1INCIDENT@tocsin.example>"
    assert content["Auto-Submitted"] == "auto-generated"
    assert content["List-Id"] == "Pages from Tocsin <pages.tocsin.example>"
    assert content["Date"] == "Sun, 29 Mar 2026 02:58:00 +0000"
    text, html = content.get_body(("plain",)), content.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "Acknowledge: https://tocsin.example/a/token-1?x=1&y=2" in text.get_content()
    assert "triggered, 9 min old" in text.get_content()
    assert 'href="https://tocsin.example/a/token-1?x=1&amp;y=2"' in html.get_content()


async def test_words_of_every_script_arrive_unharmed() -> None:
    title = "Zahlung ü é ü · 支払い ⚠ " + "é " * 40
    with FakeMail() as server:
        outbound = Outbound(LOOPBACK)
        channel = EmailChannel(outbound, settings(server))
        message = page(incidents=(line(title=title),))
        assert isinstance(await channel.send(message, "ann@example.com", None), Sent)
        await outbound.aclose()
        [mail] = server.mails
    assert mail.content["Subject"].startswith("[high] checkout: Zahlung ü é ü · 支払い ⚠ é é é")
    text = mail.content.get_body(("plain",))
    assert text is not None
    assert title.strip() in text.get_content()


async def test_attempts_of_one_delivery_are_one_message() -> None:
    with FakeMail() as server:
        outbound = Outbound(LOOPBACK)
        channel = EmailChannel(outbound, settings(server))
        for attempt in (1, 2):
            await channel.send(page(attempt=attempt), "ann@example.com", None)
        await outbound.aclose()
        first, second = server.mails
    assert first.content["Message-ID"] == second.content["Message-ID"]
    assert second.content["Subject"].startswith("(repeat 2)")


@pytest.mark.parametrize(
    ("at", "reply", "kind"),
    [
        ("mail", "451 try later", Retry),
        ("mail", "550 no such sender", Dead),
        ("rcpt", "450 greylisted", Retry),
        ("rcpt", "550 5.1.1 no such user", Dead),
        ("rcpt", "552 mailbox full", Dead),
        ("data", "452 disk full", Retry),
        ("data", "554 5.7.1 looks like spam", Dead),
        ("data", "421 going down", Retry),
    ],
)
async def test_a_refusal_is_final_when_the_server_says_so(
    at: str, reply: str, kind: type[Receipt]
) -> None:
    with FakeMail() as server:
        server.script(SmtpReply(at, reply))  # type: ignore[arg-type]
        receipt = await send(server)
        assert isinstance(receipt, kind)
        assert receipt.detail.startswith(f"SMTP {reply[:3]}: {reply[4:]}")
        assert server.mails == []
        assert isinstance(await send(server), Sent)


@pytest.mark.parametrize("at", ["mail", "rcpt", "data"])
async def test_a_cut_connection_is_tried_again(at: str) -> None:
    with FakeMail() as server:
        server.script(SmtpDrop(at))  # type: ignore[arg-type]
        receipt = await send(server)
        assert isinstance(receipt, Retry)
        assert "broke off" in receipt.detail
        # At the end of the data the server had it: then a repeat is possible, and marked as one.
        assert len(server.mails) == (1 if at == "data" else 0)


async def test_a_silent_server_is_given_up_and_tried_again() -> None:
    with FakeMail() as server:
        server.script(SmtpStall("data", 2))
        outbound = Outbound(LOOPBACK)
        channel = EmailChannel(outbound, settings(server), step_seconds=0.3)
        assert isinstance(await channel.send(page(), "ann@example.com", None), Retry)
        await outbound.aclose()


async def test_the_whole_send_is_bounded_too() -> None:
    with FakeMail() as server:
        server.script(SmtpStall("data", 2))
        receipt = await send(server, outbound=Outbound(LOOPBACK, total_seconds=0.3))
        assert isinstance(receipt, Retry)


async def test_a_server_that_will_not_say_goodbye_does_not_undo_the_mail() -> None:
    with FakeMail() as server:
        server.goodbyes_stall = 3
        assert isinstance(await send(server), Sent)
        assert len(server.mails) == 1


async def test_nobody_listening_is_tried_again() -> None:
    with FakeMail() as server:
        gone = settings(server)
    outbound = Outbound(LOOPBACK)
    receipt = await EmailChannel(outbound, gone).send(page(), "ann@example.com", None)
    assert isinstance(receipt, Retry)
    assert "connection refused" in receipt.detail
    await outbound.aclose()


async def test_without_a_mail_server_it_says_what_to_set() -> None:
    with FakeMail() as server:
        receipt = await send(server, host=None)
        channel = EmailChannel(Outbound(NOTHING), settings(server, host=None))
        assert receipt == Dead(detail="e-mail is not set up: TOCSIN_SMTP_HOST names no mail server")
        assert channel.missing() == receipt.detail


async def test_the_guard_stands_before_the_mail_server_too() -> None:
    with FakeMail() as server:
        receipt = await send(server, outbound=Outbound(NOTHING))
        assert isinstance(receipt, Dead)
        assert "TOCSIN_OUTBOUND_ALLOW" in receipt.detail
        named = Outbound(NOTHING, resolver=loopback)
        receipt = await send(server, outbound=named, host="mail.example")
        assert isinstance(receipt, Dead)
        assert "mail.example" in receipt.detail
        assert server.mails == []


async def test_starttls_protects_the_mail_and_checks_the_name() -> None:
    trust = client_context("mail.example")
    with FakeMail(starttls=server_context("mail.example")) as server:
        outbound = Outbound(LOOPBACK, resolver=loopback, tls=trust)
        receipt = await send(server, outbound=outbound, host="mail.example", tls="starttls")
        assert isinstance(receipt, Sent)
        assert server.mails[0].over_tls
        outbound = Outbound(LOOPBACK, resolver=loopback, tls=trust)
        receipt = await send(server, outbound=outbound, host="other.example", tls="starttls")
        assert isinstance(receipt, Retry)
        assert len(server.mails) == 1


async def test_tls_from_the_start() -> None:
    trust = client_context("mail.example")
    with FakeMail(tls=server_context("mail.example")) as server:
        outbound = Outbound(LOOPBACK, resolver=loopback, tls=trust)
        receipt = await send(server, outbound=outbound, host="mail.example", tls="tls")
        assert isinstance(receipt, Sent)
        assert len(server.mails) == 1
        outbound = Outbound(LOOPBACK, resolver=loopback, tls=trust)
        receipt = await send(server, outbound=outbound, host="other.example", tls="tls")
        assert isinstance(receipt, Retry)
        assert "certificate" in receipt.detail.lower()
        assert len(server.mails) == 1


async def test_nothing_goes_out_in_clear_when_starttls_was_asked_for() -> None:
    with FakeMail(users={"tocsin": "secret"}) as server:
        receipt = await send(server, tls="starttls", user="tocsin", password="secret")
        assert isinstance(receipt, Dead)
        assert "STARTTLS" in receipt.detail
        assert server.mails == []


async def test_signing_in() -> None:
    with FakeMail(users={"tocsin": "secret"}) as server:
        assert isinstance(await send(server, user="tocsin", password="secret"), Sent)
        assert server.mails[0].user == "tocsin"
        receipt = await send(server, user="tocsin", password="wrong")
        assert isinstance(receipt, Dead)
        assert receipt.detail.startswith("SMTP 535")
        assert isinstance(await send(server), Dead)
        assert len(server.mails) == 1


async def test_a_server_without_sign_in_is_named() -> None:
    with FakeMail() as server:
        receipt = await send(server, user="tocsin", password="secret")
        assert isinstance(receipt, Dead)
        assert "TOCSIN_SMTP_USER" in receipt.detail


@pytest.mark.parametrize("address", ["", "ann", "ann@example.com\r\nBcc: x@example.com"])
async def test_a_wrong_address_is_dead_and_nobody_is_called(address: str) -> None:
    with FakeMail() as server:
        outbound = Outbound(LOOPBACK)
        channel = EmailChannel(outbound, settings(server))
        assert channel.check_address(address)
        assert isinstance(await channel.send(page(), address, None), Dead)
        assert server.mails == []
        await outbound.aclose()


@pytest.mark.parametrize("sender", ["x\r\nBcc: a@b.c", "no address", "@", "a b@c"])
async def test_a_wrong_sender_is_named(sender: str) -> None:
    with FakeMail() as server:
        receipt = await send(server, sender=sender)
        assert isinstance(receipt, Dead)
        assert "TOCSIN_SMTP_FROM" in receipt.detail


async def test_without_a_sender_the_mail_server_gives_the_name() -> None:
    with FakeMail() as server:
        assert isinstance(await send(server, sender=None), Sent)
        outbound = Outbound(LOOPBACK, resolver=loopback)
        assert isinstance(
            await send(server, outbound=outbound, host="mx.example", sender=None), Sent
        )
        assert [mail.sender for mail in server.mails] == ["tocsin@[127.0.0.1]", "tocsin@mx.example"]
