"""A question (an iq of type get or set), whom it is for, and why it may be declined."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Union

from twisted.words.xish.domish import Element

from smsd.codec import jid as jids
from smsd.codec.jid import Jid
from smsd.codec.number import normalise
from smsd.links.xmpp.domains import Domain
from smsd.values.errors import InvalidValue

TYPES = {
    "bad-request": "modify", "conflict": "cancel", "feature-not-implemented": "cancel", "forbidden": "auth",
    "internal-server-error": "cancel", "item-not-found": "cancel", "jid-malformed": "modify", "not-acceptable": "modify",
    "not-allowed": "cancel", "not-authorized": "auth", "registration-required": "auth", "resource-constraint": "wait",
    "service-unavailable": "cancel", "unexpected-request": "modify",
}  # fmt: skip
"""The usual type of each condition (RFC 6120 section 8.3.3)."""


class Declined(Exception):
    """Why a question is not answered, as a stanza error says it. `also`: the condition of an extension, (namespace, name)."""

    def __init__(
        self, condition: str, text: str, kind: str = "", also: tuple[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.condition = condition
        self.text = text
        self.kind = kind or TYPES[condition]
        self.also = also


@dataclass(frozen=True, slots=True)
class Party:
    """Whom an address of ours stands for: `kind` is sms, fax or email, `value` the number (or name of a sender) or the mailbox."""

    kind: str
    value: str
    node: str

    @property
    def callable(self) -> bool:
        """Whether it can be written to: a name is only where something came from."""
        return self.kind == "email" or not any(letter.isalpha() for letter in self.value)


def kind_of(node: str, domain: Domain) -> str:
    """What kind of address this is at the domain ("" for the domain itself): sms, fax or email."""
    return domain.kind if not node else "email" if jids.mailbox(node) is not None else _of_numbers(domain)


def _of_numbers(domain: Domain) -> str:
    return "fax" if domain.kind == "fax" else "sms"


def party(node: str, domain: Domain, country: str | None) -> Party | None:
    """Whom `node` stands for at this domain, None for nobody."""
    mailbox = jids.mailbox(node)
    if mailbox is not None:
        taken = domain.kind == "email" or not domain.only
        return Party("email", mailbox, node) if taken and mailbox.count("@") == 1 else None
    if domain.kind == "email" and domain.only:
        return None
    try:
        return Party(_of_numbers(domain), normalise(jids.unescape(node), country).value, node)
    except InvalidValue:
        return None


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `payload` is its one child, `set` whether it wants something changed; `to` is whom it was sent to, `party`
    None when that is the domain itself."""

    element: Element
    payload: Element
    domain: Domain
    sender: Jid
    to: Jid
    set: bool
    party: Party | None = None

    def get_only(self) -> None:
        """Decline what would change something that nobody can change from here."""
        if self.set:
            raise Declined("not-allowed", "this can be asked for, not changed")


Answer = Union[Element, None]
"""The payload of the result; None for an empty one."""
Handler = Callable[[Asked], Union[Answer, Awaitable[Answer]]]
Table = dict[tuple[str, str], Handler]
"""Who answers questions with this payload (namespace, name)."""


def payload(uri: str, name: str, **attributes: str) -> Element:
    """What goes into a result."""
    made = Element((uri, name))
    for key, value in attributes.items():
        made[key] = value
    return made


def put(element: Element, name: str, text: str = "", /, **attributes: str) -> Any:
    """A child in the same namespace, with its text."""
    made = element.addElement(name, content=text or None)
    for key, value in attributes.items():
        made[key] = value
    return made
