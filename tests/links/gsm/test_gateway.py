"""Starting, sending and receiving over a scripted modem."""

from __future__ import annotations

from zope.interface.verify import verifyObject

from smsd.codec import tpdu
from smsd.interfaces import GatewayContext, IGateway, PartIn
from smsd.links.gsm import Settings, make
from smsd.values.delivery import Accepted, Kind, Scope
from smsd.values.errors import InvalidValue
from tests.links.gsm.fake import DATA, DELIVER, OK, REPORT, GsmCase, lines

OCTETS = bytes.fromhex(DELIVER)[8:]


class Gateway(GsmCase):
    """One modem without peculiarities."""

    def test_start(self) -> None:
        rig = self.rig().start(forget=False)
        self.assertEqual(rig.outlet.calls, [("closed", "starting"), ("opened", 2)])
        self.assertEqual(rig.modem.commands[0], "AT")
        self.assertLess(rig.modem.commands.index("AT+CMGF=0"), rig.modem.commands.index("AT+CNMI=2,2,0,1,0"))
        self.assertEqual(rig.modem.written[:3], b"\x1bAT")
        self.assertNotIn(b"\x1a", rig.modem.written)

    def test_send_at_once(self) -> None:
        rig = self.rig().start()
        outcome = rig.send(report=True)
        self.assertEqual(outcome, [Accepted("1")])
        self.assertEqual(rig.modem.commands, ["AT+CMGS=18"])
        _, submit = tpdu.read_frame(rig.modem.pdus[0], "mo")
        self.assertEqual((submit.recipient.text, submit.user_data.text), ("+41791234567", "hello"))
        self.assertTrue(submit.status_report)

    def test_second_follows_first_at_once(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = b""
        first, second = rig.send("one"), rig.send("two")
        self.assertEqual(rig.modem.commands, ["AT+CMGS=16"])
        rig.modem.send_result = None
        rig.modem.say(lines("+CMGS: 7"))
        self.assertEqual((first, second), ([Accepted("7")], [Accepted("1")]))

    def test_direct_message_is_acknowledged_after_the_commit(self) -> None:
        rig = self.rig().start()
        rig.inbound.hold = True
        rig.modem.say(f"\r\n+CMT: ,29\r\n{DELIVER}\r\n".encode())
        self.assertEqual(rig.inbound.parts, [PartIn("m1", OCTETS, "")])
        self.assertEqual(rig.modem.commands, [])
        rig.inbound.commit()
        self.assertEqual(rig.modem.commands, ["AT+CNMA"])

    def test_stored_message_in_another_memory(self) -> None:
        rig = self.rig().start()
        rig.inbound.hold = True
        rig.modem.answers["AT+CMGR=0"] = lines("+CMGR: 0,,29", DELIVER)
        rig.modem.answers["AT+CMGD=0"] = OK
        rig.modem.say(b'\r\n+CMTI: "ME",0\r\n')
        self.assertEqual(rig.inbound.parts, [PartIn("m1", OCTETS, "ME:0")])
        self.assertEqual(rig.modem.commands, ['AT+CPMS="ME"', "AT+CMGR=0"])
        rig.inbound.commit()
        self.assertEqual(rig.modem.commands[2:], ["AT+CMGD=0", 'AT+CPMS="SM"'])

    def test_report(self) -> None:
        rig = self.rig().start()
        rig.modem.say(f"\r\n+CDS: 25\r\n{REPORT}\r\n".encode())
        (report,) = rig.outlet.reports
        self.assertEqual((report.reference, report.number, report.status), ("5", "+31641600986", "delivered"))
        self.assertEqual(rig.modem.commands, ["AT+CNMA"])

    def test_refused_for_ever(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = b"\r\n+CMS ERROR: 304\r\n"
        (failure,) = rig.send()
        self.assertIs(failure.value.kind, Kind.PERMANENT)
        self.assertTrue(rig.outlet.is_open)

    def test_lost_after_the_pdu(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = b""
        first, second = rig.send(), rig.send()
        rig.modem.vanish()
        self.assertIs(first[0].value.kind, Kind.UNKNOWN)
        self.assertTrue(first[0].value.maybe_sent)
        self.assertIs(second[0].value.kind, Kind.TEMPORARY)
        self.assertIs(second[0].value.scope, Scope.GATEWAY)
        self.assertFalse(second[0].value.maybe_sent)
        self.assertFalse(rig.outlet.is_open)
        rig.pass_time(20)
        rig.modem.present = True
        rig.modem.send_result = None
        rig.pass_time(1)
        self.assertTrue(rig.outlet.is_open)
        self.assertEqual(rig.send(), [Accepted("1")])

    def test_keeps_its_promises(self) -> None:
        rig = self.rig()
        self.assertTrue(verifyObject(IGateway, rig.gateway))
        self.assertEqual(rig.gateway.abilities.schemes, frozenset({"sms"}))
        self.assertTrue(rig.gateway.abilities.parts)

    def test_status_for_people(self) -> None:
        rig = self.rig()
        self.assertEqual(rig.gateway.status, "stopped")
        rig.start()
        rig.pass_time(3)
        rig.send()
        self.assertEqual(
            rig.gateway.status, "ready: ACME Generic 1 1.0 (profile generic), signal -73 dBm, 1 sent"
        )

    def test_unknown_template(self) -> None:
        context = GatewayContext(None, None, None, None, find_data=lambda _: DATA)
        with self.assertRaises(InvalidValue) as caught:
            make(Settings(id="m1", type="gsm", device="/dev/x", template="nokia"), context)
        self.assertIn("nokia-phone", str(caught.exception))
