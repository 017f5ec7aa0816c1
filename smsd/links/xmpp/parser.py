"""Octets of a stream to stanzas, bounded: no stanza grows without end, is deeper than it has to be, or declares anything.

It makes domish's elements itself: domish's own parser joins a text piece by piece (a text of line ends alone takes minutes), keeps
every attribute's name for ever, and stumbles over namespaces with blanks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.parsers import expat

from twisted.words.xish.domish import Element

from smsd.codec.xmltext import escaped

LARGEST = 1024 * 1024
"""Octets of a stanza. Servers take 256 to 512 KiB, so this only meets a server that has lost its way."""
DEEPEST = 100
MOST_ELEMENTS = 20_000
RENEW_AFTER = 64 * 1024 * 1024
"""Octets after which a new parser goes on: expat keeps names of attributes as long as it lives."""
_BETWEEN = "\x01"
"""Stands between namespace and name: nothing in XML can have it."""


class Broken(Exception):
    """The stream cannot go on; `condition` is the stream error (RFC 6120 section 4.9.3) to tell the server."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(text)
        self.condition = condition
        self.text = text


class Parser:
    """Calls `started` with the attributes of the stream's head, `stanza` with each element in it, `ended` at its end.

    A stanza that is too deep or has too many elements is somebody's who wants to see the stream end for all: `overfull` gets it
    without what is in it, and the stream goes on."""

    def __init__(
        self,
        started: Callable[[dict[str, str]], None],
        stanza: Callable[[Element], None],
        ended: Callable[[], None],
        overfull: Callable[[Element], None] = lambda _: None,
        largest: int = LARGEST,
        renew_after: int = RENEW_AFTER,
    ) -> None:
        self._started = started
        self._stanza = stanza
        self._ended = ended
        self._overfull = overfull
        self._largest = largest
        self._renew_after = renew_after
        self._namespaces: list[tuple[str | None, str]] = []  # of the head
        self._root = ""
        self._open: list[Element] = []
        self._elements = 0
        self._skipped = 0  # elements that are open and not kept
        self.renewed = 0
        self._begin()

    def _begin(self) -> None:
        # No dictionary of names: theirs are many, and a server's stream lives for months.
        self._parser = parser = expat.ParserCreate("UTF-8", _BETWEEN, None)
        parser.buffer_text = True
        parser.buffer_size = 65536
        if hasattr(parser, "SetReparseDeferralEnabled"):  # the end of a stanza must not wait for the next
            parser.SetReparseDeferralEnabled(False)
        parser.StartNamespaceDeclHandler = self._namespace
        parser.StartElementHandler = self._head
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        for name in ("StartDoctypeDecl", "ProcessingInstruction", "Comment"):
            setattr(parser, f"{name}Handler", self._forbidden)
        self._fed = 0
        self._since = 0  # where the last stanza ended

    def feed(self, octets: bytes) -> None:
        """Read on; Broken when that is impossible."""
        self._fed += len(octets)
        try:
            self._parser.Parse(octets, False)
        except expat.ExpatError as error:
            raise Broken("not-well-formed", f"it is no XML: {error}") from None
        if self._fed - self._since > self._largest:
            raise Broken("policy-violation", f"a stanza of more than {self._largest} octets")
        if self._root and self._fed > self._renew_after and not self._open and self._between(octets):
            self._renew()

    def _between(self, octets: bytes) -> bool:
        """Whether these octets end with a stanza, and nothing of a next one (`<` stands in no attribute)."""
        last = self._since - (self._fed - len(octets))
        return last >= 0 and octets.endswith(b">") and octets.count(b"<", last) == 1

    def _renew(self) -> None:
        """The same stream in a new parser."""
        declared = "".join(
            f' {f"xmlns:{prefix}" if prefix else "xmlns"}="{escaped(uri)}"'
            for prefix, uri in self._namespaces
        )
        self._begin()
        self._parser.StartElementHandler = self._resumed
        head = f"<{self._root}{declared}>".encode()
        self._parser.Parse(head, False)
        self._fed = self._since = len(head)
        self.renewed += 1

    def _resumed(self, name: str, attributes: dict[str, str]) -> None:
        self._parser.StartElementHandler = self._start

    def _namespace(self, prefix: str | None, uri: str) -> None:
        if not self._root:
            self._namespaces.append((prefix, uri or ""))

    def _head(self, name: str, attributes: dict[str, str]) -> None:
        uri, _, local = name.rpartition(_BETWEEN)
        prefix = next((short for short, long in self._namespaces if long == uri and short), None)
        if local != "stream" or uri != "http://etherx.jabber.org/streams":
            raise Broken("invalid-namespace", "what answers there is no XMPP stream")
        self._root = f"{prefix}:{local}" if prefix else local
        self._parser.StartElementHandler = self._start
        self._started(attributes)
        self._since = self._parser.CurrentByteIndex

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._skipped or len(self._open) >= DEEPEST or self._elements > MOST_ELEMENTS:
            self._skipped += 1
            self._open[0].children.clear()
            self._elements = MOST_ELEMENTS  # nothing that comes in this stanza is kept
            return
        element = Element(_qualified(name))
        element.attributes = {
            (_qualified(key) if _BETWEEN in key else key): value for key, value in attributes.items()
        }
        if self._open:
            self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, name: str) -> None:
        if not self._open:
            self._ended()
            return
        if self._skipped:
            self._skipped -= 1
            return
        element = self._open.pop()
        if not self._open:
            full, self._elements = self._elements >= MOST_ELEMENTS, 0
            # Where its closing tag begins; the tag itself follows, and is counted to the next.
            self._since = self._parser.CurrentByteIndex
            if full:
                element.children.clear()
            (self._overfull if full else self._stanza)(element)

    def _text(self, text: str) -> None:
        if self._open:
            if self._elements < MOST_ELEMENTS:
                self._open[-1].children.append(text)
        else:  # blanks between stanzas, by which some servers keep a connection alive
            self._since = self._parser.CurrentByteIndex

    def _forbidden(self, *_: Any) -> None:
        raise Broken("restricted-xml", "declarations, comments and instructions have no place in a stream")


def _qualified(name: str) -> tuple[str, str]:
    uri, _, local = name.rpartition(_BETWEEN)
    return uri, local
