"""Free ports on loopback for servers that cannot bind port 0 and report it.

They are below those that a kernel gives to clients: a client that connects again and again to a server that restarts
would get the server's own port one day, and keep it.
"""

import secrets
import socket
from contextlib import ExitStack, closing

FIRST, LAST = 20_000, 32_000


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different ports that were free a moment ago; another process may take one before it is used."""
    with ExitStack() as stack:
        return [_bind_any(stack.enter_context(closing(socket.socket()))) for _ in range(count)]


def _bind_any(probe: socket.socket) -> int:
    while True:
        port = FIRST + secrets.randbelow(LAST - FIRST)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
