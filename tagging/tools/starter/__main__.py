"""`python -m tagging.tools.starter`: how the bundle that lies in the package is made, judged and calibrated."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tagging.cli.console import print_table, progress
from tagging.cli.module import run
from tagging.config.profiles import CALIBRATION, load_config
from tagging.config.recall import NamesConfig
from tagging.errors import InvalidConfigError
from tagging.manifest import parse_columns
from tagging.progress import Silent
from tagging.tools.starter.build import ANCHORS, BUNDLE, build
from tagging.tools.starter.calibrate import EVERY, JudgedProposals, calibrated, judged_clips, judged_titles, with_share
from tagging.tools.starter.clips import name_clips, read_labels
from tagging.tools.starter.propose import propose, write_proposed


def main(arguments: Sequence[str] | None = None) -> None:
    run(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tagging.tools.starter", description=__doc__)
    commands = parser.add_subparsers(required=True)

    one = commands.add_parser("build", help="write the starter bundle")
    one.add_argument("--annotations", type=Path, required=True, metavar="DIR", help="the label lists")
    one.add_argument("--out", type=Path, default=BUNDLE, metavar="DIR", help="must not exist")
    one.add_argument("--anchors", type=Path, default=ANCHORS, metavar="DIR", help="names of the encoders' classes")
    one.add_argument(
        "--config", type=Path, action="append", default=[], metavar="FILE", help="TOML over the offline profile"
    )
    one.set_defaults(run=_build)

    one = commands.add_parser("propose", help="what frames and sound of clips would be called, nothing held back")
    one.add_argument("clips", type=Path, metavar="DIR")
    one.add_argument("--out", type=Path, required=True, metavar="CSV")
    one.add_argument("--bundle", type=Path, default=BUNDLE, metavar="DIR")
    one.add_argument("--share", type=float, help="of the frames and examples that count (default: the bundle's)")
    one.set_defaults(run=_propose)

    one = commands.add_parser("clips", help="what the bundle calls clips, beside their labels")
    one.add_argument("clips", type=Path, metavar="DIR")
    one.add_argument("--labels", type=Path, required=True, metavar="CSV", help="columns file, label, caption")
    one.add_argument("--open", action="store_true", help="hold nothing back, however unsure")
    one.add_argument("--bundle", type=Path, default=BUNDLE, metavar="DIR")
    one.set_defaults(run=_clips)

    one = commands.add_parser("calibrate", help="thresholds and probabilities from judged clips, or from real titles")
    one.add_argument("--judged", type=Path, metavar="CSV", help="what `propose` wrote, with right and part filled in")
    one.add_argument(
        "--clips", type=Path, action="append", default=[], metavar="DIR", help="what was judged; more than once"
    )
    one.add_argument("--titles", type=Path, metavar="FILE", help="manifest of videos with their creators' tags")
    one.add_argument("--map", action="append", default=[], metavar="FIELD=COLUMN", help="columns of --titles")
    one.add_argument("--share", type=float, help="of the frames and examples that count (default: the bundle's)")
    one.add_argument("--source", action="append", choices=("seen", "heard"), help="of --judged (default: both)")
    one.add_argument("--precision", type=float, default=0.75, help="of what is shown, to be kept (default: 0.75)")
    one.add_argument("--bundle", type=Path, default=BUNDLE, metavar="DIR")
    one.add_argument("--out", type=Path, default=CALIBRATION, metavar="JSON")
    one.set_defaults(run=_calibrate)
    return parser


def _build(asked: argparse.Namespace) -> None:
    report = build(asked.annotations, asked.out, load_config("offline", *asked.config), asked.anchors)
    sys.stdout.write(json.dumps(asdict(report), indent=1) + "\n")


def _propose(asked: argparse.Namespace) -> None:
    proposed = propose(asked.clips, asked.bundle, Silent(), asked.share)
    write_proposed(proposed, asked.out)
    sys.stdout.write(f"{len(proposed)} proposals in {asked.out}\n")


def _clips(asked: argparse.Namespace) -> None:
    said = read_labels(asked.labels)
    named = name_clips(asked.clips, said, asked.bundle, asked.open, progress())
    print_table(
        [{"clip": one.file, "said": one.said, "tags": ", ".join(one.tags), "agrees": one.agrees} for one in named]
    )
    agree = sum(one.agrees for one in named)
    sys.stdout.write(f"a word of the label or caption is among the tags of {agree} of {len(named)} clips\n")
    if left := len(said) - len(named):
        sys.stdout.write(f"{left} clips could not be read\n")


def _calibrate(asked: argparse.Namespace) -> None:
    names = NamesConfig.model_validate_json(CALIBRATION.read_text(encoding="utf-8"))
    judged: dict[str, JudgedProposals] = {}
    if asked.titles:
        judged |= judged_titles(asked.titles, parse_columns(asked.map), asked.bundle)
    if asked.judged:
        if not asked.clips:
            raise InvalidConfigError("--judged without --clips", "give the folders of what was judged with --clips")
        if asked.share:
            names = with_share(names, asked.share)
        proposed = [
            one for clips in asked.clips for one in propose(clips, asked.bundle, Silent(), asked.share, most=EVERY)
        ]
        found = judged_clips(asked.judged, proposed)
        judged |= {source: one for source, one in found.items() if source in (asked.source or found)}
    names, reports = calibrated(names, judged, asked.bundle, asked.precision)
    text = names.model_dump_json(exclude_defaults=True, indent=1)
    asked.out.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps([asdict(report) for report in reports], indent=1) + "\n")


if __name__ == "__main__":
    main()
