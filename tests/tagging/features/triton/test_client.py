"""The Triton client against a real server with a small model in NumPy, whose rows are computed plainly here, too."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging import concurrency
from tagging.errors import ArtifactMismatchError, BackendUnavailableError, DeadlineExceededError, VideotagError
from tagging.features.networks.contract import text_model
from tagging.features.networks.encoders import padded
from tagging.features.triton.client import TritonClient
from tagging.features.triton.model import TritonModel
from tests.support.polling import wait_until
from tests.support.triton import MISSING, TritonServer, environment

pytestmark = [pytest.mark.triton, pytest.mark.skipif(environment() is None, reason=MISSING)]

DIM = 8
SLOW = 1_000_000  # an id that makes the model wait until the request is cancelled
MODEL = f"""
import pathlib
import time
import numpy as np
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        return [pb.InferenceResponse([pb.Tensor("row", self.rows(request))]) for request in requests]

    def rows(self, request):
        ids, mask = (pb.get_input_tensor_by_name(request, name).as_numpy() for name in ("ids", "mask"))
        until_s = time.monotonic() + 20
        while ids.max() == {SLOW} and time.monotonic() < until_s:
            if request.is_cancelled():
                pathlib.Path(__file__).with_name("cancelled").touch()
                break
            time.sleep(0.01)
        rows = (np.sin(ids[..., None] * np.arange(1, {DIM} + 1)) * mask[..., None]).sum(axis=1)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
"""
CONFIG = f"""
name: "text"
backend: "python"
max_batch_size: 64
input [{{ name: "ids" data_type: TYPE_INT32 dims: [-1] }}, {{ name: "mask" data_type: TYPE_BOOL dims: [-1] }}]
output [{{ name: "row" data_type: TYPE_FP32 dims: [{DIM}] }}]
instance_group [{{ kind: KIND_CPU count: 1 }}]
version_policy {{ specific {{ versions: [3] }} }}
parameters {{ key: "fingerprint.3" value {{ string_value: "sines" }} }}
parameters {{ key: "fingerprint.2" value {{ string_value: "unloaded" }} }}
"""


def plain(tokens: Sequence[int]) -> NDArray[np.float64]:
    row = np.array([sum(np.sin(number * (k + 1)) for number in tokens) for k in range(DIM)])
    return np.asarray(row / np.sqrt((row * row).sum()))


TOKENS = [[4, 9, 2], [17], list(range(1, 40))]
WANT = np.stack([plain(tokens) for tokens in TOKENS])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    folder = tmp_path_factory.mktemp("models") / "text"
    (folder / "3").mkdir(parents=True)
    (folder / "3" / "model.py").write_text(MODEL)
    (folder / "config.pbtxt").write_text(CONFIG)
    server = TritonServer(folder.parent, ["text"])
    yield server
    server.remove()


@pytest.fixture
def client(server: TritonServer) -> Iterator[TritonClient]:
    with TritonClient(server.url) as client:
        yield client


@pytest.fixture
def model(client: TritonClient) -> TritonModel:
    return TritonModel.find(client, text_model(DIM), "sines")


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    concurrency.set_deadline(seconds)
    try:
        yield
    finally:
        concurrency.set_deadline(None)


@contextmanager
def load(model: TritonModel) -> Iterator[list[VideotagError | None]]:
    """Send requests from four threads while the context lasts; yields what became of each."""
    results: list[VideotagError | None] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            try:
                np.testing.assert_allclose(model.rows(padded(TOKENS)), WANT, atol=1e-6)
                results.append(None)
            except VideotagError as error:
                results.append(error)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield results
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_rows_equal_a_plain_computation_whatever_their_number(model: TritonModel) -> None:
    assert model.version == "3"
    np.testing.assert_allclose(model.rows(padded(TOKENS)), WANT, atol=1e-6)
    many = model.rows(padded(TOKENS * 50))  # more than one request takes
    np.testing.assert_allclose(many, np.tile(WANT, (50, 1)), atol=1e-6)


def test_a_version_that_is_unknown_or_not_loaded_is_refused(client: TritonClient) -> None:
    with pytest.raises(ArtifactMismatchError, match="no version of text has the fingerprint other"):
        TritonModel.find(client, text_model(DIM), "other")
    with pytest.raises(ArtifactMismatchError, match="version 2"):
        TritonModel.find(client, text_model(DIM), "unloaded")
    with pytest.raises(ArtifactMismatchError, match="frames"):
        client.model_config("frames")


def test_rows_of_another_width_and_inputs_of_another_type_are_refused(model: TritonModel) -> None:
    with pytest.raises(ArtifactMismatchError, match=r"returned \(3, 8\), expected \(3, 16\)"):
        replace(model, spec=text_model(16)).rows(padded(TOKENS))
    with pytest.raises(ArtifactMismatchError, match="INT64"):
        model.rows({**padded(TOKENS), "ids": np.ones((3, 16), np.int64)})


def test_a_deadline_ends_the_call_here_and_in_the_model(server: TritonServer, model: TritonModel) -> None:
    mark = server.repository / "text" / "3" / "cancelled"
    with deadline(0.3), pytest.raises(DeadlineExceededError):
        model.rows(padded([[SLOW]]))
    wait_until(mark.exists)
    mark.unlink()
    assert not model.client.availability.failing
    np.testing.assert_allclose(model.rows(padded(TOKENS)), WANT, atol=1e-6)


def test_cancelled_work_ends_here_and_in_the_model(server: TritonServer, model: TritonModel) -> None:
    mark = server.repository / "text" / "3" / "cancelled"
    cancellation = concurrency.Cancellation()
    concurrency.set_cancellation(cancellation)
    try:
        threading.Timer(0.3, cancellation.cancel).start()
        with pytest.raises(CancelledError):
            model.rows(padded([[SLOW]]))
        wait_until(mark.exists)
        mark.unlink()
        with pytest.raises(CancelledError):  # what begins later is cancelled at once
            model.rows(padded([[SLOW]]))
    finally:
        concurrency.set_cancellation(None)


def test_a_model_whose_process_died_is_reloaded_and_the_call_succeeds(server: TritonServer, model: TritonModel) -> None:
    seen: list[frozenset[str]] = []
    model.client.availability.listener = seen.append
    assert server.kill_models() == 1
    np.testing.assert_allclose(model.rows(padded(TOKENS)), WANT, atol=1e-6)
    assert model.client.reloads == 1
    assert seen == [{"text"}, frozenset()]


def test_no_call_is_lost_when_a_model_dies_or_the_server_restarts_under_load(
    server: TritonServer, model: TritonModel
) -> None:
    with load(model) as results:
        wait_until(lambda: len(results) > 20)
        server.kill_models()
        wait_until(lambda: model.client.reloads == 1)
        reloaded = len(results)
        wait_until(lambda: len(results) > reloaded + 20)
        server.stop()
        server.start()
        restarted = len(results)
        wait_until(lambda: len(results) > restarted + 20)
    assert set(results) == {None}


def test_a_server_that_is_away_costs_no_more_than_the_deadline(server: TritonServer, model: TritonModel) -> None:
    server.stop()
    try:
        with deadline(0.5), pytest.raises((DeadlineExceededError, BackendUnavailableError)):
            model.rows(padded(TOKENS))
        assert model.client.availability.failing == {"text"}
    finally:
        server.start()
    assert model.works()
    assert not model.client.availability.failing
