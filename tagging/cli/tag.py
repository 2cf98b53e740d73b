"""The `videotag tag` command: tags one video and prints the evidence."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, print_json, print_lines, print_table
from tagging.errors import InvalidVideoError
from tagging.manifests.values import is_unicode
from tagging.messages import without_credentials

if TYPE_CHECKING:
    from tagging.types import Evidence, RankedTags, VideoRef


def command(
    video: Annotated[str | None, typer.Argument(help="Path or URL of the video; omit it for text only.")] = None,
    title: Annotated[str, typer.Option("--title", help="The video's title.")] = "",
    description: Annotated[str, typer.Option("--description", help="The video's description.")] = "",
    bundle: options.Bundle = None,
    labelled: Annotated[
        Path | None,
        typer.Option("--labelled", metavar="FILE", help="Log of `videotag labelled` to apply."),
    ] = None,
    max_tags: options.MaxTags = None,
    precision: options.Precision = None,
    runtime: options.Runtime = None,
    output: options.Output = Format.table,
) -> None:
    """Tag one video and show the evidence for each tag.

    [bold]Examples[/bold]

    videotag tag clip.mp4 --title "Sunset over the harbour"

    videotag tag --title "How to tune a guitar" --max-tags 5 --format json
    """
    reference = video_reference(video, title, description)
    from tagging.pipeline.labelled_updates import apply_updates
    from tagging.pipeline.load import load_tagger
    from tagging.store.answer_json import printed_answer
    from tagging.store.labelled_log import read_labelled_log

    reads_media = reference.uri is not None or labelled is not None  # the log may hold rows of frames and sound
    with load_tagger(bundle or paths.default_bundle(), reads_media=reads_media, runtime=runtime) as tagger:
        if labelled is not None:
            apply_updates(
                tagger.models.recall_stage, read_labelled_log(labelled), tagger.models.encoders.fingerprints()
            )
        answer = tagger.tag(reference, tagger.selection(max_tags, precision))
    if output is Format.json:
        print_json(printed_answer(answer))
    else:
        print_answer(answer)


def video_reference(video: str | None, title: str, description: str) -> "VideoRef":
    """Return the video that a command line names. Raises InvalidVideoError if it names nothing, or not in UTF-8."""
    from tagging.types import VideoRef

    video = video or None  # an empty variable of a script is not a video
    if video is None and not title.strip() and not description.strip():
        raise InvalidVideoError("nothing to tag", "give a video, a --title or a --description")
    if not is_unicode(title + description):
        raise InvalidVideoError("the title or description is not UTF-8 text")
    return VideoRef(printable_id(video) or title.strip() or description.strip(), video, title, description)


def printable_id(uri: str | None) -> str:
    """Return the id under which a video is printed: its path or URL as valid text, without credentials; "" for None."""
    return without_credentials(os.fsencode(uri or "").decode("utf-8", "replace"))


def print_answer(answer: "RankedTags") -> None:
    """Print an answer as a table: a line per tag, with the best evidence of each channel."""
    from tagging.inspection.words import described_span

    has_spans = any(tag.spans for tag in answer.tags)
    if answer.tags:
        print_table(
            [
                {
                    "tag": f"{tag.name} (new)" if tag.is_new else tag.name,
                    "confidence": f"{tag.confidence:.2f}",
                    "channels": "  ".join(f"{name} {score:.2f}" for name, score in tag.channels.items()),
                    "because of": "; ".join(_best_evidence(tag.evidence)),
                    **({"when": "  ".join(map(described_span, tag.spans))} if has_spans else {}),
                }
                for tag in answer.tags
            ]
        )
    print_lines([f"looked at: {', '.join(answer.modalities)}", *(f"warning: {w}" for w in answer.warnings)])


def _best_evidence(evidence: "tuple[Evidence, ...]") -> list[str]:
    from tagging.inspection.words import described

    best: dict[str, Evidence] = {}
    for piece in evidence:
        best.setdefault(piece.channel, piece)
    return [f"{described(piece)} ({piece.channel} {piece.similarity:.2f})" for piece in best.values()]
