"""A service of its own is started, asked and stopped: the tables of the sweep, of the soak, and of hostile inputs."""

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
from tagging.manifest import read_videos
from tagging.pipeline.load import load_tagger
from tagging.pipeline.tagger import Tagger
from tagging.progress import Progress
from tagging.service.clients.tokens import token_sha256
from tagging.tools.load_test.attacks import MEDIA_BYTES, MESSAGE_BYTES, TOKEN, Attacks, build_place
from tagging.tools.load_test.hostile import Outcome, attack_all
from tagging.tools.load_test.load import Load, Row, drive, overhead, requests
from tagging.tools.load_test.process import Footprint, ServiceProcess, service_process
from tagging.tools.load_test.soak import REST_S, soak
from tagging.types import VideoRef

CONCURRENCY = (1, 2, 4, 8, 16, 32)
WARM = 20  # calls
SOAK_CONCURRENCY = 4
# Of the service that is attacked, as of any that others can reach.
CLIENTS = f'''[clients.hostile]
roles = ["tag", "label", "edit", "admin"]
tokens_sha256 = ["{token_sha256(TOKEN)}"]
'''

Tables = dict[str, list[Row]]


@dataclass(frozen=True, slots=True)
class LoadTarget:
    bundle: Path
    videos: Sequence[VideoRef]  # a uri is an absolute path
    database: str | None  # a URL; None: a file of SQLite that is gone afterwards


def videos_of(manifest: Path, most: int, with_media: bool) -> list[VideoRef]:
    """The first videos of a manifest, with what files they have, or the texts of those that have some.

    Raises InvalidManifestError.
    """
    chosen = []
    for video in islice(read_videos(manifest.resolve(), {}), most):
        if isinstance(video, InvalidManifestError):
            raise video
        has_file = with_media and video.uri is not None and video.uri.startswith("/")
        chosen.append(video if has_file else replace(video, uri=None))
    return [video for video in chosen if video.uri or video.title or video.description]


def media_of(videos: Sequence[VideoRef]) -> list[bytes]:
    """Files that are small enough to be sent as they are; raises InvalidManifestError where there are none."""
    files = [Path(video.uri) for video in videos if video.uri is not None]
    media = [file.read_bytes() for file in files if file.is_file() and file.stat().st_size <= MEDIA_BYTES]
    if not media:
        raise InvalidManifestError(
            f"no media of at most {MEDIA_BYTES} bytes to damage", "name a manifest of videos with small files"
        )
    return media


def sweep(asked: LoadTarget, seconds: float, pairs: int, progress: Progress) -> Tables:
    """Overhead over the pipeline, then more and more callers, each for some seconds; memory before and after."""
    with _started(asked) as service, load_tagger(asked.bundle) as tagger:
        return asyncio.run(_sweep(asked, service, tagger, seconds, pairs, progress))


def soaked(asked: LoadTarget, minutes: float, progress: Progress, rest_s: float = REST_S) -> Tables:
    """So many minutes of load, and rests of so many seconds between."""
    with _started(asked) as service:
        return asyncio.run(_soaked(asked, service, minutes, rest_s, progress))


def attacked(asked: LoadTarget, count: int, seed: int, media: Sequence[bytes], progress: Progress) -> Tables:
    """Hostile inputs, and what they left behind. Raises VideotagError where the service did not stand them.

    media: healthy files to damage
    """
    with tempfile.TemporaryDirectory(prefix="videotag-") as name:
        place = build_place(Path(name), media[0])
        clients = Path(name) / "clients.toml"
        clients.write_text(CLIENTS, encoding="utf-8")
        listen = {"message_bytes": MESSAGE_BYTES, "clients": str(clients)}
        with _started(asked, listen, [str(place / "allowed")]) as service:
            attacks = Attacks(np.random.default_rng(seed), media, place)
            outcome = asyncio.run(attack_all(service, attacks.draw(count), count, progress))
    return judged(outcome)


def judged(outcome: Outcome) -> Tables:
    """The tables; raises VideotagError with what is wrong."""
    if outcome.faults:
        raise VideotagError(f"the service did not stand it: {'; '.join(outcome.faults)}")
    return {"hostile inputs": outcome.rows, "held": outcome.held}


async def _sweep(
    asked: LoadTarget, service: ServiceProcess, tagger: Tagger, seconds: float, pairs: int, progress: Progress
) -> Tables:
    coming, rows = requests(asked.videos), list[Row]()
    async with grpc.aio.insecure_channel(service.address) as channel:
        tag = rpc.TaggingServiceStub(channel).TagVideo
        compared = await overhead(tag, tagger, coming, pairs, WARM)
        before = service.footprint()
        with progress.track("callers", len(CONCURRENCY)) as advance:
            for concurrency in CONCURRENCY:
                load = await drive(tag, coming, concurrency, seconds)
                rows.append({"callers": concurrency, **load.row()})
                advance(1)
        held = [_held("before", before), _held("after", service.footprint())]
    return {"overhead": compared, "TagVideo": rows, "held": held}


async def _soaked(
    asked: LoadTarget, service: ServiceProcess, minutes: float, rest_s: float, progress: Progress
) -> Tables:
    async with grpc.aio.insecure_channel(service.address) as channel:
        tag = rpc.TaggingServiceStub(channel).TagVideo
        coming = requests(asked.videos)
        for _ in range(WARM):
            await tag(next(coming))
        before = service.footprint()

        def drive_for(seconds: float) -> Coroutine[Any, Any, Load]:
            return drive(tag, coming, SOAK_CONCURRENCY, seconds)

        rows = await soak(drive_for, service.footprint, 60 * minutes, rest_s, progress)
        return {"soak": rows, "held": [_held("before", before), _held("after", service.footprint())]}


@contextmanager
def _started(
    asked: LoadTarget, listen: Mapping[str, object] | None = None, folders: Sequence[str] = ()
) -> Iterator[ServiceProcess]:
    with tempfile.TemporaryDirectory(prefix="videotag-") as name:
        folder = Path(name)
        allowed = {str(Path(video.uri).parent) for video in asked.videos if video.uri is not None} | set(folders)
        database = asked.database or f"sqlite:///{folder}/service.db"
        with service_process(asked.bundle.resolve(), folder, database, listen, sorted(allowed)) as service:
            yield service


def _held(when: str, footprint: Footprint) -> Row:
    return {
        "": when,
        "MiB": round(footprint.resident_mib),
        "descriptors": footprint.descriptors,
        "threads": footprint.threads,
        "processes": footprint.processes,
    }
