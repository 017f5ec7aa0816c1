"""What is written for a piece: PDU fields, pieces of a PDU, bursts, and when memories are polled."""

from __future__ import annotations

import time

from smsd.codec import segment, tpdu
from smsd.codec.dcs import Alphabet
from smsd.links.gsm.service import active
from smsd.links.gsm.settings import Settings
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind
from smsd.values.message import Binary, Parameters, Report, Text
from tests.links.gsm.fake import ERROR, OK, GsmCase, Rig, lines


class Pdus(GsmCase):
    """The SUBMIT of a piece, read back."""

    def submit(self, **options: object) -> tpdu.Submit:
        rig = self.rig().start()
        outcome = rig.send(**options)
        self.assertIsInstance(outcome[0], Accepted, getattr(outcome[0], "value", None))
        smsc, submit = tpdu.read_frame(rig.modem.pdus[0], "mo")
        self.assertEqual(smsc, "")
        return submit

    def test_parts(self) -> None:
        text = "€" * 100 + "Ω" * 200
        plan = segment.plan_text(text, width=16)
        read = [
            self.submit(content=Text(text), seq=seq, total=plan.total, code=plan.code, reference=0x1234)
            for seq in range(1, plan.total + 1)
        ]
        self.assertEqual("".join(part.user_data.text for part in read), text)
        self.assertEqual([part.user_data.concat.seq for part in read], list(range(1, plan.total + 1)))
        self.assertEqual({part.user_data.concat.reference for part in read}, {0x1234})

    def test_cut_to_one_part(self) -> None:
        submit = self.submit(content=Text("x" * 500), seq=1, total=1)
        self.assertEqual((submit.user_data.text, submit.user_data.elements), ("x" * 160, None))

    def test_binary(self) -> None:
        plan = segment.plan_binary(b"\x01\x02", udh=b"\x05\x04\x0b\x84\x23\xf0")
        content = Binary(b"\x01\x02", b"\x05\x04\x0b\x84\x23\xf0")
        submit = self.submit(
            content=content, code=plan.code, parameters=Parameters(protocol_id=0x7D, coding=0xF5)
        )
        self.assertEqual((submit.pid, submit.dcs, submit.user_data.payload), (0x7D, 0xF5, b"\x01\x02"))
        self.assertEqual(submit.user_data.elements, b"\x05\x04\x0b\x84\x23\xf0")

    def test_flash(self) -> None:
        self.assertEqual(self.submit(parameters=Parameters(coding=0x10)).dcs, 0x10)

    def test_coding_never_contradicts_the_text(self) -> None:
        submit = self.submit(content=Text("Ж"), code=Alphabet.UCS2, parameters=Parameters(coding=0x10))
        self.assertEqual((submit.dcs, submit.user_data.text), (0x18, "Ж"))

    def test_compressed_is_not_said_of_what_is_not(self) -> None:
        self.assertEqual(self.submit(parameters=Parameters(coding=0x30)).dcs, 0x10)

    def test_national_tables(self) -> None:
        rig = self.rig(national=["turkish", "portuguese"])
        self.assertEqual(rig.gateway.abilities.national, {1, 3})
        self.assertEqual(self.rig().gateway.abilities.national, frozenset())

    def test_validity_is_what_is_left(self) -> None:
        rig = self.rig()
        now = int(rig.clock.seconds() * 1000)
        for minutes, seconds in ((60, 3600), (7200, 5 * 86400), (1, 300), (-5, 300)):
            submit = self.submit(expires=now + minutes * 60_000 + 30_000)
            self.assertEqual(submit.validity.seconds, seconds, minutes)
        self.assertIsNone(self.submit().validity)
        for late in (1, 500, 30_000, 3_600_000):  # milliseconds in the queue do not cost a day
            self.assertEqual(self.submit(expires=now + 7200 * 60_000 - late).validity.octets, b"\xab", late)
        self.assertEqual(self.submit(expires=now + 7000 * 60_000).validity.octets, b"\xaa")
        self.assertEqual(self.submit(expires=now + 60 * 60_000 - 600).validity.seconds, 3600)

    def test_numbers(self) -> None:
        for target, ton in (("+41791234567", 1), ("4888", 0), ("*100#", 0)):
            submit = self.submit(target=Address("sms", target))
            self.assertEqual((submit.recipient.text, submit.recipient.ton), (target, ton))

    def test_impossible(self) -> None:
        rig = self.rig().start()
        report = Report("failed", 1, 1, "sms:1", "x", 0, 0, "x")
        for options in (
            {"target": Address("sms", "+1" * 30)},
            {"target": Address("sms", "+")},
            {"content": report},
            {"seq": 5, "total": 5},
        ):
            (failure,) = rig.send(**options)
            self.assertIs(failure.check(Failure), Failure)
            self.assertIs(failure.value.kind, Kind.PERMANENT, options)
        self.assertEqual(rig.modem.commands, [])

    def test_report_only_if_wanted(self) -> None:
        self.assertFalse(self.submit().status_report)
        self.assertTrue(self.submit(report=True).status_report)
        rig = self.rig(reports="false").start()
        self.assertFalse(rig.gateway.abilities.reports)
        rig.send(report=True)
        self.assertEqual(rig.modem.pdus[0][2:4], "01")


