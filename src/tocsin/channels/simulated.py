"""A channel that sends nothing: it records what it was given and answers as it was told.

For tests, simulations and trials. `answers` is asked for each message; by default all is well.
"""

from collections.abc import Callable

import msgspec

from tocsin.channels.model import Message, Receipt, Sent


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """One message that was handed over, and what was answered."""

    message: Message
    address: str
    receipt: Receipt


class SimulatedChannel:
    """Records messages."""

    label = "Simulated"
    address_label = "Name"
    address_hint = "Any name; messages are recorded and go nowhere"
    needs_secret = False

    def __init__(
        self,
        name: str = "simulated",
        answers: Callable[[Message, str], Receipt] | None = None,
        keep: int = 10_000,
    ) -> None:
        self.name = name
        self.handed: list[Handed] = []
        self.answers = answers
        self._keep = keep

    def missing(self) -> str | None:
        """Nothing to set up."""
        return None

    def check_address(self, address: str) -> str | None:
        """Any name."""
        return None if address.strip() else "give it a name"

    async def send(self, message: Message, address: str, secret: str | None) -> Receipt:
        """Record the message and answer."""
        receipt: Receipt = Sent(detail="recorded", provider_id=message.delivery_id)
        if self.answers is not None:
            receipt = self.answers(message, address)
        self.handed.append(Handed(message=message, address=address, receipt=receipt))
        del self.handed[: -self._keep]
        return receipt
