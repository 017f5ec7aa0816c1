"""Members of lists and targets of notifications, as they are written: `sms:` addresses with an account's credentials (S5), bare
numbers, mail addresses, accounts.

Owns that syntax, and the members files. A member's credentials are for `paying` alone: they are in no repr and no error, and
nothing that is made of a member has them. The texts of errors never quote what was written behind a `?`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from smsd.codec import smsuri
from smsd.codec.number import normalise
from smsd.config.bounded import Mark, mark_of, read_bounded
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen
from smsd.values.message import DEFAULT_PARAMETERS, Parameters, storable

MOST = 20_000
"""Members of one list."""
LONGEST_LINE = 1000
LARGEST_FILE = MOST * 200
MOST_SHOWN = 20
"""Lines of a file whose mistakes are told at once."""

_QUOTED = re.compile(r'(?:sms:)?"((?:[^"\\]|\\.)*)"(?:@(.*))?', re.S)
_DOMAIN = re.compile(r"(?:[\w-]+\.)*[\w-]+\.?|\[[0-9A-Za-z.:-]+\]")
_MAIL_LOCAL = re.compile(r'[^\s@?"<>(),;:\\\[\]]{1,64}')
_NUMBER_LOCAL = re.compile(r"\+?[0-9*#() ./-]{1,40}")
_NOT_FOR_MEMBERS = {
    "reply": "the list's reply_to says who gets answers",
    "msgid": "each mail has its own",
    "binary": "a list sends texts",
    "udh": "a list sends texts",
    "data": "a list sends the mail's text",
    "authenticated": "write user and pass, or give the list an account",
    "number": "write one member per entry",
}


def folded_domain(domain: str) -> str:
    """A domain as it is compared: lower case, IDNA, without a final dot."""
    key = domain.rstrip(".").lower()
    if not key.isascii():
        try:
            key = key.encode("idna").decode("ascii")
        except UnicodeError:
            return key
    return key


def folded(address: str) -> tuple[str, str]:
    """An address as it is compared: local part and domain ("" without one)."""
    local, at, domain = address.rpartition("@")
    return (local.lower(), folded_domain(domain)) if at else (address.lower(), "")


@dataclass(frozen=True, slots=True)
class Here:
    """What the addresses of members may name: our domains, the gateways by their lower-case ids, the country of national
    numbers. `boxes` are the addresses of the post office itself, `folded`; without a domain they stand for all of ours."""

    domains: frozenset[str] = frozenset()
    gateways: Mapping[str, str] = field(default_factory=dict)
    country: str | None = None
    boxes: frozenset[tuple[str, str]] = frozenset()

    def ours(self, domain: str) -> bool:
        """Whether a domain means this server."""
        key = folded_domain(domain)
        return key in self.domains or (key.startswith("sms.") and key[4:] in self.domains)

    def is_box(self, address: str) -> bool:
        """Whether mail to this address comes back to the post office."""
        local, domain = folded(address)
        return (local, domain) in self.boxes or (self.ours(domain) and (local, "") in self.boxes)


@frozen
class Member:
    """One member. `target` is a number as typed, a mail address, or an account's name (then it has no scheme yet: the
    account's phone or mailbox is looked up for each mail). `user` is as typed, before any decoding."""

    scheme: str
    target: str
    parameters: Parameters = DEFAULT_PARAMETERS
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)


def read(text: str, here: Here) -> Member:
    """The member that `text` means; InvalidValue with what to do."""
    text = text.strip()
    if not text or not text.isprintable() or len(text) > LONGEST_LINE:
        raise InvalidValue("that is no member: write sms:+15551234567, mailto:ann@example.org or account:ann")
    storable(text)
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower() if colon and "?" not in scheme and "@" not in scheme else ""
    if scheme == "account":
        return Member("account", rest.strip())
    if scheme == "mailto":
        return _mailbox(rest.partition("?")[0].strip(), here)
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        body, domain = re.sub(r"\\(.)", r"\1", quoted[1]), quoted[2]
        return _phone(body, domain, here)
    if scheme not in ("", "sms"):
        raise InvalidValue("only sms:, mailto: and account: can be members, or a bare number")
    body, at, domain = text.rpartition("@")
    if not at:
        return _phone(text, None, here)
    if not scheme and not _NUMBER_LOCAL.fullmatch(body.partition("?")[0]):
        return _mailbox(text, here)
    if not scheme and not (here.ours(domain) or folded_domain(domain) in here.gateways):
        return _mailbox(text, here)
    return _phone(body, domain, here)


def _mailbox(address: str, here: Here) -> Member:
    local, at, domain = address.rpartition("@")
    if not at or not _MAIL_LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise InvalidValue("that is no mail address: write mailto:ann@example.org")
    if here.is_box(address):
        raise InvalidValue(
            f"{address} is a notification, list or program of this server, and mail would go in a circle:"
            " write those it is for themselves"
        )
    return Member("mailto", f"{local}@{folded_domain(domain)}")


