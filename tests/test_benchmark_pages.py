"""The benchmark of pages times nothing but pages."""

from __future__ import annotations

import pytest
from werkzeug.routing import Map

from benchmarks.pages import Walker


def answering(status: int) -> Walker:
    """A visitor whose server answers everything so, with a word of text in three milliseconds."""

    class Answered(Walker):
        def get(self, path: str) -> tuple[int, str, int, float]:
            return status, "word", 4, 3.0

    return Answered("http://127.0.0.1", Map().bind("127.0.0.1"))


def test_a_page_is_timed() -> None:
    assert answering(200).page("/help") == (4, 3.0)


@pytest.mark.parametrize("status", [302, 404, 429, 500])
def test_what_is_no_page_is_not_timed(status: int) -> None:
    with pytest.raises(RuntimeError, match=f"/help answered {status}"):
        answering(status).page("/help")
