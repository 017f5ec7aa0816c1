"""Elements from text, as a stream gives them."""

from __future__ import annotations

from twisted.words.xish.domish import Element, elementStream

from smsd.links.xmpp.stanzas import ACCEPT


def read(xml: str) -> Element:
    """One stanza, within a stream of a component."""
    found: list[Element] = []
    stream = elementStream()
    stream.DocumentStartEvent = lambda root: None
    stream.ElementEvent = found.append
    stream.DocumentEndEvent = lambda: None
    stream.parse(f"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='{ACCEPT}'>".encode())
    stream.parse(xml.encode("utf-8"))
    assert len(found) == 1, xml
    return found[0]
