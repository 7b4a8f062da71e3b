"""Enough of a PDF reader to see what is on the pages that Typst makes: text by the fonts' own tables, tags, outline."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_OPERATOR = re.compile(rb"/Lang\([^)]*\)|/(f\d+) [\d.]+ Tf|(ET)\b|\(|<([0-9A-F]+)>")


@dataclass(frozen=True)
class Pdf:
    raw: bytes

    @property
    def objects(self) -> dict[int, bytes]:
        return {int(n): body for n, body in re.findall(rb"(?m)^(\d+) 0 obj\n(.*?)\nendobj", self.raw, re.DOTALL)}

    @property
    def pages(self) -> int:
        return len(re.findall(rb"/Type ?/Page\b(?!s)", self.raw))

    @property
    def language(self) -> str:
        found = re.search(rb"/Type ?/Catalog.*?/Lang ?\((.*?)\)", self.raw, re.DOTALL)
        return found[1].decode() if found else ""

    @property
    def tagged(self) -> bool:
        return b"/StructTreeRoot" in self.raw and re.search(rb"/MarkInfo ?<<[^>]*/Marked true", self.raw) is not None

    @property
    def claims_ua(self) -> bool:
        return b"<pdfuaid:part>1</pdfuaid:part>" in self.raw

    @property
    def title(self) -> str:
        found = re.search(rb'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">(.*?)</rdf:li>', self.raw, re.DOTALL)
        return found[1].decode() if found else ""

    @property
    def text(self) -> str:
        """All text, in the order it is drawn, each piece of it between spaces."""
        objects, said = self.objects, []
        names = {
            name: int(number)
            for body in objects.values()
            for fonts in re.findall(rb"/Font ?<<(.*?)>>", body, re.DOTALL)
            for name, number in re.findall(rb"/(f\d+) (\d+) 0 R", fonts)
        }
        tables = {name: _table(objects, objects[number]) for name, number in names.items()}
        for body in objects.values():
            content = _stream(body)
            if b" Tf" not in content:
                continue
            table: dict[int, str] = {}
            for font, codes in _shown(content):
                if font:
                    table = tables.get(font, {})
                pairs = zip(codes[::2], codes[1::2], strict=True)
                said.append("".join(table.get(high * 256 + low, "") for high, low in pairs) or " ")
        return re.sub(r"\s+", " ", "".join(said))


def _stream(body: bytes) -> bytes:
    found = re.search(rb"stream\r?\n(.*)\r?\nendstream", body, re.DOTALL)
    if not found:
        return b""
    return zlib.decompress(found[1]) if b"/FlateDecode" in body[: found.start()] else found[1]


def _table(objects: dict[int, bytes], font: bytes) -> dict[int, str]:
    found = re.search(rb"/ToUnicode (\d+) 0 R", font)
    cmap = _stream(objects[int(found[1])]) if found else b""
    return {
        int(code, 16): bytes.fromhex(text.decode()).decode("utf-16-be")
        for code, text in re.findall(rb"(?m)^<([0-9A-F]{4})> <([0-9A-F]+)>$", cmap)
    }


def _shown(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Fonts as they are chosen and strings as they are shown; neither where a piece of text ends."""
    at = 0
    while found := _OPERATOR.search(content, at):
        at = found.end()
        if found[1] or found[2]:
            yield found[1] or b"", b""
        elif found[3]:
            yield b"", bytes.fromhex(found[3].decode())
        elif found[0] == b"(":
            literal, at = _literal(content, at)
            yield b"", literal


def _literal(content: bytes, at: int) -> tuple[bytes, int]:
    """A string in parentheses, which may hold others if they balance; and where it ends."""
    said, depth = bytearray(), 1
    while True:
        here = content[at : at + 1]
        if here == b"\\":
            found = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL).match(content, at)
            assert found is not None
            said += bytes([int(found[1], 8)]) if found[1].isdigit() else _ESCAPES.get(found[1], found[1])
            at = found.end()
            continue
        depth += {b"(": 1, b")": -1}.get(here, 0)
        at += 1
        if not depth:
            return bytes(said), at
        said += here
