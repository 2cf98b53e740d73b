"""Towers of recall and of the ranker on a real Triton: the rows and tags of this process, over TLS and through crashes.

The text encoder of the bundle has no network, so all of its texts are read here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import trustme

from rank.contrastive import ContrastiveRanker, TagScorer
from tagging.errors import ArtifactMismatchError, BackendUnavailableError
from tagging.features.triton.client import TritonClient
from tagging.features.triton.endpoint import TritonTls
from tagging.media.read_ahead import Failure, ReadVideo, read_batches
from tagging.pipeline.load import load_tagger
from tagging.pipeline.models import encode
from tagging.pipeline.stages import untimed
from tagging.pipeline.tagger import Tagger
from tagging.pipeline.triton_towers import triton_models
from tagging.progress import Silent
from tagging.tools.benchmarks.triton import tower_rows
from tagging.triton.export import export_bundle
from tagging.types import MODALITIES, RankInput, VideoRef
from tests.support.build_once import build_once
from tests.support.cli import run
from tests.support.service import running, service_config
from tests.support.triton import MISSING, TritonServer, environment

pytestmark = [pytest.mark.triton, pytest.mark.skipif(environment() is None, reason=MISSING)]

MODELS = ["frames", "audio", "recall_video", "rank_video", "rank_tags"]
TITLES = ["kitten purr", "engine racing at night", "guitar chords for beginners, lesson 12", "≈≈≈", "x " * 400]


@dataclass(frozen=True)
class Certificates:
    server: Path
    key: Path
    client: TritonTls


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of a server on loopback and of a client, signed by one authority."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name, issued in (("server", authority.issue_cert("127.0.0.1")), ("client", authority.issue_cert("videotag"))):
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
    client = TritonTls(ca=folder / "ca.pem", certificate=folder / "client.pem", key=folder / "client.key")
    return Certificates(folder / "server.pem", folder / "server.key", client)


@pytest.fixture(scope="module")
def repository(built_once: Path, learnt_bundle: Path) -> Path:
    return (
        build_once(
            built_once,
            "triton-towers",
            lambda folder: export_bundle(learnt_bundle, folder / "models", Silent()),
        )
        / "models"
    )


@pytest.fixture(scope="module")
def server(repository: Path, certificates: Certificates) -> Iterator[TritonServer]:
    """A server that wants a certificate of its clients."""
    tls = {
        "grpc-use-ssl": "true", "grpc-use-ssl-mutual": "true", "grpc-server-cert": certificates.server,
        "grpc-server-key": certificates.key, "grpc-root-cert": certificates.client.ca,
    }  # fmt: skip
    server = TritonServer(repository, MODELS, [f"--{name}={value}" for name, value in tls.items()])
    yield server
    server.remove()


@pytest.fixture
def client(server: TritonServer, certificates: Certificates) -> Iterator[TritonClient]:
    with TritonClient(f"grpcs://127.0.0.1:{server.grpc}", certificates.client) as client:
        yield client


@pytest.fixture
def remote(client: TritonClient, learnt_bundle: Path) -> Iterator[Tagger]:
    with load_tagger(learnt_bundle, triton=client) as tagger:
        yield tagger


@pytest.fixture(scope="module")
def local(learnt_bundle: Path) -> Iterator[Tagger]:
    with load_tagger(learnt_bundle) as tagger:
        yield tagger


@pytest.fixture(scope="module")
def videos(unseen_corpus: Path) -> list[VideoRef]:
    rows = [json.loads(line) for line in unseen_corpus.read_text().splitlines()]
    clips = [VideoRef(row["video_id"], str(unseen_corpus.parent / row["uri"]), row["title"]) for row in rows]
    return [*clips, *(VideoRef(f"title-{n}", title=title) for n, title in enumerate(TITLES))]


def test_videos_get_the_same_tags_as_in_process(local: Tagger, remote: Tagger, videos: list[VideoRef]) -> None:
    assert sorted(model.spec.name for model in triton_models(remote.models)) == sorted(MODELS)
    selection = local.selection(50, min_confidence=0.0)
    for video, want, got in zip(
        videos, local.tag_many(videos, selection), remote.tag_many(videos, selection), strict=True
    ):
        assert not isinstance(want, Failure), video
        assert not isinstance(got, Failure), video
        assert [tag.name for tag in got.tags] == [tag.name for tag in want.tags]
        np.testing.assert_allclose(
            [tag.confidence for tag in got.tags], [tag.confidence for tag in want.tags], atol=1e-4
        )


def test_the_rows_of_each_tower_are_those_of_this_process(
    local: Tagger, remote: Tagger, videos: list[VideoRef]
) -> None:
    read = list(local_reads(local, videos)) * 9  # more than one request of the ranker takes
    embeddings = [video.embeddings for video in read]
    pairs = zip(*(tagger.models.recall_stage.queries(embeddings) for tagger in (remote, local)), strict=True)
    for got, want in pairs:
        assert (got.hidden is None) == (want.hidden is None)
        if want.hidden is not None:
            np.testing.assert_allclose(got.hidden, want.hidden, atol=1e-4)
            np.testing.assert_allclose(list(got.attention.values()), list(want.attention.values()), atol=1e-4)
    ours, theirs = scorer_of(remote), scorer_of(local)
    np.testing.assert_allclose(ours.video_vectors(read), theirs.video_vectors(read), atol=1e-4)
    names = ["purring engine", "", "猫"] * 99
    np.testing.assert_allclose(ours.encoder.encode_names(names), theirs.encoder.encode_names(names), atol=1e-4)


def local_reads(tagger: Tagger, videos: list[VideoRef]) -> Iterator[RankInput]:
    for batch in read_batches(videos, tagger.decoder, 512):
        read = [video for video in batch if isinstance(video, ReadVideo)]
        encoded = encode(tagger.models.encoders, read, untimed)
        candidates = tagger.models.recall_stage.recall([video.embeddings for video in encoded])
        for video, proposed in zip(encoded, candidates, strict=True):
            yield RankInput(video.video, video.features, video.embeddings, proposed)


def scorer_of(tagger: Tagger) -> TagScorer:
    assert isinstance(tagger.models.ranker, ContrastiveRanker)
    return tagger.models.ranker.scorer


def test_towers_that_died_are_reloaded_and_no_video_is_lost(
    server: TritonServer, client: TritonClient, remote: Tagger, videos: list[VideoRef]
) -> None:
    selection = remote.selection(50, min_confidence=0.0)
    want = [remote.tag(video, selection) for video in videos[-3:]]
    assert server.kill_models() == len(MODELS)
    assert [remote.tag(video, selection) for video in videos[-3:]] == want
    assert client.reloads == 2  # text alone asks recall_video and rank_video
    assert all(model.works() for model in triton_models(remote.models))
    assert client.reloads == len(MODELS)


def test_a_server_that_lacks_a_tower_is_refused_when_the_bundle_is_loaded(
    server: TritonServer, client: TritonClient, learnt_bundle: Path
) -> None:
    client._connection.server.unload_model("rank_tags")
    try:
        with pytest.raises((ArtifactMismatchError, BackendUnavailableError), match="rank_tags"):
            load_tagger(learnt_bundle, triton=client)
    finally:
        client._connection.server.load_model("rank_tags")


def test_batches_and_checks_are_run_over_mutual_tls(
    server: TritonServer, certificates: Certificates, learnt_bundle: Path, unseen_corpus: Path, tmp_path: Path
) -> None:
    tls, address = certificates.client, f"127.0.0.1:{server.grpc}"
    ca = ("--triton-ca", tls.ca)
    options = (*ca, "--triton-certificate", tls.certificate, "--triton-key", tls.key)
    batch = ("batch", unseen_corpus, "--bundle", learnt_bundle, "--out", tmp_path / "out", "--triton")
    result = run(*batch, f"grpcs://{address}", *options)
    assert result.returncode == 0, result.stderr
    checked = run("triton", "check", server.repository, address, *options, "--format", "json")
    assert [row["model"] for row in json.loads(checked.stdout)["checked"]] == MODELS
    for command in (("triton", "check", server.repository, address), (*batch, f"grpcs://{address}")):
        refused = run(*command, *ca)
        assert refused.returncode == 1
        assert "the TLS handshake fails" in refused.stderr


@pytest.mark.anyio
async def test_a_service_tags_over_mutual_tls_and_does_not_start_without_its_certificate(
    server: TritonServer, certificates: Certificates, local: Tagger, learnt_bundle: Path, tmp_path: Path
) -> None:
    config = service_config(tmp_path, learnt_bundle, tmp_path)
    address = f"grpcs://127.0.0.1:{server.grpc}"
    with_certificate = config.model_copy(update={"triton": address, "triton_tls": certificates.client})
    async with running(with_certificate) as client:
        response = await client.tag("video", TITLES[0])
    selection = local.selection(None)
    assert [tag.name for tag in response.tags] == [
        tag.name for tag in local.tag(VideoRef("video", title=TITLES[0]), selection).tags
    ]
    assert response.tags
    without = TritonTls(ca=certificates.client.ca)
    with pytest.raises(BackendUnavailableError, match="without a client certificate"):
        async with running(config.model_copy(update={"triton": address, "triton_tls": without})):
            pass


def test_modalities_of_the_bundle_have_networks(local: Tagger) -> None:
    """Otherwise this file tests less than it says."""
    assert set(local.models.encoders.present()) == set(MODALITIES)


def test_the_cost_of_the_towers_requests_is_measured(client: TritonClient, learnt_bundle: Path) -> None:
    (row,) = tower_rows(learnt_bundle, client, seconds=0.5, calls_at_once=2)
    assert row["work"] == "recall and rank, towers"
    assert row["Triton p50, ms"] > 0
    assert row["Triton videos/s"] > 0
