"""What is known of a provider, as values: the requests it takes, the credentials it wants, and how its answers are read.

A `Template` may use the variables of a message (`MESSAGE`) and the provider's own credentials. Where it stands decides how what
is inserted is written: percent-encoded in a URL and a form, escaped in JSON strings and XML, as it is in a plain text; and a
header never takes a line end. `Answers` names what an answer must look like to be a yes, and what the noes mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from xml.etree import ElementTree

from smsd.codec import template, weburl
from smsd.codec.provider.matching import Expression, JsonPath
from smsd.codec.template import Template
from smsd.values.errors import InvalidValue

MESSAGE: Final = frozenset(
    {
        "number", "data", "body", "udh", "binary", "pid", "dcs", "sender", "sender_phonealias", "parts", "msgid", "report",
        "condition",
    }
)  # fmt: skip
"""What a template may say of a message, besides the provider's credentials."""

BodyType = Literal["form", "json", "xml", "text"]
MEDIA: Final[Mapping[str, str]] = {
    "form": "application/x-www-form-urlencoded",
    "json": "application/json",
    "xml": "text/xml; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}
LONGEST: Final = 20_000
"""Characters of a template."""
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"}
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
ORIGIN = re.compile(r"(?i)https?://(?:[^/?#@]*@)?[^/?#]+")
_SERVER = re.compile(r"(?i)https?://[^/?#@\s%]+(/[^?#\s%]*)?")
_ORDINARY = frozenset({"binary", "pid", "dcs", "parts", "report"})
"""Variables that are numbers and may stand outside of strings."""
_HOSTILE = "\"'\\<>&]]>\x07é"


@dataclass(frozen=True, slots=True)
class Credential:
    """Something that only the owner of the account knows. `optional` ones are empty when they are not given."""

    name: str
    about: str = ""
    default: str | None = None

    @property
    def optional(self) -> bool:
        """Whether a gateway may leave it out."""
        return self.default is not None


@dataclass(frozen=True, slots=True)
class Request:
    """How one message is handed over. `omit`: parameters, members and headers that are left out when they are empty. `limit`: the
    parts that a fixed `concat=` in the URL allows, None when there is none."""

    method: str
    url: Template = field(repr=False)
    headers: tuple[tuple[str, Template], ...] = field(default=(), repr=False)
    body: Template | None = field(default=None, repr=False)
    type: BodyType | None = None
    login: Template | None = field(default=None, repr=False)
    omit: frozenset[str] = frozenset()
    limit: int | None = None
    sixteen: frozenset[template.Kind] = field(init=False, repr=False, compare=False)
    """The kinds of texts that are written in UTF-16."""

    def __post_init__(self) -> None:
        kinds: tuple[template.Kind, ...] = ("ascii", "unicode")
        found = {
            kind
            for kind in kinds
            for each in self.templates
            for name in ("data", "body")
            if each.sixteen(name, kind)
        }
        object.__setattr__(self, "sixteen", frozenset(found))

    @property
    def templates(self) -> tuple[Template, ...]:
        """All of them."""
        found = [self.url, *(shown for _, shown in self.headers)]
        return tuple(each for each in (*found, self.body, self.login) if each is not None)

    def shows(self, names: Collection[str], kind: template.Kind) -> bool:
        """Whether a message of this kind gets one of these variables inserted anywhere."""
        return any(each.shows(name, kind) for each in self.templates for name in names)


@dataclass(frozen=True, slots=True)
class Condition:
    """What an answer may be like; everything that is said must hold. `status`: ranges of HTTP statuses, `match`: an expression
    finds something in the body, `json`: a path leads to one of these values (without values: to any)."""

    status: tuple[range, ...] = ()
    match: Expression | None = None
    json: tuple[tuple[JsonPath, frozenset[str]], ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where something stands in an answer: an expression's group, a path into JSON, or a header. `own`: the provider calls a
    message as we did (`msgid`)."""

    match: Expression | None = None
    json: JsonPath | None = None
    header: str = ""
    own: bool = False


SUCCESS: Final = (Condition(status=(range(200, 300),)),)


@dataclass(frozen=True, slots=True)
class Answers:
    """How answers are read: a yes is what one of `success` fits. Other answers are looked up in `stop` (the account is locked or
    empty: this gateway rests), `speed` (too fast), `elsewhere` (no way to this number from here, another gateway may have one),
    `temporary` and `permanent`, in this order; what none of them knows is decided by its status. After what `second` fits, the
    provider's second server is asked."""

    success: tuple[Condition, ...] = SUCCESS
    id: tuple[Source, ...] = ()
    reason: tuple[Source, ...] = ()
    stop: tuple[Condition, ...] = ()
    speed: tuple[Condition, ...] = ()
    elsewhere: tuple[Condition, ...] = ()
    temporary: tuple[Condition, ...] = ()
    permanent: tuple[Condition, ...] = ()
    second: tuple[Condition, ...] = ()
    charset: str | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. `text` and `binary` are its requests, None for what it does not carry. `plain` is the charset whose texts
    count as `isascii` ("gsm": every text that the GSM alphabet holds). `split`: it cannot take long texts whole.
    `wants_server`: the description does not say where it is. `second`: another server, for when the first cannot be reached or
    says so."""

    name: str
    text: Request | None
    binary: Request | None = None
    description: str = ""
    documentation: str = ""
    credentials: tuple[Credential, ...] = ()
    answers: Answers = Answers()
    plain: str = "ascii"
    split: bool = False
    wants_server: bool = False
    second: str | None = None
    incoming: Any = None
    reports: Any = None


# -- reading templates


def read_url(text: str, names: Collection[str]) -> Template:
    """The template of a URL; InvalidValue with the position of what is wrong."""
    _length(text)
    if not ORIGIN.match(text):
        raise InvalidValue("at character 1: a URL begins with http:// or https:// and a host")
    read = template.parse(text, names)
    tried = [
        read.render({name: said if name in MESSAGE else "1" for name in read.names}, kind="ascii")
        for said in ("1", "2")
    ]
    weburl.read_url(tried[0])
    if len({found[0] if (found := ORIGIN.match(url)) else "" for url in tried}) > 1:
        raise InvalidValue("a message does not choose the server: write %number% and the like behind its /")
    return read


def is_server(text: str) -> bool:
    """Whether it is an address to which paths can be added."""
    return bool(_SERVER.fullmatch(text))


def at_server(text: str, server: str | None) -> str:
    """The URL at another server: `%server%` at its beginning is filled in, else scheme, host and port are replaced."""
    if text.lower().startswith("%server%"):
        if server is None:
            raise InvalidValue("write server: https://sms.example.org")
        return server.rstrip("/") + text[len("%server%") :]
    if server is None:
        return text
    found = ORIGIN.match(text)
    return server.rstrip("/") + text[found.end() :] if found else text


def read_body(text: str, kind: BodyType, names: Collection[str]) -> Template:
    """The template of a body; InvalidValue when it is wrong, or when what it makes would be no JSON or XML."""
    _length(text)
    read = template.parse(text, names, url=kind == "form")
    if read.percent_only and kind != "form":
        raise InvalidValue(f"charset= is for URLs and forms: a body of type {kind} is written in UTF-8")
    if kind in ("json", "xml"):
        _try_out(read, kind)
    return read


def read_header(name: str, text: str, names: Collection[str]) -> Template:
    """The template of a header; InvalidValue when it is wrong."""
    if not _NAME.fullmatch(name):
        raise InvalidValue(f"{name[:40]!r} is no name of a header")
    if name.lower() in _OURS:
        raise InvalidValue(f"{name} is not yours to set: it follows from the request")
    read = read_plain(text, names)
    if read.percent_only:
        raise InvalidValue("charset= is for URLs and forms")
    return read


def read_plain(text: str, names: Collection[str]) -> Template:
    """The template of a header's value or a login: one line."""
    _length(text)
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise InvalidValue("a header is one line without control characters")
    return template.parse(text, names, url=False)


def binary_of(request: Request | None) -> Request | None:
    """The same request for octets, if it has a place for them and for what says that they are some: without a header or a flag
    the other side would take them for a text."""
    if request is None or not request.shows(("data", "body"), "binary"):
        return None
    return request if request.shows(("udh", "binary"), "binary") else None


def fixed_parts(url: str) -> int | None:
    """The number of a `concat=` that is the same for all messages, None when there is none."""
    found = re.search(r"[?&]concat=([0-9]{1,3})(?:&|\Z)", url)
    return int(found[1]) if found else None


def _length(text: str) -> None:
    if len(text) > LONGEST:
        raise InvalidValue(f"a template has at most {LONGEST} characters")


def _try_out(read: Template, kind: BodyType) -> None:
    """Fill it in with values full of the signs that mean something, and read the result."""
    from smsd.codec.provider.request import ESCAPES

    values: dict[str, str | bytes] = {
        name: "1" if name in _ORDINARY else _HOSTILE for name in read.names if name != "condition"
    }
    each: template.Kind
    for each in ("ascii", "unicode", "binary"):
        octets = {"data": b"\0", "body": b"\0", "udh": b"\0"} if each == "binary" else {"udh": b""}
        filled = read.render(
            values | {name: octets[name] for name in octets if name in values}, ESCAPES[kind], each
        )
        try:
            json.loads(filled) if kind == "json" else ElementTree.fromstring(filled)
        except (ValueError, RecursionError, ElementTree.ParseError) as error:
            raise InvalidValue(
                f"filled in for {'octets' if each == 'binary' else f'{each} texts'} this is no {kind.upper()}: {error}; "
                "variables stand inside of strings"
            ) from None
