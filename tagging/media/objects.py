"""Media in buckets: an object is copied to an unnamed file before it is decoded.

Reading it in place was not chosen: of every file, packets, pictures and sound are read in passes of their own, and its
hash takes each byte once more, so an object would be transferred three to four times, in small requests.
"""

import os
from collections.abc import Callable
from typing import IO

from tagging.config.media import MediaConfig
from tagging.errors import BackendUnavailableError, MediaNotFoundError
from tagging.files.storage import open_file
from tagging.media.copies import write
from tagging.media.limits import Deadline, check_bytes, seconds
from tagging.messages import shown

CHUNK_BYTES = 8 * 2**20


def copy_object(
    address: str, file: IO[bytes], config: MediaConfig, deadline_of: Callable[[float], Deadline] = Deadline
) -> None:
    """Write the content of an object to a file.

    Raises MediaNotFoundError (no such object or bucket), MediaTooBigError before anything is read,
    BackendUnavailableError (a storage that does not answer or denies access; or it was not done within
    decode_timeout_s) and OutputUnwritableError.
    """
    deadline = deadline_of(config.decode_timeout_s)
    try:
        with open_file(address) as found:
            check_bytes(found.seek(0, os.SEEK_END), config)
            found.seek(0)
            while part := found.read(CHUNK_BYTES):
                write(file, part, shown(address))
                if deadline.left_s() < 0:
                    raise BackendUnavailableError(
                        f"{shown(address)} was not read within {seconds(config.decode_timeout_s)} s",
                        "raise media.decode_timeout_s to allow more",
                    )
    except FileNotFoundError as error:
        raise MediaNotFoundError(f"{error.strerror}: {shown(address)}", "check the bucket and the name") from error
