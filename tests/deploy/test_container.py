"""The image that `make image` builds: read-only, as an ordinary user, without network, it tags, serves and drains."""

import json
from pathlib import Path

import grpc
import pyarrow.parquet as pq
import pytest
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.pipeline.load import load_tagger
from tagging.types import VideoRef
from tests.support.containers import Engine, engine, shared_folder
from tests.support.media_files import Film, make
from tests.support.polling import wait_until

pytestmark = [pytest.mark.container, pytest.mark.slow]
TITLE = "My golden retriever puppy learns to swim"
LOADING = """
import ctypes, pathlib, sysconfig
from pyarrow.fs import AzureFileSystem, GcsFileSystem, S3FileSystem
for library in sorted(pathlib.Path(sysconfig.get_path("purelib")).rglob("*.so*")):
    if not library.parent.name.endswith(".libs"):  # loaded by those that are linked to them
        ctypes.CDLL(str(library))
"""
PROBE = ("python", "/opt/videotag/health.py", "unix:/shared/socket")


@pytest.fixture(scope="module")
def image() -> Engine:
    return engine()


@pytest.fixture(scope="module")
def in_process() -> list[tuple[str, float]]:
    """Tags of the title, and their confidences, as this environment computes them."""
    with load_tagger() as tagger:
        answer = tagger.tag(VideoRef("1", title=TITLE), tagger.selection(None))
    return [(tag.name, tag.confidence) for tag in answer.tags]


def test_the_image_is_small_and_its_user_ordinary(image: Engine) -> None:
    (described,) = json.loads(image.call("image", "inspect", image.image).stdout)
    assert described["Size"] < 1.5e9
    assert described["Config"]["User"] == "10001:10001"


def test_every_library_still_loads_and_buckets_can_be_read(image: Engine) -> None:
    done = image.run_python(LOADING)
    assert done.returncode == 0, done.stderr


def test_a_title_gets_the_tags_of_an_installed_videotag(image: Engine, in_process: list[tuple[str, float]]) -> None:
    done = image.run("tag", "--title", TITLE, "--format", "json")
    assert done.returncode == 0, done.stderr
    tags = json.loads(done.stdout)["tags"]
    assert in_process
    assert [tag["name"] for tag in tags] == [name for name, _ in in_process]
    assert [tag["confidence"] for tag in tags] == pytest.approx([value for _, value in in_process], abs=1e-3)


def test_a_batch_reads_frames_and_sound(image: Engine, tmp_path: Path) -> None:
    folder = shared_folder(tmp_path / "data")
    make(folder / "clip.mp4", Film(frames=20, tone_s=2.0))
    rows = [{"video_id": "clip", "uri": "clip.mp4"}, {"video_id": "title", "title": TITLE}]
    (folder / "videos.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = image.run("batch", "/shared/videos.jsonl", "--out", "/shared/tagged", mounts=[f"{folder}:/shared:rw"])
    assert done.returncode == 0, done.stderr
    table = pq.read_table(folder / "tagged" / "tagged").to_pylist()
    assert {row["video_id"]: set(row["modalities"]) for row in table} == {
        "clip": {"frames", "audio"},
        "title": {"text"},
    }


def test_a_service_answers_and_ends_within_its_grace_period(
    image: Engine, in_process: list[tuple[str, float]], tmp_path: Path
) -> None:
    folder = shared_folder(tmp_path / "shared")
    command = ("serve", "--listen", "unix:/shared/socket")
    data = f"{shared_folder(tmp_path / 'data')}:/data:rw"
    with image.running(*command, mounts=[f"{folder}:/shared:rw", data]) as name:
        wait_until(lambda: image.call("exec", name, *PROBE).returncode == 0, timeout_s=600, interval_s=2.0)
        assert image.call("exec", name, "id", "-u").stdout == "10001\n"
        assert image.call("exec", name, "touch", "/opt/x").returncode != 0
        with grpc.insecure_channel(f"unix:{folder}/socket") as channel:
            stub = rpc.TaggingServiceStub(channel)
            answer = stub.TagVideo(pb.TagVideoRequest(video_id="1", title=TITLE), timeout=60)
            assert [tag.name for tag in answer.tags] == [tag for tag, _ in in_process]
            running = [stub.TagVideo.future(pb.TagVideoRequest(video_id=f"v{i}", title=TITLE)) for i in range(8)]
            running[0].result(timeout=60)
            assert image.call("stop", "--time=60", name).returncode == 0
            codes = {call.code() for call in running if call.exception(timeout=60) is not None}
            assert codes <= {grpc.StatusCode.UNAVAILABLE}  # those that came after the drain began: retried elsewhere
        assert image.state(name, "ExitCode") == "0"  # 137 if it had been killed
