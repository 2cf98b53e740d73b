"""Summary of a batch: counts, rates of the stages and versions, printed at the end and stored as summary.json."""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

from tagging.files.storage import Storage
from tagging.jobs.job import Share
from tagging.jobs.output import ShardCounts
from tagging.jobs.timing import added


@dataclass(slots=True)
class BatchSummary:
    """The state of an output after a run, and what this run did."""

    out: str
    bundle: str
    executor: str  # local, or ray
    tagged: int = 0  # videos in the output
    dead_letters: int = 0
    done: int = 0  # rows that this run tagged or failed; the others had their results
    removed_parts: int = 0  # of rows that have left the manifest
    seconds: float = 0.0  # of this run
    stage_seconds: dict[str, float] = field(default_factory=dict)  # summed over workers
    stage_rates: dict[str, float] = field(default_factory=dict)  # rows of this run per second of the stage
    videotag: str = ""  # version
    finished_at: str = ""  # UTC

    def add(self, shard: ShardCounts) -> None:
        """Count a finished shard."""
        self.tagged += shard.tagged
        self.dead_letters += shard.dead_letters
        self.done += shard.done
        self.stage_seconds = added(self.stage_seconds, shard.seconds)

    def finish(self, seconds: float) -> None:
        """Complete the rates and versions at the end of a run."""
        self.seconds = round(seconds, 2)
        self.stage_rates = {
            stage: round(self.done / spent, 2) for stage, spent in self.stage_seconds.items() if spent > 0
        }
        self.stage_seconds = {stage: round(spent, 3) for stage, spent in self.stage_seconds.items()}
        self.videotag = version("videotag")
        self.finished_at = datetime.now(UTC).isoformat(timespec="seconds")

    def save(self, storage: Storage, share: Share) -> None:
        name = "summary.json" if share.drivers == 1 else f"summary-{share}.json"
        storage.write(name, (json.dumps(asdict(self), indent=1) + "\n").encode("utf-8"))

    def shown(self) -> list[dict[str, object]]:
        """Return the rows of the printed table: what this run did, by stage."""
        return [
            {"stage": stage, "seconds": spent, "rows_per_second": self.stage_rates.get(stage, 0.0)}
            for stage, spent in self.stage_seconds.items()
        ]
