"""Slack: a message through an incoming webhook. The address is the webhook's URL, and a secret.

Slack answers `ok` in the body when it took the message; a 200 with anything else is not a yes.
Mattermost and others that take the same form work as well: they show `text`, Slack shows `blocks`.
Links stand in the text: a button makes Slack call an app's server, and a webhook has none.
"""

from typing import Any
from urllib.parse import urlsplit

import msgspec

from tocsin.channels import texts
from tocsin.channels.answers import receipt_of
from tocsin.channels.model import Dead, Message, Receipt, Retry, Sent
from tocsin.core.http import Outbound, Refused, Unreachable, url_problem

MOST_BLOCK = 2400  # Slack takes 3000; an escaped character is up to five long, cut before that.
_HINT = "https://hooks.slack.com/services/T.../B.../..."
# What Slack says of a webhook that will never work again, whatever the status beside it.
_FINAL = frozenset(
    {
        "action_prohibited",
        "channel_is_archived",
        "channel_not_found",
        "invalid_payload",
        "invalid_token",
        "no_active_hooks",
        "no_service",
        "no_service_id",
        "no_team",
        "posting_to_general_channel_denied",
        "team_disabled",
        "user_not_found",
    }
)


class SlackChannel:
    """Posts to an incoming webhook."""

    name = "slack"
    label = "Slack"
    address_label = "Incoming webhook URL"
    address_hint = _HINT
    needs_secret = False

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def missing(self) -> str | None:
        """Nothing: the webhook's URL is all there is."""
        return None

    def check_address(self, address: str) -> str | None:
        """A web address, and at Slack's own host one of a webhook."""
        problem = url_problem(address)
        if problem:
            return problem
        parts = urlsplit(address)
        host = parts.hostname or ""
        if host == "slack.com" or host.endswith(".slack.com"):
            hook = parts.path.startswith(("/services/", "/workflows/", "/triggers/"))
            if parts.scheme != "https" or host != "hooks.slack.com" or not hook:
                return f"an incoming webhook looks like {_HINT}"
        return None

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
            return Dead(detail=error.reason)
        except Unreachable as error:
            return Retry(detail=error.reason)
        receipt = receipt_of(answer, message.now)
        if isinstance(receipt, Sent) and answer.text() != "ok":
            said = answer.text(100)
            detail = f"HTTP {answer.status}, but it said {said!r} and not ok"
            return Dead(detail=detail) if said in _FINAL else Retry(detail=detail)
        return receipt


def escape(text: str) -> str:
    """Slack's three control characters; without them no text is a link or calls a channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def payload(message: Message) -> dict[str, Any]:
    """Blocks, and the text that notifications and other servers show."""
    headline = escape(texts.subject(message))
    body = _escaped("\n\n".join(texts.paragraphs(message)))
    links = []
    if message.acknowledge_url:
        links.append(_link(message.acknowledge_url, message.act_label))
    if message.incident_url:
        links.append(_link(message.incident_url, "Open"))
    blocks = [_section(f"*{headline}*"), _section(body or " ")]
    text = headline
    if links:
        line = "   ·   ".join(links)
        blocks.append(_section(line))
        text += "\n" + line
    return {"text": text, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _escaped(text: str) -> str:
    """Escaped and within a block's length, never cut inside an escape."""
    cut = texts.clip(text, MOST_BLOCK)
    while len(escape(cut)) > MOST_BLOCK:
        cut = texts.clip(cut, len(cut) * 3 // 4)
    return escape(cut)


def _link(url: str, label: str) -> str:
    return f"*<{escape(url).replace('|', '%7C')}|{label}>*"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}
