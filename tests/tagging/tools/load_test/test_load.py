"""The load generator: requests, counts, percentiles and slopes."""

import asyncio
from collections import Counter
from contextlib import nullcontext
from itertools import count, islice
from pathlib import Path

import grpc
import numpy as np
import pytest
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import InvalidManifestError
from tagging.progress import Silent
from tagging.tools.load_test import run
from tagging.tools.load_test.footprint import Footprint
from tagging.tools.load_test.load import FROM_STORE, Load, drive, median_interval, percentiles, requests
from tagging.tools.load_test.run import LoadTarget, MixedCallers, read_test_videos, run_mixed, run_soak, run_sweep
from tagging.tools.load_test.service_process import ServiceProcess
from tagging.tools.load_test.soak import Slope, slope, soak
from tagging.types import VideoRef

pytestmark = pytest.mark.anyio

VIDEOS = [VideoRef("a", None, "a dog"), VideoRef("b", "/clips/b.mp4", "", "a cat", "u")]


def test_requests_have_unique_ids_and_cycle_through_the_videos() -> None:
    drawn = list(islice(requests(VIDEOS), 5))
    assert len({request.video_id for request in drawn}) == 5
    assert [(request.title, request.description, request.uri, request.uploader_id) for request in drawn[:3]] == [
        ("a dog", "", "", ""), ("", "a cat", "/clips/b.mp4", "u"), ("a dog", "", "", "")
    ]  # fmt: skip
    assert not {request.video_id for request in drawn} & {request.video_id for request in islice(requests(VIDEOS), 5)}
    with pytest.raises(InvalidManifestError):
        next(requests([]))


async def test_callers_run_concurrently_and_every_outcome_is_counted() -> None:
    at_once, most, numbers = 0, 0, count()

    async def tag(request: pb.TagVideoRequest) -> pb.TagVideoResponse:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.001)
        at_once -= 1
        number = next(numbers)
        if number % 3 == 1:
            nothing = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, nothing, nothing)
        return pb.TagVideoResponse(from_store=number % 3 == 2)

    load = await drive(tag, requests(VIDEOS), 4, 0.2)
    sent = next(numbers)
    assert most == 4
    assert load.errors["RESOURCE_EXHAUSTED"] == len(range(1, sent, 3))
    assert load.errors[FROM_STORE] == len(range(2, sent, 3))
    assert len(load.ms) == sent - load.errors["RESOURCE_EXHAUSTED"]
    assert load.row()["errors"] == f"{load.errors['RESOURCE_EXHAUSTED']} RESOURCE_EXHAUSTED, " + (
        f"{load.errors[FROM_STORE]} {FROM_STORE}"
    )


def test_percentiles_are_those_of_the_sorted_times() -> None:
    times = list(range(101))
    assert percentiles([float(ms) for ms in reversed(times)]) == {"p50 ms": 50.0, "p95 ms": 95.0, "p99 ms": 99.0}
    assert percentiles([]) == {"p50 ms": None, "p95 ms": None, "p99 ms": None}
    assert Load(seconds=2.0, ms=[1.0] * 10).row()["calls/s"] == 5.0


def test_the_interval_of_the_median_has_its_nominal_coverage() -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(1000):
        low, high = median_interval(list(rng.exponential(size=60)))
        inside += low <= np.log(2) <= high
    assert 940 <= inside < 1000
    assert median_interval([1.0]) == (1.0, 1.0)


