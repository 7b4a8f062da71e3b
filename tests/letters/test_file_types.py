"""What a file is stands in its bytes: names and tricks change nothing."""

from __future__ import annotations

import io
import zipfile

import pytest

from booking.domain.errors import Invalid
from booking.services.file_types import DOCX, LARGEST, PDF, TXT, safe_name, type_of
from tests.letters import conftest as files

GOOD = {
    "pdf": files.PDF, "png": files.PNG, "jpg": files.JPEG, "gif": files.GIF, "tiff": files.TIFF, "rtf": files.RTF,
    "doc": files.DOC, "docx": files.docx(), "xml": files.XML, "txt": files.TXT,
}  # fmt: skip


@pytest.mark.parametrize("extension", GOOD)
def test_each_kind_is_known_by_its_bytes(extension: str) -> None:
    assert extension in type_of(GOOD[extension]).extensions


@pytest.mark.parametrize(
    "text", ["caf\xe9 l\x92\x92".encode("latin-1"), "Ŵ".encode("utf-16"), "ﺎﻠﻌﺮﺒﻳﺓ".encode(), b"MZ is my name"]
)
def test_text_of_several_encodings_is_text(text: bytes) -> None:
    assert type_of(text) is TXT


def _zip_behind(data: bytes) -> bytes:
    hidden = io.BytesIO()
    with zipfile.ZipFile(hidden, "w") as archive:
        archive.writestr("run.js", "alert(1)")
    return data + hidden.getvalue()


BAD = {
    "an executable": b"MZ\x90\x00\x03\x00" + bytes(200),
    "an ELF": b"\x7fELF\x02\x01\x01" + bytes(200),
    "a script": b"#!/bin/sh\nrm -rf /\n",
    "a page": b"<!DOCTYPE html><html><script>alert(1)</script></html>",
    "a page after blanks": b"  \n<html><body>",
    "php": b"<?php system('ls'); ?>",
    "an svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
    "xhtml": b'<?xml version="1.0"?><h:html xmlns:h="http://www.w3.org/1999/xhtml"/>',
    "xml with entities": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
    "xml cut off": files.XML[:-5],
    "nothing": b"",
    "a zip": _zip_behind(b""),
    "a pdf cut off": files.PDF[:40],
    "a pdf with a zip behind it": _zip_behind(files.PDF),
    "a gif with a zip behind it": _zip_behind(files.GIF),
    "text with a zip behind it": _zip_behind(b"hello"),
    "a docx with something in front": b"PK\x03\x04junk" + files.docx(),
    "a gif that is a script": b"GIF89a/*<script>alert(1)</script>",
    "a png that is a pdf": files.PNG + b"%PDF-1.4 ... %%EOF",
    "a docx with macros": files.docx(extra={"word/vbaProject.bin": b"x"}),
    "a docm called docx": files.docx(types="application/vnd.ms-word.document.macroEnabled.main+xml"),
    "a spreadsheet": files.docx(types="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"),
    "a doc with macros": files.DOC + "_VBA_PROJECT".encode("utf-16-le"),
    "an old spreadsheet": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "Workbook".encode("utf-16-le"),
    "an rtf that starts something": rb"{\rtf1{\object\objupdate}}",
    "a docx cut off": files.docx()[:-30],
    "zeros": bytes(100),
    "one byte too many": b"a" * (LARGEST + 1),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_anything_else_is_refused_and_the_field_named(what: str) -> None:
    with pytest.raises(Invalid) as refused:
        type_of(BAD[what])
    assert [error.field for error in refused.value.errors] == ["file"]


def test_the_largest_file_is_taken() -> None:
    assert type_of(b"a" * LARGEST) is TXT


def test_a_docx_that_swells_is_refused() -> None:
    made = io.BytesIO(files.docx())
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/media/bomb", bytes(201 * 1024 * 1024))
    assert len(made.getvalue()) < LARGEST
    with pytest.raises(Invalid):
        type_of(made.getvalue())


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("letter.pdf", "letter.pdf"),
        ("Letter.PDF", "Letter.PDF"),
        ("letter", "letter.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\Users\\gp\\Sian's letter.pdf", "Sian's letter.pdf"),
        ("virus.exe", "virus.exe.pdf"),
        ("scan.png", "scan.pdf"),
        ("exe.\u202efdp", "exe.fdp.pdf"),
        ('a"b\r\nc.pdf', "a_bc.pdf"),
        (".pdf", "pdf.pdf"),
        ("", "file.pdf"),
        ("رسالة 😀.pdf", "رسالة 😀.pdf"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
    ],
)
def test_names_are_shown_without_tricks(given: str, shown: str) -> None:
    assert safe_name(given, PDF) == shown


def test_a_docx_may_not_be_called_something_else() -> None:
    assert safe_name("letter.doc", DOCX) == "letter.docx"
