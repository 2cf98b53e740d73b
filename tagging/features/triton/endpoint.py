"""Address of a Triton server, and TLS to it: credentials from PEM files, and why a handshake fails.

gRPC accepts any bytes as certificates and reports a failed handshake as a server that is away. So the files are tested
by OpenSSL beforehand, and when a call fails, a handshake of this module finds out whether the certificates are why.
"""

import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tagging.config.base import Branch
from tagging.errors import InvalidConfigError

if TYPE_CHECKING:
    import grpc

_URL = re.compile(r"(grpcs?)://((?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5}))")
CERTIFICATE_HINT = "compare Triton's certificate and --grpc-root-cert with the ca, certificate and key given here"


class TritonTls(Branch):
    """PEM files of connections to grpcs://HOST:PORT, read at the start.

    `ca` holds the authorities that Triton's certificate must be signed by (for public ones the file of the system,
    as /etc/ssl/certs/ca-certificates.crt). `certificate` and `key` are this client's, for mutual TLS.
    """

    ca: Path
    certificate: Path | None = None
    key: Path | None = None

    @property
    def files(self) -> list[Path]:
        """The files that are given."""
        return [path for path in (self.ca, self.certificate, self.key) if path is not None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address of a server, and the files for TLS to it."""

    url: str
    address: str  # HOST:PORT
    tls: TritonTls | None

    @classmethod
    def of(cls, url: str, tls: TritonTls | None = None) -> "Endpoint":
        """Return the endpoint of grpc://HOST:PORT, or of grpcs://HOST:PORT with TLS.

        Raises InvalidConfigError for another URL, and for one that does not go with the files.
        """
        match = _URL.fullmatch(url)
        if match is None or int(match[3]) > 65535:
            raise InvalidConfigError(
                f"{url!r} is no address of Triton", "use grpc://HOST:PORT, as grpc://127.0.0.1:8001; grpcs:// for TLS"
            )
        if match[1] == "grpcs" and tls is None:
            raise InvalidConfigError(f"{url} needs the authority that signs Triton's certificate", "name its ca file")
        if match[1] == "grpc" and tls is not None:
            raise InvalidConfigError(f"{url} is without TLS, but certificates are given", f"use grpcs://{match[2]}")
        if tls is not None and (tls.certificate is None) != (tls.key is None):
            raise InvalidConfigError("a client certificate and its key belong together", "give both or neither")
        return cls(url, match[2], tls)

    def credentials(self) -> "grpc.ChannelCredentials | None":
        """Return the credentials of connections; None without TLS.

        Raises InvalidConfigError for files that are not what they should be, or do not match.
        """
        if self.tls is None:
            return None
        import grpc

        _context(self.tls)
        return grpc.ssl_channel_credentials(
            self.tls.ca.read_bytes(),
            None if self.tls.key is None else self.tls.key.read_bytes(),
            None if self.tls.certificate is None else self.tls.certificate.read_bytes(),
        )

    def handshake_failure(self, timeout_s: float) -> str | None:
        """Return why a TLS handshake fails; None if it succeeds, and if the server cannot be reached."""
        if self.tls is None:
            return None
        context = _context(self.tls)
        try:
            if all(self._is_closed_after_handshake(context, timeout_s) for _ in range(2)):  # not by being stopped
                return "the server closes the connection, as it does without a client certificate that it accepts"
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        except ssl.SSLError as error:
            is_stopped = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
            return None if is_stopped else (error.reason or str(error)).lower().replace("_", " ")
        except OSError:
            pass
        return None

    def _is_closed_after_handshake(self, context: ssl.SSLContext, timeout_s: float) -> bool:
        """Return whether the server closes the connection after the handshake, where others send their settings.

        In TLS 1.3 a server looks at the client's certificate after the client's part of the handshake has ended.
        """
        host, _, port = self.address.rpartition(":")
        host = host.strip("[]")
        with (
            socket.create_connection((host, int(port)), timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return not secured.recv(1)


def _context(tls: TritonTls) -> ssl.SSLContext:
    """Return a context with the files. Raises InvalidConfigError as `Endpoint.credentials` does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    try:
        context.load_verify_locations(tls.ca)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")  # otherwise OpenSSL asks for it
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else error
        raise InvalidConfigError(
            f"{', '.join(map(str, tls.files))} cannot be used for TLS to Triton: {reason}",
            "expected PEM: authorities; a certificate and its key without a password",
        ) from error
    return context
