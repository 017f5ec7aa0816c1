"""Every fault on its own: what is answered, what was accepted, and that the modem works again afterwards."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.simulator.control import Controls
from smsd.simulator.faults import Faults, Rule
from tests.simulator.rig import HELLO, LENGTH, PLAIN, Rig


class Rules(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.controls = Controls(self.rig.modem)

    def test_error_on_the_third_message(self) -> None:
        self.controls.fail("message", 3, value="+CMS ERROR: 500")
        answers = [self.rig.send() for _ in range(4)]
        self.assertEqual([b"500" in answer for answer in answers], [False, False, True, False])
        self.assertEqual(len(self.rig.modem.sent), 3)

    def test_error_on_a_command_for_ever(self) -> None:
        self.controls.fail("command", 2, value="ERROR", match="+CSQ", times=0)
        answers = [self.rig.chat("AT+CSQ") for _ in range(4)]
        self.assertEqual([b"ERROR" in answer for answer in answers], [False, True, True, True])
        self.assertEqual(self.rig.chat("AT"), b"\r\nOK\r\n")

    def test_no_prompt(self) -> None:
        self.controls.fail("prompt", value="+CMS ERROR: 512")
        self.assertEqual(self.rig.chat(f"AT+CMGS={LENGTH}"), b"\r\n+CMS ERROR: 512\r\n")
        self.assertIn(b"+CMGS: 0", self.rig.send())

    def test_accepted_but_not_answered(self) -> None:
        self.controls.drop_answer()
        self.assertEqual(self.rig.send(), b"")
        self.assertEqual(len(self.rig.modem.sent), 1)
        self.assertEqual(self.rig.chat("AT"), b"\r\nOK\r\n")

    def test_accepted_and_then_an_error(self) -> None:
        self.controls.fail("accepted", value="+CMGS: 59\r\n\r\nERROR")
        self.assertEqual(self.rig.send(), b"\r\n+CMGS: 59\r\n\r\nERROR\r\n")
        self.assertEqual(len(self.rig.modem.sent), 1)

    def test_gone_after_accepting(self) -> None:
        self.controls.fail("accepted", action="vanish", value="20")
        self.assertEqual(self.rig.send(), b"")
        self.assertFalse(self.rig.modem.line.is_open)
        self.assertEqual(len(self.rig.modem.sent), 1)
        self.rig.clock.advance(20)
        self.assertTrue(self.rig.modem.line.is_open)
        self.assertEqual(self.rig.chat("AT"), b"AT\r\r\nOK\r\n")

    def test_garbage_before_an_answer(self) -> None:
        self.controls.fail("command", action="garbage", value="ff00fe", match="+CSQ")
        self.assertEqual(self.rig.chat("AT+CSQ"), b"\xff\x00\xfe\r\n+CSQ: 20,99\r\n\r\nOK\r\n")

    def test_wrong_rules(self) -> None:
        for wrong in (("nowhere", "drop"), ("command", "explode")):
            with self.assertRaises(ValueError):
                Rule(*wrong)
        with self.assertRaises(ValueError):
            Rule("command", "drop", nth=0)
        with self.assertRaises(ValueError):
            self.controls.fail("command", action="vanish", value="soon")

    def test_two_rules_count_on_their_own(self) -> None:
        faults = Faults([Rule("message", "drop", nth=2), Rule("message", "answer", nth=1, value="ERROR")])
        found = [faults.hit("message") for _ in range(3)]
        self.assertEqual([rule and rule.action for rule in found], ["answer", "drop", None])


class Silence(SynchronousTestCase):
    def test_for_seconds(self) -> None:
        rig = Rig()
        rig.modem.silence(10)
        self.assertEqual(rig.chat("AT+CSQ"), b"")
        rig.clock.advance(10)
        self.assertEqual(rig.read(), b"")
        self.assertIn(b"+CSQ", rig.chat("AT+CSQ"))

    def test_in_the_middle_of_an_answer(self) -> None:
        rig = Rig()
        rig.modem.silence(after=5)
        self.assertEqual(rig.chat("AT+CSQ"), b"\r\n+CS")
        self.assertEqual(rig.chat("AT+CSQ"), b"")
        rig.modem.speak()
        self.assertIn(b"+CSQ: 20", rig.chat("AT+CSQ"))

    def test_while_a_send_is_on_its_way(self) -> None:
        rig = Rig(latency=3.0)
        rig.send()
        rig.modem.silence()
        rig.clock.advance(3)
        self.assertEqual(rig.read(), b"")
        self.assertEqual(len(rig.modem.sent), 1)


class Line(SynchronousTestCase):
    def test_byte_by_byte_with_pauses(self) -> None:
        rig = Rig()
        Controls(rig.modem).chunks(1, 0.5)
        rig.modem.line.received(b"AT\r")
        self.assertEqual(bytes(rig.modem.line.written), b"\r")
        rig.clock.pump([0.5] * 3)
        self.assertEqual(bytes(rig.modem.line.written), b"\r\nOK")
        rig.clock.pump([0.5] * 2)
        self.assertEqual(rig.read(), b"\r\nOK\r\n")
        rig.clock.advance(1)
        self.assertEqual(rig.modem.clock.getDelayedCalls(), [])

    def test_echoes(self) -> None:
        rig = Rig()
        controls = Controls(rig.modem)
        controls.echo("always")
        self.assertEqual(rig.chat("AT"), b"AT\r\r\nOK\r\n")
        controls.echo("never")
        rig.chat("ATE1")
        self.assertEqual(rig.chat("AT"), b"\r\nOK\r\n")
        controls.echo("twice")
        self.assertEqual(rig.chat("AT"), b"AT\rAT\r\r\nOK\r\n")

    def test_wrong_length_and_flood(self) -> None:
        rig = Rig()
        rig.chat("AT+CNMI=2,2")
        Controls(rig.modem).wrong_length(3)
        rig.modem.network.inject(bytes.fromhex(HELLO))
        self.assertTrue(rig.read().startswith(f"\r\n+CMT: ,{len(HELLO) // 2 + 3}\r\n".encode()))
        rig.modem.flood("^RSSI:18", 50)
        self.assertEqual(rig.read().count(b"^RSSI:18\r\n"), 50)
        rig.modem.flood("^RSSI:9", 3, every=1.0)
        rig.clock.pump([1.0] * 5)
        self.assertEqual(rig.read().count(b"^RSSI:9\r\n"), 3)

    def test_mended(self) -> None:
        rig = Rig()
        controls = Controls(rig.modem)
        controls.fail("command", value="ERROR", times=0)
        controls.echo("twice")
        controls.silence()
        controls.mend()
        self.assertEqual(rig.chat("AT"), b"\r\nOK\r\n")


class Sim(SynchronousTestCase):
    def test_pin(self) -> None:
        rig = Rig(pin="0371")
        rig.chat("AT+CMEE=1")
        self.assertEqual(rig.chat("AT+CPIN?"), b"\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n")
        self.assertEqual(rig.chat(f"AT+CMGS={LENGTH}"), b"\r\n+CMS ERROR: 311\r\n")
        self.assertEqual(rig.chat("AT+CREG?"), b"\r\n+CREG: 0,0\r\n\r\nOK\r\n")
        self.assertEqual(rig.chat('AT+CPIN="1111"'), b"\r\n+CME ERROR: 16\r\n")
        self.assertEqual(rig.chat('AT+CPIN="0371"'), b"\r\nOK\r\n")
        self.assertEqual(rig.chat("AT+CPIN?"), b"\r\n+CPIN: READY\r\n\r\nOK\r\n")
        self.assertEqual((rig.modem.card.attempts, rig.modem.card.tries), (2, 3))
        rig.modem.vanish(1)
        rig.clock.advance(1)
        self.assertEqual(rig.modem.card.state, "SIM PIN")

    def test_three_wrong_ones_want_the_puk(self) -> None:
        rig = Rig(pin="0371")
        rig.chat("AT+CMEE=1")
        answers = [rig.chat('AT+CPIN="1"') for _ in range(3)]
        self.assertEqual(answers[1:], [b"\r\n+CME ERROR: 16\r\n", b"\r\n+CME ERROR: 12\r\n"])
        self.assertEqual(rig.chat("AT+CPIN?"), b"\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n")
        self.assertEqual(rig.chat(f"AT+CMGS={LENGTH}"), b"\r\n+CMS ERROR: 316\r\n")
        self.assertEqual(rig.chat('AT+CPIN="12345678","9999"'), b"\r\nOK\r\n")
        self.assertEqual(rig.modem.card.pin, "9999")

    def test_without_a_card_and_without_service(self) -> None:
        rig = Rig()
        Controls(rig.modem).sim(False)
        self.assertEqual(rig.chat("AT+CPMS?"), b"\r\n+CMS ERROR: 310\r\n")
        Controls(rig.modem).sim(True)
        rig.chat("AT+CREG=1")
        rig.modem.register(2)
        self.assertEqual(rig.read(), b"\r\n+CREG: 2\r\n")
        self.assertEqual(rig.send(), b"\r\n+CMS ERROR: 331\r\n")
        rig.modem.register(5)
        self.assertIn(b"+CREG: 5", rig.read())
        self.assertIn(b"+CMGS", rig.send(PLAIN))
