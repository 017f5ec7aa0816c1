"""Values of headers: Via, and the parties of From, To, Contact, Route (name-addr with parameters)."""

from __future__ import annotations

import re

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.grammar import (
    HOST,
    QUOTED,
    TOKEN,
    bracketed,
    host,
    listed,
    parameters,
    port,
    quoted,
    readable,
    unquoted,
    written,
)
from smsd.codec.sip.uri import LONGEST, Pairs, Uri, read_uri
from smsd.values.frozen import frozen

_VIA = re.compile(
    rf"SIP[ \t]*/[ \t]*[0-9.]{{1,9}}[ \t]*/[ \t]*({TOKEN.pattern})[ \t]+({HOST.pattern})[ \t]*(?::[ \t]*([0-9]{{1,5}})[ \t]*)?",
    re.IGNORECASE,
)
_BARE = re.compile(r"[^ \t;<>\"?]+")
_NO_NAME = re.compile('[";:@]')
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>\"]")


@frozen
class Via:
    """Where a request came by. `transport` in upper case; an IPv6 host without its brackets."""

    transport: str
    host: str
    port: int | None = None
    parameters: Pairs = ()

    def parameter(self, name: str) -> str | None:
        """The value of a parameter ("" when it has none), None when it is not there."""
        for key, value in self.parameters:
            if key == name:
                return value
        return None

    @property
    def branch(self) -> str:
        """The branch, "" without one."""
        return self.parameter("branch") or ""

    def __str__(self) -> str:
        """As it stands in a message."""
        where = bracketed(self.host) if self.port is None else f"{bracketed(self.host)}:{self.port}"
        return f"SIP/2.0/{self.transport} {where}{written(self.parameters)}"


@frozen
class Party:
    """Who is named in From, To, Contact, Route: `uri` as written (`target` reads it), `name` is for people."""

    uri: str
    name: str = ""
    parameters: Pairs = ()

    @property
    def tag(self) -> str:
        """The tag, "" without one."""
        return self.parameter("tag") or ""

    @property
    def target(self) -> Uri:
        """The URI read; Malformed."""
        return read_uri(self.uri)

    def parameter(self, name: str) -> str | None:
        """The value of a header parameter such as `expires` or `q`, None when it is not there."""
        for key, value in self.parameters:
            if key == name:
                return value
        return None

    def __str__(self) -> str:
        """As it stands in a message; Malformed for what no URI can hold."""
        if self.uri == "*":
            return "*"
        if _FORBIDDEN.search(self.uri):
            raise Malformed("an address has characters that no URI has")
        return (
            f"{quoted(readable(self.name)) + ' ' if self.name else ''}<{self.uri}>{written(self.parameters)}"
        )


def read_via(value: str) -> Via:
    """One Via; Malformed."""
    found = _VIA.match(value)
    if found is None:
        raise Malformed("a Via cannot be read")
    return Via(
        found[1].upper(),
        host(found[2]),
        None if found[3] is None else port(found[3]),
        parameters(value[found.end() :]),
    )


def read_vias(value: str) -> tuple[Via, ...]:
    """All Vias of one header value; Malformed."""
    return tuple([read_via(one) for one in listed(value)])


def read_party(value: str) -> Party:
    """One From or To; Malformed."""
    name = ""
    start = value.find("<")
    if value[:1] == '"':
        found = QUOTED.match(value)
        if found is None:
            raise Malformed("a quoted name does not end")
        name = readable(unquoted(found[0]))
        start = value.find("<", found.end())
        if start < 0 or value[found.end() : start].strip(" \t"):
            raise Malformed("after a quoted name there is no <address>")
    elif start >= 0:
        name = readable(value[:start].strip(" \t"))
        # Some leave the quotes away where they are needed; but `sip:a@b;x=<c>` is not to mean c here and a@b elsewhere.
        if _NO_NAME.search(name):
            raise Malformed("a name in front of an <address> needs quotes")
    if start < 0:
        bare = _BARE.match(value)
        if bare is None or bare.end() > LONGEST:
            raise Malformed("there is no address")
        return Party(bare[0], "", _after(value[bare.end() :]))
    end = value.find(">", start)
    uri = value[start + 1 : end]
    if end < 0 or not uri or len(uri) > LONGEST or _FORBIDDEN.search(uri):
        raise Malformed("an <address> does not end, is empty, or has characters that no URI has")
    return Party(uri, name, _after(value[end + 1 :]))


def _after(text: str) -> Pairs:
    text = text.strip(" \t")
    return parameters(text) if text else ()


def read_parties(value: str) -> tuple[Party, ...]:
    """A list of Contacts or Routes (`*` gives Party("*")); Malformed."""
    return tuple([read_party(one) for one in listed(value)])
