"""Machine code kept from an earlier run is never older than any kernel that is part of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import optimiser.jit

ROOT = Path(optimiser.jit.__file__).parent
STEP = "from optimiser.jit import kernel\n\n@kernel\ndef step(x: int) -> int:\n    return x + {}\n"
TWICE = (
    "from optimiser.jit import kernel\nfrom optimiser.step import step\n\n"
    "@kernel\ndef twice(x: int) -> int:\n    return step(step(x))\n"
)
RUN = "from optimiser.twice import twice; print(twice(1), twice.py_func(1), sum(twice.stats.cache_hits.values()))"


def test_every_compiled_loop_is_a_kernel() -> None:
    """What numba compiles by itself holds the GIL, and is kept though a kernel that is part of it has changed."""
    assert [path.name for path in sorted(ROOT.glob("**/*.py")) if "numba" in path.read_text()] == ["jit.py"]


def _run(folder: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-c", RUN], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_change_in_another_module_compiles_again(tmp_path: Path) -> None:
    package = tmp_path / "optimiser"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(ROOT / "jit.py", package)
    (package / "step.py").write_text(STEP.format(1))
    (package / "twice.py").write_text(TWICE)
    assert _run(tmp_path) == ["3", "3", "0"]
    assert _run(tmp_path) == ["3", "3", "1"]
    (package / "step.py").write_text(STEP.format(10))
    assert _run(tmp_path) == ["21", "21", "0"]
