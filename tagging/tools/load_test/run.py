"""Load test runs: start a service, drive it, stop it, and return the tables of the sweep, mix, soak or attack."""

import asyncio
import tempfile
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.errors import InvalidManifestError, VideotagError
from tagging.manifests.read import read_videos
from tagging.pipeline.load import load_tagger
from tagging.pipeline.tagger import Tagger
from tagging.progress import Progress
from tagging.service.clients.tokens import token_sha256
from tagging.tools.load_test.attacks import MEDIA_BYTES, MESSAGE_BYTES, TOKEN, Attacks, build_escape_folder
from tagging.tools.load_test.hostile import Outcome, attack_all
from tagging.tools.load_test.load import Load, Row, drive, overhead, requests
from tagging.tools.load_test.service_process import ServiceProcess, service_process
from tagging.tools.load_test.soak import REST_S, soak
from tagging.types import VideoRef

CONCURRENCY = (1, 2, 4, 8, 16, 32, 64)
WARM = 20  # calls
SOAK_CONCURRENCY = 4
# The attacked service authenticates its clients, like any service that is reachable from other machines.
CLIENTS = f'''[clients.hostile]
roles = ["tag", "label", "edit", "admin"]
tokens_sha256 = ["{token_sha256(TOKEN)}"]
'''

Tables = dict[str, list[Row]]


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """The bundle to serve and the videos to send."""

    bundle: Path
    videos: Sequence[VideoRef]  # a uri is an absolute path
    database: str | None  # a URL; None: a temporary SQLite file


@dataclass(frozen=True, slots=True)
class MixedCallers:
    """Numbers of concurrent callers."""

    titles: int
    clips: int


def read_test_videos(manifest: Path, most: int, with_media: bool) -> list[VideoRef]:
    """Read the first videos of a manifest, with their files, or only the texts of those that have any.

    Raises InvalidManifestError for a row that is not a video.
    """
    chosen = []
    for video in islice(read_videos(manifest.resolve(), {}), most):
        if isinstance(video, InvalidManifestError):
            raise video
        has_file = with_media and video.uri is not None and video.uri.startswith("/")
        chosen.append(video if has_file else replace(video, uri=None))
    return [video for video in chosen if video.uri or video.title or video.description]


def read_media(videos: Sequence[VideoRef]) -> list[bytes]:
    """Read the files that are small enough to send in a request; raise InvalidManifestError if there are none."""
    files = [Path(video.uri) for video in videos if video.uri is not None]
    media = [file.read_bytes() for file in files if file.is_file() and file.stat().st_size <= MEDIA_BYTES]
    if not media:
        raise InvalidManifestError(
            f"no media of at most {MEDIA_BYTES} bytes to damage", "name a manifest of videos with small files"
        )
    return media


def run_sweep(target: LoadTarget, seconds: float, pairs: int, progress: Progress) -> Tables:
    """Measure the overhead over the pipeline, then load with a rising number of callers, and memory before and after.

    seconds: duration for each number of callers; pairs: calls and in-process runs that are compared
    """
    with _started(target) as service, load_tagger(target.bundle) as tagger:
        return asyncio.run(_sweep(target, service, tagger, seconds, pairs, progress))


def run_mixed(target: LoadTarget, titles: Sequence[VideoRef], callers: MixedCallers, seconds: float) -> Tables:
    """Measure titles alone, then next to callers of the target's videos, for `seconds` each."""
    with _started(target) as service:
        return asyncio.run(_mixed(target, titles, service, callers, seconds))


def run_soak(target: LoadTarget, minutes: float, progress: Progress, rest_s: float = REST_S) -> Tables:
    """Measure memory over `minutes` of load, with rests of `rest_s` seconds in between."""
    with _started(target) as service:
        return asyncio.run(_soak(target, service, minutes, rest_s, progress))


