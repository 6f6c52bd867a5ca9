"""A signed webhook to a program of your own.

`X-Tocsin-Signature: t=<seconds>,v1=<hex>` is HMAC-SHA256 over `<seconds>.<body>` with the contact
method's secret; refuse a `t` that is more than five minutes old. `X-Tocsin-Delivery` is the same
for every attempt of one delivery: keep it and drop repeats.
"""

from typing import Any

import msgspec

from tocsin.channels import texts
from tocsin.channels.answers import receipt_of
from tocsin.channels.model import Dead, Message, Receipt, Retry
from tocsin.core.crypto import hmac_sha256
from tocsin.core.http import Outbound, Refused, Unreachable, url_problem


class WebhookChannel:
    """Posts signed JSON."""

    name = "webhook"
    label = "Webhook"
    address_label = "URL"
    address_hint = "https://pager.example.com/hook"
    needs_secret = True

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def missing(self) -> str | None:
        """Nothing to set up."""
        return None

    def check_address(self, address: str) -> str | None:
        """A web address."""
        return url_problem(address)

    async def send(self, message: Message, address: str, secret: str | None) -> Receipt:
        """Post the message, signed."""
        body = msgspec.json.encode(payload(message))
        headers = {
            "content-type": "application/json",
            "x-tocsin-delivery": message.delivery_id,
            "x-tocsin-attempt": str(message.attempt),
        }
        if secret:
            stamp = int(message.now.timestamp())
            headers["x-tocsin-signature"] = signature(secret, stamp, body)
        try:
            answer = await self._outbound.request("POST", address, headers=headers, content=body)
        except Refused as error:
            return Dead(detail=error.reason)
        except Unreachable as error:
            return Retry(detail=error.reason)
        return receipt_of(answer, message.now)


def signature(secret: str, stamp: int, body: bytes) -> str:
    """The header's value."""
    return f"t={stamp},v1={hmac_sha256(secret.encode(), f'{stamp}.'.encode() + body)}"


def payload(message: Message) -> dict[str, Any]:
    """The JSON; fields are only ever added."""
    return {
        "kind": message.kind,
        "delivery_id": message.delivery_id,
        "attempt": message.attempt,
        "sent_at": message.now,
        "person": message.person,
        "subject": texts.subject(message),
        "incidents": [
            {
                "id": line.incident_id,
                "number": line.number,
                "title": line.title,
                "service": line.service,
                "urgency": line.urgency,
                "status": line.status,
                "created_at": line.created_at,
                "alert_count": line.alert_count,
                "priority": line.priority,
                "conference_number": line.conference_number,
                "conference_url": line.conference_url,
            }
            for line in message.incidents
        ],
        "more": message.more,
        "reason": message.reason or None,
        "asked_by": message.asked_by,
        "acknowledge_url": message.acknowledge_url,
        "incident_url": message.incident_url,
    }
