"""Plain stand-in for the external scorer: the same arguments and output as a program, and as a function."""

import gzip
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def scores_of(truth: Path, predictions: Path) -> dict[str, Any]:
    """Return what the program prints: recall and precision counted plainly, and empty groups."""
    with gzip.open(predictions, "rt", encoding="utf-8") as lines:
        best = {line["video_id"]: [tag.casefold() for tag in line["tags"]] for line in map(json.loads, lines)}
    true = {row["video_id"]: {tag.casefold() for tag in row["tags"]} for row in pq.read_table(truth).to_pylist()}
    true = {video: tags for video, tags in true.items() if tags}

    def mean(depth: int, divisor: int) -> float:
        hits = [len(tags & set(best.get(video, [])[:depth])) / (divisor or len(tags)) for video, tags in true.items()]
        return round(sum(hits) / len(hits), 4)

    scores: dict[str, Any] = {f"R@{k}": mean(k, 0) for k in (20, 50, 200)} | {f"P@{k}": mean(k, k) for k in (5, 10)}
    scores |= {"nDCG@10": 0.0, "PSP@5": 0.0, "videos": len(true), "videos_without_prediction": len(true.keys() - best)}
    scores |= {"R@20_interval95": [0, 1], "P@5_interval95": [0, 1], "R@20_by_train_count": {}, "by_title_script": {}}
    return scores


def main(options: Mapping[str, str]) -> None:
    truth = Path(options["--truth"])
    if "--write-sample" in options:  # every video
        ids = pq.read_table(truth)["video_id"].to_pylist()
        lines = "".join(json.dumps({"video_id": video_id}) + "\n" for video_id in ids)
        Path(options["--write-sample"]).write_text(lines, encoding="utf-8")
    else:
        sys.stdout.write(json.dumps(scores_of(truth, Path(options["--predictions"]))) + "\n")


if __name__ == "__main__":
    main(dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True)))
