"""Octets of a table to text, bite by bite: UTF-8, with or without its mark, UTF-16 with its mark, else Windows-1252.

What the charset is shows at the first octet that is no ASCII: until then all of them are the same. A file that changes its
charset half way is refused with the line, and so is what is no text at all.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, NoReturn

from smsd.values.errors import InvalidValue

_OTHER = re.compile(rb"[\x80-\xff]")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_FOREIGN = (
    (b"PK\x03\x04", "an Excel or OpenDocument workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF"),
)
SHOWN = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
    "": "ASCII",
}
_SAVE = "save the file as CSV in UTF-8 (Excel: Save As, CSV UTF-8)"


class Decoder:
    """`charset` is a codec's name, "" as long as all is ASCII."""

    def __init__(self) -> None:
        self.charset = ""
        self._decoder: Any = None
        self._held = b""
        self._begun = False
        self._line = 1

    def feed(self, octets: bytes, final: bool = False) -> str:
        """The text of these octets, as far as it is known already. InvalidValue when it is none."""
        data = self._held + octets
        self._held = b""
        if not self._begun:
            if len(data) < 4 and not final:
                self._held = data
                return ""
            data = self._begin(data)
        text = self._decoded(data, final)
        if "\0" in text:
            self._fail(text[: text.index("\0")], "there is a NUL character, so this is no CSV file")
        self._line += text.count("\n")
        return text

    def _begin(self, data: bytes) -> bytes:
        self._begun = True
        for magic, what in _FOREIGN:
            if data.startswith(magic):
                raise InvalidValue(f"this is {what} and no CSV file: {_SAVE}")
        for mark, charset in _MARKS:
            if data.startswith(mark):
                self._use(charset)
                return data[len(mark) :]
        return data

    def _use(self, charset: str) -> None:
        self.charset = charset
        self._decoder = codecs.getincrementaldecoder(charset)()

    def _decoded(self, data: bytes, final: bool) -> str:
        before = ""
        if self._decoder is None:
            found = _OTHER.search(data)
            if found is None:
                return data.decode("ascii")
            at = found.start()
            before, data = data[:at].decode("ascii"), data[at:]
            if len(data) < 4 and not final:
                self._held = data
                return before
            self._use("utf-8" if _is_utf8(data[:4]) else "cp1252")
        try:
            return before + str(self._decoder.decode(data, final))
        except UnicodeDecodeError as error:
            seen = before.encode() + bytes(error.object)[: error.start]
            octet = f"the octet 0x{error.object[error.start]:02X}" if error.start < len(error.object) else ""
            charset = SHOWN[self.charset]
            self._fail(seen.decode("latin-1"), f"{octet} is no {charset}, as which the file began")

    def _fail(self, before: str, wrong: str) -> NoReturn:
        raise InvalidValue(f"line {self._line + before.count(chr(10))}: {wrong}: {_SAVE}")


def _is_utf8(sequence: bytes) -> bool:
    """Whether it begins with a whole character of UTF-8."""
    try:
        return bool(codecs.getincrementaldecoder("utf-8")().decode(sequence))
    except UnicodeDecodeError as error:
        return error.start > 0
