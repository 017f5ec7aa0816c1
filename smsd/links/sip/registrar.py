"""Which phones people have, and where they are (RFC 3261 section 10). Kept over restarts: a phone need not register again.

A contact is named by its instance (RFC 5626) where the phone gives one, so a phone that gets a new port is one phone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from twisted.logger import Logger

from smsd.codec.sip import Malformed, Party, Peer, Request, read_uri, readable
from smsd.links.sip.refusals import Rejected

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
    """`memory` (IMemory) keeps them."""

    log = Logger()

    def __init__(self, memory: Any, clock: Any, limits: tuple[int, int], most: int) -> None:
        self._memory = memory
        self._clock = clock
        self._shortest, self._longest = limits
        self._most = most
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
        if len(after) > self._most:
            raise Rejected(
                403, f"{self._most} phones have registered for this address, and there may be no more"
            )
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
        text = json.dumps([_packed(one) for one in after.values()], separators=(",", ":")) if after else None
        try:
            await self._memory.remember(_KEY + address, text)
        except Exception as error:
            # It stands for now, and the phone comes again.
            self.log.error("a registration of {a} cannot be kept: {e!r}", a=address, e=error)
            raise Rejected(503, "nothing can be kept just now", (("Retry-After", "30"),)) from None
        return self.contacts(address)

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
