"""Lets the nemesis move a server's wall clock: `time.time` reads an offset from a file.

Python loads this before the program when its folder is on PYTHONPATH. The product must not care:
only its start may look at the wall clock.
"""

import mmap
import os
import struct
import time

_path = os.environ.get("CHAOS_WALL_CLOCK")
if _path:
    with open(_path, "rb") as _file:
        _shared = mmap.mmap(_file.fileno(), 8, prot=mmap.PROT_READ)
    _real = time.time

    def _moved() -> float:
        return float(_real() + struct.unpack("d", _shared[:8])[0])

    time.time = _moved
