"""The SIM's PIN: once, never after a refusal, whatever is restarted; never a PUK."""

from __future__ import annotations

from twisted.logger import formatEvent, globalLogPublisher

from smsd.links.gsm.pin import KEY
from tests.links.gsm.fake import ERROR, OK, GsmCase, Rig, lines
from tests.links.gsm.simulated import SimulatedRig

WRONG = b"\r\n+CME ERROR: 16\r\n"


class Pin(GsmCase):
    """A scripted SIM."""

    def locked(
        self, facts: dict[str, str] | None = None, answer: bytes | None = OK, **options: object
    ) -> Rig:
        """A SIM that asks for its PIN until 1234 came."""
        options.setdefault("pin", "1234")
        rig = self.rig(facts, **options)
        modem = rig.modem
        modem.answers["AT+CPIN?"] = lines("+CPIN: SIM PIN")
        modem.answers["AT+CCID"] = lines('+CCID: "8941012345678901234"')
        modem.answers["AT+CGSN"] = lines("356938035643809")

        def enter(command: str) -> bytes | None:
            if answer == OK:
                modem.answers["AT+CPIN?"] = lines("+CPIN: READY")
            return answer

        for pin in ("1234", "9999"):
            modem.answers[f'AT+CPIN="{pin}"'] = enter
        return rig

    def entered(self, rig: Rig) -> int:
        return sum(command.startswith("AT+CPIN=") for command in rig.modem.commands)

    def test_right(self) -> None:
        rig = self.locked().start(forget=False)
        self.assertEqual(self.entered(rig), 1)
        self.assertFalse(rig.outlet.is_open)
        rig.pass_time(1.25)
        self.assertFalse(rig.outlet.is_open)
        rig.pass_time(0.5)
        self.assertTrue(rig.outlet.is_open)
        self.assertEqual(rig.memory.facts, {})

    def test_only_if_asked(self) -> None:
        rig = self.rig(pin="1234").start(forget=False)
        self.assertEqual(self.entered(rig), 0)
        self.assertTrue(rig.outlet.is_open)

    def test_refused_is_never_tried_again(self) -> None:
        facts: dict[str, str] = {}
        for life in range(3):
            rig = self.locked(facts, WRONG).start(forget=False)
            rig.pass_time(600)
            self.assertEqual(self.entered(rig), 1 if life == 0 else 0)
            self.assertFalse(rig.outlet.is_open)
            self.assertIn("PIN", rig.outlet.reason)
            rig.gateway.stopService()
        self.assertNotIn("1234", facts[KEY])

    def test_remembered_before_it_is_entered(self) -> None:
        rig = self.locked(answer=None).start(forget=False)
        self.assertEqual(self.entered(rig), 1)
        self.assertIn(KEY, rig.memory.facts)
        again = self.locked(dict(rig.memory.facts)).start(forget=False)
        self.assertEqual(self.entered(again), 0)
        self.assertIn("cut short", again.outlet.reason)

    def test_silence_counts_as_refusal(self) -> None:
        rig = self.locked(answer=None).start(forget=False)
        rig.pass_time(300)
        self.assertEqual(self.entered(rig), 1)

    def test_another_pin_is_tried(self) -> None:
        facts: dict[str, str] = {}
        self.locked(facts, WRONG).start()
        rig = self.locked(facts, pin="9999").start(forget=False)
        self.assertEqual(self.entered(rig), 1)
        rig.pass_time(2)
        self.assertEqual(facts, {})

    def test_another_sim_is_tried(self) -> None:
        facts: dict[str, str] = {}
        self.locked(facts, WRONG).start()
        rig = self.locked(facts)
        rig.modem.answers["AT+CCID"] = lines('+CCID: "8941099999999999999"')
        rig.start(forget=False)
        self.assertEqual(self.entered(rig), 1)

    def test_sim_that_does_not_tell_its_number_now(self) -> None:
        facts: dict[str, str] = {}
        self.locked(facts, WRONG).start()
        rig = self.locked(facts)
        rig.modem.answers["AT+CCID"] = ERROR
        rig.start(forget=False)
        self.assertEqual(self.entered(rig), 0)

    def test_sim_that_did_not_tell_its_number_then(self) -> None:
        facts: dict[str, str] = {}
        first = self.locked(facts, WRONG)
        del first.modem.answers["AT+CCID"]
        first.start()
        self.assertEqual(self.entered(self.locked(facts).start(forget=False)), 0)

    def test_unlocked_elsewhere_is_forgotten(self) -> None:
        facts: dict[str, str] = {}
        self.locked(facts, WRONG).start()
        rig = self.rig(facts, pin="1234").start()
        self.assertTrue(rig.outlet.is_open)
        self.assertEqual(facts, {})

    def test_busy_sim_spends_no_try(self) -> None:
        rig = self.locked(answer=b"\r\n+CME ERROR: 14\r\n").start()
        self.assertEqual(rig.memory.facts, {})

    def test_ok_of_another_command(self) -> None:
        rig = self.locked()
        rig.modem.answers['AT+CPIN="1234"'] = OK  # and the SIM goes on asking
        rig.start(forget=False)
        rig.pass_time(200)
        self.assertEqual(self.entered(rig), 1)
        self.assertIn(KEY, rig.memory.facts)
        self.assertFalse(rig.outlet.is_open)

    def test_not_ready_yet(self) -> None:
        rig = self.locked()
        rig.modem.answers["AT+CPIN?"] = lines("+CPIN: NOT READY")
        rig.start(forget=False)
        self.assertEqual(self.entered(rig), 0)
        rig.modem.answers["AT+CPIN?"] = lines("+CPIN: READY")
        rig.pass_time(1.5)
        self.assertTrue(rig.outlet.is_open)

    def test_other_locks_get_no_pin(self) -> None:
        for answer in (
            lines("+CPIN: PH-SIM PIN"),
            lines("+CPIN: PH-NET PIN"),
            b"\r\n+CME ERROR: 5\r\n",
            b"\r\n+CME ERROR: PH-SIM PIN required\r\n",
            b"\r\n+CME ERROR: PH-FSIM PIN required\r\n",
            b"\r\n+CME ERROR: SIM PIN2 required\r\n",
        ):
            rig = self.locked()
            rig.modem.answers["AT+CPIN?"] = answer
            rig.start(forget=False)
            rig.pass_time(130)
            self.assertEqual(self.entered(rig), 0, answer)
            self.assertFalse(rig.outlet.is_open)

    def test_none_configured(self) -> None:
        rig = self.locked(pin=None).start(forget=False)
        self.assertIn("set `pin`", rig.outlet.reason)
        self.assertEqual(self.entered(rig), 0)

    def test_puk(self) -> None:
        rig = self.locked()
        rig.modem.answers["AT+CPIN?"] = lines("+CPIN: SIM PUK")
        rig.start(forget=False)
        rig.pass_time(300)
        self.assertIn("PUK", rig.outlet.reason)
        self.assertEqual(self.entered(rig), 0)

    def test_no_sim(self) -> None:
        rig = self.locked()
        rig.modem.answers["AT+CPIN?"] = b"\r\n+CME ERROR: 10\r\n"
        rig.start(forget=False)
        self.assertIn("no SIM", rig.outlet.reason)
        rig.modem.answers["AT+CPIN?"] = lines("+CPIN: READY")
        rig.pass_time(62)
        self.assertTrue(rig.outlet.is_open)

    def test_ready_without_ok(self) -> None:
        rig = self.rig()
        rig.modem.answers["AT+CPIN?"] = b"\r\n+CPIN: READY\r\n"
        rig.start()
        rig.pass_time(0.5)
        self.assertTrue(rig.outlet.is_open)

    def test_not_in_the_servers_log(self) -> None:
        for answer in (OK, WRONG, None):
            said: list[str] = []

            def hear(event: dict[str, object], said: list[str] = said) -> None:
                said.append(f"{formatEvent(event)} {event}")

            globalLogPublisher.addObserver(hear)
            self.addCleanup(globalLogPublisher.removeObserver, hear)
            rig = self.locked(answer=answer).start()
            rig.pass_time(40)
            self.assertTrue(said)
            self.assertFalse([line for line in said if "1234" in line])

    def test_masked_everywhere(self) -> None:
        for level in ("debug", "info"):
            for single in (False, True):
                rig = self.locked(conversation=level)
                if single:
                    say = rig.modem.say
                    rig.modem.say = lambda data, say=say: [say(data[n : n + 1]) for n in range(len(data))]
                rig.modem.answers["ATE0"] = OK  # and go on echoing
                rig.start(forget=False)
                rig.pass_time(3)
                self.assertTrue(rig.outlet.is_open)
                self.assertNotIn("1234", rig.conversation.replace("12345678901234", ""))
                self.assertIn('+CPIN=\\"****', rig.conversation)


class SimulatedPin(GsmCase):
    """The simulated SIM counts its tries."""

    def test_wrong_pin_costs_one_try(self) -> None:
        facts: dict[str, str] = {}
        tries = None
        for _ in range(4):
            rig = SimulatedRig(self.folder(), "generic", facts, {"pin": "4321"}, pin="1234")
            if tries is not None:
                rig.sim.card.tries = tries
            rig.start(seconds=5)
            self.assertFalse(rig.outlet.is_open)
            tries = rig.sim.card.tries
            rig.gateway.stopService()
            rig.sim.stop()
        self.assertEqual(tries, 2)

    def test_right_pin_after_each_power_on(self) -> None:
        rig = SimulatedRig(self.folder(), "sim800", None, {"pin": "1234"}, pin="1234")
        rig.start()
        self.assertTrue(rig.outlet.is_open)
        rig.sim.vanish()
        rig.turn(20)
        rig.sim.come_back()
        rig.turn(15)
        self.assertTrue(rig.outlet.is_open)
        rig.gateway.stopService()
        rig.sim.stop()
