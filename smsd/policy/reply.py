"""Who gets what a phone wrote, before any rule is asked: the address in its text, else whoever wrote to that phone (features
I2 to I4).

Pure. A link says that an origin wrote to a phone and until when its answer is awaited; of several links those count that
left by the gateway (and the number) on which the answer came, else those that left at all. What is still undecided then is
a conflict. Links to phones are never made: two answering phones would talk to each other at our cost, without end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence

from smsd.codec.mail.sms import domain
from smsd.values.address import Address
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen
from smsd.values.message import Submission, Wants

CONFLICT = "Cannot deliver message, more potential recipients, use #email# in your reply."
"""What a phone is told when its answer may be for several people (feature I4)."""

# Neither part may have what an address would have to quote. The last # may be the first of the next tag, so it is only seen.
_TAG = re.compile(r"#[ \t]{0,3}([^\s#@<>()\[\],;:\\\"]{1,64}@[^\s#@<>()\[\],;:\\\"]{1,255})[ \t]{0,3}(?=#)")
# A sender as some mail servers mark it anew each day (BATV): the person is the same.
_BATV = re.compile(r"prvs=[0-9a-z]{10}=(?=.)", re.I)


@frozen
class Replying:
    """The settings. `keep`: how long a link lives (ms; 0 keeps none). `at_once`: how many answers within seconds
    somebody in a chat gives one phone in an hour (0: any number). A tag may name a mailbox in `domains`, or one of
    `mailboxes` (lower case both); in `phones` the local parts are numbers, and no mailboxes. `closed` are addresses that it may
    not name: what they do somebody here pays for, and who may write to them has to log in."""

    by_tag: bool = True
    keep: int = 0
    conflict: str = CONFLICT
    at_once: int = 0
    domains: frozenset[str] = frozenset()
    mailboxes: Container[str] = frozenset()
    phones: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()


# -- #address@domain#


@frozen
class Tagged:
    """The address that a text names, and the text without it."""

    address: str
    text: str


def tag(text: str, settings: Replying) -> Tagged | None:
    """The first address between hashes that may be written to; None when there is none. A phone must not make us send
    mail to strangers, so others are left in the text as they are."""
    if "#" not in text or not settings.by_tag:
        return None
    for match in _TAG.finditer(text):
        if _may(match[1], settings):
            before, after = text[: match.start()].rstrip(" \t"), text[match.end() + 1 :].lstrip(" \t")
            gap = " " if before and after and before[-1] != "\n" and after[0] not in "\r\n,.;:!?" else ""
            return Tagged(match[1], (before + gap + after).strip())
    return None


def _may(address: str, settings: Replying) -> bool:
    local, _, where = address.rpartition("@")
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return False
    try:
        where = domain(where).lower().rstrip(".")
    except InvalidValue:
        return False
    if f"{local}@{where}".lower() in settings.closed:
        return False
    if f"{local}@{where}".lower() in settings.mailboxes:
        return True
    if where in settings.phones and not any(letter.isalpha() for letter in local):
        return False
    return where in settings.domains


# -- links


@frozen
class Sent:
    """A message of a link. `left`: whether it reached its gateway, None when nobody knows any more. `sender`: the number it
    was to show, if one was asked for. `address`, `message_id` and `subject` are those of its ticket; `references` are the
    messages that it answered itself. `typed` is the recipient as its writer wrote it, `link` the link that the ticket names.
    `digest` is the one that it left in, or is (0: none); then the first three are that one's."""

    delivery: int
    left: bool | None = None
    gateway: str = ""
    sender: str = ""
    address: str = ""
    message_id: str = ""
    subject: str = ""
    references: str = ""
    digest: int = 0
    typed: str = ""
    link: str = ""


@frozen
class Link:
    """An origin (an address as `origin` wrote it) that awaits an answer, its messages newest first, and whether there were
    `more` of them than are known."""

    origin: str
    sent: tuple[Sent, ...]
    more: bool = False


@frozen
class Found:
    """One origin gets the answer, and which message it answers."""

    origin: Address
    sent: Sent


@frozen
class Shared:
    """All of these get the answer: it answers a digest that holds messages of each."""

    found: tuple[Found, ...]


