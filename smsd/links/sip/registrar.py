"""Which phones people have, and where they are (RFC 3261 section 10). Kept over restarts: a phone need not register again.

A contact is named by its instance (RFC 5626) where the phone gives one, so a phone that gets a new port is one phone. Others leave
contacts behind wherever they go: these make room, because the phone in somebody's hand must not be kept out by those he had before.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from smsd.codec.sip import Malformed, Party, Peer, Request, read_uri, readable
from smsd.links.sip.refusals import Rejected
from smsd.store.group import StoreClosed

DEFAULT = 3600
"""Seconds, for who says nothing."""
LONGEST_URI = 1000
MOST_ADDRESSES = 100_000
"""People with phones; only those with accounts can register, or whom a trusted proxy answers for."""
QUIET = 60.0
"""Seconds that a phone is left alone that has not answered."""
_KEY = "phone:"


@dataclass(frozen=True, slots=True)
class Binding:
    """A phone: the URI it gave, until when (seconds), whence it registered, and with what."""

    key: str
    uri: str
    expires: float
    peer: Peer
    symmetric: bool
    call_id: str
    cseq: int
    since: float
    quiet_until: float = 0.0


class Registrar:
    """`memory` (IMemory) keeps them. `alive` tells whether a connection is still there."""

    log = Logger()

    def __init__(
        self,
        memory: Any,
        clock: Any,
        limits: tuple[int, int],
        most: int,
        alive: Callable[[Peer], bool] = lambda peer: True,
    ) -> None:
        self._memory = memory
        self._clock = clock
        self._shortest, self._longest = limits
        self._most = most
        self._alive = alive
        self._of: dict[str, dict[str, Binding]] = {}

    async def load(self) -> None:
        """Take up those of the last run."""
        now = self._clock.seconds()
        for name, text in (await self._memory.everything(_KEY)).items():
            address = name[len(_KEY) :]
            try:
                found = [_unpacked(entry) for entry in json.loads(text)]
            except (ValueError, TypeError, KeyError) as error:
                self.log.error("what was remembered of {a} cannot be read: {e!r}", a=address, e=error)
                continue
            left = {binding.key: binding for binding in found if binding.expires > now}
            if left:
                self._of[address] = left
            else:
                await self._memory.remember(name, None)

    def __len__(self) -> int:
        now = self._clock.seconds()
        return sum(any(one.expires > now for one in known.values()) for known in self._of.values())

    def contacts(self, address: str) -> list[Binding]:
        """The phones of an address that are there, the latest first."""
        now = self._clock.seconds()
        found = [one for one in self._of.get(address, {}).values() if one.expires > now]
        return sorted(found, key=lambda one: -one.since)

    def linked(self, account: str) -> list[tuple[str, float | None]]:
        """The phones of an account, and until when each has registered."""
        return [
            (one.uri, one.expires) for address in self._addresses(account) for one in self.contacts(address)
        ]

    def unlink(self, account: str, address: str) -> Deferred[bool]:
        """Forget a phone by the URI that it gave, or all of an address; False when there is none. It may register again."""
        return Deferred.fromCoroutine(self._unlink(account, address.removeprefix("sip:").lower(), address))

    async def _unlink(self, account: str, whose: str, uri: str) -> bool:
        found, now = False, self._clock.seconds()
        for address in self._addresses(account):
            # It may have gone while another was being kept.
            known = {key: one for key, one in self._of.get(address, {}).items() if one.expires > now}
            left = {key: one for key, one in known.items() if uri != one.uri and whose != address}
            if len(left) == len(known):
                continue
            found = True
            if left:
                self._of[address] = left
            else:
                del self._of[address]
            await self._keep(address, left)
        return found

    def _addresses(self, account: str) -> list[str]:
        """Those that an account registers for: its name in front of the @, or as a whole."""
        name = account.lower()
        return [address for address in self._of if name in (address, address.rpartition("@")[0])]

    async def _keep(self, address: str, known: dict[str, Binding]) -> None:
        text = json.dumps([_packed(one) for one in known.values()], separators=(",", ":")) if known else None
        await self._memory.remember(_KEY + address, text)

    def quiet(self, address: str, binding: Binding) -> None:
        """It has not answered."""
        known = self._of.get(address, {})
        if known.get(binding.key) == binding:
            known[binding.key] = replace(binding, quiet_until=self._clock.seconds() + QUIET)

    # -- REGISTER

    async def register(self, address: str, request: Request, source: Peer) -> list[Binding]:
        """Do what the request wants; gives what is there afterwards. Rejected when it cannot be done: then nothing is."""
        now = self._clock.seconds()
        before = {key: one for key, one in self._of.get(address, {}).items() if one.expires > now}
        after = self._changed(before, request, source, now)
        if after is None:
            return self.contacts(address)
        self._make_room(address, before, after, now)
        if (
            after
            and address not in self._of
            and len(self._of) >= MOST_ADDRESSES
            and not await self._weeded(now)
        ):
            raise Rejected(503, "too many phones have registered here", (("Retry-After", "600"),))
        if after:
            self._of[address] = after
        else:
            self._of.pop(address, None)
        try:
            await self._keep(address, after)
        except (sqlite3.Error, StoreClosed) as error:
            # It stands for now, and the phone comes again.
            self.log.error("a registration of {a} cannot be kept: {e!r}", a=address, e=error)
            raise Rejected(503, "nothing can be kept just now", (("Retry-After", "30"),)) from None
        return self.contacts(address)

    def _make_room(
        self, address: str, before: dict[str, Binding], after: dict[str, Binding], now: float
    ) -> None:
        """Others go for those that are named now: first who cannot be reached any more, then who came longest ago."""
        excess = len(after) - self._most
        if excess <= 0:
            return
        others = [one for key, one in after.items() if before.get(key) is one]
        if excess > len(others):
            raise Rejected(403, f"an address has {self._most} phones at most, and this request names more")

        def worth(one: Binding) -> tuple[bool, float]:
            there = one.quiet_until <= now and (one.peer.transport == "UDP" or self._alive(one.peer))
            return there, one.since

        for one in sorted(others, key=worth)[:excess]:
            del after[one.key]
            self.log.info("{a} has {most} phones: {uri} makes room", a=address, most=self._most, uri=one.uri)

    async def _weeded(self, now: float) -> bool:
        """Forget those whose time is over; gives whether there is room then."""
        gone = [
            address
            for address, known in self._of.items()
            if all(one.expires <= now for one in known.values())
        ]
        for address in gone:
            del self._of[address]
        for address in gone:
            await self._memory.remember(_KEY + address, None)
        return len(self._of) < MOST_ADDRESSES

    def _changed(
        self, before: dict[str, Binding], request: Request, source: Peer, now: float
    ) -> dict[str, Binding] | None:
        contacts = request.contacts
        said = _seconds(request.get("Expires"))
        if not contacts:
            return None
        if any(contact.uri == "*" for contact in contacts):
            if len(contacts) > 1 or said != 0:
                raise Rejected(400, "Contact: * stands alone, and with Expires: 0")
            for one in before.values():
                _in_order(one, request)
            return {}
        after = dict(before)
        for contact in contacts:
            key = _name(contact)
            known = before.get(key)
            if known is not None:
                _in_order(known, request)
            expires = _seconds(contact.parameter("expires") or "")
            expires = said if expires is None else expires
            expires = DEFAULT if expires is None else expires
            if not expires:
                after.pop(key, None)
                continue
            if expires < self._shortest:
                raise Rejected(
                    423, f"at least {self._shortest} seconds", (("Min-Expires", str(self._shortest)),)
                )
            until = now + min(expires, self._longest)
            for other in [one for one in after.values() if one.uri == contact.uri and one.peer == source]:
                del after[other.key]  # the same phone, set up anew: it has another instance
            symmetric = request.via.parameter("rport") is not None or contact.target.host != source.host
            after[key] = Binding(
                key, contact.uri, until, source, symmetric, request.call_id[:256], request.cseq, now
            )
        return after


def _in_order(known: Binding, request: Request) -> None:
    if known.call_id == request.call_id[:256] and request.cseq <= known.cseq:
        raise Rejected(500, "this request is older than the last one", (("Retry-After", "1"),))


def _name(contact: Party) -> str:
    """What makes it the same phone."""
    if len(contact.uri) > LONGEST_URI:
        raise Rejected(400, f"the Contact is longer than {LONGEST_URI} characters")
    try:
        uri = contact.target
    except Malformed as error:
        raise Rejected(400, f"Contact: {error.text}") from None
    if uri.scheme not in ("sip", "sips") or readable(contact.uri) != contact.uri:
        raise Rejected(400, "a Contact is a sip: address")
    instance = (contact.parameter("+sip.instance") or "").strip('"')
    if 0 < len(instance) <= 200 and instance.isprintable():
        return f"{instance};{(contact.parameter('reg-id') or '')[:10]}"
    return f"{uri.scheme}:{uri.user}@{uri.host}:{uri.port or ''}"


def _seconds(text: str) -> int | None:
    text = text.strip()
    return min(int(text), 2**32) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _packed(one: Binding) -> list[Any]:
    peer = one.peer
    return [
        one.key, one.uri, one.expires, peer.transport, peer.host, peer.port, one.symmetric, one.call_id, one.cseq, one.since,
    ]  # fmt: skip


def _unpacked(entry: list[Any]) -> Binding:
    key, uri, expires, transport, host, port, symmetric, call_id, cseq, since = entry
    read_uri(uri)
    return Binding(
        str(key), uri, float(expires), Peer(transport, host, int(port)), bool(symmetric), call_id, int(cseq), float(since)
    )  # fmt: skip
