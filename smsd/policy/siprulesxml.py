"""SIP rules as XML, in the document's form: `<NUMBER>…</NUMBER><METHOD>…</METHOD><SMS>1</SMS><RESPONSE>200 OK</RESPONSE>`.

The document shows one rule without anything around it. So a bare list is taken, where a word that comes a second time begins the
next rule, and so does NUMBER or METHOD behind one of the others; and rules in whatever elements stand around them. Names may be
in small letters. Bounded in octets, elements and depth; a document type is a mistake, so there are no entities to expand.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final
from xml.parsers import expat

from smsd.policy.siprules import CONDITIONS, MOST_RULES, WORDS, SipRule, make
from smsd.values.errors import InvalidValue

MOST_OCTETS: Final = 1_000_000
DEEPEST: Final = 16
LONGEST: Final = 4000
"""Characters of one word."""
_DECLARATION = re.compile(rb"\A(?:\xef\xbb\xbf)?[ \t\r\n]*<\?xml\b[^>]*\?>")
_ENCODING = re.compile(rb"encoding=[\"']([A-Za-z0-9._-]{1,40})[\"']")
_ENCODINGS = {"utf-8": "utf-8", "us-ascii": "us-ascii", "iso-8859-1": "iso-8859-1"}
_AROUND = b"<x>"


def read_rules(data: bytes, name: str) -> tuple[tuple[SipRule, ...], list[str]]:
    """The rules of a file, in their order, and warnings; InvalidValue has a line `name:line: what` for each mistake."""
    reader = _Reader(data, name)
    if reader.mistakes:
        raise InvalidValue("\n".join(reader.mistakes))
    return tuple(reader.rules), reader.warnings


class _Stop(Exception):
    """There is no sense in reading on."""


class _Reader:
    """expat's events as rules."""

    def __init__(self, data: bytes, name: str) -> None:
        self.rules: list[SipRule] = []
        self.warnings: list[str] = []
        self.mistakes: list[str] = []
        self._name = name
        self._open: list[str] = []
        self._words: dict[str, str] = {}
        self._line = 0
        self._text: list[str] = []
        with suppress(_Stop):
            self._read(data)

    def _read(self, data: bytes) -> None:
        if len(data) > MOST_OCTETS:
            self._wrong(1, f"the file is too long: at most {MOST_OCTETS} octets")
            return
        encoding = "utf-8"
        declared = _DECLARATION.match(data)
        if declared is not None:
            found = _ENCODING.search(declared[0])
            said = found[1].decode("ascii").lower() if found else "utf-8"
            if said not in _ENCODINGS:
                self._wrong(1, f"the encoding {said} is not taken: save it as UTF-8")
                return
            encoding = _ENCODINGS[said]
            # Something is put around it, which only a file without a declaration can begin with; its lines stay.
            data = b"\n" * declared[0].count(b"\n") + data[declared.end() :]
        self._expat = parser = expat.ParserCreate(encoding)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(_AROUND, False)
            parser.Parse(data.removeprefix(b"\xef\xbb\xbf"), False)
            parser.Parse(b"</x>", True)
        except expat.ExpatError as error:
            what = f"this is no XML: {expat.ErrorString(error.code)}"
            if b"<!DOCTYPE" in data:  # never well-formed where something stands around it
                what = "a document type (<!DOCTYPE …>) is not taken: leave it out"
            self._wrong(error.lineno, what)

    def _wrong(self, line: int, what: str) -> None:
        what = "".join(c if c.isprintable() else "?" for c in what)
        self.mistakes.append(f"{self._name}:{line}: {what}")
        if len(self.mistakes) >= 100:
            raise _Stop

    def _start(self, name: str, _: object) -> None:
        line = self._expat.CurrentLineNumber
        if len(self._open) >= DEEPEST:
            self._wrong(line, f"nested too deeply: at most {DEEPEST} elements inside each other")
            raise _Stop
        within = self._open[-1] if self._open else ""
        self._open.append(name)
        if within.upper() in WORDS:
            self._wrong(
                line, f"<{name[:40]}> has no place inside <{within}>: write < in an expression as &lt;"
            )
        elif name.upper() not in WORDS:
            self._finish()  # something around rules, or around the next one
        elif name.upper() in self._words or (name.upper() in CONDITIONS and self._words.keys() - CONDITIONS):
            self._finish()
        if not self._words:
            self._line = line
        self._text = []

    def _characters(self, text: str) -> None:
        within = self._open[-1] if self._open else ""
        if within.upper() in WORDS:
            self._text.append(text)
        elif text.strip():
            self._wrong(
                self._expat.CurrentLineNumber,
                f"{text.strip()[:40]!r} stands in <{within[:40]}>, which is none of {', '.join(WORDS)}"
                if len(self._open) > 1
                else f"{text.strip()[:40]!r} stands outside of every element",
            )

    def _end(self, name: str) -> None:
        self._open.pop()
        if name.upper() not in WORDS:
            self._finish()
            return
        text = "".join(self._text).strip()
        if len(text) > LONGEST:
            self._wrong(self._expat.CurrentLineNumber, f"<{name}> is too long: at most {LONGEST} characters")
            return
        self._words[name.upper()] = text

    def _finish(self) -> None:
        """The rule whose words have come is whole."""
        words, self._words = self._words, {}
        if not words:
            return
        place = f"{self._name}:{self._line}"
        if len(self.rules) >= MOST_RULES:
            self._wrong(self._line, f"there are too many rules: at most {MOST_RULES}")
            raise _Stop
        try:
            rule, warnings = make(words, place)
        except InvalidValue as error:
            self._wrong(self._line, str(error))
            return
        self.rules.append(rule)
        self.warnings += [f"{place}: {warning}" for warning in warnings]
