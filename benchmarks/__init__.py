"""Measurements that anybody can repeat: ``python -m benchmarks.NAME``. Never run as timed tests."""
