"""The dead man's switch: an outside heartbeat is fetched each minute while the engine is well.

The service behind the URL alarms when the calls stop: it covers what no process can report about
itself, that the machine is gone.
"""

from tocsin.core import logs
from tocsin.core.http import Outbound, OutboundError
from tocsin.engine.watch import Watch

log = logs.get(__name__)


class DeadMan:
    """An engine stage."""

    def __init__(self, outbound: Outbound, url: str | None, watch: Watch) -> None:
        self.outbound = outbound
        self.url = url
        self.watch = watch

    async def run(self) -> int:
        """Call the URL, unless the watch has found something overdue."""
        if self.url is None or not self.watch.well:
            return 0
        try:
            answer = await self.outbound.request("GET", self.url)
        except OutboundError as error:
            log.warning("the dead man's switch was not reached", error=str(error))
            return 0
        if not answer.ok:
            log.warning("the dead man's switch refused", status=answer.status)
        return 0
