"""Stanzas: to make them, to look into them, to write them so that no text of anybody can break the stream.

`write` takes the place of domish's own serialiser, which writes namespaces as they came (one with a quotation mark, echoed in an
error, would end the stream) and follows children by recursion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from twisted.words.xish.domish import Element

from smsd.codec.xmltext import clean, escaped
from smsd.values.errors import Reason, Refused

ACCEPT = "jabber:component:accept"
RECEIPTS = "urn:xmpp:receipts"
HINTS = "urn:xmpp:hints"
STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
_XML = "http://www.w3.org/XML/1998/namespace"
_OURS = (None, "", ACCEPT, "jabber:client", "jabber:server")
_START = (  # what a name begins with (XML 1.0, section 2.3, without the colon)
    "A-Z_a-z\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff"
    "\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME = re.compile(f"[{_START}][-.0-9\xb7\u0300-\u036f\u203f-\u2040{_START}]*")

CONDITIONS: dict[Reason, tuple[str, str]] = {
    Reason.BAD_NUMBER: ("item-not-found", "cancel"),
    Reason.BAD_REQUEST: ("bad-request", "modify"),
    Reason.EMPTY: ("bad-request", "modify"),
    Reason.TOO_LONG: ("not-acceptable", "modify"),
    Reason.TOO_MANY_RECIPIENTS: ("not-acceptable", "modify"),
    Reason.UNKNOWN_DOMAIN: ("item-not-found", "cancel"),
    Reason.UNKNOWN_GATEWAY: ("item-not-found", "cancel"),
    Reason.NO_GATEWAY: ("service-unavailable", "cancel"),
    Reason.NOT_AUTHENTICATED: ("registration-required", "auth"),
    Reason.BAD_CREDENTIALS: ("not-authorized", "auth"),
    Reason.NOT_ALLOWED: ("forbidden", "auth"),
    Reason.OVER_LIMIT: ("resource-constraint", "wait"),
    Reason.NO_CREDIT: ("resource-constraint", "cancel"),
    Reason.LOOP: ("not-acceptable", "cancel"),
    Reason.CONFLICT: ("conflict", "cancel"),
    Reason.SLOW_DOWN: ("resource-constraint", "wait"),
    Reason.UNAVAILABLE: ("internal-server-error", "wait"),
}
"""How a refusal is spelt: condition and type (RFC 6120 section 8.3). The one table for all that a link says."""


def stanza(name: str, *, sender: str, to: str, kind: str = "", id: str = "") -> Element:
    """A new message, presence or iq."""
    element = Element((None, name))
    for key, value in (("from", sender), ("to", to), ("type", kind), ("id", id)):
        if value:
            element[key] = value
    return element


def received(sender: str, to: str, kind: str, what: str, id: str = "") -> Element:
    """The receipt (XEP-0184) for the message that had the id `what`."""
    receipt = stanza("message", sender=sender, to=to, kind=kind, id=id)
    receipt.addElement((RECEIPTS, "received"))["id"] = what
    receipt.addElement((HINTS, "store"))
    return receipt


def answer(element: Element, kind: str = "") -> Element:
    """The answer to a stanza: back to whoever wrote, with its id."""
    return stanza(
        element.name,
        sender=element.getAttribute("to", ""),
        to=element.getAttribute("from", ""),
        kind=kind,
        id=element.getAttribute("id", ""),
    )


def error(element: Element, condition: str, kind: str, text: str = "") -> Element:
    """The answer that refuses a stanza. `kind`: cancel, modify, auth, wait, continue."""
    return refuse(answer(element, "error"), condition, kind, text)


def refusal(element: Element, refused: Refused) -> Element:
    """The same for a refusal of the house."""
    condition, kind = CONDITIONS[refused.reason]
    return error(element, condition, kind, refused.text)


def refuse(made: Element, condition: str, kind: str, text: str = "") -> Element:
    """The same stanza, with an error in it."""
    inside = made.addElement("error")
    inside["type"] = kind
    inside.addElement((STANZA_ERRORS, condition))
    if text:
        inside.addElement((STANZA_ERRORS, "text"), content=text)
    return made


def child(element: Element, uri: str | None, name: str) -> Any:
    """The first child with this name (and namespace; None: that of stanzas), or None."""
    for one in children(element):
        if one.name == name and (one.uri == uri if uri is not None else one.uri in _OURS):
            return one
    return None


def children(element: Element) -> Iterator[Element]:
    """The elements in it, without the texts between them."""
    return (one for one in element.children if isinstance(one, Element))


def text_of(element: Any) -> str:
    """The text that stands directly in it; "" for None."""
    if element is None:
        return ""
    return "".join(one for one in element.children if isinstance(one, str))


# -- to octets


def write(element: Element) -> str:
    """The stanza as it goes on a stream whose default namespace is that of components."""
    out: list[str] = []
    todo: list[tuple[Any, str]] = [(element, ACCEPT)]
    while todo:
        node, inherited = todo.pop()
        if isinstance(node, tuple):
            out.append(node[0])
        elif isinstance(node, Element):
            uri = inherited if node.uri is None else ACCEPT if node.uri in _OURS else node.uri
            name = _name(node.name)
            out.append(f"<{name}")
            if uri != inherited:
                out.append(f' xmlns="{escaped(uri)}"')
            out.extend(_attributes(node))
            if not node.children:
                out.append("/>")
                continue
            out.append(">")
            todo.append(((f"</{name}>",), uri))
            todo.extend((one, uri) for one in reversed(node.children))
        else:
            out.append(escaped(str(node)))
    return "".join(out)


def _attributes(node: Element) -> Iterator[str]:
    for number, (key, value) in enumerate(node.attributes.items()):
        if isinstance(key, tuple):
            uri, name = key
            if uri == _XML:
                yield f' xml:{_name(name)}="{escaped(str(value))}"'
            elif uri:
                yield f' xmlns:n{number}="{escaped(uri)}" n{number}:{_name(name)}="{escaped(str(value))}"'
            else:
                yield f' {_name(name)}="{escaped(str(value))}"'
        elif key != "xmlns":
            yield f' {_name(key)}="{escaped(str(value))}"'


def _name(name: str) -> str:
    """A name that was read from a stream, or that we wrote, is one; anything else must not be written."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{clean(name[:40])!r} is no name in XML")
    return name
