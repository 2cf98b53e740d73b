"""Hostile inputs against the real service, and the checks of its behaviour."""

import re
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from grpc import StatusCode
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import VideotagError
from tagging.progress import Silent
from tagging.tools.load_test import hostile, run
from tagging.tools.load_test.attacks import SERVICE, Attack, Attacks, build_escape_folder, raw_field
from tagging.tools.load_test.odd_texts import UNREADABLE
from tagging.tools.load_test.service_process import ServiceProcess, service_process
from tests.support.healthy_media import clips
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return clips(tmp_path_factory.mktemp("healthy"))


def drawn(seed: int, media: list[bytes], folder: Path, count: int) -> list[Attack]:
    return list(islice(Attacks(np.random.default_rng(seed), media, folder).draw(count), count))


def test_a_seed_draws_the_same_attacks_of_every_kind(media: list[bytes], tmp_path: Path) -> None:
    attacks = drawn(1, media, tmp_path, 1500)
    assert attacks == drawn(1, media, tmp_path, 1500)
    assert attacks != drawn(2, media, tmp_path, 1500)
    assert len(Counter(attack.kind for attack in attacks)) == 14
    proto = (REPOSITORY / "protos/videotag/v1/tagging.proto").read_text()
    calls = {f"/videotag.v1.TaggingService/{name}" for name in re.findall(r"^  rpc (\w+)\(", proto, re.MULTILINE)}
    assert {attack.method for attack in attacks if attack.kind == "noise"} == calls


def test_unreadable_bytes_are_not_valid_utf8() -> None:
    for data in UNREADABLE:
        with pytest.raises(UnicodeDecodeError):
            data.decode()


def test_a_raw_field_agrees_with_protobuf() -> None:
    for size in (0, 1, 127, 128, 20_000):
        want = pb.TagVideoRequest(video_id="v", title="x" * size)
        assert pb.TagVideoRequest.FromString(raw_field(1, b"v") + raw_field(4, b"x" * size)) == want


@pytest.mark.slow
def test_the_service_withstands_hundreds_of_hostile_inputs(tiny_starter: Path, media: list[bytes]) -> None:
    tables = run.run_hostile(run.LoadTarget(tiny_starter, (), None), 200, 11, media, Silent())
    assert sum(row["sent"] for row in tables["hostile inputs"]) == 200


@pytest.mark.slow
async def test_unexpected_statuses_and_growth_are_faults(
    service: ServiceProcess, media: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = frozenset({StatusCode.DATA_LOSS})
    wrong = Attack("noise", SERVICE + "GetBundle", (b"",), never)
    outcome = await hostile.attack_all(service, iter([wrong]), 1, Silent())
    assert ["noise" in fault and "OK" in fault for fault in outcome.faults] == [True]
    monkeypatch.setattr(hostile, "ALLOWED_GROWTH", {"processes": -1})
    monkeypatch.setattr(hostile, "SETTLE_S", 1.0)
    outcome = await hostile.attack_all(service, iter(()), 0, Silent())
    assert [fault.startswith("processes: ") for fault in outcome.faults] == [True]
    with pytest.raises(VideotagError, match="failed under hostile input: processes"):
        run.checked_tables(outcome)


@pytest.mark.slow
async def test_a_dead_service_is_a_fault(
    tiny_starter: Path, media: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "SETTLE_S", 0.1)
    with service_process(tiny_starter, tmp_path, f"sqlite:///{tmp_path}/service.db") as service:
        service.kill()
        outcome = await hostile.attack_all(
            service, iter(drawn(1, media, build_escape_folder(tmp_path, media[0]), 20)), 20, Silent()
        )
    assert any("the service is dead" in fault for fault in outcome.faults)