class Octets(GsmCase):
    """Whole lines, packed by hand from 23.040 and the tables of 23.038, to +41791234567."""

    def test_lines(self) -> None:
        to = "0B911497214365F7"
        wap = b"\x05\x04\x0b\x84\x23\xf0"
        for line, options in (
            (f"000100{to}000005E8329BFD06", {"text": "hello"}),
            (f"002100{to}001005E8329BFD06", {"report": True, "parameters": Parameters(coding=0x10)}),
            (
                f"000100{to}0018020416",
                {"text": "Ж", "code": Alphabet.UCS2, "parameters": Parameters(coding=0x10)},
            ),
            (f"000100{to}410005E8329BFD06", {"parameters": Parameters(protocol_id=0x41)}),
            (
                f"004100{to}00040A0605040B8423F00102FF",
                {"content": Binary(b"\x01\x02\xff", wap), "code": Alphabet.OCTETS},
            ),
            ("0001000A817019325476000005E8329BFD06", {"target": Address("sms", "0791234567")}),
        ):
            self.check(line, **options)

    def test_national_lines(self) -> None:
        for text, table, user_data in (
            ("ışığı İzmir ğ", 1, "120325010138740E8C0308A86FA7E52006"),
            ("mañana ía ú", 2, "12032401026887FB617718B44987419B3A"),
            ("ção ã õ", 3, "0C0325010348ECDFA03D880F"),
        ):
            code = segment.plan_text(text, national=frozenset({table})).code
            self.check(f"0041000B911497214365F70000{user_data}", text=text, code=code)

    def check(self, line: str, **options: object) -> None:
        rig = self.rig().start()
        rig.send(**options)
        self.assertEqual(rig.modem.pdus, [line])
        self.assertEqual(rig.modem.commands, [f"AT+CMGS={len(line) // 2 - 1}"])


