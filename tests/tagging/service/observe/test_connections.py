import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from tagging.service.observe.connections import connections


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_connected_clients_of_the_port_are_counted(family: socket.AddressFamily, address: str) -> None:
    if family == socket.AF_INET6 and not Path("/proc/self/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with ExitStack() as stack:

        def listener() -> socket.socket:
            server = stack.enter_context(closing(socket.create_server((address, 0), family=family)))
            server.settimeout(30)
            return server

        ours, other = listener(), listener()
        port, accepted = ours.getsockname()[1], list[socket.socket]()
        assert connections(port) == 0  # a listening socket is not a connection
        for server, expected in ((ours, 1), (other, 1), (ours, 2)):
            stack.enter_context(closing(socket.create_connection(server.getsockname()[:2], 30)))
            accepted.append(stack.enter_context(closing(server.accept()[0])))
            assert connections(port) == expected
        accepted[0].close()
        assert connections(port) == 1


def test_no_count_is_reported_where_the_system_provides_none() -> None:
    class Hidden(psutil.Process):
        def net_connections(self, kind: str = "inet") -> NoReturn:
            raise psutil.AccessDenied

    assert connections(50051, Hidden()) is None
