"""The figures: what each one measures, with tiny sizes, and its errors. No test depends on how long anything takes."""

import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tagging.bench import decode, encoders, growth, ingest, loop, loop_models, runtimes, search, start, title, training
from tagging.bench.figure import Figure
from tagging.errors import InvalidConfigError, InvalidMediaError, VideotagError
from tagging.paths import default_bundle
from tests.support.corpora import write_rows
from tests.tagging.bench.conftest import TINY, MakePlan

ECHO = (sys.executable, "-c", "import sys; print(sys.argv)")
EXTRAS = all(find_spec(package) for package in ("open_clip", "torchvggish"))
FAILURE = (sys.executable, "-c", "raise SystemExit(3)")


def only(figures: list[Figure]) -> Figure:
    [figure] = figures
    return figure


def column(figure: Figure, name: str) -> list[object]:
    return [row[name] for row in figure.parts]


def test_ingest_is_measured_against_each_stage_and_each_encoder(tiny_bundle: Path, make_plan: MakePlan) -> None:
    stages, networks = ingest.measure(make_plan(tiny_bundle))
    assert column(stages, "alone") == [
        "end to end",
        "decode",
        "encode",
        "recall, rank and select",
        "encode text",
        "encode frames",
        "encode audio",
    ]
    assert all(rate > 0 for rate in column(stages, "videos/s") if isinstance(rate, float))
    assert stages.meaning.removeprefix("videos/s end to end / of ").removesuffix(" alone") in ingest.STAGES
    assert networks.meaning.startswith("videos/s end to end / of encode ")


@pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra openvino")
def test_runtimes_have_a_figure_for_each_encoder_with_a_network(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOTAG_HOME", str(tmp_path))
    figures = runtimes.measure(make_plan(default_bundle()))
    assert {"frames on torch / on OpenVINO", "audio on torch / on OpenVINO"} <= {figure.meaning for figure in figures}
    assert all(float(str(figure.parts[0]["max 1 - cosine"])) < 1e-3 for figure in figures)


def test_rows_that_point_elsewhere_are_apart_by_their_angle() -> None:
    first, second = np.eye(2, dtype=np.float32), np.array([[3, 0], [1, 1]], np.float32)
    assert runtimes.largest_angle(first, second) == pytest.approx(1 - 2**-0.5)


def test_a_clip_that_cannot_be_read_ends_ingest_with_its_error(
    tiny_bundle: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("no media")
    manifest = write_rows(tmp_path / "m.jsonl", [{"video_id": "a", "uri": "text.mp4"}])
    with pytest.raises(InvalidMediaError):
        ingest.measure(make_plan(tiny_bundle, manifest))


def test_one_title_has_a_row_for_each_channel_and_stage(precise_bundle: Path, make_plan: MakePlan) -> None:
    figure = only(title.measure(make_plan(precise_bundle)))
    stages = column(figure, "stage")
    assert stages[0] == "encode"
    assert stages[-4:] == ["union", "rank", "select", "all after it"]
    assert {"text", "multimodal", "lexical", "classifier", "similarity"} < set(stages)
    assert column(figure, "p50 / encode")[0] == 1.0


def test_each_encoder_has_a_share_and_a_rate(tiny_bundle: Path, make_plan: MakePlan) -> None:
    figures = encoders.measure(make_plan(tiny_bundle))
    assert [figure.meaning for figure in figures] == [
        f"{name} / text and frames and audio" for name in ("text", "frames", "audio")
    ]
    assert column(figures[0], "encoder") == ["hashed-ngrams", "frame-statistics", "sound-statistics"]
    assert all(rate > 0 for rate in column(figures[0], "videos/CPU s") if isinstance(rate, float))


def test_decoding_has_a_curve_over_the_duration_with_and_without_sound(tiny_bundle: Path, make_plan: MakePlan) -> None:
    whole, pictures = decode.measure(make_plan(tiny_bundle))
    assert whole.meaning == "pictures and sound: 30 s / 10 s of video"
    assert column(whole, "sound s") == [10, 20, 30]
    assert column(pictures, "sound s") == [1.0, 1.0, 1.0]
    for figure in (whole, pictures):
        [curve] = figure.curves
        assert [size for size, _ in curve.points] == [10, 20, 30]


def test_search_compares_the_default_index_with_exact_search(tiny_bundle: Path, make_plan: MakePlan) -> None:
    figure = only(search.measure(make_plan(tiny_bundle)))
    assert column(figure, "rows") == [100, 200, 400]
    assert column(figure, "backend") == ["faiss"] * 3  # `auto` searches so few rows exactly
    assert column(figure, "recall@300") == [1.0] * 3
    assert [curve.name for curve in figure.curves] == ["default index", "exact search"]
    assert all([size for size, _ in curve.points] == [100, 200, 400] for curve in figure.curves)


def test_too_few_embeddings_are_an_error(
    tiny_bundle: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagging.bench.search.NEIGHBOURS", 1_000)
    with pytest.raises(InvalidConfigError, match="too few to grow"):
        search.measure(make_plan(tiny_bundle))


def test_growth_of_a_bundle_without_labelled_videos_is_that_of_a_drawn_one_with_every_channel(
    tiny_starter: Path, make_plan: MakePlan
) -> None:
    batch, labelled = growth.measure(make_plan(tiny_starter))
    assert [curve.points[-1][0] for curve in batch.curves] == [8]
    assert labelled.meaning == "recall: 1,200 / 400 labelled videos"
    channels = {"text", "multimodal", "lexical", "words", "classifier", "similarity", "uploader", "extracted"}
    names = [curve.name for curve in labelled.curves]
    assert {f"recall: {channel}" for channel in channels} < set(names)
    assert names[-1] == "recall"
    assert all([size for size, _ in curve.points] == [400, 800, 1_200] for curve in labelled.curves)


def test_growth_over_tags_is_that_of_bundles_with_as_many(
    precise_bundle: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    def given(_folder: Path, tags: int, _seed: int) -> Path:
        trained.append(tags)
        return precise_bundle

    monkeypatch.setattr("tagging.bench.growth.write_bundle", given)
    figures = growth.measure(make_plan(precise_bundle, sizes=replace(TINY, tags=(50, 100))))
    assert trained == [50, 100]  # labelled videos are those of the bundle
    assert figures[-1].meaning == "recall: 100 / 50 tags"


def test_the_start_of_commands_is_measured_in_processes(
    tiny_bundle: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "VIDEOTAG", ECHO)
    shown, tagged = start.measure(make_plan(tiny_bundle))
    assert column(shown, "process") == ["python -c pass", "videotag --help"]
    assert column(tagged, "process") == ["python -c pass", "videotag tag --title"]
    assert all(seconds > 0 for seconds in column(tagged, "CPU s") if isinstance(seconds, float))


def test_a_command_that_fails_is_an_error(
    tiny_bundle: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "VIDEOTAG", FAILURE)
    with pytest.raises(VideotagError, match="exit code 3"):
        start.measure(make_plan(tiny_bundle))


def test_a_training_step_is_measured_against_encoding(tiny_bundle: Path, make_plan: MakePlan) -> None:
    figure = only(training.measure(make_plan(tiny_bundle)))
    [row] = figure.parts
    assert row["videos in a step"] == 64
    assert row["s to encode the titles"] > 0


@pytest.mark.slow
@pytest.mark.skipif(not EXTRAS, reason="needs the extras clip and vggish")
def test_all_sides_of_the_loop_tag_the_same_clips_with_the_same_weights(
    tiny_bundle: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in {"LABELLED": 40, "LAYERS": 1}.items():
        monkeypatch.setattr(loop_models, name, size)
    figures = loop.measure(make_plan(tiny_bundle, sizes=replace(TINY, clips=1)))
    ours = ["videotag", "videotag on OpenVINO"][: 1 if find_spec("openvino") is None else 2]
    assert [column(figure, "side") for figure in figures] == [["loop", side] for side in ours]
    for figure in figures:
        assert all(peak > 200 for peak in column(figure, "peak MiB") if isinstance(peak, int))
        assert all(rate > 0 for rate in column(figure, "videos/s") if isinstance(rate, float))


def test_a_side_of_the_loop_that_ends_early_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    ended = "side 'loop' of the loop ended early"
    with pytest.raises(VideotagError, match=ended), loop.Side.started(tmp_path, "loop"):
        pass
