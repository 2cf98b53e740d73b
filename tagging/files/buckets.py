"""Buckets (s3://, gs://, abfs://) through pyarrow's file systems (Apache-2.0).

They come with a dependency that is needed anyway, take credentials and endpoints from the environment as their vendors'
own tools do (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS …), and show an object only when its
upload is complete. fsspec's were not chosen: each needs a package of its own, and parquet would be read through Python.
"""

import errno
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tagging.errors import BackendUnavailableError
from tagging.files.addresses import split_bucket
from tagging.messages import shown

if TYPE_CHECKING:
    from pyarrow import fs

    Found = tuple[fs.FileSystem, str]

VARIABLES = re.compile(r"AWS_|GOOGLE_|CLOUDSDK_|CLOUD_STORAGE_|AZURE_")
GOOGLE_RETRIES_S = 60  # its client's default is 15 minutes
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|bucket does not exist", re.IGNORECASE)
_DENIED = re.compile(r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE_DOES_NOT_MATCH|PERMISSION_DENIED|HTTP status 40[13]")
_UNREACHABLE = re.compile(r"NETWORK_CONNECTION|curlCode|Could not connect|REQUEST_TIMEOUT")
_CURL = re.compile(r"curlCode: \d+, ([^;(]+)")
CREDENTIALS_HINT = "check the credentials in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
AZURE_HINT = "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or log in with Azure's command line"


def find(address: str) -> "Found":
    """Return the file system of an address and the path in it. Raises BackendUnavailableError."""
    root, path = split_bucket(address)
    with reported(address):
        found, bucket = _connect(root, frozenset(i for i in os.environ.items() if VARIABLES.match(i[0])))
    return found, f"{bucket.rstrip('/')}/{path}".rstrip("/")


@lru_cache(maxsize=32)
def _connect(root: str, environment: frozenset[tuple[str, str]]) -> "Found":
    """Return the file system of a bucket; one a process, since connecting may look up regions and credentials.

    environment: what the file system reads of it
    """
    from pyarrow import fs

    if root.startswith(("gs:", "gcs:")):
        root += f"?retry_limit_seconds={GOOGLE_RETRIES_S}"
    found, path = fs.FileSystem.from_uri(root)
    if found.type_name == "abfs":
        # Without credentials this raises, whereas reading an object ends the process by an exception of C++.
        with suppress(OSError, ValueError):  # what else is wrong is raised where the bucket is used
            found.get_file_info(f"{path.rstrip('/')}/any")
    return found, path


class ObjectFile(io.RawIOBase):
    """An object that is open for random access; errors of the storage are BackendUnavailableError."""

    def __init__(self, address: str) -> None:
        """Raises FileNotFoundError for a missing object or bucket, and BackendUnavailableError."""
        super().__init__()
        self._address = address
        system, path = find(address)
        with reported(address):
            try:
                self._file: Any = system.open_input_file(path)
            except FileNotFoundError as error:
                missing = "object" if _has_bucket(system, path) else "bucket"
                raise FileNotFoundError(errno.ENOENT, f"no such {missing}", shown(address)) from error

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with reported(self._address):
            return int(self._file.readinto(buffer))

    def readall(self) -> bytes:  # else in requests of a few KiB
        with reported(self._address):
            return bytes(self._file.read())

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
        super().close()


def _has_bucket(system: "fs.FileSystem", path: str) -> bool:
    from pyarrow import fs

    return bool(system.get_file_info(path.partition("/")[0]).type != fs.FileType.NotFound)


@contextmanager
def reported(address: str) -> Iterator[None]:
    """Report what a file system raises as one known error; a missing file stays a FileNotFoundError."""
    from pyarrow.lib import ArrowException

    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ValueError, ArrowException) as error:
        reason, hint = _explained(str(error).strip() or type(error).__name__)
        raise BackendUnavailableError(f"{shown(address)} cannot be used: {reason}", hint) from error


def _explained(message: str) -> tuple[str, str]:
    """Return the reason and a hint for the message of a file system."""
    if _NO_BUCKET.search(message):
        return "there is no such bucket", "make the bucket, or check its name"
    if _DENIED.search(message):
        return "access is denied", CREDENTIALS_HINT
    if "AuthenticationException" in message:
        return "there are no credentials", AZURE_HINT
    if _UNREACHABLE.search(message):
        cause = _CURL.search(message)
        reason = f": {shown(cause[1])}" if cause else ""
        return f"the storage cannot be reached{reason}", "check the network and AWS_ENDPOINT_URL, then run it again"
    return shown(message.splitlines()[0]), "check the address, the network and the credentials"
