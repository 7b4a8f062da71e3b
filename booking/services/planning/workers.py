"""Where a plan is solved: processes here, or a Dask cluster of many machines. The plan is the same anywhere.

Solving holds the interpreter's lock for seconds, so it never happens in a thread. Dask is an optional dependency.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from multiprocessing.connection import wait
from typing import Any

CONNECT_SECONDS = 30
"""So long a scheduler may take to answer and to have a worker."""
RETRIES = 2
"""A task that fails is tried again so often; one whose worker is lost Dask gives to another by itself."""


class Where(StrEnum):
    """Kinds of executor, as the command line names them."""

    NONE = "none"
    """Right here, in this process."""
    PROCESSES = "processes"
    DASK = "dask"


class NoExecutor(RuntimeError):
    """The place to solve in is not to be had; the message says what to do."""


@contextmanager
def executor(where: Where, workers: int, scheduler: str | None = None) -> Iterator[Executor | None]:
    """An executor of that kind, None for this process; ended with us. Raises :class:`NoExecutor`.

    ``workers`` are processes of this machine; a Dask ``scheduler`` (``tcp://host:8786``) has workers of its own.
    """
    if where is Where.DASK:
        with _dask(workers or 1, scheduler) as found:
            yield found
        return
    with pool(0 if where is Where.NONE else workers) as made:
        yield made


def lost_workers() -> tuple[type[BaseException], ...]:
    """What Dask raises where a task has cost so many workers that it is given up."""
    distributed = sys.modules.get("distributed")
    return (distributed.KilledWorker,) if distributed is not None else ()


@contextmanager
def _dask(workers: int, scheduler: str | None) -> Iterator[Executor]:
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise NoExecutor(
            "The Dask executor needs Dask, which is not installed: pip install dask distributed"
        ) from error
    # A specialty's arrays travel with its task: kept by the scheduler, they outlive any worker.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        cluster: Any = None
        if scheduler is None:
            local: Any = LocalCluster
            cluster = local(
                n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )  # fmt: skip
        try:
            with _client(Client, cluster or scheduler) as client:
                made: Any = client.get_executor(pure=False, retries=RETRIES)
                made._max_workers = sum(client.nthreads().values())
                try:
                    yield made
                    made.shutdown()
                except BaseException:
                    made.shutdown(wait=False)
                    raise
        finally:
            if cluster is not None:
                cluster.close()


@contextmanager
def _client(kind: Any, address: Any) -> Iterator[Any]:
    """Connected to a cluster that has a worker with this project's code."""
    try:
        client = kind(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise NoExecutor(f"No Dask scheduler answers at {address}: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise NoExecutor(f"The Dask scheduler at {address} has no worker.") from error
        try:
            client.run(exec, "import optimiser.solve")
        except ImportError as error:
            raise NoExecutor(
                f"The Dask workers at {address} can't import the optimiser ({error}): start them in this project's "
                "folder, with the same Python packages."
            ) from error
        yield client


@contextmanager
def pool(workers: int) -> Iterator[Executor | None]:
    """An executor of so many processes; None (solve right here) for 0. They end with us, however we end."""
    if workers == 0:
        yield None
        return
    executor = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield executor
        executor.shutdown()
    except BaseException:
        # A flow solve can't be interrupted, only killed.
        for process in list((getattr(executor, "_processes", None) or {}).values()):
            process.kill()
        executor.shutdown(wait=False, cancel_futures=True)
        raise


def _begin() -> None:
    """In a worker process of ours: ignore Ctrl-C (the planner answers it), and leave when the planner is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def default_workers() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
