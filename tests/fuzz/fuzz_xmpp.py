"""Targets in XMPP: what a chat server sends is read, or ends in `Broken`; what was read is written and read alike; a message is
understood, passed over or refused."""

from __future__ import annotations

import contextlib
import zlib

from twisted.words.xish.domish import Element

from smsd.codec import jid
from smsd.codec.jid import Jid
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.parser import Broken, Parser
from smsd.links.xmpp.reading import Unwilling, read
from smsd.links.xmpp.stanzas import error, write
from smsd.values.errors import InvalidValue
from tests.fuzz.driver import target, text_of

_HEAD = b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept'>"
_DOMAINS = (
    Domain("sms.example.org"),
    Domain("email.example.org", "email", True),
    Domain("fax.example.org", "fax"),
)


def _read(octets: bytes, cut: int, renew_after: int = 1 << 40) -> tuple[list[Element], str]:
    """The stanzas of a stream that comes in bites, and how it ended."""
    found: list[Element] = []
    parser = Parser(lambda head: None, found.append, lambda: None, largest=4000, renew_after=renew_after)
    whole = _HEAD + octets
    try:
        for start in range(0, len(whole), cut):
            parser.feed(whole[start : start + cut])
    except Broken as broken:
        return found, broken.condition
    return found, ""


@target("xmpp-stream")
def stream(octets: bytes) -> None:
    """However it is cut, the same stanzas come; each can be written, and is read again as what it was."""
    size = (zlib.crc32(octets) & 0x3F) + 1
    found, ended = _read(octets, 1 << 20)
    again, also = _read(octets, size, renew_after=size * 3)
    texts = [write(element) for element in found]
    assert [write(element) for element in again] == texts
    assert ended == also
    for element, text in zip(found, texts, strict=True):
        copied, problem = _read(text.encode("utf-8"), 1 << 20)
        assert (problem, [write(one) for one in copied]) == ("", [text])
        _understood(element)


def _understood(element: Element) -> None:
    with contextlib.suppress(InvalidValue):
        to = Jid.parse(element.getAttribute("to", ""))
        Jid.parse(element.getAttribute("from", ""))
        domain = next((domain for domain in _DOMAINS if domain.name == to.domain), _DOMAINS[0])
        for subject in ("ignore", "prefix", "only"):
            try:
                read(element, domain, subject, 5)
            except Unwilling as unwilling:
                write(error(element, unwilling.condition, unwilling.kind, unwilling.text))


@target("xmpp-jid")
def address(octets: bytes) -> None:
    """An address, or a text as one."""
    text = text_of(octets)
    with contextlib.suppress(InvalidValue):
        found = Jid.parse(text)
        assert Jid.parse(found.full) == found
        jid.mailbox(found.node)
    jid.mailbox(text)
    node = jid.escape(text)
    assert not set(node) & set(' "&/:<>@')
    assert jid.escape(jid.unescape(node)) == node
