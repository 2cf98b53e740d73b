"""The description of the machine."""

from pathlib import Path

import pytest

from tagging.bench.machine import machine

X86 = "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: fpu avx2 amx_bf16 sse\n\nprocessor\t: 1\nmodel name\t: other\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd sve\n\n"


@pytest.mark.parametrize(("text", "sets"), [(X86, "avx2 amx_bf16"), (ARM, "asimd sve")])
def test_the_instruction_sets_that_matter_are_named(tmp_path: Path, text: str, sets: str) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    facts = {row["machine"]: row["value"] for row in machine(tmp_path / "cpuinfo")}
    assert facts["instruction sets"] == sets
    assert facts["processor"]
    assert "torch" in facts["versions"]


def test_threads_are_those_of_torch_and_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    facts = {row["machine"]: row["value"] for row in machine(tmp_path / "absent")}
    assert facts["threads"].startswith("torch ")
    assert "OMP_NUM_THREADS=3" in facts["threads"]
    assert facts["instruction sets"] == ""
