"""Interleaved timing: order, processor time of other processes, and stages of a video."""

import subprocess
import sys
import time

import pytest

from tagging.bench.figure import Ratio
from tagging.bench.timing import Spent, StageTimes, family_cpu_s, in_turn, ratios

BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"


def test_the_sides_take_turns_in_alternating_order() -> None:
    calls: list[tuple[str, int]] = []
    advanced: list[int] = []
    sides = {name: lambda repeat, name=name: calls.append((name, repeat)) for name in ("a", "b")}
    spent = in_turn(sides, 3, advanced.append)
    assert calls == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]
    assert sum(advanced) == 6
    assert [len(times) for times in spent.values()] == [3, 3]


def test_the_given_clock_is_read_around_the_work() -> None:
    ticks = iter([1.0, 5.0, 10.0, 10.5])
    spent = in_turn({"a": lambda _: None}, 2, lambda _: None, lambda: next(ticks))
    assert [each.cpu_s for each in spent["a"]] == [4.0, 0.5]


def test_processor_time_includes_processes_that_run_and_that_ended() -> None:
    before = family_cpu_s()
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while_it_runs = family_cpu_s()
        process.communicate(b"\n")
    assert while_it_runs - before > 0.25
    assert family_cpu_s() - before > 0.25


def test_processor_time_includes_what_a_running_process_started_and_waited_for() -> None:
    program = "import subprocess, sys\nsubprocess.run([sys.executable, *sys.argv[1:]], input=b'\\n')\nprint()\ninput()"
    before = family_cpu_s()
    command = [sys.executable, "-c", program, "-c", BURN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # of BURN
        process.stdout.readline()  # it has ended
        while_it_runs = family_cpu_s()
        process.communicate(b"\n")
    assert while_it_runs - before > 0.25


def test_ratios_are_of_elapsed_and_of_processor_time() -> None:
    elapsed, cpu = ratios([Spent(6.0, 1.0), Spent(6.0, 1.0)], [Spent(2.0, 4.0), Spent(2.0, 4.0)])
    assert elapsed == Ratio(3.0, 3.0, 3.0)
    assert cpu == Ratio(0.25, 0.25, 0.25)


def test_stages_may_be_nested_and_have_a_row_each() -> None:
    times = StageTimes()
    for _ in range(2):
        with times("whole"), times("part"):
            began = time.process_time()
            while time.process_time() < began + 0.01:
                pass
    assert {stage: len(spent) for stage, spent in times.spent.items()} == {"part": 2, "whole": 2}
    assert times.spent["whole"][0].cpu_s >= times.spent["part"][0].cpu_s >= 0.01
    assert [row["stage"] for row in times.rows()] == ["part", "whole"]
    assert all(row["p50 ms"] <= row["p99 ms"] for row in times.rows())


def test_the_percentiles_are_of_milliseconds() -> None:
    times = StageTimes({"a": [Spent(number / 1e3, 0.0) for number in range(101)]})
    assert times.rows() == [{"stage": "a", "p50 ms": pytest.approx(50), "p99 ms": pytest.approx(99)}]
