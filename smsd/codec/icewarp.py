"""IceWarp's files of SMS users as values: `sms.dat` and `smsusers.dat`, and the one described tag of `smsgateway.dat`.

A line has ten fields between colons: user:password:gateway:description:maxsend:sent:lastsent:prevsent:expire:inactive. Nothing
describes how a colon inside a field would be written, so a line with another number of fields is a mistake, and so is
everything else that the description does not have. No mistake quotes a line: there are passwords in it. Knows no files and no time.
"""

from __future__ import annotations

import codecs
import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.parsers import expat

from smsd.values.errors import DecodeError, storable

FIELDS = (
    "user", "password", "gateway", "description", "maxsend", "sent", "lastsent", "prevsent", "expire", "inactive",
)  # fmt: skip
MOST_LINES = 100_000
MOST_ELEMENTS = 100_000
DEEPEST = 64
MOST_NUMBER = 10**15
_LAST_MOMENT = 253_402_300_799
"""Seconds UTC of the end of the year 9999."""
_ZERO = datetime.date(1899, 12, 30)
"""Day 0 of Delphi's TDateTime: there is no date."""
_DAYS = re.compile(r"([0-9]{1,7})(?:[.,][0-9]{1,20})?")
_WRITTEN = re.compile(r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})(?: [0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?")
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `lastsent` is in seconds UTC, 0 when never; `expire` None when never."""

    user: str
    password: str = field(repr=False, default="")
    gateway: str = ""
    description: str = ""
    maxsend: int = 0
    sent: int = 0
    lastsent: int = 0
    prevsent: int = 0
    expire: datetime.date | None = None
    inactive: bool = False


@dataclass(frozen=True, slots=True)
class Gateways:
    """Of `smsgateway.dat`: the paths of client certificates with their lines, and how often each other element is there."""

    certificates: tuple[tuple[int, str], ...]
    others: tuple[tuple[str, int], ...]


class Broken(DecodeError):
    """What is wrong with a file: (line, why) for each mistake."""

    def __init__(self, mistakes: Iterable[tuple[int, str]]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("; ".join(f"line {line}: {wrong}" for line, wrong in self.mistakes))


# -- characters


def decode(data: bytes, charset: str = "") -> tuple[str, str]:
    """The text and the charset it was read as: `charset`, or what a mark at the beginning says, or UTF-8, or else CP1252."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return _decoded(data[len(mark) :], name)
    if charset:
        return _decoded(data, charset)
    try:
        return data.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        return _decoded(data, "cp1252")


def known_charset(name: str) -> bool:
    """Whether texts can be read in this charset."""
    try:
        found = codecs.lookup(name) if name.isascii() and len(name) <= 40 and "\0" not in name else None
    except LookupError:
        return False
    # Codecs that are no charsets (base64, rot13) say so; the others on this list mean something else than octets.
    return (
        found is not None
        and getattr(found, "_is_text_encoding", True)
        and not re.search("punycode|idna|escape|undefined", name)
    )


def _decoded(data: bytes, name: str) -> tuple[str, str]:
    try:
        return data.decode(name), name.upper()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Broken([(line, f"this is no {name.upper()}: say with --charset what it is")]) from None


# -- lines


def read_lines(text: str) -> list[tuple[int, Line]]:
    """Every line with its number; empty ones are nothing. Broken tells all mistakes."""
    found, wrong = [], []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if number > MOST_LINES:
            wrong.append((number, f"there are too many lines; allowed: {MOST_LINES}"))
            break
        if not line.strip():
            continue
        try:
            found.append((number, read_line(line)))
        except DecodeError as error:
            wrong.append((number, str(error)))
    if wrong:
        raise Broken(wrong)
    return found


def read_line(text: str) -> Line:
    """One line, without its end; DecodeError says what is wrong with it."""
    fields = text.split(":")
    if len(fields) != len(FIELDS):
        raise DecodeError(
            f"there are {len(fields)} fields instead of {len(FIELDS)}: take out colons that belong to a password or a description"
        )
    given = dict(zip(FIELDS, fields, strict=True))
    for name in FIELDS[:4]:
        try:
            storable(given[name])
        except ValueError:
            raise DecodeError(f"{name}: there is a character that no text has") from None
        if any((ord(letter) < 32 and letter != "\t") or letter == "\x7f" for letter in given[name]):
            raise DecodeError(f"{name}: there is a control character")
    if given["inactive"].strip() not in ("", "0", "1"):
        raise DecodeError("inactive: it is neither 0 nor 1")
    return Line(
        given["user"], given["password"], given["gateway"].strip(), given["description"],
        _number(given, "maxsend"), _number(given, "sent"), _number(given, "lastsent", _LAST_MOMENT),
        _number(given, "prevsent"), read_expiry(given["expire"]), given["inactive"].strip() == "1",
    )  # fmt: skip


def write_line(line: Line) -> str:
    """The line of a value, as IceWarp would write it."""
    days = 0 if line.expire is None else (line.expire - _ZERO).days
    numbers = (line.maxsend, line.sent, line.lastsent, line.prevsent, days, int(line.inactive))
    fields = (line.user, line.password, line.gateway, line.description, *map(str, numbers))
    if any(":" in one or "\n" in one or "\r" in one for one in fields):
        raise DecodeError("a field can hold neither a colon nor the end of a line")
    return ":".join(fields)


def read_expiry(text: str) -> datetime.date | None:
    """A date of Delphi, days since 1899-12-30, or one written out; None for never: nothing, 0, and 1899-12-30."""
    text = text.strip()
    if not text:
        return None
    found = _DAYS.fullmatch(text)
    try:
        if found is not None:
            day = _ZERO + datetime.timedelta(int(found[1]))
        else:
            found = _WRITTEN.fullmatch(text)
            if found is None:
                raise ValueError
            day = datetime.date(int(found[1]), int(found[2]), int(found[3]))
        if day < _ZERO:
            raise ValueError
    except (ValueError, OverflowError):
        raise DecodeError("expire: it is no date of Delphi (days since 1899-12-30)") from None
    return None if day == _ZERO else day


def _number(given: dict[str, str], name: str, most: int = MOST_NUMBER) -> int:
    text = given[name].strip()
    if not text:
        return 0
    if not re.fullmatch("[0-9]{1,16}", text) or int(text) > most:
        raise DecodeError(f"{name}: it is no number from 0 to {most}")
    return int(text)


# -- XML


class _Stop(Exception):
    pass


def read_gateways(data: bytes, charset: str = "") -> tuple[Gateways, str]:
    """Client certificates and what else is there, and the charset; Broken for what is no XML. Entities are never expanded."""
    declared = _DECLARED.match(data[:300].lstrip())
    if not charset and declared is not None:
        charset = declared[1].decode()
        if not known_charset(charset):
            raise Broken([(1, "the encoding that it names is not known: say with --charset what it is")])
    text, charset = decode(data, charset)
    parser = expat.ParserCreate("utf-8")  # whatever it declares: it has been decoded
    parser.buffer_text = True
    opened: list[str] = []
    content: list[str] = []
    certificates: list[tuple[int, str]] = []
    others: dict[str, int] = {}
    count = 0

    def stop(*_: object) -> None:
        raise _Stop("a document type or an entity of its own is not taken: leave it out")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MOST_ELEMENTS or len(opened) >= DEEPEST:
            raise _Stop(f"allowed: {MOST_ELEMENTS} elements, {DEEPEST} inside each other")
        opened.append(name)
        content.clear()
        if name.upper() != "CLIENTCERT":
            others[name] = others.get(name, 0) + 1

    def end(name: str) -> None:
        opened.pop()
        path = "".join(content).strip()
        content.clear()
        if name.upper() != "CLIENTCERT" or not path:
            return
        if not path.isprintable():
            raise _Stop("CLIENTCERT: there is a character that no path has")
        certificates.append((parser.CurrentLineNumber, path))

    def characters(piece: str) -> None:
        if opened and opened[-1].upper() == "CLIENTCERT":
            content.append(piece)

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = stop
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = characters
    try:
        parser.Parse(text.encode(), True)
    except _Stop as error:
        raise Broken([(parser.CurrentLineNumber, str(error))]) from None
    except expat.ExpatError as error:
        raise Broken([(error.lineno, f"this is no XML ({expat.ErrorString(error.code)})")]) from None
    except UnicodeEncodeError:
        raise Broken([(1, "there is a character that no text has")]) from None
    return Gateways(tuple(certificates), tuple(sorted(others.items()))), charset


# -- paths


def read_map(text: str) -> tuple[str, str]:
    r"""`C:\certificates=/etc/smsd/certs` as a pair; DecodeError when it is none."""
    old, equals, new = text.partition("=")
    if not equals or not _WINDOWS.match(old) or not new.startswith("/"):
        raise DecodeError(
            rf"{text!r}: write a folder of Windows and one of this machine: C:\certificates=/etc/smsd/certs"
        )
    return old, new.rstrip("/") or "/"


def map_path(path: str, maps: Sequence[tuple[str, str]]) -> str | None:
    """Where a file of Windows is on this machine; the longest folder counts, without regard to case. None: no map has it."""
    parts = _parts(path)
    if ".." in parts:
        return None
    best: tuple[int, str] | None = None
    for old, new in maps:
        folder = [part.casefold() for part in _parts(old)]
        if folder == [part.casefold() for part in parts[: len(folder)]] and (
            best is None or len(folder) > best[0]
        ):
            best = len(folder), new
    return None if best is None else "/".join([best[1].rstrip("/"), *parts[best[0] :]])


def _parts(path: str) -> list[str]:
    return [part for part in re.split(r"[\\/]+", path) if part not in ("", ".")]
