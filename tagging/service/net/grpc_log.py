"""gRPC's own log, without what clients sent or did."""

import logging

GRPC = logging.getLogger("grpc._cython.cygrpc")


def filter_client_data() -> None:
    """gRPC logs headers that are no UTF-8 whole, as errors. A token may be in one, and any client can fill a log so.

    It also logs a traceback where a client goes while it is answered, which our own line of the call says.
    """
    if _is_of_the_service not in GRPC.filters:
        GRPC.addFilter(_is_of_the_service)


def _is_of_the_service(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(("Invalid encoding on ", "ExecuteBatchError raised in core"))
