"""What a MESSAGE says: a text, a delivery notification, or nothing for us."""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from smsd.codec.mail.html import text_of
from smsd.codec.sip import cpim, imdn
from smsd.codec.sip.cpim import Cpim, read_cpim, split
from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.grammar import parameters
from smsd.codec.sip.imdn import Notification, read_imdn
from smsd.codec.sip.messages import Request, Response
from smsd.codec.sip.uri import Pairs
from smsd.values.errors import DecodeError, InvalidValue, storable
from smsd.values.frozen import frozen

COMPOSING = "application/im-iscomposing+xml"
ACCEPT = f"text/plain, text/html, {cpim.CONTENT_TYPE}, {imdn.CONTENT_TYPE}, {COMPOSING}, multipart/mixed"
"""The value of Accept."""

_DEEPEST = 4
_MOST_PARTS = 50
_CHARSET = re.compile(
    r"utf[-_]?(7|8|16|32)([-_]?(le|be))?|(us-)?ascii|ansi_x3\.4-19[0-9]{2}|iso[-_]?(ir-)?8859[-_][0-9]{1,2}(-[ei])?"
    r"|latin[-_]?[0-9]{1,2}|(windows|cp|ibm)[-_]?[0-9]{3,5}|koi8[-_]?[rut]|gb(k|2312|18030)|big5(-hkscs)?|hz(-gb-2312)?"
    r"|euc[-_]?(jp|kr|jis-2004)|shift[-_]?jis|s[-_]?jis|iso-2022-(jp|kr)(-[0-9]|-ext)?|ks_c_5601-1987|tis-620|mac(roman|intosh)|ucs-2"
)
_ALIASES = {
    "us-ascii": "utf-8", "ascii": "utf-8", "gb2312": "gb18030", "gbk": "gb18030", "ks_c_5601-1987": "cp949", "ucs-2": "utf-16-be",
    "macintosh": "mac_roman", "macroman": "mac_roman", "hz-gb-2312": "hz",
}  # fmt: skip


@frozen
class Content:
    """`text`: None when there is none for a phone (typing, a notification, no body). `cpim`: the wrapper's headers;
    `notification`: what became of a message of ours; `composing`: someone types (answer 200, do nothing). `charset`: what the text
    was in."""

    text: str | None = None
    cpim: Cpim | None = None
    notification: Notification | None = None
    composing: bool = False
    charset: str = ""


def read_body(message: Request | Response) -> Content:
    """What it says. Malformed: 415 (with Accept) for types and charsets that are not taken, 400 for what cannot be read."""
    coding = message.get("Content-Encoding").strip().lower()
    if coding not in ("", "identity"):
        raise Malformed(
            "encoded bodies are not taken: send it without Content-Encoding",
            415,
            headers=(("Accept-Encoding", "identity"),),
        )
    if not message.body:
        return Content()
    return _read(message.get("Content-Type"), message.body, 0)


def text_body(text: str) -> tuple[Pairs, bytes]:
    """Content-Type header and octets of a plain text in UTF-8."""
    lines = text.replace("\r\n", "\n").replace("\n", "\r\n")
    return (("Content-Type", "text/plain;charset=UTF-8"),), lines.encode("utf-8", "replace")


def _read(content_type: str, octets: bytes, depth: int) -> Content:
    kind, fields = _kind(content_type)
    if depth > _DEEPEST:
        raise Malformed("the body is nested too deeply")
    if kind in ("text/plain", "text/html"):
        charset = fields.get("charset", "")
        text = _decoded(octets, charset)
        return Content(_plain(text) if kind == "text/html" else text, charset=charset or "utf-8")
    if kind == cpim.CONTENT_TYPE:
        wrapper = read_cpim(octets)
        return replace(_part(wrapper.content_headers, wrapper.content, depth + 1), cpim=wrapper)
    if kind == imdn.CONTENT_TYPE:
        return Content(notification=read_imdn(octets))
    if kind == COMPOSING:
        return Content(composing=True)
    if kind.startswith("multipart/"):
        return _multipart(octets, fields.get("boundary", ""), depth + 1)
    raise _refusal(f"a body of this type ({kind[:100]}) is not taken, send text/plain")


@lru_cache(maxsize=64)
def _kind(content_type: str) -> tuple[str, Mapping[str, str]]:
    """The type and its parameters. Nearly all messages have one of very few."""
    kind, _, rest = content_type.partition(";")
    rest = rest.strip()
    return kind.strip().lower() or "text/plain", dict(reversed(parameters(f";{rest}" if rest else "")))


def _refusal(text: str) -> Malformed:
    return Malformed(text, 415, headers=(("Accept", ACCEPT),))


def _part(headers: Pairs, octets: bytes, depth: int) -> Content:
    named = {name.lower(): value for name, value in reversed(headers)}
    coding = named.get("content-transfer-encoding", "").strip().lower()
    if coding == "base64":
        try:
            octets = binascii.a2b_base64(octets)
        except binascii.Error:
            raise Malformed("the base64 of a part cannot be read") from None
    elif coding == "quoted-printable":
        octets = binascii.a2b_qp(octets)
    elif coding not in ("", "7bit", "8bit", "binary"):
        raise Malformed("the Content-Transfer-Encoding of a part is not known")
    return _read(named.get("content-type", ""), octets, depth)


def _multipart(octets: bytes, boundary: str, depth: int) -> Content:
    """The first part that says something."""
    if not 1 <= len(boundary) <= 70 or not boundary.isascii():
        raise Malformed("a multipart body needs a boundary of 1 to 70 characters")
    delimiter = re.compile(rb"(?:^|\r?\n)--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*(?=\r?\n|$)")
    begin: int | None = None
    refused: Malformed | None = None
    empty: Content | None = None
    for number, found in enumerate(delimiter.finditer(octets)):
        if number > _MOST_PARTS:
            raise Malformed("a multipart body has too many parts")
        if begin is not None:
            part = octets[begin : found.start()]
            line_end = 2 if part.startswith(b"\r\n") else 1
            try:
                content = _part(*split(part[line_end:]), depth)
                if content.text or content.notification is not None:
                    return content
                if content.text is not None:
                    empty = content
            except Malformed as error:
                refused = refused or error
        begin = None if found[1] else found.end()
    if empty is not None:
        return empty
    raise refused or _refusal("a multipart body has no text")


def _plain(markup: str) -> str:
    try:
        return text_of(markup)
    except DecodeError as error:
        raise Malformed(str(error), 413) from None


def _decoded(octets: bytes, charset: str) -> str:
    """The text, lines ended by LF, none at its very end; Malformed: 415 for an unknown charset, 400 when it is in another."""
    name = charset.strip().lower() or "utf-8"
    codec = _codec(name)
    try:
        text = storable(codec.decode(octets, "strict")[0])
    except InvalidValue as error:
        raise Malformed(str(error)) from None
    except UnicodeError:
        raise Malformed(f"the text is not in {name}, as it says: send UTF-8") from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


@lru_cache(maxsize=64)
def _codec(name: str) -> codecs.CodecInfo:
    if _CHARSET.fullmatch(name) is None:
        raise _refusal("the charset of the text is not known, send UTF-8")
    try:
        return codecs.lookup(_ALIASES.get(name, name))
    except LookupError:
        raise _refusal("the charset of the text is not known, send UTF-8") from None
