"""One-tap links: a signed token that names one incident and one person.

Rule: whoever holds the link may respond to that incident as that person, and nothing else, for
seven days. The token is in an address that mail scanners and previews open, so looking at it never
acts. It is signed for the purpose it was given to the signer with and fits no other.
"""

from datetime import timedelta

import msgspec

from tocsin.core import ids
from tocsin.core.clock import Clock
from tocsin.core.crypto import BadToken, Signer

LIFETIME = timedelta(days=7)
_SEPARATOR = "."


class Grant(msgspec.Struct, frozen=True):
    """What a good link allows: this person, this incident."""

    incident_id: str
    user_id: str


class Links:
    """Makes links and reads them back."""

    def __init__(self, signer: Signer, base_url: str, clock: Clock) -> None:
        self._signer = signer
        self._base_url = base_url.rstrip("/")
        self._clock = clock

    def token(self, incident_id: str, user_id: str) -> str:
        """The token alone, good for `LIFETIME` from now."""
        expires_at = self._clock.now() + LIFETIME
        return self._signer.sign(f"{incident_id}{_SEPARATOR}{user_id}", expires_at)

    def for_page(self, incident_id: str, user_id: str) -> tuple[str, str]:
        """Where a page leads: the one-tap address, and the incident behind the sign-in."""
        token = self.token(incident_id, user_id)
        return f"{self._base_url}/r/{token}", f"{self._base_url}/app/incidents/{incident_id}"

    def read(self, token: str) -> Grant:
        """What a token allows. Raises crypto.ExpiredToken or crypto.BadToken."""
        payload = self._signer.verify(token, self._clock.now())
        incident_id, _, user_id = payload.partition(_SEPARATOR)
        if not ids.is_id(incident_id) or not ids.is_id(user_id):
            raise BadToken("this link is incomplete or was changed")
        return Grant(incident_id, user_id)
