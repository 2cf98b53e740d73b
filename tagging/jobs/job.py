"""Batch job: what is tagged and how. A finished or stopped run may only be continued by the same job."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tagging.config.root import SelectConfig
from tagging.errors import InvalidConfigError, InvalidManifestError, OutputExistsError
from tagging.files.addresses import is_remote, label_of
from tagging.files.storage import Storage
from tagging.jobs.shards import Row, Shard, ShardSize, cut
from tagging.manifests.filters import Condition
from tagging.manifests.formats import count_rows
from tagging.manifests.read import read_videos
from tagging.manifests.source import ManifestSource
from tagging.messages import without_credentials

JOB = "_job.json"


@dataclass(frozen=True, slots=True)
class Share:
    """The shards that one of several drivers tags: every `drivers`-th, from the driver's own."""

    driver: int = 1  # from 1
    drivers: int = 1

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Return the share "2/8". Raises InvalidConfigError."""
        driver, _, drivers = text.partition("/")
        if driver.isdecimal() and drivers.isdecimal() and 1 <= int(driver) <= int(drivers):
            return cls(int(driver), int(drivers))
        raise InvalidConfigError(f"share {text!r} is not DRIVER/DRIVERS", "the second of eight drivers gives 2/8")

    def __contains__(self, number: int) -> bool:
        return number % self.drivers == self.driver - 1

    def __str__(self) -> str:
        return f"{self.driver}-of-{self.drivers}"


WHOLE = Share()


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A manifest, the rows of it that are wanted, and how they are tagged."""

    manifest: str  # path, or address of an object
    columns: Mapping[str, str]  # field -> column, where they differ
    bundle_version: str
    selection: SelectConfig
    conditions: tuple[Condition, ...] = ()
    limit: int | None = None  # the first rows that meet the conditions; None: all
    size: ShardSize = field(default_factory=ShardSize)
    keeps_features: bool = False
    retags: str | None = None  # address of an earlier output whose features are used

    def shards(self) -> Iterator[Shard]:
        """Yield the shards of the manifest, as it is read. Raises InvalidManifestError."""
        rows: Iterator[Row] = read_videos(self._located(), self.columns, self.conditions)
        return cut(rows if self.limit is None else islice(rows, self.limit), self.size)

    def check_manifest(self) -> None:
        """Raise InvalidManifestError for a manifest that does not exist, and BackendUnavailableError."""
        try:
            ManifestSource(self.manifest).require()
        except FileNotFoundError as error:
            raise InvalidManifestError(
                f"{label_of(self.manifest)}: {error.strerror}", "give a JSONL, CSV or parquet table of videos"
            ) from error

    def count_rows(self) -> int | None:
        """Return the number of rows for an estimate of the remaining time; None where counting takes reading."""
        if self.conditions or self.limit is not None:
            return None
        return count_rows(ManifestSource(self.manifest))

    def identity(self) -> dict[str, object]:
        """Return what distinguishes this job from others, as it is stored in the output."""
        return {
            "manifest": ascii(self._name()),
            "columns": dict(self.columns),
            "where": [str(condition) for condition in self.conditions],
            "limit": self.limit,
            "bundle": self.bundle_version,
            "texts_per_part": self.size.texts,
            "media_per_part": self.size.media,
            "keeps_features": self.keeps_features,
            "retags": self.retags,
            **self.selection.model_dump(),
        }

    def _located(self) -> str:
        """Return the manifest under one address, wherever it is named from: rows are known by their media's."""
        if is_remote(self.manifest):
            return self.manifest
        path = Path(self.manifest)
        return str(path.parent.resolve() / path.name)

    def _name(self) -> str:
        remote = is_remote(self.manifest)
        return without_credentials(self.manifest) if remote else str(Path(self.manifest).resolve())


def claim(storage: Storage, identity: Mapping[str, object]) -> None:
    """Record the job in an empty output. Raises OutputExistsError if it holds another job, or anything else."""
    if all(name.startswith(f".{JOB}.partial-") for name in storage.names()):  # of a run that was killed in this step
        storage.create(JOB, json.dumps(identity, indent=1).encode("utf-8"))
    try:
        started = json.loads(storage.read(JOB)) if storage.exists(JOB) else None
    except ValueError:
        started = None
    if started == dict(identity):
        return
    if not started:
        raise OutputExistsError(f"{storage} is not an empty folder: it holds other files", "choose another --out")
    changed = sorted(key for key in {*started, *identity} if started.get(key) != identity.get(key))
    raise OutputExistsError(
        f"{storage} is not an empty folder: it holds the results of another job, with another {', '.join(changed)}",
        "choose another --out",
    )
