"""A SIP link over a real store and dispatcher, on a clock that stands still; datagrams and connections are lists."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from smsd.codec.sip import (
    Malformed,
    Party,
    Peer,
    Request,
    Response,
    Via,
    again,
    ask,
    credentials,
    parse,
    respond,
    write,
)
from smsd.core.accounts import Accounts, AccountSettings, PolicySettings
from smsd.core.accounts.digests import Digests
from smsd.core.digests import make_secret
from smsd.core.memory import Memory
from smsd.interfaces import FrontendContext, GatewayContext
from smsd.links.sip.building import build
from smsd.links.sip.link import ABILITIES, SipLink
from smsd.links.sip.settings import Settings
from tests.house import House

REALM = "sip.example.org"
PHONE = Peer("UDP", "192.0.2.7", 5062, 1)
PBX = Peer("UDP", "10.9.8.7", 5060, 1)
NUMBER = "+393331234567"


class FakeWires:
    """What `smsd.links.sip.wires.Wires` does, without sockets. `refused`: addresses where nobody listens."""

    def __init__(self, *_: Any) -> None:
        self.heard: Callable[[bytes, Peer], None] = lambda octets, peer: None
        self.broken: Callable[[Malformed, Peer], None] = lambda error, peer: None
        self.names: dict[str, str] = {}
        self.sent: list[tuple[Peer, bytes]] = []
        self.refused: set[tuple[str, str]] = set()
        self.flows = {1}
        self.known: list[object] = []
        self.connections = 0
        self.is_open = False

    async def open(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    def know(self, peer: Peer) -> None:
        self.known.append(peer.flow)

    def why(self, to: Peer) -> str:
        return ""

    def alive(self, peer: Peer) -> bool:
        return peer.flow in self.flows

    def can_reach(self, host: str) -> bool:
        return ":" not in host

    def via(self, transport: str, host: str) -> Via:
        return Via(transport, "198.51.100.1", 5060)

    def send(self, octets: bytes, to: Peer, failed: Callable[[], None]) -> None:
        if (to.transport, to.host) in self.refused:
            failed()
            return
        self.sent.append((to, octets))

    def take(self) -> list[tuple[Peer, Request | Response]]:
        """What was sent since the last time."""
        sent, self.sent = self.sent, []
        return [(peer, parse(octets)) for peer, octets in sent]


class FakeRecords:
    """A DNS that knows these: `hosts` have addresses; `records` are of NAPTR and SRV, by the name that is asked for. `asked`: what
    was. A name in `mute` is never answered."""

    def __init__(self) -> None:
        self.hosts: dict[str, list[str]] = {}
        self.records: dict[str, list[Any]] = {}
        self.asked: list[str] = []
        self.mute: set[str] = set()

    async def _of(self, name: str) -> list[Any]:
        self.asked.append(name)
        if name in self.mute:
            await Deferred()
        return self.records.get(name, [])

    naptr = srv = _of

    async def addresses(self, host: str) -> list[str]:
        return self.hosts.get(host, [])


class Outlet:
    """The link's, once the queue knows its abilities."""

    real: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class Rig:
    """`link` over `house`; `link` is made anew by `restart`."""

    def __init__(self, house: House | None = None, policies: tuple[Any, ...] = (), **settings: Any) -> None:
        self.house = house or House()
        self.settings = Settings(**{"id": "sip1", "domains": [REALM], **settings})
        people = [
            AccountSettings(
                user=name, networks=["0.0.0.0/0"], sip_secret=make_secret(name, REALM, f"{name}'s")
            )
            for name in ("ann", "bob")
        ]
        self.records = FakeRecords()
        self.names = self.records.hosts
        self.accounts = Accounts(people, self.house.clock)
        self.accounts.replace(people, (), [PolicySettings(**one) for one in policies])
        self.house.accounts.update({name: self.accounts.find(name) for name in ("ann", "bob")})
        self.make()
        self.house.open()
        self.start()

    def make(self) -> None:
        """The link, not started."""
        house = self.house
        door = FrontendContext(
            reactor=house.clock,
            dispatcher=house.dispatcher,
            inbound=house.inbound,
            portal=self.accounts.portal,
            guessing=self.accounts.guessing,
            digests=Digests(self.accounts),
        )
        outlet = Outlet()
        folder = os.path.dirname(house.path)
        context = GatewayContext(
            reactor=house.clock,
            outlet=outlet,
            inbound=house.inbound,
            memory=Memory(house.store, "sip1"),
            spool=lambda name: os.path.join(folder, name),
            door=door,
        )
        self.link = SipLink(
            self.settings, build(self.settings).rules, context, FakeWires, lambda *_: self.records
        )
        self.wires: FakeWires = self.link.wires
        outlet.real = house.queue.outlet("sip1", ABILITIES)
        outlet.real.gateway = self.link

    def start(self) -> None:
        """It listens."""
        self.house.wait(self.link.startService())
        self.house.settle()

    def restart(self) -> None:
        """The process is killed and started again; the store and its folder are what is left."""
        key = os.path.join(os.path.dirname(self.house.path), "nonce.key")
        with open(key, "rb") as stream:
            octets = stream.read()
        self.house = self.house.crash()
        with open(os.path.join(os.path.dirname(self.house.path), "nonce.key"), "wb") as stream:
            stream.write(octets)
        self.house.accounts.update({name: self.accounts.find(name) for name in ("ann", "bob")})
        self.make()
        self.house.open()
        self.start()

    def close(self) -> None:
        self.house.wait(Deferred.fromCoroutine(self._stopped()))
        self.house.close()

    async def _stopped(self) -> None:
        await self.link.stopService()

    # -- a phone

    def hear(self, octets: bytes, peer: Peer = PHONE) -> list[tuple[Peer, Request | Response]]:
        """A datagram comes; gives what was sent because of it."""
        self.wires.heard(octets, peer)
        self.house.settle()
        return self.wires.take()

    def asked(self, request: Request, peer: Peer = PHONE) -> Response:
        """The one answer to a request."""
        ((to, answer),) = self.hear(write(request), peer)
        assert isinstance(answer, Response), answer
        assert (to.host, to.port) == (peer.host, peer.port), to
        return answer

    def logged_in(self, request: Request, user: str = "ann", peer: Peer = PHONE) -> Request:
        """The request once more, with the answer to the challenge that it gets."""
        challenge = self.asked(request, peer)
        assert challenge.status == 401, challenge
        return again(request, token(), credentials(challenge, request, user, f"{user}'s", "0123456789abcdef"))

    def states(self) -> list[str]:
        return self.house.states()

    def written(self) -> list[Any]:
        """What went to the modem."""
        return [piece.content for piece in self.house.gsm.pieces]


