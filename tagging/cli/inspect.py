"""The `videotag inspect` command: why a tag was answered, and the stage at which another fell."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, print_json, print_lines, print_table
from tagging.cli.inspect_remotely import inspect_on, media_to_show
from tagging.cli.tag import video_reference
from tagging.errors import InvalidTagsError
from tagging.files.atomic import atomic_text_file, require_file
from tagging.manifests.values import is_unicode
from tagging.text.normalise import is_blank

if TYPE_CHECKING:
    from tagging.config.encoders import RuntimeName
    from tagging.inspection.explanation import Inspection
    from tagging.types import MediaSample, VideoRef


def command(
    video: Annotated[
        str | None,
        typer.Argument(
            help="Path or URL of the video, or, with --server, the id of a stored answer; omit it for text only."
        ),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="The video's title.")] = "",
    description: Annotated[str, typer.Option("--description", help="The video's description.")] = "",
    bundle: options.Bundle = None,
    why: Annotated[
        list[str] | None,
        typer.Option("--why", metavar="TAG", help="Ask why a tag was answered or not: any text; may be repeated."),
    ] = None,
    max_tags: options.MaxTags = None,
    precision: options.Precision = None,
    runtime: options.Runtime = None,
    output: options.Output = Format.table,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Also write a page for a browser, with all answered tags, and frames and sound of a local file.",
        ),
    ] = None,
    server: options.ServerAddress = None,
    token: options.Token = None,
    tls_ca: options.TlsCa = None,
) -> None:
    """Show why a video got its tags, and why not others.

    What was looked at, what each channel proposed, what moved each confidence, and where a tag fell. For a tag that is
    asked about with --why, its confidence is computed again without each modality, channel and similar labelled video.

    [bold]Examples[/bold]

    videotag inspect clip.mp4 --title "Sunset over the harbour" --why sunset --why boat

    videotag inspect clip.mp4 --html why.html

    videotag inspect clip-17 --server 127.0.0.1:50051 --why guitar
    """
    why = why or []
    _check_queries(why)
    if html is not None:
        require_file(html)
    media: MediaSample | None = None
    if server is None:
        reference = video_reference(video, title, description)
        inspection, media = _inspect_here(reference, bundle, runtime, max_tags, precision, why, html is not None)
    elif bundle is not None:
        raise typer.BadParameter("the service explains with the bundle that it has", param_hint="--bundle")
    elif runtime is not None:
        raise typer.BadParameter("the service explains with the runtime that it has", param_hint="--runtime")
    else:
        inspection = inspect_on(
            server, token, tls_ca, video, title, description, max_tags, precision, why, html is not None
        )
        media = media_to_show(video) if html is not None else None
    if html is not None:
        write_page(html, inspection, media)
        questions = tuple(question for question in inspection.questions if question.query in why)
        inspection = replace(inspection, questions=questions)
    if output is Format.json:
        print_json(asdict(inspection))
    else:
        print_inspection(inspection)


def _check_queries(why: Sequence[str]) -> None:
    if not is_unicode("".join(why)):
        raise InvalidTagsError("a tag of --why is not UTF-8 text")
    if any(map(is_blank, why)):
        raise InvalidTagsError("a tag of --why is empty", "give the name of a tag, or any other text")


def _inspect_here(
    video: "VideoRef",
    bundle: Path | None,
    runtime: "RuntimeName | None",
    max_tags: int | None,
    precision: float | None,
    why: Sequence[str],
    why_answered: bool,
) -> "tuple[Inspection, MediaSample | None]":
    """Return the inspection by a bundle, and the decoded media.

    why_answered: True: the answered tags are asked about, too
    """
    from tagging.inspection.inspect import inspect_answer, inspect_video
    from tagging.pipeline.load import load_tagger

    inspect = inspect_answer if why_answered else inspect_video
    with load_tagger(bundle or paths.default_bundle(), reads_media=video.uri is not None, runtime=runtime) as tagger:
        read = tagger.read(video)
        return inspect(tagger, read, tagger.selection(max_tags, precision), why), read.media


def write_page(path: Path, inspection: "Inspection", media: "MediaSample | None") -> None:
    """Write an inspection as an HTML page, completely or not at all."""
    from tagging.inspection.page.html import html_page

    page = html_page(inspection.explanation, media, inspection.questions)
    with atomic_text_file(path) as file:
        file.write(page)


def print_inspection(inspection: "Inspection") -> None:
    """Print an inspection as sections with tables."""
    from tagging.inspection.terminal import sections

    for section in sections(inspection):
        print_lines(["", section.title, *section.lines])
        if section.rows:
            print_table(section.rows)
