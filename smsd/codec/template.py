"""Texts and URLs with variables (features G9, G10, R7): compiled once, filled in for every message.

Read from left to right. A `%` begins a variable in one of three spellings, `%%name%%`, `%:name%` and
`%name[;attribute…]%`, with a name that the caller knows in any case; else, in a URL, an octet `%XX`; else it is an error
that names its position. In a text that is no URL a `%` before anything but a word is itself: "50% off". Never shown in a repr
or an error: the text around a variable, because URLs hold passwords.

Attributes, in any order:

- `isascii`, `isunicode`, `isbinary`: the variable and its values appear only for messages of one of these kinds;
- `value=…`: this text behind the variable, never encoded: `value=&unicode=1` adds a parameter. May occur several times; it
  ends at the next `;` or `%`;
- `interprefix=…`: stands for a leading `+`;
- `unicode`: UTF-16BE in hexadecimal; `charset=…`: the octets of that charset, what it lacks as `?`;
- `len`: the number of octets, as an octet (above 255: as two), in front of them;
- `hex`, `b64`: the octets, with their `len`, written so; `raw`: themselves, percent-encoded, for URLs and forms.

Octets (data of a binary message, a user data header) are written in base64 unless `hex` or `raw` asks otherwise, and nothing stays
nothing, without a length. A text in `data` or `body` is not touched by `len;hex` and `len;b64`, which are there for the binary
message that goes through the same URL; together with isascii, isunicode, unicode or charset they mean the text.
`%condition%` is always empty and carries such attributes.
"""

from __future__ import annotations

import codecs
import difflib
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NoReturn
from urllib.parse import quote_from_bytes

from smsd.values.errors import InvalidValue

Kind = Literal["ascii", "unicode", "binary"]
"""What a message is: text that any system can carry, text that needs Unicode, octets."""

Encode = Callable[[str], str]

_EMPTY = "condition"
_MESSAGE = frozenset({"data", ":data", "body", ":body"})
"""Variables that hold the message itself: text or octets."""

_KINDS: dict[str, Kind] = {"isascii": "ascii", "isunicode": "unicode", "isbinary": "binary"}
_SWITCHES = (*_KINDS, "unicode", "hex", "b64", "raw", "len")
_VALUED = ("value", "charset", "interprefix")
_ATTRIBUTES = (*_SWITCHES, *_VALUED)

_WORD = r"(:?[A-Za-z_][A-Za-z0-9_.:-]*)"
_DOUBLE = re.compile(f"%%{_WORD}%%")
_SINGLE = re.compile(f"%{_WORD}(?:;([^%]*))?%")
_BEGUN = re.compile("%(:?[A-Za-z_][A-Za-z0-9_]*)")
_WORDY = re.compile(f"%{_WORD}(?:;[^%\\s]*)?%")
_OCTET = re.compile("%[0-9A-Fa-f]{2}")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_NO_CHARSET = re.compile("punycode|idna|escape|undefined|mbcs|oem|palmos")


@dataclass(frozen=True, slots=True)
class _Slot:
    """One variable with its attributes. `plain`: nothing but its value; `form` is "hex", "b64", "raw" or "" for octets, `text_form`
    and `text_length` are for texts."""

    name: str
    plain: bool = True
    kinds: frozenset[Kind] = frozenset()
    values: str = ""
    prefix: str | None = None
    charset: str = "utf-8"
    own_charset: bool = False
    form: str = ""
    length: bool = False
    text_form: str = ""
    text_length: bool = False

    def fill(self, value: str | bytes, encode: Encode | None, kind: Kind) -> str:
        """What stands in the variable's place."""
        if self.kinds and kind not in self.kinds:
            return ""
        if not value:
            return self.values
        if isinstance(value, bytes):
            octets = _counted(value) if self.length else value
            if self.form == "raw":
                return quote_from_bytes(octets, safe="") + self.values
            shown = _written(octets, self.form)
            return (shown if encode is None else encode(shown)) + self.values
        return self._text(value, encode) + self.values

    def _text(self, value: str, encode: Encode | None) -> str:
        if self.prefix is not None and value[:1] == "+":
            value = self.prefix + value[1:]
        if self.text_form or self.own_charset or self.text_length:
            octets = value.encode(self.charset, "replace")
            counted = _counted(octets) if self.text_length else octets
            if self.text_form:
                value = _written(counted, self.text_form)
            elif self.own_charset and encode is not None:
                return quote_from_bytes(counted, safe="")  # `encode` knows nothing but UTF-8
            else:
                value = counted[: len(counted) - len(octets)].decode("latin-1") + value
        return value if encode is None else encode(value)


