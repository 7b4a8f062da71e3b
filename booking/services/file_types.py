"""What a file is, told from its bytes (domain rule 7); and names that are safe to show.

Only the eleven kinds are taken. A file that is one of them and something else too is refused: so are macros, files
that a browser might run, and an archive or another document hidden in front of or behind an image.
"""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.parsers import expat

import puremagic

from booking.domain.errors import Invalid

FIELD = "file"
LARGEST = 5 * 1024 * 1024
"""5,242,880 bytes, as e-RS has it."""
LONGEST_NAME = 200
_HEAD = 1024
_MOST_PARTS, _LARGEST_UNPACKED = 5_000, 200 * 1024 * 1024
_RUNS = re.compile(rb"<\s*(!doctype\s+html|html|script|svg|iframe|body|\?php)|\A\s*#!", re.IGNORECASE)
_OFFICE_MACROS = "_VBA_PROJECT".encode("utf-16-le")
_WORD_STREAM = "WordDocument".encode("utf-16-le")


@dataclass(frozen=True, slots=True)
class FileType:
    content_type: str
    extensions: tuple[str, ...]
    """The first is the one given to a file whose name has none of them."""


PDF = FileType("application/pdf", ("pdf",))
TXT = FileType("text/plain", ("txt",))
RTF = FileType("application/rtf", ("rtf", "rtx"))
DOC = FileType("application/msword", ("doc",))
DOCX = FileType("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ("docx",))
XML = FileType("application/xml", ("xml",))
PNG = FileType("image/png", ("png",))
JPEG = FileType("image/jpeg", ("jpg", "jpeg", "jpe"))
GIF = FileType("image/gif", ("gif",))
TIFF = FileType("image/tiff", ("tiff", "tif"))
TYPES = (PDF, TXT, RTF, DOC, DOCX, XML, PNG, JPEG, GIF, TIFF)


def _refused(code: str, message: str) -> Invalid:
    return Invalid.field(FIELD, code, message)


def type_of(data: bytes) -> FileType:
    """What the bytes are; :class:`Invalid` naming the field where they are nothing we take, or two things at once."""
    if not data:
        raise _refused("FILE_EMPTY", "The file is empty.")
    if len(data) > LARGEST:
        raise _refused("FILE_TOO_LARGE", "A file has 5 MB at most.")
    for start, found, check in _BINARY:
        if data.startswith(start):
            check(data)
            if found is not DOCX and zipfile.is_zipfile(io.BytesIO(data)):
                raise _two_things()
            return found
    return _text_type(data)


def _unknown() -> Invalid:
    return _refused(
        "FILE_TYPE", "Files may be pdf, txt, rtf, doc, docx, xml, png, jpg, gif or tiff; this one is none of them."
    )


def _two_things() -> Invalid:
    return _refused("FILE_TYPE", "The file is two things at once. Save it anew and send that.")


def _macros() -> Invalid:
    return _refused("FILE_MACROS", "The document holds macros or starts something when opened. Save it without.")


def _agrees(data: bytes, kind: FileType) -> None:
    """A second opinion on the magic numbers, by puremagic."""
    try:
        found = {match.extension.lstrip(".") for match in puremagic.magic_string(data)}
    except puremagic.PureError:
        found = set()
    if not found & set(kind.extensions):
        raise _unknown()


def _check_pdf(data: bytes) -> None:
    _agrees(data, PDF)
    if b"%%EOF" not in data[-2048:]:
        raise _refused("FILE_DAMAGED", "The PDF is not whole.")


def _check_image(kind: FileType) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        _agrees(data, kind)
        head = data[:_HEAD]
        if b"%PDF-" in head or _RUNS.search(head):
            raise _two_things()

    return check


def _check_rtf(data: bytes) -> None:
    _agrees(data, RTF)
    if b"\\objupdate" in data or b"\\ddeauto" in data:
        raise _macros()


def _check_doc(data: bytes) -> None:
    if _WORD_STREAM not in data:
        raise _unknown()
    if _OFFICE_MACROS in data:
        raise _macros()


def _check_docx(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            names = {part.filename for part in parts}
            if not {"[Content_Types].xml", "word/document.xml"} <= names:
                raise _unknown()
            if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > _LARGEST_UNPACKED:
                raise _unknown()
            # Something in front of the first part or behind the directory is another file.
            if min(part.header_offset for part in parts) != 0 or archive.comment:
                raise _two_things()
            with archive.open("[Content_Types].xml") as file:
                types = file.read(1024 * 1024)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise _refused("FILE_DAMAGED", "The document is not whole, or it has a password.") from error
    if b"macroEnabled" in types or any(name.lower().endswith(("vbaproject.bin", "vbadata.xml")) for name in names):
        raise _macros()
    if b"wordprocessingml.document.main+xml" not in types:
        raise _unknown()


_BINARY: tuple[tuple[bytes, FileType, Callable[[bytes], None]], ...] = (
    (b"%PDF-", PDF, _check_pdf),
    (b"\x89PNG\r\n\x1a\n", PNG, _check_image(PNG)),
    (b"\xff\xd8\xff", JPEG, _check_image(JPEG)),
    (b"GIF87a", GIF, _check_image(GIF)),
    (b"GIF89a", GIF, _check_image(GIF)),
    (b"II*\x00", TIFF, _check_image(TIFF)),
    (b"MM\x00*", TIFF, _check_image(TIFF)),
    (b"{\\rtf1", RTF, _check_rtf),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", DOC, _check_doc),
    (b"PK\x03\x04", DOCX, _check_docx),
)


def _text_type(data: bytes) -> FileType:
    text = _as_text(data)
    if text is None or zipfile.is_zipfile(io.BytesIO(data)):
        raise _unknown()
    if _RUNS.search(data[:_HEAD].replace(b"\x00", b"")) or "%PDF-" in text[:_HEAD]:
        raise _unknown()
    if not text.lstrip("\ufeff \t\r\n").startswith("<?xml"):
        return TXT
    _check_xml(data)
    return XML


def _as_text(data: bytes) -> str | None:
    """As UTF-8, UTF-16 with its mark, or Windows' Western European; None where it is no text."""
    encodings = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8", "cp1252")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if any(c < " " and c not in "\t\n\r\f" for c in text) else text
    return None


def _check_xml(data: bytes) -> None:
    """Well formed, with no document type (entities can swell or reach out) and not a page that a browser runs."""

    def no_doctype(*_: object) -> None:
        raise _refused("FILE_TYPE", "An XML file may have no document type declaration.")

    def no_page(name: str, _attributes: object) -> None:
        if re.search(r"(^|[ :])(html|svg|script)$", name, re.IGNORECASE):
            raise _unknown()

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = no_doctype, no_page
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise _refused("FILE_DAMAGED", "The XML is not well formed.") from error


def safe_name(given: str, kind: FileType) -> str:
    """The sender's own file name, without folders and tricks, ending as its kind does; 200 characters at most."""
    name = PurePosixPath(given.replace("\\", "/")).name
    # Controls, and the marks that turn the reading direction: "fdp.exe" must not read as "exe.pdf".
    name = "".join(c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c)[0] != "C")
    name = re.sub(r'[<>:"|?*]', "_", re.sub(r"\s+", " ", name)).strip(" .")
    stem, dot, ending = name.rpartition(".")
    if not (dot and stem):
        stem, ending = name or "file", ""
    if ending.lower() in {one for each in TYPES for one in each.extensions}:
        ending = ending if ending.lower() in kind.extensions else kind.extensions[0]
    else:
        stem, ending = name or "file", kind.extensions[0]
    return f"{stem[: LONGEST_NAME - len(ending) - 1]}.{ending}"
