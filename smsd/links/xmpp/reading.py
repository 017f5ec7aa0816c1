"""What somebody wrote: a message stanza as a value, or why it is no message to a phone.

No sockets and no accounts. What carries no text for people (chat states, receipts, markers, copies) is passed over in silence;
what somebody wrote and will not arrive is answered with a reason he can act on.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from twisted.words.xish.domish import Element

from smsd.codec.jid import Jid, mailbox, unescape
from smsd.codec.smsuri import split_numbers
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.stanzas import RECEIPTS, child, children, text_of
from smsd.values.address import Address
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen

STANZA_IDS = "urn:xmpp:sid:0"
ADDRESSES = "http://jabber.org/protocol/address"
FALLBACK = "urn:xmpp:fallback:0"
REPLIES = "urn:xmpp:reply:0"
CORRECTION = "urn:xmpp:message-correct:0"
DELAY = "urn:xmpp:delay"
LONGEST_ID = 1000
SHORTEST_UNIQUE = 8
"""Characters of an id that may be taken for one that no other message has."""

_MAILBOX = re.compile(r"[^\s<>,;:()\[\]\\\"@\x00-\x20\x7f]{1,64}@[^\s<>,;:()\[\]\\\"@/\x00-\x20\x7f]{1,255}")
_TAKING_BACK = ("urn:xmpp:message-retract:0", "urn:xmpp:message-retract:1", "urn:xmpp:fasten:0")
_COPIES = ("urn:xmpp:carbons:2", "urn:xmpp:mam:2", "urn:xmpp:forward:0")
_ENCRYPTED = {
    "eu.siacs.conversations.axolotl": "OMEMO", "urn:xmpp:omemo:1": "OMEMO", "urn:xmpp:omemo:2": "OMEMO",
    "jabber:x:encrypted": "OpenPGP", "urn:xmpp:openpgp:0": "OpenPGP",
}  # fmt: skip


class Unwilling(Exception):
    """It is not taken: a condition and type for programs (RFC 6120 section 8.3), a text for people."""

    def __init__(self, condition: str, kind: str, text: str) -> None:
        super().__init__(text)
        self.condition = condition
        self.kind = kind
        self.text = text


@frozen
class Wanted:
    """One recipient: `typed` is the chat address that was written to, which answers come from."""

    address: Address
    typed: str


@frozen
class Written:
    """A message of `sender`; without anybody `wanted` it is for the gateway itself. `id` is the stanza's; `key` identifies it, ""
    when nothing does; `receipt`: he wants to hear that it has arrived; `kind` is chat or normal."""

    sender: Jid
    wanted: tuple[Wanted, ...]
    text: str
    subject: str = ""
    id: str = ""
    key: str = ""
    receipt: bool = False
    kind: str = "chat"


def read(element: Element, domain: Domain, subject: str = "ignore", most: int = 50) -> Written | None:
    """A message stanza to `domain` or an address of it; None when there is nothing to do, Unwilling when it is refused. `subject`:
    ignore, prefix or only; `most` recipients of one group text."""
    sender = Jid.parse(element.getAttribute("from", ""))
    kind = element.getAttribute("type") or "normal"
    if kind in ("error", "headline") or any(one.uri in _COPIES for one in children(element)):
        return None
    body, title = text_of(child(element, None, "body")), text_of(child(element, None, "subject"))
    _check_encryption(element, body)
    if not body.strip() and not (title.strip() and subject != "ignore" and kind == "normal"):
        return None
    _check_purpose(element, kind)
    body = _without_quote(element, body)
    wanted = _recipients(element, domain, most)
    identity = element.getAttribute("id") or ""
    if len(identity) > LONGEST_ID:
        raise Unwilling("bad-request", "modify", f"the id of a message has at most {LONGEST_ID} characters")
    mail = bool(wanted) and all(one.address.scheme == "mailto" for one in wanted)  # has a subject of its own
    return Written(
        sender,
        wanted,
        _composed(body, title, "ignore" if mail and body.strip() else subject),
        title,
        identity,
        _key(element, sender, identity, body),
        bool(identity) and child(element, RECEIPTS, "request") is not None,
        "chat" if kind == "chat" else "normal",
    )


def _check_purpose(element: Element, kind: str) -> None:
    """Not every text is a message to somebody's phone."""
    if kind == "groupchat":
        raise Unwilling("service-unavailable", "cancel", "a phone is no chat room: write to it alone")
    if child(element, CORRECTION, "replace") is not None:
        why = "what has been sent to a phone cannot be corrected: write a new message"
        raise Unwilling("not-acceptable", "cancel", why)
    if any(one.uri in _TAKING_BACK for one in children(element)):
        raise Unwilling("not-acceptable", "cancel", "what has been sent to a phone cannot be taken back")


def _composed(body: str, title: str, subject: str) -> str:
    title = " ".join(title.split())
    if subject == "only":
        return title or body
    if subject == "prefix" and title:
        return f"{title}: {body}" if body.strip() else title
    return body