def run_hostile(target: LoadTarget, count: int, seed: int, media: Sequence[bytes], progress: Progress) -> Tables:
    """Send hostile inputs; return their outcomes and the resources held. Raises VideotagError if the service fails.

    media: valid files to damage
    """
    with tempfile.TemporaryDirectory(prefix="videotag-") as name:
        escape_folder = build_escape_folder(Path(name), media[0])
        clients = Path(name) / "clients.toml"
        clients.write_text(CLIENTS, encoding="utf-8")
        listen = {"message_bytes": MESSAGE_BYTES, "clients": str(clients)}
        with _started(target, listen, [str(escape_folder / "allowed")]) as service:
            attacks = Attacks(np.random.default_rng(seed), media, escape_folder)
            outcome = asyncio.run(attack_all(service, attacks.draw(count), count, progress))
    return checked_tables(outcome)


def checked_tables(outcome: Outcome) -> Tables:
    """Return the tables of the attack; raise VideotagError with its faults if there are any."""
    if outcome.faults:
        raise VideotagError(f"the service failed under hostile input: {'; '.join(outcome.faults)}")
    return {"hostile inputs": outcome.rows, "held": outcome.held}


async def _sweep(
    target: LoadTarget, service: ServiceProcess, tagger: Tagger, seconds: float, pairs: int, progress: Progress
) -> Tables:
    request_stream, rows = requests(target.videos), list[Row]()
    async with grpc.aio.insecure_channel(service.address) as channel:
        tag = rpc.TaggingServiceStub(channel).TagVideo
        compared = await overhead(tag, tagger, request_stream, pairs, WARM)
        before = service.footprint()
        with progress.track("callers", len(CONCURRENCY)) as advance:
            for concurrency in CONCURRENCY:
                load = await drive(tag, request_stream, concurrency, seconds)
                rows.append({"callers": concurrency, **load.row()})
                advance(1)
        held = [before.row("before"), service.footprint().row("after")]
    return {"overhead": compared, "TagVideo": rows, "held": held}


async def _mixed(
    target: LoadTarget, titles: Sequence[VideoRef], service: ServiceProcess, callers: MixedCallers, seconds: float
) -> Tables:
    async with grpc.aio.insecure_channel(service.address) as channel:
        tag = rpc.TaggingServiceStub(channel).TagVideo
        title_stream, clip_stream = requests(titles), requests(target.videos)
        for _ in range(WARM):
            await tag(next(title_stream))
        await tag(next(clip_stream))
        alone = await drive(tag, title_stream, callers.titles, seconds)
        beside, clips = await asyncio.gather(
            drive(tag, title_stream, callers.titles, seconds), drive(tag, clip_stream, callers.clips, seconds)
        )
    return {
        "TagVideo": [
            {"calls": "titles alone", "callers": callers.titles, **alone.row()},
            {"calls": "titles next to clips", "callers": callers.titles, **beside.row()},
            {"calls": "clips", "callers": callers.clips, **clips.row()},
        ]
    }


async def _soak(
    target: LoadTarget, service: ServiceProcess, minutes: float, rest_s: float, progress: Progress
) -> Tables:
    async with grpc.aio.insecure_channel(service.address) as channel:
        tag = rpc.TaggingServiceStub(channel).TagVideo
        request_stream = requests(target.videos)
        for _ in range(WARM):
            await tag(next(request_stream))
        before = service.footprint()

        def drive_for(seconds: float) -> Coroutine[Any, Any, Load]:
            return drive(tag, request_stream, SOAK_CONCURRENCY, seconds)

        rows = await soak(drive_for, service.footprint, 60 * minutes, rest_s, progress)
        return {"soak": rows, "held": [before.row("before"), service.footprint().row("after")]}


@contextmanager
def _started(
    target: LoadTarget, listen: Mapping[str, object] | None = None, folders: Sequence[str] = ()
) -> Iterator[ServiceProcess]:
    with tempfile.TemporaryDirectory(prefix="videotag-") as name:
        folder = Path(name)
        allowed = {str(Path(video.uri).parent) for video in target.videos if video.uri is not None} | set(folders)
        database = target.database or f"sqlite:///{folder}/service.db"
        with service_process(target.bundle.resolve(), folder, database, listen, sorted(allowed)) as service:
            yield service
