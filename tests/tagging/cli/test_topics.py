"""The `videotag topics` commands."""

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.store.database.database import Database
from tagging.store.database.migrate import migrate
from tests.support.cli import error_lines, run
from tests.support.corpora import write_rows
from tests.support.database_records import database_at
from tests.support.disks import filled, tiny_disk
from tests.support.polling import wait_until
from tests.support.topic_pools import TINY_TOPICS_TOML, manifest_rows, pool_of
from tests.support.topic_rows import stored_videos
from tests.tagging.topics.conftest import fitted, pool_manifest, refitted, text_bundle

__all__ = ["fitted", "pool_manifest", "refitted", "text_bundle"]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "topics.toml"
    path.write_text(TINY_TOPICS_TOML)
    return path


@pytest.mark.parametrize("command", ["fit", "assign", "show", "trends", "serve"])
def test_the_help_of_every_command_has_examples(command: str) -> None:
    result = run("topics", command, "--help")
    assert result.returncode == 0
    assert f"videotag topics {command}" in result.stdout


def test_fit_with_a_previous_model_keeps_the_ids(
    fitted: Path, text_bundle: Path, settings: Path, tmp_path: Path
) -> None:
    newer = write_rows(tmp_path / "newer.jsonl", manifest_rows(pool_of(200, seed=3, first=50)))
    args = ["topics", "fit", "--manifest", newer, "--bundle", text_bundle, "--config", settings]
    args += ["--previous", fitted, "--out", tmp_path / "next", "--features", tmp_path / "f"]
    result = run(*args, "--format", "json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["counts"]["topics"] == 4
    assert set(report["drift"]) == {"1", "2", "3", "4"}
    assert report["born"] == report["died"] == []
    assert "exists" in error_lines(run(*args))[0]

    before, after = (
        {
            topic["id"]: topic["tags"][0]
            for topic in json.loads(run("topics", "show", model, "--format", "json").stdout)["topics"]
        }
        for model in (fitted, tmp_path / "next")
    )
    assert after == before


def test_fit_takes_the_tags_that_a_batch_wrote(text_bundle: Path, settings: Path, tmp_path: Path) -> None:
    rows = manifest_rows(pool_of(60, seed=1))
    tagged = [{"video_id": row["video_id"], "tags": _predicted(row["tags"])} for row in rows[10:]]
    (tmp_path / "tagged").mkdir()
    pq.write_table(
        pa.Table.from_pylist([*tagged, {"video_id": "other", "tags": []}]), tmp_path / "tagged" / "0.parquet"
    )
    manifest = write_rows(
        tmp_path / "m.jsonl", [{**row, "tags": []} if at >= 20 else row for at, row in enumerate(rows)]
    )
    args = ["topics", "fit", "--manifest", manifest, "--bundle", text_bundle, "--config", settings]
    args += ["--out", tmp_path / "topics", "--features", tmp_path / "f", "--format", "json"]
    result = run(*args, "--predicted", tmp_path / "tagged")
    assert result.returncode == 0, result.stderr
    counts = json.loads(result.stdout)["counts"]
    given = [bool(row["tags"]) for row in rows]
    assert counts["videos_with_predicted_tags"] == sum(given[20:])
    assert counts["videos_without_tags"] == 60 - sum(given)
    (tmp_path / "empty").mkdir()
    args[args.index(tmp_path / "topics")] = tmp_path / "next"
    assert "without parquet files" in error_lines(run(*args, "--predicted", tmp_path / "empty"))[0]
    other = [{**row, "video_id": f"other {row['video_id']}"} for row in tagged]
    pq.write_table(pa.Table.from_pylist(other), tmp_path / "empty" / "0.parquet")
    message, hint = error_lines(run(*args, "--predicted", tmp_path / "empty"))
    assert "none of the 50 videos with predicted tags is in the manifests" in message
    assert "--predicted" in hint


@pytest.mark.parametrize("full", ["out", "features"])
def test_fit_on_a_full_disk_is_one_error_and_leaves_no_half_of_a_model(
    full: str, pool_manifest: Path, text_bundle: Path, settings: Path, tmp_path: Path
) -> None:
    (tmp_path / "tagged").mkdir()
    pq.write_table(
        pa.Table.from_pylist([{"video_id": "v0", "tags": _predicted(["cats"])}]), tmp_path / "tagged/0.parquet"
    )
    args = ["topics", "fit", "--manifest", pool_manifest, "--bundle", text_bundle, "--config", settings]
    args += ["--predicted", tmp_path / "tagged"]
    with tiny_disk(tmp_path / "disk", 1) as disk:
        for option in ("out", "features"):
            args += [f"--{option}", (disk if option == full else tmp_path) / option]
        with filled(disk):
            assert "No space left" in error_lines(run(*args))[0]
        assert not any(path.is_file() for path in disk.rglob("*"))
        assert not list(tmp_path.rglob("topics.parquet"))
        assert run(*args).returncode == 0


def _predicted(tags: object) -> list[dict[str, object]]:
    assert isinstance(tags, list)
    return [{"name": tag, "confidence": 0.7} for tag in tags]


def test_assign_prints_the_topics_of_a_manifest(fitted: Path, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"video_id": "a", "title": "kitten purring", "tags": ["cats", "kitten"]},
        {"video_id": "b", "title": "engine gearbox 5"},
        {"video_id": "c"},
    ]
    manifest = write_rows(tmp_path / "new.jsonl", rows)
    args = ("topics", "assign", manifest, "--topics", fitted, "--features", tmp_path / "f")
    result = run(*args, "--format", "json")
    assert result.returncode == 0, result.stderr
    cats, cars, unknown = json.loads(result.stdout)
    assert "cats" in cats["topics"][0]["name"]
    assert cats["used"] == ["content", "tags"]
    assert "cars" in cars["topics"][0]["name"]
    assert cars["used"] == ["content"]
    assert (unknown["topics"], unknown["used"]) == ([], [])
    table = run(*args).stdout
    assert "nothing" in table
    assert "content and tags" in table


