"""Compatibility of torchvision with torch. Each case runs in a process of its own: an import cannot be undone.

test_quiet_loading.py imports the model libraries after a repair.
"""

import subprocess
import sys
from pathlib import Path


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_torchvision_imports_after_the_repair_and_a_second_repair_does_nothing() -> None:
    out = run(
        "from tagging.features.torchvision_compat import repair_torchvision as repair\n"
        "repair(); import torchvision; repair()\n"
        "import sys\n"
        "from torchvision.transforms import v2\n"
        "import torch\n"
        "print(v2.Resize(2)(torch.ones(3, 4, 4)).shape == (3, 2, 2), torchvision is sys.modules['torchvision'])"
    )
    assert out == "True True"


def test_nothing_happens_where_torchvision_is_not_installed() -> None:
    out = run(
        "import importlib.util, sys\n"
        "importlib.util.find_spec = lambda name: None\n"
        "from tagging.features.torchvision_compat import repair_torchvision\n"
        "repair_torchvision(); print('torchvision' in sys.modules, 'torch' in sys.modules)"
    )
    assert out == "False False"


def test_a_working_torchvision_is_imported_unchanged(tmp_path: Path) -> None:
    (tmp_path / "torchvision.py").write_text("")
    out = run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from tagging.features import torchvision_compat as compat\n"
        "compat.repair_torchvision(); print(sys.modules['torchvision'].__file__, compat._declared)"
    )
    assert out == f"{tmp_path / 'torchvision.py'} []"


def test_another_failure_of_torchvision_is_not_hidden(tmp_path: Path) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('a broken disk')")
    out = run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from tagging.features.torchvision_compat import repair_torchvision\n"
        "try: repair_torchvision()\n"
        "except RuntimeError as error: print(error)"
    )
    assert out == "a broken disk"
