"""message/cpim (RFC 3862): headers around a content, with those of RFC 5438 that ask for delivery notifications."""

from __future__ import annotations

import re

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.grammar import readable
from smsd.codec.sip.uri import Pairs
from smsd.values.frozen import frozen

CONTENT_TYPE = "message/cpim"
IMDN = "urn:ietf:params:imdn"
"""The namespace of RFC 5438's headers."""

_LONGEST = 65_536
_MOST_HEADERS = 256
_LINE = re.compile(r"\r?\n")
_END = re.compile(rb"\r?\n\r?\n|^\r?\n")
_ADDRESS = re.compile(r"<([^<>\s]*)>")
_LANGUAGE = re.compile(r"^;[^ ]*[ ]*")
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|(["\'\\btnr]))')
_ESCAPED = {"b": "", "t": "\t", "n": "\n", "r": "\r"}
_KNOWN = {
    "from": "From",
    "to": "To",
    "datetime": "DateTime",
    "subject": "Subject",
    "cc": "cc",
    "ns": "NS",
    "require": "Require",
}


@frozen
class Cpim:
    """`sender`, `to`: URIs ("" without); `date` as written; `message_id` and `wants` (positive-delivery, negative-delivery,
    display, processing, interworking) are imdn.Message-ID and imdn.Disposition-Notification. `headers`: all, those of a namespace
    as `{namespace URI}Name`. `content_headers` (names in lower case) and `content` are what is wrapped."""

    sender: str = ""
    to: str = ""
    date: str = ""
    subject: str = ""
    message_id: str = ""
    wants: frozenset[str] = frozenset()
    headers: Pairs = ()
    content_headers: Pairs = ()
    content: bytes = b""

    def get(self, name: str) -> str:
        """The first value of a header, "" without."""
        return next((value for key, value in self.headers if key == name), "")


def read_cpim(octets: bytes) -> Cpim:
    """The wrapper and its content; Malformed."""
    outer, rest = split(octets)
    inner, content = split(rest)
    headers = _resolved(outer)
    firsts = dict(reversed(headers))
    return Cpim(
        sender=_address(firsts.get("From", "")),
        to=_address(firsts.get("To", "")),
        date=firsts.get("DateTime", ""),
        subject=_unescaped(_LANGUAGE.sub("", firsts.get("Subject", ""), count=1)),
        message_id=firsts.get(f"{{{IMDN}}}Message-ID", ""),
        wants=_wants(firsts.get(f"{{{IMDN}}}Disposition-Notification", "")),
        headers=headers,
        content_headers=tuple([(name.lower(), value) for name, value in inner]),
        content=content,
    )  # fmt: skip


def split(octets: bytes) -> tuple[Pairs, bytes]:
    """Headers up to the first empty line, and what is behind it; Malformed."""
    end = _END.search(octets, 0, _LONGEST)
    if end is None:
        raise Malformed("there is no empty line after the headers inside the body")
    lines = _LINE.split(octets[: end.start()].decode("utf-8", "replace")) if end.start() else []
    if len(lines) > _MOST_HEADERS:
        raise Malformed("there are too many headers inside the body")
    pairs: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and pairs:  # MIME's headers may be folded
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise Malformed("a header inside the body cannot be read")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs), octets[end.end() :]


def _resolved(pairs: Pairs) -> Pairs:
    """The headers with namespaces instead of prefixes."""
    spaces = {"imdn": IMDN}  # some do not declare it
    for name, value in pairs:
        if name.lower() == "ns" and (found := _ADDRESS.search(value)) is not None:
            spaces[value[: found.start()].strip()] = found[1]
    resolved = []
    for name, value in pairs:
        prefix, dot, local = name.rpartition(".")
        if dot and prefix in spaces:
            name = f"{{{spaces[prefix]}}}{local}"
        elif not dot and name.lower() in _KNOWN:
            name = _KNOWN[name.lower()]
        elif not dot and "" in spaces:
            name = f"{{{spaces['']}}}{name}"
        resolved.append((name, value))
    return tuple(resolved)


def _address(value: str) -> str:
    found = _ADDRESS.search(value)
    return found[1] if found is not None else value.strip() if ":" in value and " " not in value else ""


def _wants(value: str) -> frozenset[str]:
    return frozenset([part.strip().lower() for part in value.split(",") if part.strip()][:20])


def _unescaped(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2])

    return _ESCAPE.sub(one, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def write_cpim(
    content: bytes, content_type: str, *, sender: str, to: str, date: str = "", message_id: str = "",
    wants: tuple[str, ...] = (), disposition: str = "",
) -> bytes:  # fmt: skip
    """The octets of a message/cpim body. `date`: RFC 3339. `disposition`: Content-Disposition of the content ("notification" for an
    IMDN)."""
    lines = [f"From: <{sender}>", f"To: <{to}>"]
    if date:
        lines.append(f"DateTime: {date}")
    if message_id or wants:
        lines.append(f"NS: imdn <{IMDN}>")
    if message_id:
        lines.append(f"imdn.Message-ID: {message_id}")
    if wants:
        lines.append(f"imdn.Disposition-Notification: {', '.join(wants)}")
    lines += ["", f"Content-Type: {content_type}"]
    if disposition:
        lines.append(f"Content-Disposition: {disposition}")
    lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*map(readable, lines), "", ""]).encode("utf-8", "replace") + content
