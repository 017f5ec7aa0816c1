"""The addresses that rules send to, as people write them: `ann@example.org`, `mailto:ann@example.org`, `+1555…`,
`sms:+1555…?maxmsgs=2`, `xmpp:ann@example.org`, `sip:ann@example.org`, and for what phones wrote `hook:shop`, a subscriber."""

from __future__ import annotations

import re
from collections.abc import Collection

from smsd.codec.mail import headers
from smsd.codec.smsuri import parse_local, read_parameters
from smsd.policy.rules.model import Action, Escalate, Folder, Forward, Send
from smsd.policy.rules.words import shown
from smsd.values.address import Address
from smsd.values.errors import InvalidValue
from smsd.values.message import DEFAULT_PARAMETERS, Parameters

_QUOTED = re.compile(r'"(sms:[^"\\]*)"@\S+', re.IGNORECASE)
"""A phone's address as it is on the wire: whose domain it is, the number says."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
_MAILBOX = re.compile(r".*[^@]@[^\s@\"<>()]+", re.DOTALL)
"""Something before the last @, and a domain behind it."""
CHATS = ("xmpp", "sip")
_CHAT = re.compile(r"([^\s@/?;:\"<>\x00-\x1f]{1,255}@[^\s@/?;:\"<>\x00-\x1f]{1,255})(?:[/?;:].*)?")


def read_address(text: str) -> tuple[Address, Parameters]:
    """An address as people write it in a rule, also with a name around it. InvalidValue when it is none, or one of a kind that
    cannot be reached."""
    text = text.strip()
    if "<" in text:
        text = headers.mailbox(text.encode("utf-8", "replace")) or text
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        text = quoted[1]
    before, colon, rest = text.partition(":")
    scheme = before.lower() if colon and _SCHEME.fullmatch(before) else ""
    if scheme in CHATS:
        return read_chat(scheme, rest), DEFAULT_PARAMETERS
    if scheme not in ("", "sms", "mailto"):
        raise InvalidValue(
            f"{shown(text)!r} cannot be reached: write ann@example.org or sms:+15551234567, not {scheme}:"
        )
    if scheme == "mailto":
        text = rest.partition("?")[0]
    target, pairs = parse_local(text)
    if "@" in target:
        if scheme != "sms":
            if not _MAILBOX.fullmatch(target):
                raise InvalidValue(f"{shown(text)!r} is no address: write ann@example.org")
            return Address("mailto", target), DEFAULT_PARAMETERS
        target = target.rpartition("@")[0]  # sms:+1555…@domain: whose domain it is, the number says
    if scheme == "mailto" or not any(character.isdigit() for character in target):
        raise InvalidValue(f"{shown(text)!r} is no address: write ann@example.org or sms:+15551234567")
    return Address("sms", target), read_parameters(pairs).parameters


def read_chat(scheme: str, rest: str) -> Address:
    """The address of a person's chat account (RFC 5122, RFC 3261 section 19.1), without resource, parameters and port, in lower
    case. InvalidValue when it is none."""
    named = _CHAT.fullmatch(rest.strip())
    if named is None:
        raise InvalidValue(f"{shown(f'{scheme}:{rest}')!r} is no address: write {scheme}:ann@example.org")
    return Address(scheme, named[1].lower())


_HOOK = re.compile(r"hook:([A-Za-z0-9_][A-Za-z0-9_.-]{0,50})")


def subscriber(text: str) -> str | None:
    """The id in `hook:shop`; None for any other address."""
    found = _HOOK.fullmatch(text.strip())
    return found[1] if found else None


def read_receiver(text: str) -> tuple[Address, Parameters]:
    """Who gets what a phone wrote: an address, or a subscriber. InvalidValue when it is neither."""
    named = subscriber(text)
    return (Address("hook", named), DEFAULT_PARAMETERS) if named else read_address(text)


def read_folder(text: str) -> tuple[Address, str]:
    """A folder of a mailbox, `ann@example.org/SMS`; InvalidValue when it is none."""
    mailbox, _, folder = text.partition("/")
    address = read_address(mailbox)[0] if "@" in mailbox else None
    if address is None or address.scheme != "mailto" or not folder:
        raise InvalidValue(f"{shown(text)!r} is no folder: write ann@example.org/SMS")
    return address, folder


def chats(action: Action) -> set[str]:
    """The kinds of chat addresses (`CHATS`) that an action sends to, as far as no variable makes them."""
    if not isinstance(action, (Forward, Send, Escalate)):
        return set()
    several = (action.to,) if isinstance(action.to, str) else action.to
    return {one.strip().partition(":")[0].lower() for one in several} & set(CHATS)


def check(action: Action, subscribers: Collection[str] = ()) -> None:
    """InvalidValue for an address without variables that is none: what is known when a rule is read need not be found out by
    the first message. `subscribers` are those that a message may be forwarded to."""
    if isinstance(action, Folder):
        if "%" not in action.name:
            read_folder(action.name)
    elif isinstance(action, (Forward, Send, Escalate)):
        for one in (action.to,) if isinstance(action.to, str) else action.to:
            named = subscriber(one) if isinstance(action, Forward) else None
            if named and named not in subscribers:
                raise InvalidValue(
                    f"{one!r} gets no message here; write hook: and one of {', '.join(sorted(subscribers))}"
                    if subscribers
                    else f"{one!r} gets no message here: only the server's incoming rules forward to subscribers"
                )
            if not named and "%" not in one:
                read_address(one)
