"""`videotag inspect --server`: has a running service explain a video that is sent, or its stored answer to one."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tagging.cli.console import needs_extra
from tagging.cli.tag import video_reference
from tagging.errors import VideotagError

if TYPE_CHECKING:
    from tagging.inspection.explanation import Inspection
    from tagging.types import MediaSample

logger = logging.getLogger(__name__)


def inspect_on(
    address: str,
    token: str | None,
    tls_ca: Path | None,
    video: str | None,
    title: str,
    description: str,
    max_tags: int | None,
    precision: float | None,
    why: Sequence[str],
    why_answered: bool,
) -> "Inspection":
    """Return the inspection that a service makes.

    video: a file of this machine, which is sent; an address, which the service opens; None: text only. Anything else is
        the id of a video with a stored answer, unless there is a title or a description.
    why_answered: True: the answered tags are asked about, too
    """
    with needs_extra("service"):
        from tagging.service.remote.connection import Server
        from tagging.service.remote.explanations import explain_remotely, explain_stored_remotely
        from tagging.store.database.taggings import TaggingOptions

    server = Server(address, token, tls_ca)
    if video and not (title or description or "://" in video or _exists(video)):
        if max_tags is not None or precision is not None:
            raise typer.BadParameter(
                f"there is no file {video}, and a stored answer is explained with its own options",
                param_hint="--max-tags" if max_tags is not None else "--precision",
            )
        return explain_stored_remotely(server, video, why, why_answered)
    reference, options = video_reference(video, title, description), TaggingOptions(max_tags, precision=precision)
    return explain_remotely(server, reference, options, why, why_answered)


def media_to_show(video: str | None) -> "MediaSample | None":
    """Decode a file of this machine as the page shows it; None, with a warning, if it cannot be decoded.

    The service has decoded it by the settings of its bundle; the moments of the frames may differ from these.
    """
    if video is None or not _exists(video):
        return None
    from tagging.config.media import MediaConfig
    from tagging.media.pool import DecodePool

    try:
        with DecodePool(MediaConfig(), workers=1) as pool:
            return pool.read(video)
    except VideotagError as error:
        logger.warning("the page has no frames and no sound: %s", error.message)
        return None


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # too long, or not a path at all
        return False
