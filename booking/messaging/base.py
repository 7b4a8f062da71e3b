"""What a message is, and what carries one."""

from __future__ import annotations

import hashlib
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

TIMEOUT_SECONDS = 20


class Undeliverable(Exception):  # reads better than UndeliverableError
    """This message can never be delivered to this recipient; the text says why and names nobody."""


@dataclass(frozen=True, slots=True)
class Message:
    """What leaves. ``key`` is stable for one event, so that the recipient's side knows a repetition."""

    key: str
    to: str
    subject: str
    text: str

    @property
    def message_id(self) -> str:
        return f"<{hashlib.sha256(self.key.encode()).hexdigest()[:32]}@choose-and-book>"


class Transport(ABC):
    """Sends messages between ``with`` and its end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027  # most have nothing to close
        pass

    @abstractmethod
    def send(self, message: Message) -> None:
        """Hand the message over; returning means that somebody else now has it."""


class Console(Transport):
    """Prints that a message left, and to whom it is of use: for development."""

    def send(self, message: Message) -> None:
        print(f"To: {message.to}\nSubject: {message.subject}\n\n{message.text}\n", file=sys.stderr, flush=True)


class TextFolder(Transport):
    """Texts as files, one for each event: for development."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def send(self, message: Message) -> None:
        name = message.message_id.strip("<>").partition("@")[0]
        part = self._folder / f"{name}.part"
        part.write_text(f"To: {message.to}\n\n{message.text}\n", encoding="utf-8")
        part.replace(self._folder / f"{name}.txt")
