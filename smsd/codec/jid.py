"""Addresses of chats (RFC 7622), and phone numbers and mailboxes as their local parts (XEP-0106, and `%` for @).

`node@domain/resource`. Nothing is prepared as RFC 8265 wants it beyond lower case: servers do that before a component sees
an address, and what it answers to must be what it saw.
"""

from __future__ import annotations

import re
from functools import lru_cache

from smsd.values.errors import InvalidValue, storable
from smsd.values.frozen import frozen

LONGEST = 1023
"""Octets of each of its three parts."""

_ESCAPED = {
    " ": "20", '"': "22", "&": "26", "'": "27", "/": "2f", ":": "3a", "<": "3c", ">": "3e", "@": "40", "\\": "5c",
}  # fmt: skip
_CODES = {code: letter for letter, code in _ESCAPED.items()}
_CODE = re.compile(r"\\(20|22|26|27|2f|3a|3c|3e|40|5c)")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\"&'/:<>@]")
_PLAIN_MAILBOX = re.compile(r"[A-Za-z0-9!#$*+=?^_`{|}~.-]+@[A-Za-z0-9.-]+")


@frozen
class Jid:
    """An address of a chat: `node` is "" for a whole domain, `resource` is "" for a bare one."""

    node: str
    domain: str
    resource: str = ""

    @classmethod
    def parse(cls, text: str) -> Jid:
        """Read `node@domain/resource`; InvalidValue says what is wrong. Node and domain become lower case."""
        return _parse(text)

    @property
    def bare(self) -> str:
        """Without the resource."""
        return f"{self.node}@{self.domain}" if self.node else self.domain

    @property
    def full(self) -> str:
        """All of it."""
        return f"{self.bare}/{self.resource}" if self.resource else self.bare

    def __str__(self) -> str:
        return self.full


@lru_cache(4096)
def _parse(text: str) -> Jid:
    whole, slash, resource = text.partition("/")
    node, at, domain = whole.rpartition("@")
    storable(text)
    if (at and not node) or (slash and not resource) or "@" in node:
        raise InvalidValue(f"{text[:100]!r} is no chat address: write ann@example.org")
    domain = domain.lower().rstrip(".")
    if not domain or _FORBIDDEN.search(domain.replace(":", "")):
        raise InvalidValue(f"{text[:100]!r} is no chat address: its domain is missing or not one")
    if _FORBIDDEN.search(node):
        raise InvalidValue(f"{text[:100]!r} is no chat address: before the @ it has what must be escaped")
    if any(len(part.encode()) > LONGEST for part in (node, domain, resource)):
        raise InvalidValue(f"a chat address has at most {LONGEST} octets before and after the @")
    return Jid(node.lower(), domain, resource)


def escape(text: str) -> str:
    """Any text as a node (XEP-0106 section 4.2): blanks at its ends are dropped, control characters too."""
    text = re.sub(r"[\x00-\x1f\x7f]", "", text).strip(" ")
    # A backslash is only escaped where it would be read as the begin of an escape (section 4.2 rule 3).
    text = _CODE.sub(lambda match: "\\5c" + match[1], text)
    return "".join("\\" + _ESCAPED[c] if c in _ESCAPED and c != "\\" else c for c in text)


def unescape(node: str) -> str:
    """What a node stands for (section 4.3)."""
    return _CODE.sub(lambda match: _CODES[match[1]], node)


def mailbox(node: str) -> str | None:
    """The mail address that a node stands for: `john\\40doe.com`, or `john%doe.com` as older clients write it; None when it is
    none (it is a number then)."""
    text = unescape(node)
    if "@" not in text and "%" in text:
        local, _, domain = text.rpartition("%")
        text = f"{local}@{domain}"
    local, at, domain = text.rpartition("@")
    return text if at and local and domain else None


def node_of(address: str) -> str:
    """A mail address as a node: `john%doe.com`, escaped where that would not be read back as the same."""
    if _PLAIN_MAILBOX.fullmatch(address):
        return address.replace("@", "%")
    return escape(address)