class Ways(GsmCase):
    """How it is written."""

    def test_in_pieces(self) -> None:
        rig = self.rig(template="nokia-phone").start()
        outcome = rig.send()
        self.assertEqual(rig.modem.pdus, [])
        rig.pass_time(0.1, 0.01)
        self.assertEqual(outcome, [Accepted("1")])
        sizes = [line.split("[")[1].split("]")[0] for line in rig.conversation.splitlines() if ">>>" in line]
        self.assertEqual(sizes[-3:], ["18", "18", "3"])

    def test_lost_between_pieces_was_not_sent(self) -> None:
        rig = self.rig(template="nokia-phone").start()
        outcome = rig.send()
        rig.modem.vanish()
        self.assertFalse(outcome[0].value.maybe_sent)

    def test_after_the_prompt(self) -> None:
        rig = self.rig(template="sim800").start()
        outcome = rig.send()
        rig.pass_time(0.09, 0.01)
        self.assertEqual(rig.modem.pdus, [])
        rig.pass_time(0.03, 0.01)
        self.assertEqual(outcome, [Accepted("1")])

    def test_link_kept_once_for_all(self) -> None:
        rig = self.rig().start(forget=False)
        self.assertIn("AT+CMMS=2", rig.modem.commands)
        self.assertNotIn("AT+CMMS=1", rig.modem.commands)

    def test_link_kept_for_each_burst(self) -> None:
        rig = self.rig()
        rig.modem.answers["AT+CMMS=2"] = ERROR
        rig.modem.answers["AT+CMMS=1"] = OK
        rig.start()
        rig.modem.send_result = b""
        outcomes = [rig.send("one"), rig.send("two"), rig.send("three"), rig.send("four")]
        for number in range(4):
            rig.modem.say(lines(f"+CMGS: {number}"))
        self.assertEqual([outcome[0] for outcome in outcomes], [Accepted(str(n)) for n in range(4)])
        self.assertEqual([command[:7] for command in rig.modem.commands].count("AT+CMMS"), 1)

    def test_link_not_kept(self) -> None:
        rig = self.rig(keep_link="false").start(forget=False)
        self.assertFalse([command for command in rig.modem.commands if "CMMS" in command])

    def test_service_centre(self) -> None:
        rig = self.rig(smsc="+41794999000")
        rig.modem.answers['AT+CSCA="+41794999000",145'] = OK
        rig.start(forget=False)
        self.assertIn('AT+CSCA="+41794999000",145', rig.modem.commands)

    def test_service_centre_written_back(self) -> None:
        rig = self.rig(template="huawei-e220")
        rig.modem.answers["AT+CSCA?"] = lines('+CSCA: "+41794999000",145')
        rig.start(forget=False)
        self.assertIn('AT+CSCA="+41794999000",145', rig.modem.commands)

    def test_send_overtakes_upkeep(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CMGL=4"] = None
        rig.gateway._service.receiver.sweep()
        rig.gateway._dialogue.ask("AT+CSQ")
        rig.send()
        rig.modem.say(OK)
        self.assertEqual(rig.modem.commands[:2], ["AT+CMGL=4", "AT+CMGS=18"])


class Polling(GsmCase):
    """The Timer of G5."""

    def rig_with_poll(self, **options: object) -> Rig:
        rig = self.rig(poll="10", **options).start()
        rig.modem.commands.clear()
        return rig

    def test_every_so_often(self) -> None:
        rig = self.rig_with_poll()
        rig.pass_time(31)
        self.assertEqual(rig.modem.commands.count("AT+CMGL=4"), 6)

    def test_active_hours(self) -> None:
        noon = time.mktime((2026, 11, 21, 12, 0, 0, 0, 0, -1))
        night = noon + 11 * 3600
        day = Settings(id="a", type="gsm", device="/dev/x", active_hours="08:00-20:00").hours
        self.assertEqual((active(day, noon), active(day, night)), (True, False))
        late = Settings(id="a", type="gsm", device="/dev/x", active_hours="22:00-06:00").hours
        self.assertEqual((active(late, noon), active(late, night)), (False, True))
        self.assertTrue(active(None, noon))
        evening = Settings(id="a", type="gsm", device="/dev/x", active_hours="20:00-24:00").hours
        self.assertEqual((active(evening, noon), active(evening, night)), (False, True))


class Configured(GsmCase):
    """Settings that are refused."""

    def test_refused(self) -> None:
        for options in (
            {"pin": "12"},
            {"pin": '1";+C'},
            {"active_hours": "8-20"},
            {"active_hours": "08:00-24:30"},
            {"active_hours": "08:00-08:00"},
            {"national": ["turkish", "english"]},
            {"init": ["AT+CPIN=1234"]},
            {"init": ["AT+CMEE=1;+CPIN=1234"]},
            {"init": ["AT^CPIN=1234"]},
            {"init": ["AT+CMSS=1"]},
            {"init": ["ATD123;"]},
            {"init": ["AT\rATD123;"]},
            {"memories": ["sim"]},
            {"smsc": "+41\r"},
            {"device": ""},
            {"conversation": "all"},
        ):
            with self.assertRaises(ValueError, msg=options):
                Settings(id="m1", type="gsm", **{"device": "/dev/x", **options})
