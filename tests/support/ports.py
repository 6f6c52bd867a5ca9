"""Free loopback ports, for servers whose address must be known before they listen."""

import socket

from tocsin.core.config import TLS_PORT_DISTANCE


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_port_with_https() -> int:
    """A port that nobody listens on, and nobody on the one that https would have beside it."""
    while True:
        port = free_port()
        beside = port + TLS_PORT_DISTANCE
        if beside > 65535:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", beside))
            except OSError:
                continue
            return port
