"""The `videotag recommend` commands."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from videotag.v1 import recommendation_pb2, recommendation_pb2_grpc

from tagging.recommendation.tables import Sources
from tagging.store.database.migrate import migrate
from tests.support.cli import error_lines, run
from tests.support.corpora import write_rows
from tests.support.database_records import database_at, url_of
from tests.support.polling import wait_until
from tests.tagging.recommendation.two_towers.conftest import sources, text_bundle, trained, trained_without_new
from tests.tagging.topics.conftest import fitted, pool_manifest

__all__ = ["fitted", "pool_manifest", "sources", "text_bundle", "trained", "trained_without_new"]


@pytest.fixture
def tables(sources: Sources) -> list[object]:
    return ["--manifest", *sources.manifests, "--interactions", sources.interactions]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "towers.toml"
    path.write_text("width = 8\nepochs = 1\nnegatives = 20\n")
    return path


@pytest.mark.parametrize("command", ["train", "evaluate", "candidates", "worth", "add", "serve"])
def test_the_help_of_every_command_has_examples(command: str) -> None:
    result = run("recommend", command, "--help")
    assert result.returncode == 0
    assert f"videotag recommend {command}" in result.stdout


def test_train_writes_a_model_that_evaluate_measures(
    tables: list[object], text_bundle: Path, settings: Path, tmp_path: Path
) -> None:
    args = ["recommend", "train", *tables, "--bundle", text_bundle, "--config", settings, "--out", tmp_path / "towers"]
    args += ["--hold-out", "last", "--part", "validation", "--features", tmp_path / "f"]
    result = run(*args, "--format", "json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["counts"]["users"] == 400
    assert "exists" in error_lines(run(*args))[0]

    evaluated = run("recommend", "evaluate", tmp_path / "towers", *tables, "--format", "json")
    measured = json.loads(evaluated.stdout)
    assert (measured["model"], measured["held_out"], measured["part"]) == (report["version"], "last", "validation")
    assert 0 < measured["systems"]["item-kNN"]["HR@10"] < 1
    table = run("recommend", "evaluate", tmp_path / "towers", *tables)
    assert "two towers" in table.stdout


def test_a_part_without_a_holdout_is_wrong_usage(tables: list[object], tmp_path: Path) -> None:
    result = run("recommend", "train", *tables, "--out", tmp_path / "out", "--part", "validation")
    assert result.returncode == 2
    assert "--part" in result.stderr


def test_candidates_are_printed_by_user_and_by_video(trained: Path, tmp_path: Path) -> None:
    new = write_rows(tmp_path / "new.jsonl", [{"video_id": "x", "tags": ["group 2"]}, {"video_id": "nothing"}])
    rows = [{"user_id": "ann", "videos": ["v0", "v1"]}, {"user_id": "bob", "videos": ["v3", "v4"]}]
    watched = write_rows(tmp_path / "watched.jsonl", rows)
    args = ["recommend", "candidates", trained, "--manifest", new, "--interactions", watched]
    args += ["--features", tmp_path / "f"]
    by_user = json.loads(run(*args, "--format", "json").stdout)
    assert [(row["user_id"], [video["video_id"] for video in row["videos"]]) for row in by_user] == [
        ("ann", ["x"]),
        ("bob", ["x"]),
    ]
    by_video = json.loads(run(*args, "--for", "videos", "--count", 1, "--format", "json").stdout)
    assert [(row["video_id"], [user["user_id"] for user in row["users"]]) for row in by_video] == [
        ("x", ["ann"]),
        ("nothing", []),
    ]
    table = run(*args, "--for", "videos").stdout.splitlines()
    assert any(line.startswith("x ") and "ann" in line for line in table)
    assert "nothing" in table  # a row without a user


def test_worth_prints_every_condition(tables: list[object], text_bundle: Path, settings: Path, tmp_path: Path) -> None:
    args = ["recommend", "worth", *tables, "--bundle", text_bundle, "--config", settings]
    args += ["--seed", 1, "--seed", 2, "--features", tmp_path / "f"]
    result = run(*args)
    assert result.returncode == 0, result.stderr
    for condition in ("tags off", "creators' tags", "embeddings", "creators' tags + embeddings", "item-kNN", "±"):
        assert condition in result.stdout
    found = json.loads(run(*args, "--format", "json").stdout)
    assert set(found["tags off"]["HR@10"]) == {"mean", "spread", "gain", "gain_spread"}


def test_a_seed_that_is_given_twice_is_wrong_usage(tables: list[object]) -> None:
    result = run("recommend", "worth", *tables, "--seed", 4, "--seed", 2, "--seed", 4)
    assert result.returncode == 2
    assert "4 is given twice" in result.stderr


def test_worth_measures_topics_and_predicted_tags(
    tables: list[object], text_bundle: Path, fitted: Path, settings: Path, tmp_path: Path
) -> None:
    args = ["recommend", "worth", *tables, "--bundle", text_bundle, "--config", settings, "--seed", 1]
    args += ["--topics", fitted, "--predict", "--features", tmp_path / "f"]
    found = json.loads(run(*args, "--format", "json").stdout)
    assert {"topics", "creators' tags + topics", "predicted tags"} < set(found)


def test_a_wrong_setting_is_one_error(tables: list[object], tmp_path: Path) -> None:
    settings = tmp_path / "towers.toml"
    settings.write_text("wdith = 8\n")
    lines = error_lines(run("recommend", "train", *tables, "--config", settings, "--out", tmp_path / "out"))
    assert "wdith" in lines[0]


def test_add_stores_uploads_and_names_those_of_which_nothing_is_known(trained: Path, tmp_path: Path) -> None:
    new = write_rows(tmp_path / "new.jsonl", [{"video_id": "x", "tags": ["group 2"]}, {"video_id": "nothing"}])
    database = database_at(f"sqlite:///{tmp_path}/uploads.db")
    args = ["recommend", "add", trained, "--manifest", new, "--features", tmp_path / "f"]
    args += ["--database", url_of(database)]
    assert "there is no database" in error_lines(run(*args))[0]
    asyncio.run(migrate(database))
    report = json.loads(run(*args, "--format", "json").stdout)
    assert (report["videos"], report["without_any_view"]) == (2, ["nothing"])
    assert "nothing is known of them: nothing" in run(*args).stdout
    trained_with = write_rows(tmp_path / "old.jsonl", [{"video_id": "v1"}])
    assert "'v1' is in" in error_lines(run(*args, "--manifest", trained_with))[0]


def test_add_takes_the_tags_that_a_batch_wrote(trained: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    videos = write_rows(tmp_path / "new.jsonl", [{"video_id": f"x{n}", "title": f"Cats {n}"} for n in range(3)])
    batch = run("batch", videos, "--out", tmp_path / "out", "--bundle", tiny_bundle)
    assert batch.returncode == 0, batch.stderr
    tagged = next((tmp_path / "out" / "tagged").glob("*.parquet"))
    rows = pq.read_table(tagged).to_pylist()
    rows[0]["tags"][0]["name"], rows[1]["tags"] = "group 2", []  # a tag that the model knows, and none
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(tagged)), tagged)
    database = database_at(f"sqlite:///{tmp_path}/uploads.db")
    asyncio.run(migrate(database))
    args = ["recommend", "add", trained, "--features", tmp_path / "f", "--database", url_of(database)]
    result = run(*args, "--manifest", tagged.parent, "--format", "json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["videos"] == 3
    assert "x0" not in report["without_any_view"]
    assert "x1" in report["without_any_view"]
    (tmp_path / "empty").mkdir()
    assert "without parquet files" in error_lines(run(*args, "--manifest", tmp_path / "empty"))[0]


def test_a_misspelt_key_of_the_service_is_named(trained: Path, tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    config.write_text("keep_days = 3\n")
    assert "keep_days" in error_lines(run("recommend", "serve", trained, "--config", config))[0]
    result = run("recommend", "serve", trained, "--listen", "127.0.0.1")
    assert result.returncode == 2
    assert "HOST:PORT" in result.stderr


@pytest.mark.slow
def test_the_service_serves_what_is_added_until_sigterm(trained: Path, tmp_path: Path) -> None:
    config, log = tmp_path / "service.toml", tmp_path / "log"
    config.write_text("follow_s = 0.05\n[observe.metrics]\nlisten = '127.0.0.1:0'\n")
    database = f"sqlite:///{tmp_path}/uploads.db"
    program = [sys.executable, "-W", "error", "-c", "from tagging.cli.main import main; main()", "recommend", "serve"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*program, trained, "--config", config, "--listen", "127.0.0.1:0", "--database", database],
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: "serving recommendations of" in log.read_text(), 120)
        [line] = [json.loads(line) for line in log.read_text().splitlines() if "metrics_port" in line]
        new = write_rows(tmp_path / "new.jsonl", [{"video_id": "x", "tags": ["group 2"]}])
        added = run("recommend", "add", trained, "--manifest", new, "--database", database, "--features", tmp_path)
        assert added.returncode == 0, added.stderr
        with grpc.insecure_channel(f"127.0.0.1:{line['port']}") as channel:
            service = recommendation_pb2_grpc.RecommendationServiceStub(channel)
            request = recommendation_pb2.RecommendVideosRequest(watched_video_ids=["v0"])
            wait_until(lambda: [video.video_id for video in service.RecommendVideos(request).videos] == ["x"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in log.read_text()
