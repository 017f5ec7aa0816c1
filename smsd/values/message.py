"""A message on its way in: what a door hands to the dispatcher, and what the dispatcher answers.

A `Submission` has one content and one or many recipients; its `Ticket` travels with it and says where answers and
reports go back to. A `Receipt` names each recipient's fate: an id, or a reason.
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Union

from smsd.values.address import Address
from smsd.values.errors import Refused
from smsd.values.errors import storable as storable
from smsd.values.frozen import frozen


class Wants(enum.IntFlag):
    """What the sender wants to hear of a message: RFC 3461 NOTIFY in every door's meaning, and besides, for programs, that a
    network has taken it (SENT), that the network keeps it for a phone that is away (BUFFERED), and what phones answer (ANSWERS;
    people get that unasked)."""

    NOTHING = 0
    FAILURE = 1
    DELAY = 2
    SUCCESS = 4
    SENT = 8
    BUFFERED = 16
    ANSWERS = 32


class Priority(enum.IntEnum):
    """Urgent overtakes everything, bulk waits for everything."""

    URGENT = 0
    NORMAL = 1
    BULK = 2


@frozen
class Text:
    """A text for people. `header`: information elements of a user data header (without its length octet) that its sender wrote,
    who cut it into parts, for example; who carries no headers leaves them out."""

    text: str
    header: bytes = b""

    def __post_init__(self) -> None:
        storable(self.text)


@frozen
class Binary:
    """Octets for a device, with the information elements of a user data header (without its length octet)."""

    data: bytes
    header: bytes = b""


@frozen
class Report:
    """What became of a delivery, to be told to the ticket's address in its own protocol (mail: RFC 3464).

    `event` is `sent`, `buffered`, `delayed`, `failed`, `expired`, `delivered` or `cancelled`, by mail also `relayed` (sent, and
    no network will say more); times are milliseconds UTC;
    `text` is the original text; `retry_until` belongs to `delayed` only. `gateway` carried it, and its network calls it
    `reference`; `network` is the network's own word or code. A `failed` one with `parts_sent` 0 was never taken by a network.
    """

    event: str
    message: int
    delivery: int
    recipient: str
    reason: str
    arrived: int
    at: int
    text: str
    status: str = ""
    original_recipient: str = ""
    envelope_id: str = ""
    subject: str = ""
    message_id: str = ""
    retry_until: int = 0
    parts_sent: int = 0
    parts: int = 1
    gateway: str = ""
    reference: str = ""
    network: str = ""


@frozen
class Call:
    """What a rule does outside, everything filled in. `kind`: program, url or sql; `what`: the program, the URL, the name of
    the database. `arguments`: those of the program, or the values bound to the statement. `text`: stdin, the body of a POST
    (with `media_type`), the statement. `facts`: the message in names and values, for the environment of a program.

    What comes out of it goes as a text to `reply`, written as an address ("" for nobody), to a phone through `gateway`.
    `rule` is the title of the rule."""

    kind: str
    what: str
    arguments: tuple[str, ...] = ()
    text: str = ""
    media_type: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    reply: str = ""
    gateway: str = ""
    rule: str = ""

    def __post_init__(self) -> None:
        for text in (self.what, self.text, *self.arguments):
            storable(text)


Content = Union[Text, Binary, Report, Call]


@frozen
class Parameters:
    """What a caller may set per recipient (feature S2). None means: not said.

    `gateway` pins ("": it must not be pinned, not even to the account's); `max_parts` truncates; `coding` is a TP-DCS octet;
    `values` go to the destination gateway unread.
    """

    gateway: str | None = None
    sender: str | None = None
    sender_required: bool = False
    max_parts: int | None = None
    expire_minutes: int | None = None
    priority: Priority = Priority.NORMAL
    protocol_id: int = 0
    coding: int | None = None
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in (self.gateway or "", self.sender or "", *self.values):
            storable(text)


DEFAULT_PARAMETERS = Parameters()


@frozen
class Window:
    """Storm protection of a rule: of what comes for one recipient within `length` ms, the first `most` messages leave at once
    (0: none), the others as one digest when the window ends. `text` is the digest's, with %count%, %first% and %last%. `user` is
    whose rule it is, "" for the administrator's: titles are unique among the rules of one."""

    rule: str
    most: int
    length: int
    text: str
    user: str = ""


@frozen
class Pause:
    """A rule keeps the message until a time (ms), unless it is urgent; its sender does (`rule` ""), urgent or not."""

    rule: str
    until: int


@frozen
class Escalation:
    """A rule (of `user`, see `Window`) asks one after the other, `wait` ms apart, until somebody answers with one of `answers`.
    `to`: who is asked after the recipient."""

    rule: str
    to: tuple[tuple[Address, Parameters], ...]
    wait: int
    answers: tuple[str, ...]
    user: str = ""


@frozen
class Once:
    """A rule answers with this: within an hour its recipient is told `what` once, and of all answers of rules at most `most`
    (0: any number). Robots that answer each other come to rest."""

    rule: str
    what: str
    most: int = 0


Care = Union[Window, Pause, Escalation, Once]
"""How a rule wants a message to one recipient to leave."""


@frozen
class Recipient:
    """One recipient: the address (as typed until the dispatcher has normalised it) and its own wishes."""

    address: Address
    typed: str = ""
    parameters: Parameters = DEFAULT_PARAMETERS
    wants: Wants | None = None
    original: str = ""  # ORCPT of RFC 3461, decoded, with its type: "rfc822;ann@example.org"
    content: Content | None = None  # what a rule made of the message for this recipient alone; None: as it is
    headers: tuple[tuple[str, str], ...] | None = None  # the same for its headers; goes with `content`
    trace: str = ""  # how the rules came to this, see smsd.core.judging
    refused: Refused | None = None  # a rule does not take it
    dropped: str = ""  # a rule takes it and sends it nowhere: why
    gather: tuple[Care, ...] = ()  # rules let it wait, or want an answer
    named_by_rule: bool = False  # a rule of the administrator has chosen its sender

    def __post_init__(self) -> None:
        storable(self.typed)
        storable(self.original)


@frozen
class Ticket:
    """The way back: the address that gets reports and answers, and what its protocol needs to thread them. `link` is the id of
    the link (chat, SIP) that it goes back by, "" for any gateway that carries such addresses."""

    address: Address
    envelope_id: str = ""
    message_id: str = ""
    subject: str = ""
    full: bool = True  # RET of RFC 3461: the whole original, or headers only
    link: str = ""

    def __post_init__(self) -> None:
        for text in (self.envelope_id, self.message_id, self.subject):
            storable(text)

    @property
    def recipient(self) -> Recipient:
        """Whoever gets what goes back."""
        return back(self.address, self.link)


def back(address: Address, link: str) -> Recipient:
    """The recipient of what goes back to an address, by a link or ("") by any gateway that carries it."""
    return Recipient(address, address.target, Parameters(gateway=link) if link else DEFAULT_PARAMETERS)


@frozen
class IdempotencyKey:
    """Identity of a request, from its transport, never from its text.

    `scope` is the door or account in which `key` is unique; the same key with another `fingerprint` is a conflict.
    """

    scope: str
    key: str
    fingerprint: bytes = b""

    def __post_init__(self) -> None:
        storable(self.scope)
        storable(self.key)


@frozen
class Submission:
    """One message as a door took it. `door` is the listener's or gateway's id; `origin` is who wrote it. `peer` (the client's
    IP address), `host` (what it calls itself), `head` (the header of a mail as it came) and `attachments` are for rules to look at
    and are not kept. `number` is the id that it will have, 0 when nobody has to know it before it is planned."""

    door: str
    origin: Address
    recipients: tuple[Recipient, ...]
    content: Content
    account: str | None = None
    ticket: Ticket | None = None
    wants: Wants = Wants.NOTHING
    headers: tuple[
        tuple[str, str], ...
    ] = ()  # what the content brought along: ("subject", ...), ("date", ...)
    key: IdempotencyKey | None = None
    hops: int = 0
    peer: str = ""
    head: bytes = field(default=b"", repr=False)
    attachments: int = 0
    host: str = ""
    number: int = 0

    def __post_init__(self) -> None:
        for name, value in self.headers:
            storable(name)
            storable(value)


@frozen
class Queued:
    """A recipient whose message is committed. `notes` are for the sender: cut, sender ignored, …"""

    delivery: int
    target: str
    parts: int = 1
    encoding: str = ""
    notes: tuple[str, ...] = ()


@frozen
class Declined:
    """A recipient that was not taken, with the refusal to spell at the door."""

    typed: str
    refusal: Refused


@frozen
class Receipt:
    """The dispatcher's answer after the commit, one entry per recipient in the order of the submission."""

    message: int
    recipients: tuple[Queued | Declined, ...] = field(default=())
    replayed: bool = False
