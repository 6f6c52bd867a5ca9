"""How often one address may use one-tap links: enough for any hand, too little for guessing.

A bucket for each client address that refills steadily. Memory is bounded: when too many addresses
are known, the ones that were quiet longest are forgotten.
"""

from collections import OrderedDict

BURST = 40.0
PER_SECOND = 1.0
MOST_ADDRESSES = 10_000


class Pace:
    """Buckets by client address; `steady` is in seconds and only grows."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, address: str, steady: float) -> bool:
        """Take one from the bucket; False when it is empty."""
        left, at = self._buckets.pop(address, (BURST, steady))
        left = min(BURST, left + max(0.0, steady - at) * PER_SECOND)
        allowed = left >= 1.0
        self._buckets[address] = (left - 1.0 if allowed else left, steady)
        while len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return allowed
