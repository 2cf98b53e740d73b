"""Filter for gRPC's own log: drops the records that contain data of clients."""

import logging

GRPC = logging.getLogger("grpc._cython.cygrpc")


def filter_client_data() -> None:
    """Drop two kinds of records.

    gRPC logs headers that are not valid UTF-8 in full, as errors: they may contain a token, and any client can fill
    the log with them. It also logs a traceback when a client disconnects during its call, which the access log
    already reports.
    """
    if _has_no_client_data not in GRPC.filters:
        GRPC.addFilter(_has_no_client_data)


def _has_no_client_data(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(("Invalid encoding on ", "ExecuteBatchError raised in core"))
