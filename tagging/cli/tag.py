"""The `videotag tag` command: tags one video and prints the evidence."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, print_json, print_lines, print_table
from tagging.errors import InvalidVideoError
from tagging.manifests.values import is_unicode
from tagging.messages import without_credentials
from tagging.store.answer_json import printed_answer
from tagging.types import Evidence, RankedTags, TimeSpan, VideoRef


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
    output: options.Output = Format.table,
) -> None:
    """Tag one video and show the evidence for each tag.

    [bold]Examples[/bold]

    videotag tag clip.mp4 --title "Sunset over the harbour"

    videotag tag --title "How to tune a guitar" --max-tags 5 --format json
    """
    video = video or None  # an empty variable of a script is not a video
    if video is None and not title.strip() and not description.strip():
        raise InvalidVideoError("nothing to tag", "give a video, a --title or a --description")
    if not is_unicode(title + description):
        raise InvalidVideoError("the title or description is not UTF-8 text")
    from tagging.pipeline.labelled_updates import apply_updates
    from tagging.pipeline.load import load_tagger
    from tagging.store.labelled_log import read_labelled_log

    reads_media = video is not None or labelled is not None  # the log may hold rows of frames and sound
    with load_tagger(bundle or paths.default_bundle(), reads_media=reads_media) as tagger:
        if labelled is not None:
            apply_updates(
                tagger.models.recall_stage, read_labelled_log(labelled), tagger.models.encoders.fingerprints()
            )
        reference = VideoRef(printable_id(video) or title.strip() or description.strip(), video, title, description)
        answer = tagger.tag(reference, tagger.selection(max_tags, precision))
    if output is Format.json:
        print_json(printed_answer(answer))
    else:
        print_answer(answer)


def printable_id(uri: str | None) -> str:
    """Return the id under which a video is printed: its path or URL as valid text, without credentials; "" for None."""
    return without_credentials(os.fsencode(uri or "").decode("utf-8", "replace"))


def print_answer(answer: RankedTags) -> None:
    """Print an answer as a table: a line per tag, with the best evidence of each channel."""
    has_spans = any(tag.spans for tag in answer.tags)
    if answer.tags:
        print_table(
            [
                {
                    "tag": f"{tag.name} (new)" if tag.is_new else tag.name,
                    "confidence": f"{tag.confidence:.2f}",
                    "channels": "  ".join(f"{name} {score:.2f}" for name, score in tag.channels.items()),
                    "because of": "; ".join(_best_evidence(tag.evidence)),
                    **({"when": "  ".join(map(_describe_span, tag.spans))} if has_spans else {}),
                }
                for tag in answer.tags
            ]
        )
    print_lines([f"looked at: {', '.join(answer.modalities)}", *(f"warning: {w}" for w in answer.warnings)])


def _best_evidence(evidence: tuple[Evidence, ...]) -> list[str]:
    best: dict[str, Evidence] = {}
    for piece in evidence:
        best.setdefault(piece.channel, piece)
    return [f"{_describe(piece)} ({piece.channel} {piece.similarity:.2f})" for piece in best.values()]


def _describe_span(span: TimeSpan) -> str:
    return f"{clock(span.start_s)}-{clock(span.end_s)} ({span.modality})"


def clock(seconds: float) -> str:
    """Return a time as players show it: "0:04", "1:02:03", to the second before it."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _describe(evidence: Evidence) -> str:
    if evidence.kind in ("speech", "screen"):
        where = "said" if evidence.kind == "speech" else "on screen"
        return f'"{evidence.text}" {where} at {clock(evidence.start_s or 0.0)}'
    if evidence.kind == "frame":
        return f"frame {evidence.frame} of {evidence.frames}"
    if evidence.kind == "sound":
        return f"sound at {evidence.start_s:.1f} s"
    if evidence.kind == "uploader":
        return evidence.text or ""
    return f'"{evidence.text}"' if evidence.kind == "text" else evidence.title or evidence.video_id or ""
