"""Names of proxies and domains lead to hosts by NAPTR and SRV (RFC 3263), and one that does not answer is not the end."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.names.dns import Record_NAPTR, Record_SRV
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import Peer, Request, read_uri
from smsd.links.sip import ways
from smsd.links.sip.places import KEEP, MOST, RESOLVE, Place, Places
from smsd.values.address import Address
from smsd.values.message import Recipient, Submission, Text
from tests.links.sip.rig import FakeRecords, Rig, ok

PBX = "pbx.example.net"


def heavier_first(weight: float) -> float:
    return 1 / weight


def srv(priority: int, weight: int, host: str, port: int = 5070) -> Record_SRV:
    return Record_SRV(priority, weight, port, host)


def naptr(order: int, service: bytes, name: str, flags: bytes = b"s") -> Record_NAPTR:
    return Record_NAPTR(order, 10, flags, service, b"", name)


class Found(SynchronousTestCase):
    def setUp(self) -> None:
        self.records = FakeRecords()
        self.records.hosts.update({PBX: ["192.0.2.1"], "a.example.net": ["192.0.2.2"]})
        self.records.hosts["b.example.net"] = ["2001:db8::3", "192.0.2.3"]
        self.clock = Clock()
        self.places = Places(self.records, self.clock, heavier_first)  # type: ignore[arg-type]

    def finding(self, uri: str) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.places.find(read_uri(uri)))

    def find(self, uri: str) -> list[str]:
        found = self.successResultOf(self.finding(uri))
        return [f"{one.transport} {one.address} {one.port}" for one in found]

    def test_who_says_it_all_is_not_looked_for(self) -> None:
        for uri, place in (
            ("sip:192.0.2.9", "UDP 192.0.2.9 5060"),
            ("sip:192.0.2.9:5080;transport=tcp", "TCP 192.0.2.9 5080"),
            ("sip:[2001:DB8::9]", "UDP 2001:db8::9 5060"),
            (f"sip:{PBX}:5080", "UDP 192.0.2.1 5080"),
            (f"sip:{PBX}:5080;transport=tls", "TLS 192.0.2.1 5080"),
            ("sip:x.example.net;maddr=192.0.2.9", "UDP 192.0.2.9 5060"),
        ):
            self.assertEqual(self.find(uri), [place], uri)
        self.assertEqual(self.records.asked, [])
        self.assertEqual(self.find(f"sip:{PBX};transport=sctp"), [])

    def test_sips_is_tls_whatever_it_goes_over(self) -> None:
        self.assertEqual(self.find(f"sips:{PBX};transport=tcp"), ["TLS 192.0.2.1 5061"])
        self.assertEqual(self.records.asked, [f"_sips._tcp.{PBX}"])

    def test_who_else_does_it_for_a_domain_by_tls(self) -> None:
        self.records.records[PBX] = [
            naptr(1, b"SIP+D2T", "tcp.example.net"),
            naptr(2, b"SIPS+D2T", "tls.example.net"),
        ]
        self.records.records["tls.example.net"] = [srv(1, 1, "a.example.net")]
        self.assertEqual(self.find(f"sips:{PBX}"), ["TLS 192.0.2.2 5070"])
        self.assertEqual(self.records.asked, [PBX, "tls.example.net"])
        self.assertEqual(self.find(f"sips:{PBX};transport=tcp"), ["TLS 192.0.2.1 5061"])

    def test_without_records_it_is_the_host_of_that_name(self) -> None:
        self.assertEqual(self.find(f"sip:{PBX}"), ["UDP 192.0.2.1 5060"])
        services = [f"{name}.{PBX}" for name in ("_sip._udp", "_sip._tcp", "_sips._tcp")]
        self.assertEqual(self.records.asked, [PBX, *services])
        self.records.hosts["pbx"] = ["192.0.2.8"]
        self.assertEqual(self.find("sip:pbx;transport=tcp"), ["TCP 192.0.2.8 5060"])

    def test_by_priority_then_by_weight(self) -> None:
        hosts = [srv(20, 0, PBX, 5071), srv(10, 5, "a.example.net", 5072), srv(10, 60, "b.example.net", 5073)]
        self.records.records[f"_sip._tcp.{PBX}"] = hosts
        expected = ["TCP 2001:db8::3 5073", "TCP 192.0.2.3 5073", "TCP 192.0.2.2 5072", "TCP 192.0.2.1 5071"]
        self.assertEqual(self.find(f"sip:{PBX};transport=tcp"), expected)
        self.assertEqual(self.find(f"sip:{PBX}"), expected)

    def test_naptr_says_which_way_is_preferred(self) -> None:
        self.records.records[PBX] = [
            naptr(30, b"SIP+D2U", "udp.example.net"),
            naptr(20, b"sip+d2t", "tcp.example.net"),
            naptr(10, b"SIPS+D2S", "sctp.example.net"),
            naptr(10, b"E2U+sip", "enum.example.net", b"u"),
            naptr(5, b"SIPS+D2T", "never.example.net", b"a"),
        ]
        self.records.records["udp.example.net"] = [srv(1, 1, "a.example.net")]
        self.records.records["tcp.example.net"] = [srv(1, 1, PBX)]
        self.assertEqual(self.find(f"sip:{PBX}"), ["TCP 192.0.2.1 5070", "UDP 192.0.2.2 5070"])
        # Who names a transport has decided that already.
        self.records.asked.clear()
        self.assertEqual(self.find(f"sip:{PBX};transport=udp"), ["UDP 192.0.2.1 5060"])
        self.assertEqual(self.records.asked, [f"_sip._udp.{PBX}"])

    def test_a_lone_dot_is_no_host(self) -> None:
        self.records.records[f"_sip._udp.{PBX}"] = [srv(0, 0, "")]
        self.assertEqual(self.find(f"sip:{PBX};transport=udp"), [])

    def test_one_way_that_is_closed_leaves_the_others(self) -> None:
        self.records.records[f"_sip._udp.{PBX}"] = [srv(0, 0, "", 0)]
        self.records.records[f"_sip._tcp.{PBX}"] = [srv(0, 0, "a.example.net")]
        self.assertEqual(self.find(f"sip:{PBX}"), ["TCP 192.0.2.2 5070"])

    def test_a_name_asks_so_much_at_most(self) -> None:
        self.records.records[PBX] = [naptr(n, b"SIP+D2T", f"s{n}.example.net") for n in range(1000)]
        self.assertEqual(self.find(f"sip:{PBX}"), ["UDP 192.0.2.1 5060"])
        self.assertLess(len(self.records.asked), 2 * MOST)
        self.records.asked.clear()
        self.records.records["s0.example.net"] = [srv(n, 0, "b.example.net", n) for n in range(1, 1000)]
        self.clock.advance(KEEP)
        self.assertEqual(len(self.find(f"sip:{PBX}")), MOST)
        self.assertEqual(self.records.asked, [PBX, "s0.example.net"])

    def test_what_is_no_name_is_no_host(self) -> None:
        odd = [srv(1, 0, name) for name in (b"\xff\xfe.example.net", b"a b", b"a\0b", b"x" * 300)]  # type: ignore[arg-type]
        self.records.records[f"_sip._udp.{PBX}"] = [*odd, srv(1, 0, PBX, 0), srv(2, 0, "a.example.net")]
        self.assertEqual(self.find(f"sip:{PBX};transport=udp"), ["UDP 192.0.2.2 5070"])

    def test_an_answer_is_used_for_a_while(self) -> None:
        self.find(f"sip:{PBX};transport=udp")
        self.records.records[f"_sip._udp.{PBX}"] = [srv(0, 0, "a.example.net")]
        self.clock.advance(KEEP - 1)
        self.assertEqual(self.find(f"sip:{PBX};transport=udp"), ["UDP 192.0.2.1 5060"])
        self.clock.advance(1)
        self.assertEqual(self.find(f"sip:{PBX};transport=udp"), ["UDP 192.0.2.2 5070"])

    def test_a_dns_that_is_silent_keeps_nobody_for_long(self) -> None:
        self.records.mute.add(PBX)
        finding = self.finding(f"sip:{PBX}")
        self.clock.advance(RESOLVE - 0.1)
        self.assertNoResult(finding)
        self.clock.advance(0.1)
        self.assertEqual(self.successResultOf(finding), (Place("UDP", "192.0.2.1", 5060),))

    def test_a_name_has_so_many_places_at_most(self) -> None:
        self.records.records[f"_sip._udp.{PBX}"] = [srv(n, 0, "b.example.net", n) for n in range(1, 1000)]
        self.assertEqual(len(self.find(f"sip:{PBX};transport=udp")), MOST)


class FailOver(SynchronousTestCase):
    """A PBX with two hosts, by UDP."""

    def rig(self, **settings: Any) -> None:
        rig = self.rig_ = Rig(trusted_networks=["10.0.0.0/8"], account="ann", registrar=False, **settings)
        self.addCleanup(rig.close)
        rig.records.hosts.update({"a.example.net": ["10.0.0.1"], "b.example.net": ["10.0.0.2"]})
        rig.records.records[f"_sip._udp.{PBX}"] = [srv(1, 1, "a.example.net"), srv(2, 1, "b.example.net")]

    def write(self) -> None:
        recipient = Recipient(Address("sip", f"200@{PBX}"), f"200@{PBX}")
        house = self.rig_.house
        house.wait(
            house.dispatcher.submit(Submission("http", Address("account", "ann"), (recipient,), Text("Hi")))
        )
        house.settle()

    def asked(self) -> tuple[str, Request]:
        sent = self.rig_.wires.take()
        assert sent
        (request,) = {request for _, request in sent if isinstance(request, Request)}
        ((transport, host, port),) = {(to.transport, to.host, to.port) for to, _ in sent}
        self.assertEqual((transport, port), ("UDP", 5070))
        return host, request

    def time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.rig_.house.clock.advance(1.0)
            self.rig_.house.settle()

    def test_who_does_not_answer_is_asked_last_for_a_while(self) -> None:
        self.rig(proxy=f"sip:{PBX}")
        self.write()
        host, first = self.asked()
        self.assertEqual((host, first.all("Route")), ("10.0.0.1", (f"<sip:{PBX};lr>",)))
        self.time(33)
        sent = [(to.host, asked) for to, asked in self.rig_.wires.take() if isinstance(asked, Request)]
        host, second = sent[-1]
        self.assertEqual((host, second.call_id, second.cseq), ("10.0.0.2", first.call_id, first.cseq))
        self.assertNotEqual(second.via.parameter("branch"), first.via.parameter("branch"))
        self.rig_.hear(ok(second, 202))
        self.assertEqual(self.rig_.states(), ["sent"])
        self.write()
        host, third = self.asked()
        self.assertEqual(host, "10.0.0.2")
        self.rig_.hear(ok(third, 202))
        self.time(65)
        self.rig_.wires.take()
        self.write()
        self.assertEqual(self.asked()[0], "10.0.0.1")

    def test_who_is_busy_or_not_there_too(self) -> None:
        self.rig(proxy=f"sip:{PBX}")
        self.write()
        _, first = self.asked()
        self.answer(first, 503)
        host, second = self.asked()
        self.assertEqual(host, "10.0.0.2")
        self.answer(second, 200)
        self.write()
        host, third = self.asked()
        self.assertEqual(host, "10.0.0.2")
        self.answer(third, 200)
        self.time(65)
        self.rig_.wires.refused.add(("UDP", "10.0.0.1"))
        self.write()
        host, _ = self.asked()
        self.assertEqual(host, "10.0.0.2")

    def test_who_refuses_refuses_for_all(self) -> None:
        self.rig(proxy=f"sip:{PBX}")
        self.write()
        _, first = self.asked()
        self.answer(first, 403)
        self.assertEqual(self.rig_.wires.take(), [])
        self.assertEqual(self.rig_.states(), ["failed"])

    def answer(self, asked: Request, status: int) -> None:
        self.rig_.wires.heard(ok(asked, status), Peer("UDP", "10.0.0.1", 5070, 1))
        self.rig_.house.settle()

    def test_with_tls_the_domain_is_vouched_for_not_what_dns_makes_of_it(self) -> None:
        self.rig(proxy=f"sips:{PBX}")
        self.rig_.records.records[f"_sips._tcp.{PBX}"] = [srv(1, 1, "a.example.net")]
        self.write()
        ((to, asked),) = self.rig_.wires.take()
        assert isinstance(asked, Request)
        self.assertEqual((to.transport, to.host, to.port), ("TLS", "10.0.0.1", 5070))
        self.assertEqual(self.rig_.wires.names, {"10.0.0.1": PBX})
        self.answer(asked, 200)
        self.patch(ways, "MOST_HOSTS", 1)
        self.rig_.records.hosts["a.example.net"] = ["10.0.0.3"]
        self.rig_.house.advance(KEEP)
        self.write()
        self.assertEqual(self.rig_.wires.names, {"10.0.0.3": PBX})

    def test_a_stranger_who_points_elsewhere_says_nothing_about_certificates(self) -> None:
        self.rig()
        self.rig_.records.hosts["a.example.net"] = ["192.0.2.66"]
        self.rig_.records.records = {
            PBX: [naptr(1, b"SIPS+D2T", f"_sips._tcp.{PBX}")],
            f"_sips._tcp.{PBX}": [srv(1, 1, "a.example.net")],
        }
        self.write()
        self.assertEqual((self.rig_.wires.names, self.rig_.states()), ({}, ["failed"]))

    def test_straight_to_hosts_that_are_trusted(self) -> None:
        self.rig()
        self.rig_.records.hosts["a.example.net"] = ["192.0.2.66"]  # which is not
        self.write()
        host, asked = self.asked()
        self.assertEqual((host, asked.uri), ("10.0.0.2", f"sip:200@{PBX}"))

    def test_a_name_that_leads_nowhere_may_do_so_later(self) -> None:
        self.rig(proxy=f"sip:{PBX}")
        self.rig_.records.hosts.clear()
        self.write()
        self.assertEqual(self.rig_.states(), ["ready"])
        told = self.rig_.house.outlet("sip1").told(self.rig_.house.queue.now())
        self.assertIn(f"the proxy {PBX} has no address", told)
