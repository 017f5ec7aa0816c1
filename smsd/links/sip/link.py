"""The link: a gateway for `sip:` addresses, and a door for phones."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from zope.interface import implementer

from smsd.codec.sip import Transactions
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.links.sip.incoming import Incoming
from smsd.links.sip.login import Logins
from smsd.links.sip.outgoing import Outgoing
from smsd.links.sip.places import Places
from smsd.links.sip.records import Records
from smsd.links.sip.registrar import Registrar
from smsd.links.sip.server import Server
from smsd.links.sip.settings import Settings
from smsd.links.sip.stack import Stack
from smsd.links.sip.streams import LIMITS
from smsd.links.sip.ways import Ways
from smsd.links.sip.wires import Wires
from smsd.policy.siprules import SipRule
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope

ABILITIES = Abilities(frozenset({"sip"}), apart=True)
MOST_AWAITED = 100_000
PATIENCE = 10.0
"""Seconds for the commits of those who wait for an answer."""
AGAIN = 10.0
"""Seconds until a port that somebody else has is tried again."""


@implementer(IGateway)
class SipLink(Service):
    """See IGateway. `wired` makes the wires, and `recorded` asks DNS (tests give their own)."""

    log = Logger()

    def __init__(
        self,
        settings: Settings,
        rules: Sequence[SipRule],
        context: GatewayContext,
        wired: Callable[..., Any] = Wires,
        recorded: Callable[..., Any] = Records,
    ) -> None:
        assert context.door is not None
        self.name = settings.id
        self.abilities = ABILITIES
        self._settings = settings
        self._rules = rules
        self._context = context
        self._clock = context.reactor
        self._outlet = context.outlet
        self._trouble = "not started"
        self._retry: Any = None
        self._awaited: set[str] = set()
        self._seen: set[str] = set()
        self.wires = wired(
            self._clock,
            settings.listeners,
            settings.public or "",
            settings.max_connections,
            settings.idle_seconds,
            settings.proxy_ca,
        )
        self.registrar = Registrar(
            context.memory,
            self._clock,
            (settings.min_expires, settings.max_expires),
            settings.max_contacts,
            self.wires.alive,
        )
        self._places = Places(recorded(self._clock, settings.name_servers), self._clock)
        self._made = False

    def _make(self) -> None:
        settings, clock, context = self._settings, self._clock, self._context
        assert context.door is not None
        host = settings.public or settings.domains[0]
        key = _key(context.spool("nonce.key"))
        self.stack = Stack(clock, self.wires, Transactions(key, limits=LIMITS, server="smsd"))
        self.server = Server(
            settings,
            self.stack,
            Logins(settings, context.door, key),
            self.registrar,
            Incoming(settings, self._rules, context.door, host),
            clock,
            host,
            self.wires.know,
            self._back,
        )
        ways = Ways(settings, self.registrar, self.wires, clock, self._places)
        self._outgoing = Outgoing(settings, self.stack, self.wires, ways, self.registrar, clock, host)
        self._made = True

    @property
    def status(self) -> str:
        """One line for people."""
        if self._trouble:
            return self._trouble
        places = ", ".join(listener.text.partition(":privateKey")[0] for listener in self._settings.listeners)
        phones = ""
        if self._settings.registrar:
            people = len(self.registrar)
            phones = f", phones of {people} {'person' if people == 1 else 'people'}"
        return f"listening on {places}{phones}, {self.wires.connections} connections"

    def startService(self) -> Deferred[None]:
        """Recall who has registered, then listen; a port that somebody else has is tried again."""
        Service.startService(self)
        self._outlet.closed("starting")
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        self._make()
        await self.registrar.load()
        await self._listen()

    async def _listen(self) -> None:
        self._retry = None
        if not self.running:
            return
        try:
            await self.wires.open()
        except CannotListenError as error:
            self._trouble = f"cannot listen: {error}"
            self.log.error("{link}: {trouble}", link=self.name, trouble=self._trouble)
            self._outlet.closed(self._trouble)
            self._retry = self._clock.callLater(AGAIN, self._try_again)
            return
        self._trouble = ""
        self._outlet.opened(self._settings.slots)

    def _try_again(self) -> None:
        trying = Deferred.fromCoroutine(self._listen())
        trying.addErrback(lambda failure: self.log.failure("{link}: cannot listen", failure, link=self.name))

    def stopService(self) -> Deferred[None]:
        """Take nothing more; who waits for a commit is answered first. (What is on the wire was waited for before.)"""
        Service.stopService(self)
        self._outlet.closed("stopping")
        self._trouble = "stopping"
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        if not self._made:
            return succeed(None)
        self.server.stopping = True
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self.server.idle().addTimeout(PATIENCE, self._clock, lambda result, _: None)
        self.stack.close()
        self.server.calls.flush()
        await self.wires.close()

    def linked(self, account: str) -> list[tuple[str, float | None]]:
        """The phones of an account, and until when each has registered."""
        return self.registrar.linked(account)

    def unlink(self, account: str, address: str) -> Deferred[bool]:
        """Forget a phone, or all of an address."""
        return self.registrar.unlink(account, address)

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """See IGateway."""
        return Deferred.fromCoroutine(self._send(piece))

    async def _send(self, piece: Piece) -> Accepted:
        if self._trouble:
            raise Failure(Kind.TEMPORARY, f"{self.name} is {self._trouble}", scope=Scope.GATEWAY)
        try:
            return await self._outgoing.send(piece)
        except Failure:
            if len(self._awaited) < MOST_AWAITED:
                self._awaited.add(piece.target.target.lower())
            raise

    def _back(self, address: str) -> None:
        """Somebody's phone is there: what waits for it goes now. Only those are looked at for whom something failed, and everybody
        once after a start."""
        if address in self._seen and address not in self._awaited and len(self._awaited) < MOST_AWAITED:
            return
        self._seen.add(address)
        self._awaited.discard(address)
        going = self._outlet.back(Address("sip", address))
        going.addErrback(lambda failure: self.log.error("{link}: {e!r}", link=self.name, e=failure.value))


def _key(path: str) -> bytes:
    """The octets that seal nonces: the same after a restart, so that a request that comes once more is known again."""
    try:
        with open(path, "rb") as stream:
            key = stream.read(64)
        if len(key) == 32:
            return key
    except FileNotFoundError:
        pass
    key = secrets.token_bytes(32)
    temporary = f"{path}.new"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(key)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
    return key
