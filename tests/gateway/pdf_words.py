"""Read the words of a PDF by its own maps from shapes to characters; enough for what typst writes."""

from __future__ import annotations

import re
import zlib

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\n?endstream", re.DOTALL)
_PAIR = re.compile(rb"<([0-9a-fA-F]{4})>\s*<([0-9a-fA-F]+)>")


def characters_of(pdf: bytes) -> str:
    """Return every character that the PDF's fonts can be read as, in no order."""
    found: set[str] = set()
    for stream in _streams(pdf):
        for block in re.findall(rb"beginbfchar(.*?)endbfchar", stream, re.DOTALL):
            for _, target in _PAIR.findall(block):
                found.update(bytes.fromhex(target.decode()).decode("utf-16-be"))
        for block in re.findall(rb"beginbfrange(.*?)endbfrange", stream, re.DOTALL):
            for first, last, target in re.findall(rb"<(\w{4})>\s*<(\w{4})>\s*<(\w+)>", block):
                start = int(target, 16)
                found.update(chr(start + step) for step in range(int(last, 16) - int(first, 16) + 1))
    return "".join(sorted(found))


def has_words(pdf: bytes, words: str) -> bool:
    """Return whether every character of the words is in the PDF."""
    return set(words.replace(" ", "")) <= set(characters_of(pdf))


def metadata_of(pdf: bytes) -> str:
    """Return the XMP packet."""
    for stream in [pdf, *_streams(pdf)]:
        if b"<pdfaid:" in stream or b"pdfaid:part" in stream:
            return stream.decode("utf-8", "replace")
    return ""


def _streams(pdf: bytes) -> list[bytes]:
    read = []
    for raw in _STREAM.findall(pdf):
        try:
            # Whatever stands before `endstream` may be a line's end or the last byte of the checksum.
            read.append(zlib.decompressobj().decompress(raw))
        except zlib.error:
            read.append(raw)
    return read
