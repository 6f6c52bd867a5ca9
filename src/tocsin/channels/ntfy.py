"""ntfy: a push to a phone through an ntfy server, public or your own.

The address is a topic, or the whole URL of a topic on another server. A high-urgency page has the
highest priority, which rings through "do not disturb" where the phone allows it. Publishing is the
JSON form of ntfy's documented API, posted to the server's root.
"""

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tocsin.channels import texts
from tocsin.channels.answers import receipt_of
from tocsin.channels.model import Dead, Message, Receipt, Retry, Sent
from tocsin.core.http import Outbound, Refused, Unreachable, url_problem

_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
MOST_BODY = 3800  # bytes; ntfy turns what is longer than 4096 into an attachment
TAGS = {"test": "white_check_mark", "notice": "calendar"}
URGENT, NORMAL = 5, 3


class NtfyChannel:
    """Publishes to ntfy."""

    name = "ntfy"
    label = "ntfy"
    address_label = "Topic"
    address_hint = "A topic only you know, such as oncall-4f8a2c, or https://ntfy.example.com/topic"
    needs_secret = False

    def __init__(self, outbound: Outbound, server: str, token: str | None) -> None:
        self._outbound = outbound
        self._server = server.rstrip("/")
        self._token = token

    def missing(self) -> str | None:
        """Nothing: the public server works without set-up."""
        return None

    def check_address(self, address: str) -> str | None:
        """A topic of letters, digits, - and _, or the URL of one."""
        topic = address
        if "://" in address:
            problem = url_problem(address)
            if problem:
                return problem
            parts = urlsplit(address)
            if parts.query or parts.fragment:
                return "give the topic's address without what follows the ? or #"
            topic = parts.path.strip("/")
        if not _TOPIC.match(topic):
            return "a topic has 1 to 64 letters, digits, - or _, such as oncall-4f8a2c"
        return None

    async def send(self, message: Message, address: str, secret: str | None) -> Receipt:
        """Publish the message. A secret is the access token for the address's server."""
        server, topic = self._server, address
        if "://" in address:
            parts = urlsplit(address)
            server, topic = f"{parts.scheme}://{parts.netloc}", parts.path.strip("/")
        headers = {"content-type": "application/json"}
        # The token belongs to the configured server and must not be shown to another one.
        token = secret or (self._token if server == self._server else None)
        if token:
            headers["authorization"] = f"Bearer {token}"
        body = msgspec.json.encode(publication(message, topic))
        try:
            answer = await self._outbound.request(
                "POST", server + "/", headers=headers, content=body
            )
        except Refused as error:
            return Dead(detail=error.reason)
        except Unreachable as error:
            return Retry(detail=error.reason)
        return _read(receipt_of(answer, message.now), answer.body)


class _Published(msgspec.Struct, frozen=True):
    id: str = ""


def _read(receipt: Receipt, body: bytes) -> Receipt:
    """ntfy names the message it took; an answer without that name came from something else."""
    if not isinstance(receipt, Sent):
        return receipt
    try:
        published = msgspec.json.decode(body, type=_Published)
    except msgspec.MsgspecError:
        published = _Published()
    if not published.id:
        return Retry(detail=f"{receipt.detail}, but the answer is not one of an ntfy server")
    return Sent(detail=receipt.detail, provider_id=published.id)


def publication(message: Message, topic: str) -> dict[str, Any]:
    """The JSON ntfy takes."""
    # A test rings as loud as a page would: that is what is being tested.
    high = any(line.urgency == "high" for line in message.incidents) or message.kind == "test"
    body: dict[str, Any] = {
        "topic": topic,
        "title": texts.subject(message),
        "message": texts.clip_bytes("\n\n".join(texts.paragraphs(message)), MOST_BODY),
        "priority": URGENT if high else NORMAL,
        "tags": [TAGS.get(message.kind, "rotating_light")],
    }
    actions = []
    if message.acknowledge_url:
        actions.append(
            {"action": "view", "label": message.act_label, "url": message.acknowledge_url}
        )
    if message.incident_url:
        actions.append({"action": "view", "label": "Open", "url": message.incident_url})
    if actions:
        body["click"] = actions[0]["url"]
        body["actions"] = actions
    return body