def _without_quote(element: Element, body: str) -> str:
    """A text without what a program has put before it for programs that do not show what it answers (XEP-0461, XEP-0428): a phone
    shows the message above it, and quotes cost."""
    for one in children(element):
        if one.uri != FALLBACK or one.getAttribute("for") != REPLIES:
            continue
        part = child(one, FALLBACK, "body")
        start, end = (
            (part.getAttribute(name, "") for name in ("start", "end")) if part is not None else ("", "")
        )
        if start == "0" and re.fullmatch("[0-9]{1,7}", end) and body[int(end) :].strip():
            return body[int(end) :]
    return body


def _check_encryption(element: Element, body: str) -> None:
    how = ""
    for one in children(element):
        name = _ENCRYPTED.get(one.uri or "")
        if name == "OMEMO" and child(one, one.uri, "payload") is None and not body.strip():
            continue  # keys alone, which no person has written
        how = name or how
    if body.startswith("?OTR"):
        how = "OTR"
    if how:
        raise Unwilling(
            "not-acceptable",
            "modify",
            f"this message is encrypted ({how}), which no phone can read as a text: switch encryption off for this contact"
            " and send it again",
        )


def _key(element: Element, sender: Jid, identity: str, body: str) -> str:
    """An origin-id is unique (XEP-0359 section 3), whichever device sends it again. A stanza's id counts where it looks unique,
    for one device; some count theirs anew with each session, so the text has to be the same too."""
    origin = child(element, STANZA_IDS, "origin-id")
    unique = "" if origin is None else origin.getAttribute("id", "")
    if len(unique) >= SHORTEST_UNIQUE:
        parts = ("origin", sender.bare, unique)
    elif len(identity) >= SHORTEST_UNIQUE:
        parts = ("stanza", sender.full, identity)
    else:
        return ""
    whole = "\n".join((*parts, element.getAttribute("to", ""), body))
    return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()


# -- to whom


def _recipients(element: Element, domain: Domain, most: int) -> tuple[Wanted, ...]:
    to = Jid.parse(element.getAttribute("to", ""))
    named = child(element, ADDRESSES, "addresses")
    if to.node:
        return _one(to, domain)  # of a group text, the copy for this one
    if named is None:
        return ()
    found: dict[Wanted, None] = {}
    for one in children(named):
        meant = one.name == "address" and one.getAttribute("type") in ("to", "cc", "bcc")
        if meant and one.getAttribute("delivered") != "true":
            found.update(dict.fromkeys(_addressed(one, domain)))
        if len(found) > most:
            raise Unwilling("not-acceptable", "modify", f"a group text goes to at most {most} numbers")
    if not found:
        raise Unwilling("bad-request", "modify", "the message names nobody in to, cc or bcc")
    return tuple(found)


def _addressed(one: Any, domain: Domain) -> tuple[Wanted, ...]:
    """Somebody whom XEP-0033 names: by his address here, or by a URI."""
    uri = one.getAttribute("uri", "")
    scheme, _, rest = uri.partition(":")
    if scheme.lower() in ("sms", "tel") and rest:
        number = rest.partition("?")[0].partition(";")[0]
        return _one(Jid.parse(f"{number}@{domain}"), domain)
    try:
        jid = Jid.parse(one.getAttribute("jid", ""))
    except InvalidValue:
        jid = Jid("", "")
    if jid.domain != domain.name or not jid.node:
        raise Unwilling(
            "not-acceptable",
            "modify",
            f"a group text from here goes to addresses of {domain} only: {(uri or jid.full)[:100]!r}",
        )
    return _one(jid, domain)


def _one(jid: Jid, domain: Domain) -> tuple[Wanted, ...]:
    """Whom an address of ours stands for: a mailbox, or one number, or several with commas."""
    mail = mailbox(jid.node)
    if mail is not None or "%" in jid.node or "@" in unescape(jid.node):
        if domain.kind == "fax" or (domain.only and domain.kind != "email"):
            raise Unwilling("item-not-found", "cancel", f"{domain} takes numbers, not mail addresses")
        if mail is None or not _MAILBOX.fullmatch(mail):
            wrong = (mail or jid.node)[:100]
            raise Unwilling(
                "item-not-found", "cancel", f"{wrong!r} is no mail address: write to ann%example.com@{domain}"
            )
        return (Wanted(Address("mailto", mail), jid.bare),)
    if domain.only and domain.kind == "email":
        raise Unwilling(
            "item-not-found", "cancel", f"{domain} takes mail addresses: write to ann%example.com@{domain}"
        )
    scheme = "fax" if domain.kind == "fax" else "sms"
    numbers = split_numbers(unescape(jid.node))
    if not numbers:
        raise Unwilling("item-not-found", "cancel", "the address has no number")
    if len(numbers) == 1:
        return (Wanted(Address(scheme, numbers[0]), jid.bare),)
    return tuple(Wanted(Address(scheme, number), f"{number}@{domain}") for number in numbers)