def test_assign_takes_a_title_and_tags_it_with_a_bundle(fitted: Path, text_bundle: Path, tmp_path: Path) -> None:
    args = ("topics", "assign", "--title", "recipe oven pasta", "--topics", fitted, "--features", tmp_path / "f")
    [alone] = json.loads(run(*args, "--format", "json").stdout)
    assert "food" in alone["topics"][0]["name"]
    [tagged] = json.loads(run(*args, "--bundle", text_bundle, "--format", "json").stdout)
    assert tagged["used"] == ["content", "tags"]
    assert "food" in tagged["topics"][0]["name"]


def test_show_lists_topics_and_shows_one_with_its_examples(fitted: Path) -> None:
    every = json.loads(run("topics", "show", fitted, "--format", "json").stdout)
    assert [topic["id"] for topic in sorted(every["topics"], key=lambda topic: topic["id"])] == [1, 2, 3, 4]
    shown = run("topics", "show", fitted, 3)
    assert "Examples" in shown.stdout
    name = next(topic["name"] for topic in every["topics"] if topic["id"] == 3)
    assert name in shown.stdout


def test_an_unknown_topic_is_one_error(fitted: Path) -> None:
    lines = error_lines(run("topics", "show", fitted, 99))
    assert "has no topic 99" in lines[0]
    assert "topics show" in lines[1]