def _counted(octets: bytes) -> bytes:
    size = len(octets)
    return size.to_bytes(max(1, (size.bit_length() + 7) // 8), "big") + octets


def _written(octets: bytes, form: str) -> str:
    return octets.hex().upper() if form == "hex" else b64encode(octets).decode("ascii")


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text. `names` are the variables in it, as the caller spells them."""

    names: frozenset[str]
    _pieces: tuple[str | _Slot, ...] = field(repr=False)

    def render(
        self, values: Mapping[str, str | bytes], encode: Encode | None = None, kind: Kind = "ascii"
    ) -> str:
        """The text for one message. `values` has every one of `names` (save `condition`); `encode` is applied to what is
        inserted, never to the text around it or to what `value=` adds."""
        shown = []
        for piece in self._pieces:
            if isinstance(piece, str):
                shown.append(piece)
                continue
            value = values[piece.name] if piece.name.lower() != _EMPTY else ""
            if piece.plain and isinstance(value, str):
                shown.append(value if encode is None else encode(value))
            else:
                shown.append(piece.fill(value, encode, kind))
        return "".join(shown)

    def shows(self, name: str, kind: Kind) -> bool:
        """Whether a message of this kind gets the variable `name` inserted: a URL that shows no `data` for binary messages
        cannot carry them."""
        return any(
            isinstance(piece, _Slot) and piece.name == name and (not piece.kinds or kind in piece.kinds)
            for piece in self._pieces
        )

    def sixteen(self, name: str, kind: Kind) -> bool:
        """Whether a message of this kind gets the variable `name` written in UTF-16."""
        return any(
            isinstance(piece, _Slot)
            and piece.name == name
            and piece.charset == "utf-16-be"
            and (not piece.kinds or kind in piece.kinds)
            for piece in self._pieces
        )

    @property
    def percent_only(self) -> bool:
        """Whether it can stand nowhere but in a URL or a form: octets of a charset are percent-encoded."""
        return any(
            isinstance(piece, _Slot) and (piece.form == "raw" or (piece.own_charset and not piece.text_form))
            for piece in self._pieces
        )


def parse(text: str, names: Collection[str], url: bool = True) -> Template:
    """Compile `text`. `names` are the variables that it may use, looked up as written, then in any case; `:name` is looked up
    with its colon, then without. InvalidValue says at which character what is wrong and which names there are."""
    pieces = tuple(_Reader(text, names, url).pieces())
    return Template(frozenset(piece.name for piece in pieces if isinstance(piece, _Slot)), pieces)


class _Reader:
    """One reading of one text."""

    def __init__(self, text: str, names: Collection[str], url: bool) -> None:
        self._source = text
        self._names = sorted(names)
        self._folded = {name.lower(): name for name in self._names} | {name: name for name in self._names}
        self._url = url

    def pieces(self) -> Iterator[str | _Slot]:
        """The text cut into literal pieces and variables."""
        text, begun, at, octet = self._source, 0, 0, -1
        if (odd := _UNSTORABLE.search(text)) is not None:
            self._fail(odd.start(), "NUL or half a surrogate pair, which nothing can carry: remove it")
        while (at := text.find("%", at)) >= 0:
            found = self._variable(at)
            if found is None:
                self._closed(at)
                if self._url and _OCTET.match(text, at):
                    octet, at = at, at + 3
                else:
                    self._literal(at, octet)
                    at += 1
                continue
            slot, end = found
            if begun < at:
                yield text[begun:at]
            yield slot
            begun = at = end
        if begun < len(text):
            yield text[begun:]

    def _variable(self, at: int) -> tuple[_Slot, int] | None:
        """The variable that begins at this percent sign, and where it ends."""
        double = _DOUBLE.match(self._source, at)
        if double and (name := self._known(double[1])) is not None:
            return _Slot(name), double.end()
        single = _SINGLE.match(self._source, at)
        if single and (name := self._known(single[1])) is not None:
            return self._with_attributes(name, single[2], single.start(2)), single.end()
        if double:
            self._unknown(double[1], at)
        return None

    def _known(self, word: str) -> str | None:
        for spelling in (word, word.lower(), word.lower().removeprefix(":")):
            if (name := self._folded.get(spelling)) is not None:
                return name
        return None

    def _closed(self, at: int) -> None:
        """Raise when a variable begins here that has no end: in `%data&x=` the `%da` is no octet."""
        begun = _BEGUN.match(self._source, at)
        if begun and self._known(begun[1]) is not None:
            self._fail(at, f"%{begun[1]} has no end: write %{begun[1]}%")

    def _literal(self, at: int, octet: int) -> None:
        """Raise unless this percent sign may stand for itself. `octet` is where the last %XX stands."""
        wordy = _WORDY.match(self._source, at)
        if wordy:
            self._unknown(wordy[1], at)
        if not self._url:
            return
        if octet >= 0 and (wordy := _WORDY.match(self._source, octet)) and wordy.end() == at + 1:
            self._unknown(wordy[1], octet)  # the last %XX was the beginning of a word: %dcg%
        begun = _BEGUN.match(self._source, at + 1)
        if begun and self._known(begun[1]) is not None:
            self._fail(at, f"%%{begun[1]} has no end: write %%{begun[1]}%%")
        self._fail(
            at, "this percent sign begins no variable and no octet: a plain one is written %25 in a URL"
        )

    def _unknown(self, word: str, at: int) -> NoReturn:
        shown = word if len(word) <= 40 else word[:40] + "…"
        close = difflib.get_close_matches(word[:40].lower(), self._names, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        self._fail(at, f"there is no variable {shown}: {hint}known: {', '.join(self._names) or 'none'}")

    def _fail(self, at: int, wrong: str) -> NoReturn:
        raise InvalidValue(f"at character {at + 1}: {wrong}")

    def _with_attributes(self, name: str, written: str | None, at: int) -> _Slot:
        """The variable `name` with attributes such as `isunicode;unicode;value=&unicode=1`, which begin at `at`."""
        if written is None:
            return _Slot(name)
        switches: set[str] = set()
        chosen: dict[str, str] = {}
        values: list[str] = []
        for attribute in written.split(";"):
            word, equals, value = attribute.partition("=")
            word = word.lower()
            if word not in (_VALUED if equals else _SWITCHES):
                self._bad_attribute(word, bool(equals), at)
            if word == "value":
                values.append(value)
            elif word in switches or word in chosen:
                self._fail(at, f"{word} is given twice: give it once")
            elif equals:
                chosen[word] = value
            else:
                switches.add(word)
            if word == "charset":
                self._check_charset(value, at)
            at += len(attribute) + 1
        if len({"hex", "b64", "raw"} & switches) > 1 or ("unicode" in switches and "charset" in chosen):
            self._fail(at - 1, "hex excludes b64 and raw, and unicode excludes charset: choose one")
        kinds = frozenset(kind for word, kind in _KINDS.items() if word in switches)
        unicode, own_charset, length = "unicode" in switches, "charset" in chosen, "len" in switches
        form = next((word for word in ("hex", "b64", "raw") if word in switches), "")
        for_octets = (
            form in ("hex", "b64")
            and name.lower() in _MESSAGE
            and not (unicode or own_charset or kinds - {"binary"})
        )
        return _Slot(
            name,
            plain=False,
            kinds=kinds,
            values="".join(values),
            prefix=chosen.get("interprefix"),
            charset="utf-16-be" if unicode else chosen.get("charset", "utf-8"),
            own_charset=own_charset,
            form=form,
            length=length,
            text_form="" if for_octets or form == "raw" else "hex" if unicode and not form else form,
            text_length=length and not for_octets,
        )

    def _bad_attribute(self, word: str, valued: bool, at: int) -> NoReturn:
        if word in _ATTRIBUTES:
            self._fail(at, f"write ;{word} without a value" if valued else f"write ;{word}= with a value")
        shown = word if len(word) <= 40 else word[:40] + "…"
        close = difflib.get_close_matches(word[:40].strip(), _ATTRIBUTES, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        self._fail(at, f"there is no attribute {shown!r}: {hint}known: {', '.join(_ATTRIBUTES)}")

    def _check_charset(self, name: str, at: int) -> None:
        known = (
            name.isascii()
            and name.isprintable()
            and 0 < len(name) <= 40
            and not _NO_CHARSET.search(name.lower())
        )
        try:
            if known and getattr(codecs.lookup(name), "_is_text_encoding", True):
                return
        except (LookupError, ValueError):
            pass
        self._fail(at, f"there is no charset {name[:40]!r}: write for instance charset=iso-8859-1")
