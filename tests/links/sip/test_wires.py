"""Sockets of the link: whole messages out of connections, limits on time, number and what waits; UDP, TCP and TLS for real."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from OpenSSL.crypto import FILETYPE_PEM
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smsd.codec.sip import Malformed, Peer, write
from smsd.links.sip import wires as wires_
from smsd.links.sip.listening import read_listener
from smsd.links.sip.strangers import BURST, KNOWN, MOST, RATE, Strangers
from smsd.links.sip.streams import FAREWELL, HALF, MOST_UNREAD, STRANGER, Stream
from smsd.links.sip.wires import TELL_AGAIN, Wires
from smsd.values.errors import InvalidValue
from tests.gateways.test_smtp_tls import certificate
from tests.links.sip.rig import request

ASKED = write(request())


class Transport(StringTransport):
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class Connections(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.wires = Wires(self.clock, [], most=3, idle=1000)
        self.wires._open = True
        self.heard: list[bytes] = []
        self.broken: list[Malformed] = []
        self.wires.heard = lambda octets, peer: self.heard.append(octets)
        self.wires.broken = lambda error, peer: self.broken.append(error)

    def stream(self, known: bool = False) -> tuple[Stream, Transport]:
        stream, transport = Stream(self.wires, self.wires.name(), "TCP", known), Transport()
        stream.makeConnection(transport)
        return stream, transport

    def test_messages_are_whole_however_they_come(self) -> None:
        stream, _ = self.stream()
        both = ASKED + ASKED
        for at in range(0, len(both), 7):
            stream.dataReceived(both[at : at + 7])
        self.assertEqual(self.heard, [ASKED, ASKED])

    def test_a_ping_is_answered(self) -> None:
        stream, transport = self.stream()
        stream.dataReceived(b"\r\n\r\n")
        self.assertEqual((transport.value(), self.heard), (b"\r\n", []))

    def test_a_stranger_who_says_nothing_is_let_go_and_somebody_known_is_not(self) -> None:
        _, transport = self.stream()
        other, known = self.stream()
        self.wires.know(other.peer)
        self.clock.advance(STRANGER + 1)
        self.assertEqual((transport.aborted, known.aborted), (True, False))
        other.dataReceived(b"\r\n\r\n")
        self.clock.advance(999)
        self.assertFalse(known.aborted)
        self.clock.advance(1)
        self.assertTrue(known.aborted)

    def test_a_stranger_gains_no_time_by_talking(self) -> None:
        stream, transport = self.stream()
        for _ in range(int(STRANGER)):
            stream.dataReceived(b"\r\n\r\n")
            self.clock.advance(1)
        self.assertTrue(transport.aborted)

    def test_a_busy_connection_is_not_half_a_message(self) -> None:
        """Each read ends in the middle of the next message, for long."""
        stream, transport = self.stream(known=True)
        octets = ASKED * int(HALF + 10)
        for at in range(0, len(octets), len(ASKED)):
            stream.dataReceived(octets[at + 7 * (at > 0) : at + 7 + len(ASKED)])
            self.clock.advance(1)
        self.assertFalse(transport.aborted)
        self.assertEqual(len(self.heard), int(HALF) + 10)

    def test_half_a_message_is_not_waited_for_however_slowly_it_drips(self) -> None:
        stream, transport = self.stream(known=True)
        for octet in range(int(HALF) + 1):
            stream.dataReceived(ASKED[octet : octet + 1])
            self.clock.advance(1)
        self.assertTrue(transport.aborted)

    def test_what_makes_no_sense_ends_it(self) -> None:
        stream, transport = self.stream()
        stream.dataReceived(b"x" * 20_000)
        self.assertEqual(len(self.broken), 1)
        self.assertTrue(transport.disconnecting)
        self.assertFalse(transport.aborted)
        self.clock.advance(FAREWELL)  # it does not read what it was told
        self.assertTrue(transport.aborted)

    def test_who_does_not_read_is_let_go(self) -> None:
        stream, transport = self.stream()
        stream.pauseProducing()
        for _ in range(MOST_UNREAD // 1000 + 1):
            stream.send(b"x" * 1000)
        self.assertTrue(transport.aborted)
        stream, transport = self.stream()
        for _ in range(MOST_UNREAD // 1000 + 1):
            stream.send(b"x" * 1000)
        self.assertFalse(transport.aborted)

    def test_there_is_room_for_some_only(self) -> None:
        """Who has been there longest and not said who he is goes for a newcomer; nobody else does."""
        found = [self.stream() for _ in range(4)]
        self.assertEqual([transport.aborted for _, transport in found], [True] + [False] * 3)
        self.assertEqual(self.wires.connections, 3)
        found[0][0].connectionLost()
        for stream, _ in found[1:]:
            self.wires.know(stream.peer)
        self.assertTrue(self.stream()[1].aborted)
        self.assertEqual([transport.aborted for _, transport in found[1:]], [False] * 3)
        found[1][0].connectionLost()
        self.assertFalse(self.stream()[1].aborted)
        self.assertEqual(self.wires.connections, 3)

    def test_strangers_leave_room_for_connections_of_ours(self) -> None:
        found = [self.stream() for _ in range(3)]
        failed: list[int] = []
        self.wires.clock = MemoryReactorClock()
        self.wires.send(ASKED, Peer("TCP", "192.0.2.1", 5060), lambda: failed.append(1))
        self.assertEqual((len(self.wires.clock.tcpClients), failed), (1, []))
        for stream, _ in found:
            self.wires.know(stream.peer)
        self.wires.send(ASKED, Peer("TCP", "192.0.2.2", 5060), lambda: failed.append(2))
        self.assertEqual((len(self.wires.clock.tcpClients), failed), (1, [2]))

    def test_what_has_shown_a_certificate_for_one_name_is_not_used_for_another(self) -> None:
        called: list[tuple[str, Deferred[Any]]] = []

        def call(_: object, where: object, factory: Any, name: str, ca: object) -> Deferred[Any]:
            called.append((name, Deferred()))
            return called[-1][1]

        self.patch(wires_, "call", call)
        there = Peer("TLS", "192.0.2.1", 5061)
        transports = []
        for name in ("one.example", "one.example", "two.example", "one.example"):
            self.wires.names[there.host] = name
            self.wires.send(ASKED, there, self.fail)
            if not called[-1][1].called:
                stream, transport = Stream(self.wires, self.wires.name(), "TLS", True), Transport()
                stream.makeConnection(transport)
                transports.append((stream, transport))
                called[-1][1].callback(stream)
        self.assertEqual([name for name, _ in called], ["one.example", "two.example"])
        self.assertEqual([one.value() for _, one in transports], [ASKED * 3, ASKED])
        for stream, _ in transports:
            stream.connectionLost()
        self.assertEqual((self.wires._ours, self.wires._keys), ({}, {}))

    def test_that_there_is_no_room_is_said_once_in_a_while(self) -> None:
        told: list[object] = []
        self.patch(Wires, "log", SimpleNamespace(warn=lambda *_, **__: told.append(1)))
        for _ in range(20):
            self.stream()
        self.assertEqual(len(told), 1)
        self.clock.advance(TELL_AGAIN)
        for _ in range(20):
            self.stream()
        self.assertEqual(len(told), 2)

    def test_nothing_is_left_of_one_that_is_over(self) -> None:
        stream, _ = self.stream()
        stream.dataReceived(ASKED[:10])
        stream.connectionLost()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        failed: list[int] = []
        self.wires.send(b"x", Peer("TCP", "192.0.2.1", 1, stream.flow), lambda: failed.append(1))
        self.assertEqual(failed, [1])


class Listeners(SynchronousTestCase):
    def test_what_they_say(self) -> None:
        for text, transport, port, interface in (
            ("udp:5060", "UDP", 5060, ""),
            ("udp6:5060", "UDP", 5060, "::"),
            ("udp:port=5070:interface=127.0.0.1", "UDP", 5070, "127.0.0.1"),
            ("tcp:5060:interface=\\:\\:1", "TCP", 5060, "::1"),
            ("ssl:5061:privateKey=/k:certKey=/c", "TLS", 5061, ""),
        ):
            found = read_listener(text)
            self.assertEqual((found.transport, found.port, found.interface), (transport, port, interface))

    def test_what_they_cannot(self) -> None:
        for text in (
            "unix:/tmp/x",
            "udp",
            "udp:x",
            "udp:70000",
            "tcp:5060:interface=nowhere",
            "ssl:5061",
            "udp:1:foo=1",
            "udp6:5060:interface=::1",
            "tcp:5060:interface=::1",
            "tcp:interface=::1:port=5060",
        ):
            self.assertRaises(InvalidValue, read_listener, text)


class Unknown(SynchronousTestCase):
    def setUp(self) -> None:
        self.strangers = Strangers()

    def heard(self, count: int, now: float, host: str = "192.0.2.1") -> int:
        return sum(self.strangers.may(host, now) for _ in range(count))

    def test_a_host_has_a_burst_and_then_so_many_a_second(self) -> None:
        self.assertEqual(self.heard(1000, 0.0), int(BURST))
        self.assertEqual(self.heard(1000, 1.0), int(RATE))
        self.assertEqual(self.heard(1000, 1e6), int(BURST))
        self.assertEqual(self.heard(1000, 1e6, "192.0.2.2"), int(BURST))

    def test_a_clock_that_is_set_back_gives_and_takes_nothing(self) -> None:
        self.heard(1000, 1000.0)
        self.assertEqual(self.heard(10, 0.0), 0)
        self.assertEqual(self.heard(1000, 1001.0), int(RATE))

    def test_who_has_logged_in_is_heard_for_an_hour(self) -> None:
        self.strangers.knows("192.0.2.1", 0.0)
        self.assertEqual(self.heard(1000, KNOWN - 1), 1000)
        self.assertEqual(self.heard(1000, KNOWN + 1), int(BURST))

    def test_memory_is_bounded(self) -> None:
        for number in range(MOST + 10):
            self.strangers.may(str(number), 0.0)
            self.strangers.knows(f"k{number}", 0.0)
        self.assertEqual((len(self.strangers._left), len(self.strangers._known)), (MOST, MOST))
        self.assertEqual(self.heard(1000, 0.0, f"k{MOST}"), 1000)


class Sockets(TestCase):
    """Two ends on this machine."""

    timeout = 300

    async def two(self, kind: str, **options: Any) -> tuple[Wires, Wires, int]:
        address = "\\:\\:1" if kind.endswith("6") else "127.0.0.1"
        text = f"{kind.removesuffix('6')}:0:interface={address}"
        if kind == "ssl":
            own, pem = certificate()
            self.cert, key = self.mktemp(), self.mktemp()
            for name, octets in ((self.cert, pem), (key, own.privateKey.dump(FILETYPE_PEM))):
                with open(name, "wb") as stream:
                    stream.write(octets)
            text += f":privateKey={key}:certKey={self.cert}"
        ends = []
        for text_ in (text, f"udp:0:interface={address}"):
            wires = Wires(reactor, [read_listener(text_)], **options)
            await wires.open()
            self.addCleanup(lambda wires=wires: Deferred.fromCoroutine(wires.close()))
            ends.append(wires)
        return ends[0], ends[1], ends[0]._ports[0].getHost().port

    def told(self, wires: Wires) -> Deferred[tuple[bytes, Peer]]:
        done: Deferred[tuple[bytes, Peer]] = Deferred()

        def heard(octets: bytes, peer: Peer) -> None:
            if not done.called:
                done.callback((octets, peer))

        wires.heard = heard
        return done

    async def there_and_back(self, kind: str, transport: str) -> None:
        server, client, port = await self.two(kind)
        failed: list[object] = []
        there, back = self.told(server), self.told(client)
        host = "::1" if kind.endswith("6") else "127.0.0.1"
        client.send(ASKED, Peer(transport, host, port), lambda: failed.append(1))
        octets, peer = await there
        self.assertEqual((octets, peer.transport), (ASKED, transport))
        server.send(ASKED, peer, lambda: failed.append(2))
        self.assertEqual((await back)[0], ASKED)
        self.assertEqual(failed, [])

    async def test_udp(self) -> None:
        await self.there_and_back("udp", "UDP")

    async def test_a_datagram_that_cannot_be_sent_fails(self) -> None:
        """Too long for one, to no port, to no address."""
        wires, _, _ = await self.two("udp")
        failed: list[int] = []
        for number, (octets, peer) in enumerate(
            (
                (b"x" * 70_000, Peer("UDP", "127.0.0.1", 5060)),
                (ASKED, Peer("UDP", "127.0.0.1", 70_000)),
                (ASKED, Peer("UDP", "no address", 5060)),
                (ASKED, Peer("UDP", "127.0.0.1", 5060, 99)),
            )
        ):
            wires.send(octets, peer, lambda number=number: failed.append(number))  # type: ignore[misc]
        self.assertEqual(failed, [0, 1, 2, 3])

    async def test_udp_of_ipv6(self) -> None:
        await self.there_and_back("udp6", "UDP")

    async def test_tcp(self) -> None:
        await self.there_and_back("tcp", "TCP")

    async def test_tcp_of_ipv6(self) -> None:
        await self.there_and_back("tcp6", "TCP")

    async def test_tls_is_refused_where_nobody_vouches_for_the_certificate(self) -> None:
        server, client, port = await self.two("ssl")
        failed: Deferred[None] = Deferred()
        client.send(ASKED, Peer("TLS", "127.0.0.1", port), lambda: failed.callback(None))
        await failed
        client._ca = self.cert
        there, back = self.told(server), self.told(client)
        client.send(ASKED, Peer("TLS", "127.0.0.1", port), lambda: self.fail("not sent"))
        octets, peer = await there
        self.assertEqual((octets, peer.transport), (ASKED, "TLS"))
        server.send(ASKED, peer, lambda: self.fail("not answered"))
        self.assertEqual((await back)[0], ASKED)

    async def test_both_kinds_of_addresses_on_one_port(self) -> None:
        for kind in ("udp", "tcp"):
            wires = Wires(reactor, [read_listener(f"{kind}:0")])
            await wires.open()
            self.addCleanup(lambda wires=wires: Deferred.fromCoroutine(wires.close()))
            port = wires._ports[0].getHost().port
            other = Wires(reactor, [read_listener(f"{kind}6:{port}")])
            await other.open()
            self.addCleanup(lambda other=other: Deferred.fromCoroutine(other.close()))
            client = Wires(reactor, [read_listener("udp6:0:interface=\\:\\:1")])
            await client.open()
            self.addCleanup(lambda client=client: Deferred.fromCoroutine(client.close()))
            there = self.told(other)
            client.send(ASKED, Peer(kind.upper(), "::1", port), lambda: self.fail("not sent"))
            self.assertEqual((await there)[1].host, "::1")
            again = Wires(reactor, [read_listener(f"{kind}6:{port}")])
            try:
                await again.open()
            except CannotListenError:
                continue
            self.fail("two have it")

    async def test_one_connection_is_used_again(self) -> None:
        server, client, port = await self.two("tcp")
        peers = set()
        for _ in range(3):
            there = self.told(server)
            client.send(ASKED, Peer("TCP", "127.0.0.1", port), lambda: None)
            peers.add((await there)[1].port)
        self.assertEqual((len(peers), client.connections), (1, 1))

    async def test_where_nobody_listens_it_fails(self) -> None:
        server, client, port = await self.two("tcp")
        await server.close()
        failed: Deferred[None] = Deferred()
        client.send(ASKED, Peer("TCP", "127.0.0.1", port), lambda: failed.callback(None))
        await failed
        nowhere: list[int] = []
        client.send(ASKED, Peer("UDP", "::1", 9), lambda: nowhere.append(1))
        self.assertEqual(nowhere, [1])

    async def test_a_keep_alive_is_no_message(self) -> None:
        server, client, port = await self.two("udp")
        there = self.told(server)
        for octets in (b"\r\n\r\n", b"\0\0\0\0", ASKED):
            client.send(octets, Peer("UDP", "127.0.0.1", port), lambda: None)
        self.assertEqual((await there)[0], ASKED)

    async def test_of_strangers_some_datagrams_are_heard_and_of_others_all(self) -> None:
        server, _, _ = await self.two("udp")
        (protocol,) = server._datagrams.values()
        heard: list[bytes] = []
        server.heard = lambda octets, peer: heard.append(octets)
        server.clock = Clock()
        for host, count in (("192.0.2.1", int(BURST)), ("192.0.2.2", 300)):
            heard.clear()
            if count == 300:
                server.know(Peer("UDP", host, 5060, 1))
            for _ in range(300):
                protocol.datagramReceived(ASKED, (host, 5060))
            self.assertEqual(len(heard), count)
        heard.clear()
        protocol.datagramReceived(ASKED, ("192.0.2.1", 5061))
        protocol.datagramReceived(b"SIP/2.0 200 OK\r\n\r\n", ("192.0.2.1", 5060))
        self.assertEqual(heard, [b"SIP/2.0 200 OK\r\n\r\n"])

    async def test_a_port_that_somebody_has_leaves_nothing_open(self) -> None:
        _, _, port = await self.two("tcp")
        other = Wires(
            reactor, [read_listener(f"{kind}:interface=127.0.0.1") for kind in ("udp:0", f"tcp:{port}")]
        )
        try:
            await other.open()
        except CannotListenError:
            self.assertEqual(other._ports, [])
        else:
            self.fail("it listens")
