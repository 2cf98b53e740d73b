"""Number of connected clients. gRPC does not report it, and closes connections above its limit silently."""

import psutil


def connections(port: int, process: psutil.Process | None = None) -> int | None:
    """Return the number of connections of a process at its port; None if the system does not reveal them.

    process: None: this one
    """
    try:
        sockets = (process or psutil.Process()).net_connections("tcp")
    except psutil.AccessDenied:
        return None
    return sum(
        1
        for socket in sockets
        if socket.status == psutil.CONN_ESTABLISHED and socket.laddr and socket.laddr.port == port
    )
