"""The peer: Debian's Prometheus Alertmanager, which keeps alerts in memory. It is unpacked and not
installed, because its package would start a service."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec

from bench import wire
from bench.server import Process, free_port

ROOT = Path(__file__).parents[1]
UNPACKED = ROOT / ".cache" / "alertmanager"
PROGRAM = UNPACKED / "usr" / "bin" / "prometheus-alertmanager"
CONFIG = """
route: {receiver: nobody, group_by: [alertname], group_wait: 1h, group_interval: 1h}
receivers: [{name: nobody}]
"""


def program() -> Path | str:
    """The program; a text that says why there is none."""
    installed = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if installed is not None:
        return Path(installed)
    if PROGRAM.exists():
        return PROGRAM
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return "there is none here, and no apt-get to fetch it with"
    UNPACKED.mkdir(parents=True, exist_ok=True)
    script = (
        "apt-get download -qq prometheus-alertmanager"
        " && dpkg-deb -x prometheus-alertmanager_*.deb alertmanager"
        " && rm -f prometheus-alertmanager_*.deb"
    )
    done = subprocess.run(
        ["sh", "-c", script], cwd=UNPACKED.parent, capture_output=True, check=False, timeout=120
    )
    if done.returncode != 0 or not PROGRAM.exists():
        return "apt-get could not fetch prometheus-alertmanager"
    return PROGRAM


class Alertmanager(Process):
    """A running Alertmanager, alone and with an empty memory."""

    def __init__(self, program: Path) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="tocsin-bench-am-"))
        (self._home / "am.yml").write_text(CONFIG)
        port = free_port()
        super().__init__(
            [
                str(program),
                f"--config.file={self._home / 'am.yml'}",
                f"--storage.path={self._home / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
                "--log.level=error",
            ],
            port=port,
            ready="/-/healthy",
            environment={},
        )

    def stop(self) -> None:
        """End it and remove what it stored."""
        super().stop()
        shutil.rmtree(self._home, ignore_errors=True)


def requests(number: int) -> list[bytes]:
    """`number` requests with one alert each, as Prometheus would send them."""
    made = []
    for n in range(number):
        alert = {
            "labels": {
                "alertname": "DiskFull",
                "instance": f"db{n}.example.com:9100",
                "job": "node",
                "mountpoint": "/var/lib/postgresql",
                "severity": "critical",
            },
            "annotations": {
                "summary": f"Disk 97 % full on db{n}",
                "description": "The file system fills up within four hours at today's rate. " * 2,
            },
            "generatorURL": "http://prometheus.example.com/graph?g0.expr=disk_free+%3C+0.03",
        }
        made.append(wire.post("/api/v2/alerts", msgspec.json.encode([alert])))
    return made
