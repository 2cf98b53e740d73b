"""Connection to a Triton server: the channel of gRPC with its options, made anew when certificates are renewed."""

import logging
import threading
from typing import Any

from tagging.errors import InvalidConfigError, MissingPackageError
from tagging.features.triton.endpoint import Endpoint

logger = logging.getLogger(__name__)

MESSAGE_BYTES = 64 * 2**20
# They replace all defaults of tritonclient, so each is stated.
CHANNEL = (
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # Triton closes connections that ping more often than every 5 minutes. With keepalive the kernel ends connections
    # whose data are not acknowledged for 20 s (TCP_USER_TIMEOUT, the default of grpc.keepalive_timeout_ms). Without, it
    # tries for a quarter of an hour to reach a machine that is lost, and once a write waits, neither deadlines nor
    # cancellations end the calls.
    ("grpc.keepalive_time_ms", 400_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.enable_retries", 0),
    # The default waits up to two minutes before it looks for a restarted server again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.primary_user_agent", "videotag"),
)


class Connection:
    """A client of tritonclient, which connects with its first call. Thread-safe."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Raise MissingPackageError without tritonclient, InvalidConfigError for certificates that cannot be used."""
        try:
            from tritonclient import grpc as triton
        except ImportError as error:
            raise MissingPackageError(
                f"tritonclient cannot be imported: {error}", "pip install 'videotag[triton]'"
            ) from error
        self.endpoint = endpoint
        self._triton: Any = triton
        self._lock = threading.Lock()
        self._replaced: list[Any] = []  # closing them would cancel calls of other threads
        self.server = self._open()
        self._contents = _contents(endpoint)

    def renew(self) -> bool:
        """Connect anew if the certificate files have changed; return whether that was done."""
        with self._lock:
            try:
                contents = _contents(self.endpoint)
                if contents == self._contents:
                    return False
                opened = self._open()
            except (OSError, InvalidConfigError) as error:
                logger.error("the renewed certificates for Triton cannot be used: %s", error)
                return False
            self._replaced.append(self.server)
            self._contents, self.server = contents, opened
            logger.info("connected to Triton with renewed certificates")
            return True

    def close(self) -> None:
        """Close the connection."""
        for server in (*self._replaced, self.server):
            server.close()

    def _open(self) -> Any:
        """Return a tritonclient.grpc.InferenceServerClient."""
        credentials = self.endpoint.credentials()
        return self._triton.InferenceServerClient(self.endpoint.address, creds=credentials, channel_args=list(CHANNEL))


def _contents(endpoint: Endpoint) -> list[bytes]:
    return [] if endpoint.tls is None else [path.read_bytes() for path in endpoint.tls.files]