def _phone(body: str, domain: str | None, here: Here) -> Member:
    gateway = None if domain is None else _gateway(domain, here)
    number, pairs = smsuri.parse_local(body)
    for name, value in pairs:
        if value and name.lower() in _NOT_FOR_MEMBERS:
            raise InvalidValue(f"{name.lower()} is not for members: {_NOT_FOR_MEMBERS[name.lower()]}")
    wishes = smsuri.read_parameters(pairs)
    if any(
        warning.startswith("unknown parameter") for warning in wishes.warnings
    ):  # half a password, perhaps
        raise InvalidValue(
            "a parameter is not known: user, pass, maxmsgs, id, sender … are; an & inside a value is written %26"
        )
    parameters = wishes.parameters
    if gateway is not None:
        if parameters.gateway and parameters.gateway.lower() != gateway.lower():
            raise InvalidValue("the member names two gateways: leave id= or what stands behind the @ away")
        parameters = replace(parameters, gateway=gateway)
    if wishes.password and wishes.user is None:
        raise InvalidValue("pass needs a user: write ?user=…&pass=…")
    found = normalise(number, here.country)
    if found.kind == "name":
        raise InvalidValue("a name cannot receive an SMS: write a number, for example +15551234567")
    return Member("sms", number, parameters, _typed_user(body), wishes.password or "")


def _gateway(domain: str, here: Here) -> str | None:
    """The gateway that stands behind the last @, None for a domain of ours. What stands there may be the end of a password
    with an @ in it, and is not quoted."""
    if _DOMAIN.fullmatch(domain):
        if here.ours(domain):
            return None
        gateway = here.gateways.get(folded_domain(domain))
        if gateway is not None:
            return gateway
    raise InvalidValue(
        "what stands behind the last @ is neither a domain nor a gateway of this server"
        " (an @ inside a value is written %40)"
    )


def _typed_user(body: str) -> str | None:
    for piece in body.partition("?")[2].split("&"):
        if piece[:5].lower() == "user=":
            return piece[5:] or None
    return None


# -- who they are altogether


@dataclass(frozen=True, slots=True)
class Roster:
    """The members of one list, each once, and what all of them need: the `logins` to check, whether some pay with nothing of
    their own (`bare`), whether there is anybody who costs nothing or pays as an account (`others`). `known` are their
    identities."""

    members: tuple[Member, ...]
    logins: tuple[tuple[str, str], ...] = ()
    bare: bool = False
    others: bool = False
    known: frozenset[str] = frozenset()

    @classmethod
    def of(cls, members: Iterable[Member], country: str | None) -> Roster:
        """From members as they were read; of those with one number (or mailbox) the first counts."""
        known: dict[str, Member] = {}
        for member in members:
            known.setdefault(identity(member, country), member)
        kept = tuple(known.values())
        logins = dict.fromkeys((one.user, one.password) for one in kept if one.user is not None)
        return cls(
            kept,
            tuple((user, password) for user, password in logins if user is not None),
            any(one.scheme == "sms" and one.user is None for one in kept),
            any(one.scheme != "sms" for one in kept),
            frozenset(known),
        )


def identity(member: Member, country: str | None) -> str:
    """What makes two members one: the number in its normal form, the address, the account."""
    if member.scheme != "sms":
        return f"{member.scheme}:{member.target.lower() if member.scheme == 'mailto' else member.target}"
    try:
        return f"sms:{normalise(member.target, country).value}"
    except InvalidValue:
        return f"sms:{member.target}"


# -- members files


def parse_file(path: str, here: Here) -> tuple[list[Member], list[tuple[int, str]]]:
    """The members in a file, one a line, with comments behind `#` (after a blank, for a password may have one), and what is
    wrong in which line. InvalidValue when it cannot be read at all."""
    content, _ = read_bounded(path, LARGEST_FILE)
    members: list[Member] = []
    wrong: list[tuple[int, str]] = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            text = _COMMENT.split(line.decode("utf-8"), maxsplit=1)[0].strip()
            if text:
                members.append(read(text, here))
        except UnicodeDecodeError:
            wrong.append((number, "the line is not UTF-8 text"))
        except InvalidValue as error:
            wrong.append((number, str(error)))
        if len(members) > MOST:
            return members[:MOST], [*wrong, (number, f"too many members: {MOST} are the limit")]
    return members, wrong


_COMMENT = re.compile(r"(?:^|\s)#")


class MembersFile:
    """A members file, read again (in a thread) when it has changed. While it cannot be read, the last members stand."""

    log = Logger()

    def __init__(self, path: str, here: Here, in_thread: Callable[..., Deferred[Any]]) -> None:
        self._path = path
        self._here = here
        self._in_thread = in_thread
        self._seen: Mark | None = None
        self._members: tuple[Member, ...] = ()
        self.version = 0

    async def members(self) -> tuple[Member, ...]:
        """Who stands in it now."""
        try:
            seen = mark_of(os.stat(self._path))
            if seen == self._seen:
                return self._members
            members, wrong = await self._in_thread(parse_file, self._path, self._here)
        except (OSError, InvalidValue) as error:
            self.log.error("{error}; the members it had before stand", error=_why(self._path, error))
            return self._members
        for line, what in wrong[:MOST_SHOWN]:
            self.log.warn(
                "{path}:{line}: {what}; this member gets nothing", path=self._path, line=line, what=what
            )
        self.log.info("{path}: {n} members", path=self._path, n=len(members))
        self._seen = seen
        self._members = tuple(members)
        self.version += 1
        return self._members


def _why(path: str, error: OSError | InvalidValue) -> str:
    return f"{path} cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
