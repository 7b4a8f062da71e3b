"""Notes of what each job did, kept in memory and written down together: half a minute apart, not at every run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from booking.edge.flask_app import BookingApp
from booking.services import job_notes
from booking.services.job_notes import SCHEDULER, Note

WRITE_SECONDS = 30


class Notebook:
    """Of one scheduler, from when it begins to lead. Notes of other jobs than these are forgotten: nobody runs them any
    more, and they would be late for good."""

    def __init__(self, app: BookingApp, jobs: Iterable[str]) -> None:
        self._app = app
        self._jobs = frozenset(jobs)
        self._tidied = False
        self._lock = threading.Lock()
        self._notes = {SCHEDULER: Note(SCHEDULER, app.clock(), WRITE_SECONDS)}
        self._changed: set[str] = set()

    def watched(self, name: str, job: Callable[[], object], every: int | None) -> Callable[[], object]:
        """The job, with its start, end and failure noted."""

        def run() -> object:
            began, clock = self._app.clock(), time.perf_counter()
            try:
                result = job()
            except Exception as error:
                self._note(name, Note(name, began, every, failed_at=self._app.clock(), error=type(error).__name__))
                raise
            took = round((time.perf_counter() - clock) * 1000)
            self._note(name, Note(name, began, every, finished_at=self._app.clock(), milliseconds=took))
            return result

        return run

    def _note(self, name: str, note: Note) -> None:
        with self._lock:
            if (before := self._notes.get(name)) is not None:
                note = replace(
                    note, runs=before.runs, finished_at=note.finished_at or before.finished_at,
                    milliseconds=before.milliseconds if note.milliseconds is None else note.milliseconds,
                    failed_at=note.failed_at or before.failed_at, error=note.error or before.error,
                )  # fmt: skip
            self._notes[name] = replace(note, runs=note.runs + 1)
            self._changed.add(name)

    def write(self) -> None:
        """Write down what has changed, and that the scheduler lives."""
        with self._lock:
            alive = self._notes[SCHEDULER]
            self._notes[SCHEDULER] = replace(alive, finished_at=self._app.clock(), runs=alive.runs + 1)
            notes = [self._notes[name] for name in sorted({SCHEDULER, *self._changed})]
        with self._app.database.unit_of_work() as session:
            job_notes.write(session, notes)
            if not self._tidied:
                job_notes.forget_others(session, self._jobs)
        self._tidied = True
        with self._lock:  # what could not be written is tried again
            self._changed -= {note.name for note in notes if self._notes[note.name] is note}
