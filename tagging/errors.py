"""Exception classes of videotag, independent of any transport.

Every message states what was found and what was expected; `hint` states what to do next. The command line prints both
and exits with 1; the service maps each class to one gRPC status and sends the class name as the reason.

VideotagError
  x input
      InvalidConfigError, InvalidManifestError, InvalidAliasesError, InvalidTagsError, InvalidResultsError,
      InvalidSelectionError, TrainingDivergedError
      InvalidVideoError
        + InvalidMediaError
  x media
      MediaNotFoundError, SourceNotAllowedError
      MediaLimitError
        + MediaTooBigError, MediaTooLongError, MediaTooManyPixelsError, DecodeTimeoutError, DecodeMemoryError
      DecodeCrashError
  x installation and servers
      MissingWeightsError, MissingPackageError, BackendUnavailableError
  x database
      InvalidRecordError, OvertakenError, DatabaseMismatchError
  x files
      ArtifactError
        + ArtifactNotFoundError, ArtifactCorruptError, ArtifactMismatchError
      OutputExistsError, OutputUnwritableError
  x calls
      InvalidRequestError, UnauthenticatedError, ForbiddenError, UnknownIdError, AlreadyExistsError, ConflictError,
      BusyError, DeadlineExceededError
      OverloadedError
        + QuotaExceededError
NothingToLearnError (a ValueError; handled inside training)

`x` marks a group without a class of its own, `+` a subclass.
"""

from collections.abc import Mapping


class VideotagError(Exception):
    """A known error: one line for the user, and optionally a hint."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Errors are pickled between processes (decode workers); keep the hint.
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
    """A folder that is not the output of `videotag batch`."""


class InvalidSelectionError(VideotagError):
    """Requested selection options that the bundle does not support."""


class TrainingDivergedError(VideotagError):
    """A training whose loss or weights became NaN or infinite, so that nothing of it can be used."""


class InvalidVideoError(VideotagError):
    """A video with nothing that can be tagged."""


class InvalidMediaError(InvalidVideoError):
    """Media in which neither pictures nor sound can be decoded."""


class MediaNotFoundError(VideotagError):
    """A file or URL that does not exist or must not be read."""


class SourceNotAllowedError(VideotagError):
    """A URI that this service may not open: its scheme, host, address or folder is not in the operator's allow list."""


class MediaLimitError(VideotagError):
    """Media beyond a stated limit; the subclasses name the limit."""


class MediaTooBigError(MediaLimitError):
    """More bytes than `media.max_bytes`."""


class MediaTooLongError(MediaLimitError):
    """Longer than `media.max_duration_s`."""


class MediaTooManyPixelsError(MediaLimitError):
    """More pixels per frame than `media.max_pixels`."""


class DecodeTimeoutError(MediaLimitError):
    """Decoding took longer than `media.decode_timeout_s`."""


class DecodeMemoryError(MediaLimitError):
    """Decoding needed more memory than `media.decode_memory_bytes`."""


class DecodeCrashError(VideotagError):
    """The decoder process died while reading this file."""


class MissingWeightsError(VideotagError):
    """Encoder weights that are not on this machine."""


class MissingPackageError(VideotagError):
    """An optional library that a chosen backend needs."""


class BackendUnavailableError(VideotagError):
    """A server or process that this one needs and that failed to start or to respond correctly; a retry may help."""


class InvalidRecordError(VideotagError):
    """A record that the database cannot store as it is, or that contradicts a stored one."""


class OvertakenError(VideotagError):
    """A change based on an outdated state; read the newer changes and retry."""


class DatabaseMismatchError(VideotagError):
    """A database whose schema does not match this version of videotag."""


class ArtifactError(VideotagError):
    """A bundle or feature store that cannot be used."""


class ArtifactNotFoundError(ArtifactError):
    """An artifact path that does not exist."""


class ArtifactCorruptError(ArtifactError):
    """A file that differs from its manifest entry."""


class ArtifactMismatchError(ArtifactError):
    """An intact artifact written with another format version or other encoders."""


class OutputExistsError(VideotagError):
    """An output path that already exists."""


class OutputUnwritableError(VideotagError):
    """An output path that cannot be written: no permission, no space, or not a regular file."""


class InvalidRequestError(VideotagError):
    """Request fields that violate their documented constraints; `violations` maps each field to a description."""

    def __init__(self, message: str, hint: str = "", violations: Mapping[str, str] | None = None) -> None:
        super().__init__(message, hint)
        self.violations = dict(violations or {})

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.hint, self.violations)


class UnauthenticatedError(VideotagError):
    """A call without valid credentials."""


class ForbiddenError(VideotagError):
    """A call that the authenticated client is not permitted to make."""


class UnknownIdError(VideotagError):
    """A request that names an unknown id: of a tag, an edit or a stored answer."""


class AlreadyExistsError(VideotagError):
    """A requested name that is already taken; `existing_id` is the id of its owner."""

    def __init__(self, message: str, hint: str = "", existing_id: str = "") -> None:
        super().__init__(message, hint)
        self.existing_id = existing_id

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.hint, self.existing_id)


class ConflictError(VideotagError):
    """A change that the current state rules out: a tag as its own ancestor, undoing an edit that others depend on."""


class BusyError(VideotagError):
    """An exclusive operation that is already in progress, such as loading a bundle."""


class OverloadedError(VideotagError):
    """More work than the service accepts; retry after `retry_after_s` seconds."""

    def __init__(self, message: str, hint: str = "", retry_after_s: float = 1.0) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.hint, self.retry_after_s)


class QuotaExceededError(OverloadedError):
    """More calls than this client's quota permits."""


class DeadlineExceededError(VideotagError):
    """A deadline set by the caller that passed before the work was done."""


class NothingToLearnError(ValueError):
    """Too little data to train this part; training logs it and skips the part."""
