"""What the machine and single processes are doing, read from /proc. Linux only."""

import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024


def describe() -> str:
    """One line about this machine and how busy it is at the moment."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    python = platform.python_version()
    return (
        f"{os.cpu_count()} x {model}, Python {python}, load before the run {load}, "
        f"one sync of the disk {sync_seconds() * 1000:.2f} ms"
    )


def sync_seconds(times: int = 50) -> float:
    """How long the disk takes to keep 8 KiB: the floor under every durable answer."""
    taken = []
    with tempfile.TemporaryFile() as file:
        for _ in range(times):
            file.seek(0)
            file.write(b"x" * 8192)
            file.flush()
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used so far; 0 when it is gone."""
    fields = _stat(pid)
    return 0.0 if fields is None else (int(fields[11]) + int(fields[12])) / TICKS


def family_cpu_seconds(pid: int) -> float:
    """CPU time of a process, its living children, and those that have ended."""
    fields = _stat(pid)
    if fields is None:
        return 0.0
    ended = (int(fields[13]) + int(fields[14])) / TICKS
    return cpu_seconds(pid) + ended + sum(cpu_seconds(child) for child in children(pid))


def children(pid: int, named: str = "") -> list[int]:
    """The direct children of a process, those with `named` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None and int(fields[1]) == pid and named in _command(entry):
                found.append(int(entry.name))
    return found


def _command(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def rss_mib(pid: int) -> tuple[float, float]:
    """(memory now, most ever) of a process in MiB."""
    now = most = 0.0
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            now = int(line.split()[1]) / MIB
        elif line.startswith("VmHWM:"):
            most = int(line.split()[1]) / MIB
    return now, most


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name, which may itself hold spaces."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
