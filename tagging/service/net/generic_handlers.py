"""Registration of servicers as generic handlers only, without gRPC's registered methods.

grpc.aio waits for the next call of each registered method in a task of its own, and handles the tasks of all methods
with every call: a tenth of the event loop's work for TagVideo (https://github.com/grpc/grpc/pull/43461, open for
grpcio 1.85). Generic handlers answer the same calls.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import grpc


def generic_only(server: grpc.aio.Server) -> grpc.aio.Server:
    """Return the server for the generated functions `add_…_to_server`, which register methods in both ways."""
    return cast(grpc.aio.Server, _GenericHandlers(server))


class _GenericHandlers:
    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, object]) -> None:
        """Do nothing: the same methods are generic handlers, too."""