def test_a_title_next_to_a_manifest_is_wrong_usage(fitted: Path, pool_manifest: Path) -> None:
    assert run("topics", "assign", pool_manifest, "--title", "x", "--topics", fitted).returncode == 2


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "the manifests have no rows"),
        ('{"video_id": "a", "split": "test"}\n', "none of the 1 rows is of the split"),
    ],
)
def test_manifests_without_videos_to_fit_are_one_error(content: str, error: str, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(content)
    lines = error_lines(run("topics", "fit", "--manifest", tmp_path / "m.jsonl", "--out", tmp_path / "out"))
    assert error in lines[0]


def test_nothing_to_assign_is_one_error(fitted: Path) -> None:
    assert "nothing to tag" in error_lines(run("topics", "assign", "--topics", fitted))[0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"video_id": "a", "title": "kitten"}], "no tag is on 2 of the 1 videos"),
        ([{"video_id": "a", "title": "kitten", "tags": ["cat"], "split": "test"}], "none of the 1 rows is of"),
        ([], "the manifests have no rows"),
        ([{"video_id": "a", "category": ["x"]}], "category: expected text"),
        ([{"video_id": str(n), "title": f"kitten {n}", "tags": ["cat"]} for n in range(3)], "nothing to learn"),
        ([{"video_id": str(n), "title": f"kit {n}", "tags": ["cat", "pet"]} for n in range(3)], "cannot make 4 topics"),
    ],
)
def test_a_pool_without_topics_is_one_error(
    rows: list[dict[str, object]], message: str, text_bundle: Path, settings: Path, tmp_path: Path
) -> None:
    manifest = write_rows(tmp_path / "m.jsonl", rows)
    args = ("topics", "fit", "--manifest", manifest, "--bundle", text_bundle, "--out", tmp_path / "out")
    lines = error_lines(run(*args, "--features", tmp_path / "f", "--config", settings))
    assert message in " ".join(lines)
    assert len(lines) <= 2
    assert not (tmp_path / "out").exists()


def test_a_bundle_of_other_encoders_cannot_continue_a_model(
    fitted: Path, tiny_bundle: Path, pool_manifest: Path, tmp_path: Path
) -> None:
    args = ("topics", "fit", "--manifest", pool_manifest, "--bundle", tiny_bundle, "--previous", fitted)
    [error, hint] = error_lines(run(*args, "--out", tmp_path / "out"))
    assert "text encoder has fingerprint" in error
    assert hint


def test_a_misspelt_key_is_named(pool_manifest: Path, text_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[mmoe]\nexpert = 3\n")
    args = ("topics", "fit", "--manifest", pool_manifest, "--bundle", text_bundle, "--out", tmp_path / "out")
    assert "mmoe.expert" in error_lines(run(*args, "--config", tmp_path / "c.toml"))[0]


def test_assigned_videos_enter_the_queues_of_a_database(fitted: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/topics.db"
    manifest = write_rows(tmp_path / "new.jsonl", [{"video_id": "a", "title": "kitten purring", "tags": ["cats"]}])
    args = ("topics", "assign", manifest, "--topics", fitted, "--features", tmp_path / "f", "--database", url)
    [error, hint] = error_lines(run(*args))
    assert "there is no database" in error
    assert "migrate" in hint
    asyncio.run(migrate(database_at(url)))
    result = run(*args, "--format", "json")
    assert result.returncode == 0, result.stderr
    [topic] = json.loads(result.stdout)[0]["topics"]

    async def stored() -> list[str]:
        database = Database(database_at(url))
        videos = await stored_videos(database, topic["id"])
        await database.close()
        return [video.video_id for video in videos]

    assert asyncio.run(stored()) == ["a"]


def test_a_video_without_id_cannot_enter_queues(fitted: Path) -> None:
    result = run("topics", "assign", "--title", "x", "--topics", fitted, "--database", "sqlite:////tmp/x.db")
    assert result.returncode == 2
    assert "--database" in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [("[queues]\nhalf_life = 3\n", "queues.half_life"), ("[admission]\nvideos = 3\n", "admission.videos")],
)
def test_a_misspelt_key_of_the_topic_service_is_named(content: str, message: str, fitted: Path, tmp_path: Path) -> None:
    (tmp_path / "topics.toml").write_text(content)
    assert message in error_lines(run("topics", "serve", fitted, "--config", tmp_path / "topics.toml"))[0]


def test_an_address_that_cannot_be_served_is_wrong_usage(fitted: Path) -> None:
    result = run("topics", "serve", fitted, "--listen", "127.0.0.1")
    assert result.returncode == 2
    assert "HOST:PORT" in result.stderr


@pytest.mark.slow
def test_the_topic_service_serves_until_sigterm(fitted: Path, tmp_path: Path) -> None:
    config = tmp_path / "topics.toml"
    config.write_text("[observe.metrics]\nlisten = '127.0.0.1:0'\n")
    database = f"sqlite:///{tmp_path}/topics.db"
    program = [sys.executable, "-W", "error", "-c", "from tagging.cli.main import main; main()", "topics", "serve"]
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*program, fitted, "--config", config, "--listen", "127.0.0.1:0", "--database", database],
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: "serving topics" in log.read_text(), 120)
        [line] = [line for line in log.read_text().splitlines() if "metrics_port" in line]
        with urllib.request.urlopen(f"http://127.0.0.1:{json.loads(line)['metrics_port']}/metrics") as response:
            metrics = response.read().decode()
        assert "tagging_serving 1.0" in metrics
        assert 'tagging_request_seconds_count{code="OK",method="ListCandidates"} 0.0' in metrics
        assert 'method="TagVideo"' not in metrics
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_trends_lists_what_rises_and_falls_first(fitted: Path, refitted: Path) -> None:
    args = ("topics", "trends", refitted, "--previous", fitted)
    report = json.loads(run(*args, "--format", "json").stdout)
    found = {topic["name"]: topic["uploads"]["direction"] for topic in report["topics"]}
    assert sorted(found.values()) == ["falling", "rising", "steady", "steady"]
    assert (report["notes"], report["ended"]) == ([], [])
    table = run(*args).stdout.splitlines()
    places = {line.split(" (")[0].split()[-1]: number for number, line in enumerate(table) if "→" in line}
    assert max(places["rising"], places["falling"]) < places["steady"]


