"""Slack: a message through an incoming webhook. The address is the webhook's URL, and a secret.

Slack answers `ok` in the body when it took the message; a 200 with anything else is not a yes.
"""

from typing import Any

import msgspec

from tocsin.channels import texts
from tocsin.channels.answers import receipt_of
from tocsin.channels.model import Dead, Message, Receipt, Retry, Sent
from tocsin.core.http import Outbound, Refused, Unreachable, url_problem

MOST_BLOCK = 2900


class SlackChannel:
    """Posts to an incoming webhook."""

    name = "slack"
    label = "Slack"
    address_label = "Incoming webhook URL"
    address_hint = "https://hooks.slack.com/services/..."
    needs_secret = False

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def missing(self) -> str | None:
        """Nothing: the webhook's URL is all there is."""
        return None

    def check_address(self, address: str) -> str | None:
        """A web address."""
        return url_problem(address)

    async def send(self, message: Message, address: str, secret: str | None) -> Receipt:
        """Post the message."""
        try:
            answer = await self._outbound.request(
                "POST",
                address,
                headers={"content-type": "application/json"},
                content=msgspec.json.encode(payload(message)),
            )
        except Refused as error:
            return Dead(detail=str(error))
        except Unreachable as error:
            return Retry(detail=str(error))
        receipt = receipt_of(answer, message.now)
        if isinstance(receipt, Sent) and answer.text() != "ok":
            return Retry(detail=f"the answer was 200 but said {answer.text(100)!r} and not ok")
        return receipt


def escape(text: str) -> str:
    """Slack's three control characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def payload(message: Message) -> dict[str, Any]:
    """Blocks, and the text that notifications show."""
    headline = escape(texts.subject(message))
    body = "\n\n".join(escape(part) for part in texts.paragraphs(message))[:MOST_BLOCK]
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"*{headline}*"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": body or " "}},
    ]
    buttons = []
    if message.acknowledge_url:
        buttons.append(_button("Acknowledge", message.acknowledge_url, "primary"))
    if message.incident_url:
        buttons.append(_button("Open the incident", message.incident_url, None))
    if buttons:
        blocks.append({"type": "actions", "elements": buttons})
    return {"text": headline, "blocks": blocks}


def _button(label: str, url: str, style: str | None) -> dict[str, Any]:
    button: dict[str, Any] = {
        "type": "button",
        "text": {"type": "plain_text", "text": label},
        "url": url,
    }
    if style:
        button["style"] = style
    return button
