"""Exported models on a real Triton, with the CPU configurations: parity with in-process, batching, versions, errors."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from tagging.bundle.manifest import BUNDLE
from tagging.config.media import MediaConfig
from tagging.errors import ArtifactMismatchError, BackendUnavailableError
from tagging.features.encode import encode_videos
from tagging.features.factory import Encoders, load_encoders
from tagging.features.triton.client import Request, TritonClient
from tagging.features.triton.endpoint import Endpoint
from tagging.media.decode import decode
from tagging.media.read_ahead import ReadVideo
from tagging.triton.check import check_server
from tagging.triton.repository import read_samples, write_samples
from tagging.types import MODALITIES, VideoRef
from tests.support.cli import run
from tests.support.paths import REPOSITORY, SHARED
from tests.support.polling import wait_until
from tests.support.triton import MISSING, TritonServer, counters, environment

pytestmark = [pytest.mark.triton, pytest.mark.skipif(environment() is None, reason=MISSING)]

TITLES = ("cats and dogs", "собака 猫", "t")
CLIPS = 3


@pytest.fixture(scope="module")
def server(repositories: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A server of the first bundle's repository."""
    repository = tmp_path_factory.mktemp("served") / "models"
    shutil.copytree(repositories[0], repository)
    server = TritonServer(repository, ["text", "frames", "audio"])
    yield server
    server.remove()


@pytest.fixture
def client(server: TritonServer) -> Iterator[TritonClient]:
    with TritonClient(server.url) as client:
        yield client


def in_process(bundle: Path) -> Encoders:
    return load_encoders(BUNDLE.read(bundle).config.encoders)


def on_triton(bundle: Path, client: TritonClient) -> Encoders:
    return load_encoders(BUNDLE.read(bundle).config.encoders, client)


@pytest.fixture(scope="module")
def videos(request: pytest.FixtureRequest) -> list[ReadVideo]:
    """Real clips where they are at hand, else drawn ones."""
    if (SHARED / "data" / "clips").is_dir():
        paths = sorted((SHARED / "data" / "clips").glob("*.mp4"))[:CLIPS]
    else:
        paths = sorted(request.getfixturevalue("unseen_corpus").parent.rglob("*.mp4"))[:CLIPS]
    assert len(paths) == CLIPS
    return [
        ReadVideo(VideoRef(video_id=path.name, uri=str(path), title=title), decode(path, MediaConfig()))
        for path, title in zip(paths, TITLES, strict=True)
    ]


def test_features_of_videos_equal_those_of_this_process(
    client: TritonClient, bundles: tuple[Path, Path], videos: list[ReadVideo]
) -> None:
    got, want = (
        encode_videos(encoders, videos) for encoders in (on_triton(bundles[0], client), in_process(bundles[0]))
    )
    for ours, theirs in zip(got, want, strict=True):
        for modality in MODALITIES:
            rows, plain = getattr(ours, modality), getattr(theirs, modality)
            assert rows is not None
            np.testing.assert_allclose(rows, plain, atol=1e-4)


def test_requests_that_wait_are_batched(server: TritonServer, client: TritonClient) -> None:
    before = counters(server, "frames")
    pictures = np.zeros((16, 112, 112, 3), np.uint8)  # their run takes far longer than the other requests' arrival
    rows = client.infer([Request("frames", "1", {"pixels": pictures}, ("tokens",))] * 12)
    assert [len(np.asarray(each["tokens"])) for each in rows] == [16] * 12
    wait_until(lambda: counters(server, "frames")[0] >= before[0] + 192)  # rows; the last are counted after the answer
    assert counters(server, "frames")[0] == before[0] + 192
    assert counters(server, "frames")[1] < before[1] + 12


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (np.zeros((1, 96, 32), np.float32), r"unexpected shape for input 'examples'"),
        (np.zeros((1, 96, 64), np.uint8), r"data-type is 'UINT8'"),
        (np.zeros((257, 96, 64), np.float32), r"batch-size must be <= 256"),
    ],
)
def test_tensors_outside_the_contract_are_refused(client: TritonClient, examples: NDArray[Any], message: str) -> None:
    with pytest.raises(ArtifactMismatchError, match=message):
        client.infer([Request("audio", "1", {"examples": examples}, ("tokens",))])


