"""From a piece to the request that hands it to a provider.

Texts go whole, cut to the first blocks if their sender wants that, or part by part where the provider cannot split (`split`);
octets always go part by part, each with the header that numbers it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

from smsd.codec.dcs import Alphabet
from smsd.codec.provider.model import MEDIA, Provider, Request
from smsd.codec.segment import Segmentation, TooManyParts, plan_text, replan
from smsd.codec.template import Encode, Kind, Template
from smsd.values.delivery import Piece
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Text


def _percent(value: str) -> str:
    if value.isalnum() and value.isascii():
        return value
    return quote(value, safe="", errors="replace")


def _form(value: str) -> str:
    if value.isalnum() and value.isascii():
        return value
    return quote_plus(value, safe="", errors="replace")


def _json(value: str) -> str:
    return json.dumps(value)[1:-1]


_XML = {
    **dict.fromkeys((*range(32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)), "\ufffd"),
    9: "&#9;", 10: "&#10;", 13: "&#13;",
    ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("'"): "&#39;",
}  # fmt: skip


def _xml(value: str) -> str:
    return value.translate(_XML)


def _header(value: str) -> str:
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in value):
        raise InvalidValue("a line end or a control character cannot stand in a header")
    return value


def _as_it_is(value: str) -> str:
    return value


ESCAPES: Final[Mapping[str, Encode]] = {
    "url": _percent,
    "form": _form,
    "json": _json,
    "xml": _xml,
    "text": _as_it_is,
    "header": _header,
}
"""How what is inserted is written, by place."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, complete. Whatever is in it may be secret."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gateway knows besides the piece: credentials by name, the sender to use when the message names none, the phone of
    the account that sends, and what the request is called (`msgid`). A %msgid% or %number% in a credential is filled in: one may
    be the URL for reports."""

    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    sender: str = ""
    phone: str = ""
    msgid: str = ""


class NotCarried(InvalidValue):
    """This provider cannot carry this message; the text says why."""


def write(provider: Provider, piece: Piece, facts: Facts) -> HttpRequest:
    """The request for a piece. NotCarried when the provider has no request for it, or refuses it by its own limits."""
    content = piece.content
    request = provider.binary if isinstance(content, Binary) else provider.text
    if request is None or not isinstance(content, (Text, Binary)):
        kind = "binary messages" if isinstance(content, Binary) else "this kind of message"
        raise NotCarried(f"{provider.name} does not carry {kind}")
    made = _plan(piece, content)
    kind = _kind(provider, made, content, split=piece.total > 1)
    values = _values(piece, content, made, facts)
    values["parts"] = str(_parts(request, kind, made, content))
    if request.limit is not None:
        _check_limit(request, content, int(values["parts"]))
    return fill(request, values, kind, piece.parameters.values)


def _plan(piece: Piece, content: Text | Binary) -> Segmentation:
    if isinstance(content, Binary):
        return replan(content.data, piece.code, content.header)
    return replan(content.text, piece.code, content.header, piece.parameters.max_parts)


def _kind(provider: Provider, made: Segmentation, content: Text | Binary, split: bool) -> Kind:
    """What the message counts as. A part of a text was cut for its alphabet and must be sent in it."""
    if isinstance(content, Binary):
        return "binary"
    if made.alphabet is not Alphabet.GSM7:
        return "unicode"
    if split or provider.plain == "gsm":
        return "ascii"
    try:
        content.text.encode(provider.plain)
    except UnicodeEncodeError:
        return "unicode"
    return "ascii"


def _parts(request: Request, kind: Kind, made: Segmentation, content: Text | Binary) -> int:
    """How many SMS it will be: as planned, unless it is written in UTF-16 although the GSM alphabet would do."""
    if not isinstance(content, Text) or made.alphabet is Alphabet.UCS2 or kind not in request.sixteen:
        return made.total
    try:
        return plan_text("".join(map(str, made.parts)), alphabet=Alphabet.UCS2).total
    except TooManyParts as error:
        raise NotCarried(str(error)) from None


def _values(piece: Piece, content: Text | Binary, made: Segmentation, facts: Facts) -> dict[str, str | bytes]:
    parameters = piece.parameters
    whole = isinstance(content, Text) and piece.total == 1
    seq = min(piece.seq, made.total)
    elements = made.elements if whole else made.user_data(seq, piece.reference).elements or b""
    data: str | bytes = "".join(map(str, made.parts)) if whole else made.parts[seq - 1]
    coding = parameters.coding
    return {
        **{name: _told(value, piece, facts) for name, value in facts.credentials.items()},
        "number": piece.target.target,
        "data": data,
        "body": data,
        "udh": elements,
        "binary": "1" if isinstance(content, Binary) else "0",
        "pid": str(parameters.protocol_id),
        "dcs": str(made.dcs() if coding is None else coding),
        "sender": parameters.sender or facts.sender,
        "sender_phonealias": facts.phone,
        "msgid": facts.msgid,
        "report": "1" if piece.report else "0",
    }


def _told(credential: str, piece: Piece, facts: Facts) -> str:
    if "%" not in credential:
        return credential
    return credential.replace("%msgid%", facts.msgid).replace("%number%", _percent(piece.target.target))


def _check_limit(request: Request, content: Text | Binary, parts: int) -> None:
    limit = request.limit or 0
    if isinstance(content, Binary):
        if limit < 2:
            raise NotCarried("binary messages need concat=2 or more in the URL")
    elif parts > limit:
        raise NotCarried(f"the message needs {parts} SMS, and the URL allows {limit} (concat={limit})")


def fill(
    request: Request, values: Mapping[str, str | bytes], kind: Kind, more: tuple[str, ...] = ()
) -> HttpRequest:
    """The request with these values; `more` are `value=` parameters of the sender, which may add but not replace."""
    escape = ESCAPES["header"]
    headers = [(name, _one(shown, values, escape, kind)) for name, shown in request.headers]
    headers = [(name, value) for name, value in headers if value or name.lower() not in request.omit]
    if request.login is not None:
        login = request.login.render(values, None, kind).encode("utf-8", "replace")
        headers.append(("Authorization", f"Basic {b64encode(login).decode()}"))
    url = request.url.render(values, _percent, kind)
    if request.omit:
        url = _without_empty(url, request.omit)
    body = None
    if request.body is not None:
        kind_of_body = request.type or "form"
        text = request.body.render(values, ESCAPES[kind_of_body], kind)
        if request.omit:
            text = _OMITTING.get(kind_of_body, _unchanged)(text, request.omit)
        if kind_of_body == "form":
            text, more = _with_more(text, more, request.omit, ""), ()
        body = text.encode("utf-8", "replace")
        if all(name.lower() != "content-type" for name, _ in headers):
            headers.append(("Content-Type", MEDIA[kind_of_body]))
    url = _with_more(url, more, request.omit, "?")
    return HttpRequest(request.method, url, tuple(headers), body)


def _one(shown: Template, values: Mapping[str, str | bytes], escape: Encode, kind: Kind) -> str:
    return shown.render(values, escape, kind)


def _without_empty(url: str, omit: frozenset[str]) -> str:
    where, mark, query = url.partition("?")
    query = _pairs_without_empty(query, omit)
    return f"{where}{mark}{query}" if query else where


def _pairs_without_empty(text: str, omit: frozenset[str]) -> str:
    kept = []
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if value or name.lower() not in omit:
            kept.append(pair)
    return "&".join(kept)


def _members_without_empty(text: str, omit: frozenset[str]) -> str:
    return json.dumps(_cleared(json.loads(text), omit))


def _cleared(data: Any, omit: frozenset[str]) -> Any:
    if isinstance(data, dict):
        kept = {name: _cleared(value, omit) for name, value in data.items()}
        return {
            name: value for name, value in kept.items() if value not in ("", {}) or name.lower() not in omit
        }
    return [_cleared(each, omit) for each in data] if isinstance(data, list) else data


def _unchanged(text: str, omit: frozenset[str]) -> str:
    return text


_OMITTING: Final[Mapping[str, Callable[[str, frozenset[str]], str]]] = {
    "form": _pairs_without_empty,
    "json": _members_without_empty,
}


def _with_more(text: str, more: tuple[str, ...], omit: frozenset[str], mark: str) -> str:
    """The URL or form with the sender's own parameters behind it, save those that it has already, or could have."""
    if not more:
        return text
    there = text.partition("?")[2] if mark else text
    known = {name.lower() for name, _ in parse_qsl(there, keep_blank_values=True)} | omit
    added = []
    for value in more:
        for name, given in parse_qsl(value.lstrip("?&"), keep_blank_values=True):
            if name.lower() not in known:
                added.append((name, given))
    if not added:
        return text
    link = "&" if there else "" if not mark or text.endswith("?") else mark
    return f"{text}{link}{urlencode(added)}"