def test_the_slope_ignores_the_warm_up_and_its_margin_has_nominal_coverage() -> None:
    rng = np.random.default_rng(5)
    hours = np.linspace(0, 0.5, 17)[1:]
    warming = np.where(hours < 0.1, 5000 * hours, 500.0)
    for true in (0.0, 120.0):
        found = [slope(list(hours), list(800 + true * hours + warming + noise)) for noise in rng.normal(size=(500, 16))]
        assert np.mean([line.mib_h for line in found]) == pytest.approx(true, abs=0.5)
        assert 0.92 <= np.mean([abs(line.mib_h - true) <= line.margin for line in found]) < 0.98
    assert slope([0.0, 0.1], [1.0, 2.0]).verdict == slope([], []).verdict == "not known"
    exact = slope(list(hours), list(800 + 60 * hours))
    assert exact.mib_h == pytest.approx(60)
    assert exact.margin == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("leak_mib", "verdict"), [(0.0, "flat"), (1.0, "growing")])
async def test_a_soak_reads_memory_at_rest_and_counts_only_the_load(leak_mib: float, verdict: str) -> None:
    calls, working = 0, False

    async def drive_for(seconds: float) -> Load:
        nonlocal calls, working
        calls, working = calls + 10, True
        return Load(seconds, [1.0] * 10, Counter({"UNAVAILABLE": 1}))

    def footprint() -> Footprint:
        nonlocal working
        was_working, working = working, False  # the memory of running calls is free at the next reading
        return Footprint(800 + leak_mib * calls + 300 * was_working + 0.01 * (calls % 3), 20, 20, 1)

    [row] = await soak(drive_for, footprint, 1800.0, 0.0, Silent())
    assert (row["minutes"], row["memory"], row["calls/s"]) == (30.0, verdict, round(160 / 1800, 1))
    assert row["errors"] == "16 UNAVAILABLE"
    assert (row["MiB, last"], row["MiB, loaded"]) == (800 + 160 * leak_mib, 1100 + 160 * leak_mib)
    assert row["MiB an hour"] == pytest.approx(320 * leak_mib, abs=0.5)


def test_the_verdict_depends_on_the_interval_of_the_slope() -> None:
    verdicts = {(5.0, 10.0): "flat", (-50.0, 10.0): "flat", (60.0, 10.0): "growing", (15.0, 100.0): "not known"}
    assert {interval: Slope(*interval).verdict for interval in verdicts} == verdicts
    assert Slope(10.0, 5.0).verdict == "flat"  # it grows, but less than the tolerance


@pytest.mark.slow
def test_a_sweep_a_mix_and_a_soak_of_the_real_service_have_no_errors(
    service: ServiceProcess, tiny_starter: Path, unseen_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "WARM", 2)
    monkeypatch.setattr(run, "_started", lambda _: nullcontext(service))  # one start; test_hostile.py has it start
    videos = read_test_videos(unseen_corpus, 6, with_media=False)
    assert len(videos) == 6
    assert all(video.uri is None for video in videos)
    tables = run_sweep(LoadTarget(tiny_starter, videos, None), 0.05, 3, Silent())
    assert [row["callers"] for row in tables["TagVideo"]] == [1, 2, 4, 8, 16, 32, 64]
    assert {row["errors"] for row in tables["TagVideo"]} == {"none"}
    assert all(row["calls/s"] > 0 for row in tables["TagVideo"])
    assert [row["one at a time"] for row in tables["overhead"]] == [
        "TagVideo", "the pipeline in process", "difference, pair by pair"
    ]  # fmt: skip
    before, after = tables["held"]
    assert (before["processes"], before["MiB"] > 50) == (after["processes"], True)
    clips = read_test_videos(unseen_corpus, 2, with_media=True)
    assert all(video.uri is not None for video in clips)
    mixed = run_mixed(LoadTarget(tiny_starter, clips, None), videos, MixedCallers(2, 1), 0.05)["TagVideo"]
    assert [(row["calls"], row["callers"], row["errors"]) for row in mixed] == [
        ("titles alone", 2, "none"), ("titles next to clips", 2, "none"), ("clips", 1, "none")
    ]  # fmt: skip
    [row] = run_soak(LoadTarget(tiny_starter, clips, None), 0.03, Silent(), rest_s=0.0)["soak"]
    assert row["errors"] == "none"
    assert row["memory"] in ("flat", "growing", "not known")
