"""`videotag tag`"""

import os
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, print_json, print_lines, print_table
from tagging.errors import InvalidVideoError
from tagging.manifest import is_unicode
from tagging.store.answer_json import printed_answer
from tagging.types import Evidence, RankedTags, VideoRef


def command(
    video: Annotated[str | None, typer.Argument(help="Path or URL of the video; leave it out for text only.")] = None,
    title: Annotated[str, typer.Option("--title", help="The video's title.")] = "",
    description: Annotated[str, typer.Option("--description", help="The video's description.")] = "",
    bundle: options.Bundle = None,
    labelled: Annotated[
        Path | None,
        typer.Option("--labelled", metavar="FILE", help="Let the videos of a `videotag labelled` log vote as well."),
    ] = None,
    max_tags: options.MaxTags = None,
    precision: options.Precision = None,
    output: options.Output = Format.table,
) -> None:
    """Tag one video, and show what speaks for each tag.

    [bold]Examples[/bold]

    videotag tag clip.mp4 --title "Sunset over the harbour"

    videotag tag --title "How to tune a guitar" --max-tags 5 --format json
    """
    video = video or None  # a script's empty variable is no video
    if video is None and not title.strip() and not description.strip():
        raise InvalidVideoError("nothing to tag", "give a video, a --title or a --description")
    if not is_unicode(title + description):
        raise InvalidVideoError("the title or description is not UTF-8 text")
    from tagging.pipeline.load import load_tagger
    from tagging.store.labelled_log import read_labelled_log

    with load_tagger(bundle or paths.default_bundle()) as tagger:
        if labelled is not None:
            tagger.join(read_labelled_log(labelled))
        # A file's name may be no text at all; the id is shown, so it must be.
        video_id = os.fsencode(video).decode("utf-8", "replace") if video else title.strip() or description.strip()
        answer = tagger.tag(VideoRef(video_id, video, title, description), tagger.selection(max_tags, precision))
    if output is Format.json:
        print_json(printed_answer(answer))
    else:
        print_answer(answer)


def print_answer(answer: RankedTags) -> None:
    """The same for people: one line a tag, with the best evidence of each channel behind it."""
    if answer.tags:
        print_table(
            [
                {
                    "tag": f"{tag.name} (new)" if tag.is_new else tag.name,
                    "confidence": f"{tag.confidence:.2f}",
                    "channels": "  ".join(f"{name} {score:.2f}" for name, score in tag.channels.items()),
                    "because of": "; ".join(_nearest(tag.evidence)),
                }
                for tag in answer.tags
            ]
        )
    print_lines([f"looked at: {', '.join(answer.modalities)}", *(f"warning: {w}" for w in answer.warnings)])


def _nearest(evidence: tuple[Evidence, ...]) -> list[str]:
    nearest: dict[str, Evidence] = {}
    for one in evidence:
        nearest.setdefault(one.channel, one)
    return [f"{_what(e)} ({e.channel} {e.similarity:.2f})" for e in nearest.values()]


def _what(one: Evidence) -> str:
    if one.kind == "frame":
        return f"frame {one.frame} of {one.frames}"
    if one.kind == "sound":
        return f"sound at {one.start_s:.1f} s"
    if one.kind == "uploader":
        return one.text or ""
    return f'"{one.text}"' if one.kind == "text" else one.title or one.video_id or ""
