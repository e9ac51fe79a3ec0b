"""Recognizes files that are not UTF-8 text, to name what they are."""

import codecs

from service.annotation.errors import InputError, Problem

HEAD = 4096
"""Number of bytes to inspect before reading a file."""

_BINARY = {
    b"\x1f\x8b": "compressed with gzip",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard",
    b"PK\x03\x04": "a ZIP archive, as are .docx, .xlsx and .epub",
    b"%PDF-": "a PDF document",
    b"PAR1": "a Parquet file",
    b"SQLite format 3\x00": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
}

_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32LE",
    codecs.BOM_UTF32_BE: "UTF-32BE",
    codecs.BOM_UTF16_LE: "UTF-16LE",
    codecs.BOM_UTF16_BE: "UTF-16BE",
}
"""UTF-32's first: that of UTF-16LE begins like it."""


def refuse_foreign(head: bytes) -> None:
    """Raise ``InputError`` if a file that starts with ``head`` cannot be UTF-8 text."""
    for magic, kind in _BINARY.items():
        if head.startswith(magic):
            raise InputError(f"not text: it is {kind}")
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            raise InputError(f"encoded in {name}, not UTF-8: {_convert(name)}")
    if b"\0" in head:
        wide = _wide(head)
        raise InputError(f"looks like {wide}, not UTF-8: {_convert(wide)}" if wide else "not text: it holds zero bytes")


def decode(data: bytes) -> str:
    """Decode UTF-8. Raises ``Problem`` naming the byte and the likely encoding."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        name = _narrow(data)
        raise Problem(
            f"not UTF-8 at byte {error.start + 1} (0x{data[error.start]:02x}); it looks like {name}: {_convert(name)}"
        ) from None


def _wide(head: bytes) -> str | None:
    """UTF-16 without a byte-order mark: in most texts, every other byte is zero."""
    pairs = len(head) // 2
    first, second = head[: 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if second > 0.4 * pairs and not first:
        return "UTF-16LE"
    return "UTF-16BE" if first > 0.4 * pairs and not second else None


def _narrow(data: bytes) -> str:
    """Windows-1252 if its letters are used that ISO 8859-1 does not have."""
    special = {byte for byte in data if 0x80 <= byte <= 0x9F}
    return "Windows-1252" if special and not special & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "ISO-8859-1"


def _convert(name: str) -> str:
    return f"convert it with iconv -f {name} -t UTF-8"
