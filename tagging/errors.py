"""What can go wrong, as a small tree that knows nothing of transports.

Every message states what was found and what was expected; `hint` says what to do next.
The command line prints both and exits with 1; the service maps each class to one status.
"""

from collections.abc import Mapping


class VideotagError(Exception):
    """A known error: one line for the user, and optionally a hint."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (decode workers), with their hint.
        return type(self), (self.message, self.hint)


class InvalidConfigError(VideotagError):
    """A configuration file or profile that cannot be used."""


class InvalidManifestError(VideotagError):
    """A manifest row or column that cannot be read."""


class InvalidAliasesError(VideotagError):
    """A table of accepted aliases that cannot be read, or that contradicts itself or the videos."""


class InvalidTagsError(VideotagError):
    """Names that cannot become tags of a catalog, or a table of them that cannot be read."""


class InvalidResultsError(VideotagError):
    """A folder that does not hold what `videotag batch` writes."""


class InvalidSelectionError(VideotagError):
    """An answer is asked for that the bundle cannot choose."""


class InvalidVideoError(VideotagError):
    """A video with nothing that can be tagged."""


class InvalidMediaError(InvalidVideoError):
    """Media of which neither picture nor sound can be read."""


class MediaNotFoundError(VideotagError):
    """No file or URL at the given place, or no right to read it."""


class SourceNotAllowedError(VideotagError):
    """A uri that this service may not open: its scheme, host, address or folder is on no list of its operator."""


class MediaLimitError(VideotagError):
    """Media beyond a stated limit; the subclasses name the limit."""


class MediaTooBigError(MediaLimitError):
    """More bytes than `media.max_bytes`."""


class MediaTooLongError(MediaLimitError):
    """Longer than `media.max_duration_s`."""


class MediaTooManyPixelsError(MediaLimitError):
    """More pixels a frame than `media.max_pixels`."""


class DecodeTimeoutError(MediaLimitError):
    """Decoding took longer than `media.decode_timeout_s`."""


class DecodeMemoryError(MediaLimitError):
    """Decoding needed more memory than `media.decode_memory_bytes`."""


class DecodeCrashError(VideotagError):
    """The decoder's process died on this file."""


class MissingWeightsError(VideotagError):
    """Encoder weights that are not on this machine."""


class MissingPackageError(VideotagError):
    """An optional library that a chosen backend needs."""


class BackendUnavailableError(VideotagError):
    """A server that this process relies on and that does not do what it is asked; trying again may help."""


class InvalidRecordError(VideotagError):
    """Something that the database cannot keep as it is, or that contradicts what it keeps already."""


class OvertakenError(VideotagError):
    """A change based on what others changed meanwhile; reading on and trying again helps."""


class DatabaseMismatchError(VideotagError):
    """A database whose tables are not those of this version of videotag."""


class ArtifactError(VideotagError):
    """A bundle or feature store that cannot be used."""


class ArtifactNotFoundError(ArtifactError):
    """There is no artifact at the given place."""


class ArtifactCorruptError(ArtifactError):
    """A file that differs from what its manifest says."""


class ArtifactMismatchError(ArtifactError):
    """An intact artifact made by another format version or other encoders."""


class OutputExistsError(VideotagError):
    """An output place that already holds something."""


class OutputUnwritableError(VideotagError):
    """An output place where nothing can be written: no right, no room, or something that is no file."""


class InvalidRequestError(VideotagError):
    """Fields of a request that are not what its description asks for; `violations` says of each what is wrong."""

    def __init__(self, message: str, hint: str = "", violations: Mapping[str, str] | None = None) -> None:
        super().__init__(message, hint)
        self.violations = dict(violations or {})

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.hint, self.violations)


class UnauthenticatedError(VideotagError):
    """A caller that does not show who it is."""


class ForbiddenError(VideotagError):
    """A caller that may not do what it asks for."""


class UnknownIdError(VideotagError):
    """An id in a request that means nothing here: of a tag, an edit, a stored answer."""


class AlreadyExistsError(VideotagError):
    """Something else has the name that a request gives; `existing_id` is its id."""

    def __init__(self, message: str, hint: str = "", existing_id: str = "") -> None:
        super().__init__(message, hint)
        self.existing_id = existing_id

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.hint, self.existing_id)


class ConflictError(VideotagError):
    """A change that the present state rules out: a tag as its own ancestor, an edit that later ones rest on."""


class BusyError(VideotagError):
    """Something that is done once at a time, and is being done: loading a bundle."""


class OverloadedError(VideotagError):
    """More work than the service takes on; trying again helps, `retry_after_s` seconds later."""

    def __init__(self, message: str, hint: str = "", retry_after_s: float = 1.0) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.hint, self.retry_after_s)


class QuotaExceededError(OverloadedError):
    """More calls than this caller may make."""


class DeadlineExceededError(VideotagError):
    """The time that the caller gave is over before the work is done."""


class NothingToLearnError(ValueError):
    """Labelled videos that say nothing of what is to be learnt; training tells it and goes on without."""
