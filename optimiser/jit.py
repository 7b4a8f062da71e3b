"""Compiled loops: what numpy can't say in whole arrays, at the speed of C."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a function of arrays and numbers by numba, at its first call for each set of types.

    The machine code is kept beside the module (or in ``NUMBA_CACHE_DIR``), so that other processes only load it. A
    kernel checks no bounds and lets go of the GIL; ``kernel(f).py_func`` is the function as written.
    """
    compiled: Any = numba.njit(cache=True, nogil=True)(function)
    if hasattr(compiled, "_cache"):  # not under NUMBA_DISABLE_JIT
        # Numba looks for changes in the kernel's own file alone, though the code of kernels it calls is built in.
        compiled._cache._cache_file._source_stamp = _sources()
    return cast("F", compiled)


@cache
def _sources() -> str:
    """Hash of every module of this package that has kernels, and of the constants they share."""
    sha = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("**/*.py")):
        text = path.read_bytes()
        if b"optimiser.jit import" in text or path.name == "arrays.py":
            sha.update(text)
    return sha.hexdigest()
