"""Pre-trained weights inside installed packages: located by their distribution, checked by hash, read as data.

The packages that carry them are never imported: only their files are read, and only if they are the ones that were
tried. A file that is missing or different is one error with the command that installs the right one.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tagging.errors import ArtifactMismatchError, MissingWeightsError


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file that a distribution installs."""

    distribution: str
    version: str  # that has the file
    path: str  # within site-packages
    sha256: str

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install {self.distribution}=={self.version}"


def locate(file: PackagedFile) -> Path:
    """Return the path of a packaged file, whose bytes are checked once for each process.

    Raises MissingWeightsError without the distribution or the file, ArtifactMismatchError for other bytes.
    """
    try:
        files = distribution(file.distribution).files or ()
    except PackageNotFoundError as error:
        raise MissingWeightsError(f"the package {file.distribution} is not installed", file.install) from error
    found = next((Path(str(entry.locate())) for entry in files if entry.as_posix() == file.path), None)
    if found is None or not found.is_file():
        raise MissingWeightsError(f"the package {file.distribution} has no file {file.path}", file.install)
    state = found.stat()
    if _sha256(found, state.st_size, state.st_mtime_ns) != file.sha256:
        raise ArtifactMismatchError(
            f"{found} is not the file of {file.distribution} {file.version}: its sha256 differs",
            f"pip install --force-reinstall --no-deps {file.distribution}=={file.version}",
        )
    return found


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:  # size and time: a replaced file is read again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
