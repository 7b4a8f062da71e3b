"""``make bench``: the measurements of docs/measurements.md, one after another."""

import runpy
import sys

for name in ("startup", "race", "booking"):
    print(f"==> python -m benchmarks.{name}", flush=True)
    sys.argv = [name]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