@frozen
class Conflict:
    """Several origins might be meant."""

    origins: tuple[str, ...]


def spellings(peer: str) -> tuple[str, ...]:
    """How a phone that writes may have been written to: where no country is configured, `1555…` and `+1555…` stay two numbers,
    and networks put a plus before the first."""
    return (peer, peer[1:]) if peer.startswith("+") else (peer,)


def origin(submission: Submission) -> Address | None:
    """Who gets the answers to a message; None when nobody can. A mailbox is written in lower case, so that one person is one."""
    address = submission.origin if submission.ticket is None else submission.ticket.address
    if address.scheme == "dlr":  # Kannel's: told of reports and nothing else
        address = submission.origin
    if address.scheme in ("sms", "door"):
        return None
    if address.scheme == "hook" and not submission.wants & Wants.ANSWERS:
        return None
    if address.scheme == "account":
        return address if address.target == submission.account else None
    if address.scheme == "mailto":
        target = address.target.lower()
        if target.startswith("prvs="):
            target = _BATV.sub("", target, count=1)
        return Address("mailto", target) if "@" in target else None
    return address


def choose(
    links: Sequence[Link], gateway: str, own: str, reached: Callable[[str], bool] = lambda scheme: True
) -> Found | Shared | Conflict | None:
    """Whose answer it is that came by `gateway` to the number `own` ("" when unknown). `reached`: whether anything carries
    an address scheme; links of others are passed over. Where the newest that each of several wrote left in one digest, the
    phone has seen one message, and they are one."""
    ranked = []
    for link in links:
        if reached(link.origin.partition(":")[0]):
            rank, sent = _rank(link, gateway, own)
            ranked.append((rank, link, sent))
    best = max((rank for rank, _, _ in ranked), default=0)
    wanted = [(link, sent) for rank, link, sent in ranked if rank == best]
    if not wanted:
        return None
    found = tuple(Found(_as_written(Address.parse(link.origin), sent), sent) for link, sent in wanted)
    if len(found) == 1:
        return found[0]
    digest = found[0].sent.digest
    if digest and all(one.sent.digest == digest for one in found):
        return Shared(found)
    return Conflict(tuple(link.origin for link, _ in wanted))


def joined(one: Link, other: Link) -> Link:
    """Two links of one person, who wrote in two ways."""
    sent = {each.delivery: each for each in (*one.sent, *other.sent)}
    newest = tuple(sent[delivery] for delivery in sorted(sent, reverse=True))
    return Link(one.origin, newest, one.more or other.more)


def message_of(address: str, links: Sequence[Link], gateway: str, own: str) -> Sent | None:
    """The message that is answered when a text names its recipient itself: the one that this mailbox wrote, if it did."""
    for link in links:
        if link.origin == f"mailto:{address.lower()}":
            return _rank(link, gateway, own)[1]
    return None


def _rank(link: Link, gateway: str, own: str) -> tuple[int, Sent]:
    """3: left by this gateway and number, or may have; 2: left; 1: never left. And the newest message of that rank."""
    if not link.sent:
        return (3 if link.more else 2), Sent(0)
    best = (0, Sent(0))
    for sent in link.sent:
        if sent.left is False:
            rank = 1
        else:
            # 0039…, +39… and 39… are one number; a name is none of ours.
            other = own and sent.sender and own.lstrip("+0") != sent.sender.lstrip("+0")
            here = sent.left is None or (sent.gateway == gateway and not other)
            rank = 3 if here else 2
        if rank > best[0]:
            best = (rank, sent)
    if link.more and best[0] < 3:
        return 3, best[1]
    return best


def _as_written(address: Address, sent: Sent) -> Address:
    """The mailbox with the capitals that its owner writes."""
    if address.scheme == "mailto" and sent.address.lower() == f"mailto:{address.target}":
        return Address("mailto", sent.address[7:])
    return address


def answered(subject: str) -> str:
    """The subject of an answer: `Re: ` in front, once."""
    if not subject or re.match(r"\s*(re|aw|sv|antw|r|rif)\s*(\[\d+\])?\s*:", subject, re.I):
        return subject
    return f"Re: {subject}"