@pytest.mark.parametrize(("name", "version"), [("pictures", "1"), ("audio", "7")])
def test_an_unknown_model_or_version_is_reported(client: TritonClient, name: str, version: str) -> None:
    with pytest.raises((ArtifactMismatchError, BackendUnavailableError), match=f"{name}.*{version}"):
        client.infer([Request(name, version, {"examples": np.zeros((1, 96, 64), np.float32)}, ("tokens",))])


def test_a_check_runs_every_model_and_version(server: TritonServer) -> None:
    result = run("triton", "check", server.repository, f"127.0.0.1:{server.grpc}", "--format", "json")
    checked = json.loads(result.stdout)["checked"]
    assert [(row["model"], row["version"]) for row in checked] == [("text", 1), ("frames", 1), ("audio", 1)]
    assert all(row["largest_difference"] <= 1e-4 and row["latency_ms"] > 0 for row in checked)


def test_a_check_refuses_a_server_that_computes_something_else(server: TritonServer, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    shutil.copytree(server.repository, repository)
    path = repository / "audio" / "1" / "samples.npz"
    inputs, outputs = read_samples(path)
    write_samples(path, inputs, {"tokens": outputs["tokens"] + 0.01})
    with pytest.raises(ArtifactMismatchError, match=r"audio by Triton at .*: tokens differs by 0\.01"):
        check_server(repository, Endpoint.of(server.url))


def test_a_check_of_a_server_that_is_away_says_so(server: TritonServer) -> None:
    with pytest.raises(BackendUnavailableError, match=r"Triton at 127\.0\.0\.1:1"):
        check_server(server.repository, Endpoint.of("grpc://127.0.0.1:1"))


def test_a_model_that_cannot_be_loaded_does_not_stop_the_others(
    repositories: tuple[Path, Path], tmp_path: Path
) -> None:
    repository = tmp_path / "models"
    shutil.copytree(repositories[0], repository)
    (repository / "audio" / "1" / "model.py").write_text("import missing_package\n")
    compose = yaml.safe_load((REPOSITORY / "deploy" / "compose" / "compose.triton.yaml").read_text(encoding="utf-8"))
    options = [option for option in compose["services"]["triton"]["command"] if option.startswith("--exit-on-error")]
    server = TritonServer(repository, ["*"], options)
    try:
        with TritonClient(server.url) as client:
            assert client.model_config("text")["name"] == "text"
            with pytest.raises(ArtifactMismatchError, match="'audio' has no available versions"):
                client.model_config("audio")
    finally:
        server.remove()


def test_a_second_bundle_is_served_beside_the_first(
    server: TritonServer, client: TritonClient, bundles: tuple[Path, Path], repositories: tuple[Path, Path]
) -> None:
    first = on_triton(bundles[0], client)
    with pytest.raises(ArtifactMismatchError, match="no version of text has the fingerprint"):
        on_triton(bundles[1], client)

    shutil.copytree(repositories[1], server.repository, dirs_exist_ok=True)
    assert [row.version for row in check_server(server.repository, Endpoint.of(server.url))] == [1, 2, 1, 1]

    second = on_triton(bundles[1], client)
    for encoders, bundle in ((second, bundles[1]), (first, bundles[0]), (on_triton(bundles[0], client), bundles[0])):
        np.testing.assert_allclose(text_rows(encoders), text_rows(in_process(bundle)), atol=1e-4)
    assert np.abs(text_rows(first) - text_rows(second)).max() > 0.01


def text_rows(encoders: Encoders) -> NDArray[np.float32]:
    assert encoders.text is not None
    return encoders.text.encode(TITLES)
