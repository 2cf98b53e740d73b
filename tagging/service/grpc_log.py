"""gRPC's own log, without what clients sent."""

import logging

GRPC = logging.getLogger("grpc._cython.cygrpc")


def keep_headers_out() -> None:
    """gRPC logs headers that are no UTF-8 whole, as errors. A token may be in one, and any client can fill a log so."""
    if _quotes_no_header not in GRPC.filters:
        GRPC.addFilter(_quotes_no_header)


def _quotes_no_header(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Invalid encoding on ")
