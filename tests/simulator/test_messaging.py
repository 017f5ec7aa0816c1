"""Routing by +CNMI, memories, acknowledgement, reports, text mode."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from smsd.simulator import structure
from smsd.simulator.incoming import Shape
from smsd.simulator.messaging import arguments, ranges
from tests.simulator.rig import CENTRE, HELLO, LENGTH, PLAIN, REPORTED, Rig

HELLO_LENGTH = len(HELLO) // 2
DIRECT = f"\r\n+CMT: ,{HELLO_LENGTH}\r\n{CENTRE}{HELLO}\r\n".encode()


def told(rig: Rig, tpdu: str = HELLO) -> bytes:
    rig.modem.network.inject(bytes.fromhex(tpdu))
    return rig.read()


class Incoming(SynchronousTestCase):
    def test_stored_silently_announced_or_handed_over(self) -> None:
        rig = Rig()
        self.assertEqual(told(rig), b"")
        rig.chat("AT+CNMI=2,1")
        self.assertEqual(told(rig), b'\r\n+CMTI: "SM",2\r\n')
        rig.chat("AT+CNMI=2,2")
        self.assertEqual(told(rig), DIRECT)
        self.assertEqual(len(rig.modem.messaging.memories["SM"].slots), 2)

    def test_class_two_goes_to_memory_and_class_three_to_the_terminal(self) -> None:
        rig = Rig()
        rig.chat("AT+CNMI=2,2")
        rig.modem.receive("+15551230000", "x", shape=Shape(message_class=2))
        self.assertEqual(rig.read(), b'\r\n+CMTI: "SM",1\r\n')
        rig.chat("AT+CNMI=2,3")
        rig.modem.receive("+15551230000", "x", shape=Shape(message_class=3))
        self.assertTrue(rig.read().startswith(b"\r\n+CMT: ,"))

    def test_the_memory_of_the_third_place(self) -> None:
        rig = Rig()
        rig.chat("AT+CNMI=2,1")
        self.assertEqual(rig.chat('AT+CPMS="SM","SM","ME"'), b"\r\n+CPMS: 0,30,0,30,0,100\r\n\r\nOK\r\n")
        self.assertEqual(told(rig), b'\r\n+CMTI: "ME",1\r\n')
        self.assertEqual(rig.chat("AT+CMGR=1"), b"\r\n+CMS ERROR: 321\r\n")
        rig.chat('AT+CPMS="ME"')
        shown = f"\r\n+CMGR: 0,,{HELLO_LENGTH}\r\n{CENTRE}{HELLO}\r\n\r\nOK\r\n".encode()
        self.assertEqual(rig.chat("AT+CMGR=1"), shown)
        self.assertIn(b"+CMGR: 1,,", rig.chat("AT+CMGR=1"))

    def test_list_and_delete(self) -> None:
        rig = Rig()
        for _ in range(3):
            told(rig)
        rig.chat("AT+CMGR=2")
        self.assertEqual(rig.chat("AT+CMGL=1").count(b"+CMGL: 2,1,,"), 1)
        self.assertEqual(rig.chat("AT+CMGL=0").count(b"+CMGL: "), 2)
        self.assertEqual(rig.chat("AT+CMGL=0"), b"\r\nOK\r\n")
        self.assertEqual(rig.chat("AT+CMGD=1"), b"\r\nOK\r\n")
        self.assertEqual(rig.chat("AT+CMGD=?"), b"\r\n+CMGD: (2,3),(0-4)\r\n\r\nOK\r\n")
        self.assertEqual(rig.chat("AT+CMGD=31"), b"\r\n+CMS ERROR: 321\r\n")
        self.assertEqual(rig.chat("AT+CMGD=1,4"), b"\r\nOK\r\n")
        self.assertEqual(rig.chat("AT+CMGL=4"), b"\r\nOK\r\n")

    def test_a_full_memory_keeps_them_in_the_network(self) -> None:
        rig = Rig()
        rig.chat("AT+CNMI=2,1")
        self.assertEqual(rig.modem.fill(), 30)
        self.assertEqual(told(rig), b"")
        self.assertEqual(rig.modem.network.waiting, 1)
        self.assertEqual(rig.chat("AT+CMGD=7"), b'\r\n+CMTI: "SM",7\r\n\r\nOK\r\n')
        self.assertEqual(rig.modem.network.waiting, 0)

    def test_long_messages_in_any_order_and_twice(self) -> None:
        rig = Rig()
        rig.chat("AT+CNMI=2,2")
        text = "a" * 200
        self.assertEqual(
            rig.modem.receive("+15551230000", text, reference=7, shape=Shape(order=(2, 1, 2))), 3
        )
        lines = [line for line in rig.read().split(b"\r\n") if line.startswith(b"0791")]
        self.assertEqual([b"0500030702" in line for line in lines], [True] * 3)
        self.assertEqual([line.index(b"05000307") and line[line.index(b"05000307") + 10 :][:2] for line in lines],
                         [b"02", b"01", b"02"])  # fmt: skip
        rig.modem.receive("+15551230000", "ж" * 80, reference=0x1234, shape=Shape(width=16))
        self.assertIn(b"060804123402", rig.read())

    def test_nobody_at_home(self) -> None:
        rig = Rig()
        rig.chat("AT+CNMI=2,2")
        rig.modem.register(2)
        self.assertEqual(told(rig), b"")
        rig.modem.register(1)
        self.assertEqual(rig.read(), DIRECT)


class Acknowledged(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.assertEqual(self.rig.chat("AT+CSMS=1"), b"\r\n+CSMS: 1,1,1\r\n\r\nOK\r\n")
        self.rig.chat("AT+CNMI=2,2,0,1")

    def test_the_next_waits_for_it(self) -> None:
        self.assertEqual(told(self.rig), DIRECT)
        self.assertEqual(told(self.rig), b"")
        self.assertEqual(self.rig.chat("AT+CNMA"), b"\r\nOK\r\n" + DIRECT)
        self.assertEqual(self.rig.chat("AT+CNMA=0"), b"\r\nOK\r\n")
        self.assertEqual(self.rig.chat("AT+CNMA"), b"\r\n+CMS ERROR: 340\r\n")
        self.assertEqual(self.rig.modem.facts()["received"], 2)

    def test_refused_comes_again(self) -> None:
        told(self.rig)
        self.assertEqual(self.rig.chat("AT+CNMA=2,3"), b"\r\n> ")
        self.assertEqual(self.rig.write(b"00D300\x1a"), b"\r\nOK\r\n")
        self.rig.clock.advance(5)
        self.assertEqual(self.rig.read(), DIRECT)

    def test_missing_ends_the_routing_and_the_message_is_stored(self) -> None:
        told(self.rig)
        self.rig.clock.advance(15)
        self.assertEqual(self.rig.read(), b"")
        self.assertEqual(self.rig.chat("AT+CNMI?"), b"\r\n+CNMI: 2,0,0,0,0\r\n\r\nOK\r\n")
        self.rig.clock.advance(5)
        self.assertIn(HELLO.encode(), self.rig.chat("AT+CMGL=4"))

    def test_vanished_without_it_comes_again(self) -> None:
        told(self.rig)
        self.rig.modem.vanish(20)
        self.rig.clock.advance(20)
        for line in ("ATE0", "AT+CSMS=1"):
            self.rig.chat(line)
        self.assertIn(HELLO.encode(), self.rig.chat("AT+CMGL=4"))


class Reports(SynchronousTestCase):
    def report(self, mr: int = 0, status: str = "00") -> bytes:
        stamps = "07101000000000" + "07101000001000"
        return f"\r\n+CDS: 25\r\n{CENTRE}06{mr:02X}0B915155214365F7{stamps}{status}\r\n".encode()

    def test_only_for_whoever_asked(self) -> None:
        rig = Rig()
        rig.chat("AT+CNMI=2,1,0,1")
        rig.send(PLAIN)
        rig.send(REPORTED)
        rig.clock.advance(1)
        self.assertEqual(rig.read(), self.report(mr=1))

    def test_temporary_then_failed_for_one_number(self) -> None:
        rig = Rig()
        rig.chat("AT+CNMI=2,1,0,1")
        rig.modem.network.reports_for["+15551234567"] = [(1, 0x20), (1, 0x41)]
        rig.send(REPORTED)
        rig.clock.advance(1)
        self.assertEqual(rig.read(), self.report(status="20") + self.report(status="41"))

    def test_none_is_left_over_when_it_stops(self) -> None:
        rig = Rig(latency=1.0)
        rig.send(REPORTED)
        rig.clock.advance(1)
        rig.send(REPORTED)
        rig.modem.silence(3)
        rig.modem.stop()
        self.assertEqual(rig.clock.getDelayedCalls(), [])

    def test_before_the_answer(self) -> None:
        rig = Rig()
        rig.chat("AT+CNMI=2,1,0,1")
        rig.modem.network.reports = [(-1, 0)]
        report, answer = rig.send(REPORTED).split(b"\r\n\r\n+CMGS: ")
        self.assertTrue(report.startswith(b"\r\n+CDS: 25"))
        self.assertEqual(answer, b"0\r\n\r\nOK\r\n")

    def test_into_memory(self) -> None:
        rig = Rig()
        rig.chat("AT+CNMI=2,1,0,2")
        rig.send(REPORTED)
        rig.clock.advance(1)
        self.assertEqual(rig.read(), b'\r\n+CDSI: "SR",1\r\n')
        rig.chat('AT+CPMS="SR"')
        self.assertIn(b"+CMGR: 0,,25\r\n" + CENTRE.encode() + b"0600", rig.chat("AT+CMGR=1"))

    def test_by_hand(self) -> None:
        rig = Rig()
        rig.chat("AT+CNMI=2,1,0,1")
        rig.send(PLAIN)
        self.assertEqual(rig.modem.report(0x46), 0)
        self.assertTrue(rig.read().endswith(b"46\r\n"))

    def test_references_wrap(self) -> None:
        rig = Rig()
        answers = [rig.send() for _ in range(257)]
        self.assertIn(b"+CMGS: 255\r", answers[255])
        self.assertIn(b"+CMGS: 0\r", answers[256])


class Journalled(SynchronousTestCase):
    def test_one_line_each_before_the_answer(self) -> None:
        path = self.mktemp()
        rig = Rig(journal=path, name="m1", latency=1.0)
        rig.send()
        with open(path) as file:
            self.assertEqual(file.read(), "")
        rig.modem.faults.rules.clear()
        seen: list[str] = []
        write = rig.modem.line.write
        rig.modem.session._write = lambda data: (seen.append(open(path).read()), write(data))  # noqa: SIM115
        rig.clock.advance(1)
        facts = json.loads(seen[0])
        self.assertEqual(
            (facts["modem"], facts["mr"], facts["number"], facts["text"]),
            ("m1", 0, "+15551234567", "how are you?"),
        )
        self.assertEqual(facts["pdu"], PLAIN[2:].lower())
        self.assertFalse(facts["report"])

    def test_octets_and_parts(self) -> None:
        path = self.mktemp()
        rig = Rig(journal=path)
        pdu = "0041000B915155214365F7000408050003840201DEAD"
        self.assertIn(b"+CMGS", rig.send(pdu, len(pdu) // 2 - 1))
        with open(path) as file:
            facts = json.loads(file.read())
        self.assertEqual(
            (facts["hex"], facts["udh"], facts["part"], facts["text"]),
            ("dead", "0003840201", [0x84, 2, 1], None),
        )


class Settings(SynchronousTestCase):
    def test_what_is_not_allowed(self) -> None:
        rig = Rig()
        for command in ("AT+CNMI=4,1", "AT+CNMI=2,1,0,1,0,0", "AT+CMGF=2", "AT+CSMS=9"):
            self.assertEqual(rig.chat(command), b"\r\n+CMS ERROR: 303\r\n")
        self.assertEqual(rig.chat('AT+CPMS="XX"'), b"\r\n+CMS ERROR: 302\r\n")
        self.assertEqual(rig.chat('AT+CPMS="SM","SR"'), b"\r\n+CMS ERROR: 302\r\n")

    def test_ranges_and_arguments(self) -> None:
        self.assertEqual(ranges("(0-2),(0,1,3),(2),(0-1,3)"), [{0, 1, 2}, {0, 1, 3}, {2}, {0, 1, 3}])
        self.assertEqual(arguments('"a,b",,3'), ["a,b", "", "3"])

    def test_service_centre_in_ucs2(self) -> None:
        rig = Rig()
        self.assertEqual(rig.chat("AT+CSCA?"), b'\r\n+CSCA: "+15550000001",145\r\n\r\nOK\r\n')
        rig.chat('AT+CSCS="UCS2"')
        self.assertIn(b'+CSCA: "002B00310035', rig.chat("AT+CSCA?"))

    def test_written_and_sent_from_memory(self) -> None:
        rig = Rig()
        rig.chat(f"AT+CMGW={LENGTH}")
        self.assertEqual(rig.write(PLAIN.encode() + b"\x1a"), b"\r\n+CMGW: 1\r\n\r\nOK\r\n")
        self.assertIn(b"+CMGL: 1,2,,24\r\n" + PLAIN.encode(), rig.chat("AT+CMGL=2"))
        self.assertEqual(rig.chat("AT+CMSS=1"), b"\r\n+CMSS: 0\r\n\r\nOK\r\n")
        self.assertEqual(rig.modem.sent[0].text, "how are you?")


class TextMode(SynchronousTestCase):
    def test_both_ways(self) -> None:
        rig = Rig()
        rig.chat("AT+CMGF=1;+CNMI=2,2")
        self.assertEqual(rig.chat('AT+CMGS="+15551234567"'), b"\r\n> ")
        self.assertEqual(rig.write(b"hi \x00 there\x1a"), b"\r\n+CMGS: 0\r\n\r\nOK\r\n")
        self.assertEqual((rig.modem.sent[0].number, rig.modem.sent[0].text), ("+15551234567", "hi @ there"))
        self.assertEqual(structure.walk(rig.modem.sent[0].octets).length, 10)
        self.assertEqual(told(rig), b'\r\n+CMT: "+15551230000",,"26/11/21,02:53:19+00"\r\nhello\r\n')
        rig.chat("AT+CNMI=2,1")
        told(rig)
        self.assertIn(
            b'+CMGL: 1,"REC UNREAD","+15551230000",,"26/11/21,02:53:19+00"\r\nhello',
            rig.chat('AT+CMGL="ALL"'),
        )
        self.assertEqual(rig.chat('AT+CMGL="REC UNREAD"'), b"\r\nOK\r\n")
