"""Values of headers: Via, and the parties of From, To, Contact, Route (name-addr with parameters)."""

from __future__ import annotations

from smsd.codec.sip.uri import Pairs, Uri
from smsd.values.frozen import frozen


@frozen
class Via:
    """Where a request came by. `transport` in upper case; an IPv6 host without its brackets."""

    transport: str
    host: str
    port: int | None = None
    parameters: Pairs = ()

    @property
    def branch(self) -> str:
        """The branch, "" without one."""
        raise NotImplementedError

    def __str__(self) -> str:
        raise NotImplementedError


@frozen
class Party:
    """Who is named in From, To, Contact, Route: `uri` as written (`Party.target` reads it), `name` is for people."""

    uri: str
    name: str = ""
    parameters: Pairs = ()

    @property
    def tag(self) -> str:
        """The tag, "" without one."""
        raise NotImplementedError

    @property
    def target(self) -> Uri:
        """The URI read; Malformed."""
        raise NotImplementedError

    def parameter(self, name: str) -> str | None:
        """The value of a header parameter such as `expires` or `q`, None when it is not there."""
        raise NotImplementedError

    def __str__(self) -> str:
        raise NotImplementedError


def read_vias(value: str) -> tuple[Via, ...]:
    """All Vias of one header value; Malformed."""
    raise NotImplementedError


def read_party(value: str) -> Party:
    """One From or To; Malformed."""
    raise NotImplementedError


def read_parties(value: str) -> tuple[Party, ...]:
    """A list of Contacts or Routes (`*` gives Party("*")); Malformed."""
    raise NotImplementedError
