"""The `videotag inspect` command: why a tag was answered, and the stage at which another fell."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, print_json, print_lines, print_table
from tagging.cli.tag import video_reference
from tagging.errors import InvalidTagsError
from tagging.files.atomic import atomic_text_file, require_file
from tagging.inspection.explanation import Inspection
from tagging.manifests.values import is_unicode
from tagging.types import MediaSample


def command(
    video: Annotated[str | None, typer.Argument(help="Path or URL of the video; omit it for text only.")] = None,
    title: Annotated[str, typer.Option("--title", help="The video's title.")] = "",
    description: Annotated[str, typer.Option("--description", help="The video's description.")] = "",
    bundle: options.Bundle = None,
    why: Annotated[
        list[str] | None,
        typer.Option("--why", metavar="TAG", help="Ask why a tag was answered or not: any text; may be repeated."),
    ] = None,
    max_tags: options.MaxTags = None,
    precision: options.Precision = None,
    output: options.Output = Format.table,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Also write a page for a browser, with frames, sound and all answered tags."
        ),
    ] = None,
) -> None:
    """Show why a video got its tags, and why not others.

    What was looked at, what each channel proposed, what moved each confidence, and where a tag fell. For a tag that is
    asked about with --why, its confidence is computed again without each modality, channel and similar labelled video.

    [bold]Examples[/bold]

    videotag inspect clip.mp4 --title "Sunset over the harbour" --why sunset --why boat

    videotag inspect clip.mp4 --html why.html
    """
    reference, why = video_reference(video, title, description), why or []
    if not is_unicode("".join(why)):
        raise InvalidTagsError("a tag of --why is not UTF-8 text")
    if html is not None:
        require_file(html)
    from tagging.inspection.inspect import VideoInspector
    from tagging.pipeline.load import load_tagger

    with load_tagger(bundle or paths.default_bundle(), reads_media=reference.uri is not None) as tagger:
        read = tagger.read(reference)
        inspector = VideoInspector.of(tagger, read, tagger.selection(max_tags, precision))
        answered = [tag.name for tag in inspector.explanation.tags if tag.outcome == "answered"]
        questions = inspector.ask([*why, *(answered if html is not None else [])])
    if html is not None:
        write_page(html, Inspection(inspector.explanation, questions), read.media)
    inspection = Inspection(inspector.explanation, tuple(question for question in questions if question.query in why))
    if output is Format.json:
        print_json(asdict(inspection))
    else:
        print_inspection(inspection)


def write_page(path: Path, inspection: Inspection, media: MediaSample | None) -> None:
    """Write an inspection as an HTML page, completely or not at all."""
    from tagging.inspection.page.html import html_page

    page = html_page(inspection.explanation, media, inspection.questions)
    with atomic_text_file(path) as file:
        file.write(page)


def print_inspection(inspection: Inspection) -> None:
    """Print an inspection as sections with tables."""
    from tagging.inspection.terminal import sections

    for section in sections(inspection):
        print_lines(["", section.title, *section.lines])
        if section.rows:
            print_table(section.rows)
