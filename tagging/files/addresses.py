"""Addresses of files: a path on this machine, or an object in a bucket such as s3://bucket/folder/name.

The name of an object is literal, as in the vendors' own tools: %20, ? and # are characters of it.
"""

import posixpath
import re
from pathlib import Path

from tagging.messages import shown

REMOTE = ("s3", "gs", "gcs", "abfs", "abfss")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")  # "talk: part 1.mp4" is a file name


def scheme_of(address: str) -> str:
    """Return the scheme in lower case; "" for a path."""
    match = _SCHEME.match(address)
    return match[1].lower() if match else ""


def is_remote(address: str) -> bool:
    """Return whether an address names an object in a bucket."""
    return scheme_of(address) in REMOTE


def split_bucket(address: str) -> tuple[str, str]:
    """Return the address of the bucket and the path in it: "s3://bucket" and "folder/name"."""
    scheme, _, rest = address.partition("://")
    bucket, _, path = rest.partition("/")
    return f"{scheme.lower()}://{bucket}", path


def resolve_next_to(address: str, uri: str) -> str:
    """Return the address of a uri that is relative to the folder of another file; an absolute path stays as it is.

    In a bucket "." and ".." are resolved here, because there they would be names; nothing is above the bucket.
    """
    if not is_remote(address):
        return str(Path(address).parent / uri)
    if uri.startswith("/"):
        return uri
    bucket, path = split_bucket(address)
    parts = posixpath.dirname(path).split("/") if "/" in path else []
    for part in uri.split("/"):
        if part == "..":
            del parts[-1:]
        elif part != ".":
            parts.append(part)
    return f"{bucket}/{'/'.join(parts)}"


def label_of(address: str) -> str:
    """Return an address for messages, without the credentials of a bucket."""
    return shown(address) if is_remote(address) else address