_tokens = itertools.count(1)


def token() -> str:
    return f"{next(_tokens):024d}"


def request(
    method: str = "MESSAGE",
    to: str = f"sip:{NUMBER}@{REALM}",
    text: str | bytes = "Hello",
    user: str = "ann",
    uri: str = "",
    kind: str = "text/plain;charset=UTF-8",
    headers: tuple[tuple[str, str], ...] = (),
    peer: Peer = PHONE,
) -> Request:
    """A request of a phone."""
    octets = text.encode() if isinstance(text, str) else text
    if method == "REGISTER":
        octets = b""
    if octets:
        headers = (("Content-Type", kind), *headers)
    return ask(
        method,
        uri or to,
        sender=Party(f"sip:{user}@{REALM}"),
        to=Party(to),
        via=Via(peer.transport, peer.host, peer.port),
        token=token(),
        call_id=token(),
        headers=headers,
        body=octets,
    )


def register(
    contact: str = "<sip:ann@192.0.2.7:5062>", expires: str = "300", user: str = "ann", peer: Peer = PHONE
) -> Request:
    """A REGISTER; contact "" only asks."""
    headers = (("Contact", contact), ("Expires", expires)) if contact else ()
    return request(
        "REGISTER", f"sip:{user}@{REALM}", user=user, uri=f"sip:{REALM}", headers=headers, peer=peer
    )


def ok(asked: Request, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A phone's answer."""
    return write(respond(asked, status, tag="phone", headers=headers))