def test_trends_writes_a_map_of_the_model(fitted: Path, refitted: Path, tmp_path: Path) -> None:
    args = ("topics", "trends", refitted, "--previous", fitted, "--html")
    assert run(*args, tmp_path / "map.html").returncode == 0
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert '"direction":"rising"' in page
    assert "Content-Security-Policy" in page
    assert "is a folder" in error_lines(run(*args, tmp_path))[0]


def test_trends_of_a_database_and_without_any_source(fitted: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/topics.db"
    assert "there is no database" in error_lines(run("topics", "trends", fitted, "--database", url))[0]
    asyncio.run(migrate(database_at(url)))
    result = run("topics", "trends", fitted, "--database", url)
    assert "note: no videos were assigned in one of the two periods" in result.stdout
    assert "note: without a previous model" in run("topics", "trends", fitted).stdout


def test_a_period_without_a_database_is_wrong_usage(fitted: Path) -> None:
    result = run("topics", "trends", fitted, "--days", 3)
    assert result.returncode == 2
    assert "--days" in result.stderr


def test_a_database_that_cannot_be_used_is_an_error_before_videos_are_read_by_encoders(
    fitted: Path, pool_manifest: Path, tmp_path: Path
) -> None:
    store, url = tmp_path / "f", f"sqlite:///{tmp_path}/none.db"
    args = ("topics", "assign", pool_manifest, "--topics", fitted, "--features", store, "--database", url)
    assert "there is no database" in error_lines(run(*args))[0]
    assert not store.exists()


def test_a_manifest_without_rows_to_assign_is_one_error(fitted: Path, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("")
    assert "m.jsonl has no rows" in error_lines(run("topics", "assign", tmp_path / "m.jsonl", "--topics", fitted))[0]


def test_names_of_columns_without_a_manifest_are_wrong_usage(fitted: Path) -> None:
    args = ("topics", "assign", "--title", "kitten", "--map", "title=name", "--topics", fitted)
    assert run(*args).returncode == 2
