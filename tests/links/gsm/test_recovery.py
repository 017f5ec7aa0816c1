"""Silence, lost lines, refusals about the gateway, registration: what closes the lane, and how it opens again (G5, G6)."""

from __future__ import annotations

from twisted.internet.defer import fail, succeed

from smsd.interfaces import PartIn
from smsd.simulator.faults import Rule
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Kind, Scope
from tests.links.gsm.fake import DELIVER, ERROR, OK, REPORT, GsmCase, lines
from tests.links.gsm.simulated import SimulatedRig

OCTETS = bytes.fromhex(DELIVER)[8:]


class Silence(GsmCase):
    """Counts are about silence."""

    def test_third_silent_check_reopens(self) -> None:
        rig = self.rig().start()
        rig.modem.mute = True
        rig.pass_time(2 + 16 + 16 + 15)
        self.assertTrue(rig.outlet.is_open)
        self.assertEqual(rig.modem.opened, 1)
        rig.pass_time(4)
        self.assertFalse(rig.outlet.is_open)
        self.assertIn("no answer", rig.outlet.reason)
        self.assertEqual(rig.modem.closed, 1)
        rig.modem.mute = False
        rig.pass_time(3)
        self.assertGreaterEqual(rig.modem.opened, 2)
        self.assertTrue(rig.outlet.is_open)

    def test_closed_for_a_second(self) -> None:
        rig = self.rig(check_interval="1").start()
        rig.modem.mute = True
        while not rig.modem.closed:
            rig.pass_time(0.25)
        self.assertEqual(rig.modem.opened, 1)
        rig.pass_time(0.75)
        self.assertEqual(rig.modem.opened, 1)
        rig.pass_time(0.5)
        self.assertEqual(rig.modem.opened, 2)

    def test_error_is_no_silence(self) -> None:
        rig = self.rig().start()
        for command in ("AT", "AT+CREG?", "AT+CSQ"):
            rig.modem.answers[command] = ERROR
        rig.pass_time(300)
        self.assertEqual((rig.modem.opened, rig.outlet.is_open), (1, True))

    def test_one_answer_ends_the_count(self) -> None:
        rig = self.rig().start()
        for _ in range(4):
            rig.modem.mute = True
            rig.pass_time(24)
            rig.modem.mute = False
            rig.pass_time(17)
        self.assertGreater(rig.modem.commands.count("AT"), 3)
        self.assertEqual((rig.modem.opened, rig.outlet.is_open), (1, True))

    def test_no_prompt(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CMGS=18"] = None
        outcome = rig.send()
        rig.pass_time(16)
        failure = outcome[0].value
        self.assertEqual(
            (failure.kind, failure.scope, failure.maybe_sent), (Kind.TEMPORARY, Scope.GATEWAY, False)
        )
        self.assertTrue(rig.modem.written.endswith(b"\x1b"))
        self.assertEqual(rig.modem.pdus, [])

    def test_late_prompt_is_left(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CMGS=18"] = None
        rig.send()
        rig.pass_time(16)
        rig.modem.at_prompt = True
        rig.modem.say(b"\r\n> ")
        self.assertFalse(rig.modem.at_prompt)
        del rig.modem.answers["AT+CMGS=18"]
        rig.pass_time(2)
        self.assertEqual(rig.send(), [Accepted("1")])
        self.assertEqual(len(rig.modem.pdus), 1)

    def test_silent_network_is_unknown(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = b""
        outcome = rig.send()
        rig.pass_time(85)
        self.assertEqual(outcome, [])
        rig.pass_time(10)
        failure = outcome[0].value
        self.assertEqual((failure.kind, failure.maybe_sent), (Kind.UNKNOWN, True))
        self.assertEqual(len(rig.modem.pdus), 1)
        self.assertEqual(rig.modem.opened, 1)

    def test_three_silent_messages_reopen(self) -> None:
        rig = self.rig(send_timeout="20").start()
        rig.modem.send_result = b""
        for n in range(3):
            self.assertEqual(rig.modem.opened, 1)
            rig.send(f"message {n}")
            rig.pass_time(21)
        self.assertEqual(rig.modem.opened, 2)
        self.assertEqual(len(rig.modem.pdus), 3)

    def test_babbling_is_no_answer(self) -> None:
        rig = self.rig().start()
        for command in ("AT", "AT+CMGF?", "AT+CREG?"):
            rig.modem.answers[command] = None
        for _ in range(14):
            rig.pass_time(4)
            rig.modem.say(b"\r\nbla bla\r\n")
        self.assertFalse(rig.outlet.is_open and rig.modem.opened == 1)

    def test_deaf_at_the_start(self) -> None:
        rig = self.rig()
        rig.modem.mute = True
        rig.start()
        rig.pass_time(10)
        rig.modem.mute = False
        rig.pass_time(1.5)
        self.assertTrue(rig.outlet.is_open)
        self.assertEqual(rig.modem.opened, 1)


class OutOfStep(GsmCase):
    """Answers that come late must not be taken for those of the next commands."""

    def test_stale_answers_at_the_start(self) -> None:
        rig = self.rig()
        real = rig.modem.answers["AT"]
        rig.modem.answers["AT"] = lambda _: real + real + b"\r\nERROR\r\n"
        rig.start()
        self.assertTrue(rig.outlet.is_open)
        self.assertIn("Generic 1", rig.gateway.status)

    def test_spare_ok_in_the_middle_of_the_start(self) -> None:
        rig = SimulatedRig(self.folder(), "quectel-ec25")
        rig.sim.faults.rules.append(Rule("command", "garbage", match="E0", value=b"OK\r\n".hex()))
        rig.start()
        self.assertTrue(rig.outlet.is_open)
        self.assertTrue(rig.sim.messaging.phase_two_plus)
        self.assertEqual(rig.conversation.count("AT+CPIN?"), 2)
        rig.gateway.stopService()
        rig.sim.stop()

    def test_spare_ok_where_phase_two_is_chosen(self) -> None:
        rig = SimulatedRig(self.folder(), "multitech")
        rig.sim.faults.rules.append(Rule("command", "garbage", match="+CSMS", value=b"OK\r\n".hex()))
        rig.start()
        self.assertTrue(rig.outlet.is_open)
        rig.inbound.error = RuntimeError("disk full")
        rig.sim.receive("+15551230001", "hi")
        rig.turn(1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        rig.inbound.error = None
        rig.turn(120)
        self.assertGreater(len(rig.inbound.parts), 1)
        rig.gateway.stopService()
        rig.sim.stop()

    def test_stale_answer_after_the_quiet(self) -> None:
        rig = self.rig()
        spare = [OK]
        rig.modem.answers["AT+CMGF=0"] = lambda _: OK + (spare.pop() if spare else b"")
        rig.modem.answers["AT+CPMS=?"] = lambda _: (
            rig.clock.callLater(0, rig.modem.say, lines('+CPMS: ("SM"),("SM"),("SM")')) and None
        )
        rig.start()
        rig.pass_time(2)
        self.assertTrue(rig.outlet.is_open)
        self.assertEqual(rig.send(), [Accepted("1")])

    def test_nothing_is_sent_before_the_modem_answers_again(self) -> None:
        rig = self.rig().start()
        rig.modem.mute = True
        first = rig.send("one")
        rig.pass_time(17)
        self.assertEqual(first[0].value.maybe_sent, False)
        second = rig.send("two")
        rig.pass_time(5)
        rig.modem.mute = False
        rig.modem.say(b"\r\nOK\r\n")  # to AT
        rig.modem.say(b"\r\nOK\r\n")  # and to something before it
        self.assertEqual(second, [])
        rig.pass_time(0.5)
        self.assertEqual(second, [Accepted("1")])
        self.assertEqual(rig.modem.opened, 1)

    def test_bare_ok_in_doubt(self) -> None:
        rig = self.rig().start()
        rig.modem.say(b"\r\n> ")
        rig.modem.send_result = OK
        outcome = rig.send()
        rig.pass_time(2)
        self.assertIs(outcome[0].value.kind, Kind.UNKNOWN)


class Prompted(GsmCase):
    """A modem that was left in the middle of a text."""

    def test_escape_leaves_the_prompt(self) -> None:
        rig = self.rig()
        opened = rig.modem.open

        def open_at_prompt(protocol: object) -> None:
            opened(protocol)

        rig.gateway._open = open_at_prompt
        rig.modem.at_prompt = True
        rig.modem._buffer = b"0011000B"
        rig.start()
        self.assertTrue(rig.outlet.is_open)
        self.assertEqual(rig.modem.pdus, [])

    def test_control_z_only_if_the_prompt_stays(self) -> None:
        rig = self.rig()
        stuck = [True]
        real = rig.modem._octet

        def octet(data: bytes) -> None:
            if stuck[0] and data == b"\x1a":
                stuck[0] = False
                rig.modem.say(b"\r\nERROR\r\n")
            elif stuck[0]:
                if data == b"\r":
                    rig.modem.say(b"\r\n> ")
            else:
                real(data)

        rig.modem._octet = octet
        rig.start(forget=False)
        rig.pass_time(3)
        self.assertTrue(rig.outlet.is_open)
        self.assertEqual(rig.modem.written.count(b"\x1a"), 1)
        self.assertLess(rig.modem.written.index(b"\x1b"), rig.modem.written.index(b"\x1a"))


class Lost(GsmCase):
    """The device is gone."""

    def test_before_the_pdu(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CMGS=18"] = None
        outcome = rig.send()
        rig.modem.vanish()
        failure = outcome[0].value
        self.assertEqual(
            (failure.kind, failure.scope, failure.maybe_sent), (Kind.TEMPORARY, Scope.GATEWAY, False)
        )

    def test_lane_closes_before_anything_fails(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = b""
        seen: list[bool] = []
        piece = rig.piece()
        for _ in range(2):
            rig.gateway.send(piece).addErrback(lambda _: seen.append(rig.outlet.is_open))
        rig.modem.lose()
        self.assertEqual(seen, [False, False])

    def test_back_within_seconds(self) -> None:
        rig = self.rig().start()
        rig.modem.vanish()
        rig.pass_time(20)
        self.assertFalse(rig.outlet.is_open)
        self.assertIn("not there", rig.outlet.reason)
        rig.modem.present = True
        rig.pass_time(0.75)
        self.assertTrue(rig.outlet.is_open)

    def test_node_vanishes_without_a_word(self) -> None:
        rig = self.rig().start()
        rig.modem.present = False
        rig.pass_time(0.75)
        self.assertFalse(rig.outlet.is_open)
        self.assertEqual(rig.modem.closed, 1)

    def test_device_in_use(self) -> None:
        rig = self.rig()
        rig.modem.refuse_open = "/dev/fake is in use by another program"
        rig.start()
        rig.pass_time(30)
        self.assertEqual(len(rig.outlet.calls), 2)
        self.assertIn("in use", rig.outlet.reason)
        rig.modem.refuse_open = None
        rig.pass_time(1)
        self.assertTrue(rig.outlet.is_open)

    def test_send_while_closed(self) -> None:
        rig = self.rig()
        rig.modem.present = False
        rig.start()
        failure = rig.send()[0].value
        self.assertEqual(
            (failure.kind, failure.scope, failure.maybe_sent), (Kind.TEMPORARY, Scope.GATEWAY, False)
        )

    def test_line_lost_during_the_start(self) -> None:
        rig = self.rig()
        rig.modem.answers["AT+CMGF=0"] = None
        rig.start()
        rig.modem.lose()
        rig.modem.answers["AT+CMGF=0"] = OK
        rig.pass_time(1)
        self.assertTrue(rig.outlet.is_open)


class Stopping(GsmCase):
    """stopService."""

    def test_wire_finishes(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = b""
        first, second = rig.send(), rig.send()
        stopped: list[object] = []
        rig.gateway.stopService().addCallback(stopped.append)
        self.assertEqual((first, stopped), ([], []))
        self.assertEqual(second[0].value.scope, Scope.GATEWAY)
        rig.modem.say(lines("+CMGS: 4"))
        self.assertEqual((first, stopped), ([Accepted("4")], [None]))
        self.assertEqual(rig.modem.closed, 1)
        self.assertEqual(rig.outlet.reason, "stopping")

    def test_line_lost_while_stopping(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = b""
        first = rig.send()
        stopped: list[object] = []
        rig.gateway.stopService().addCallback(stopped.append)
        rig.modem.lose()
        self.assertIs(first[0].value.kind, Kind.UNKNOWN)
        self.assertEqual(stopped, [None])

    def test_at_every_stage(self) -> None:
        rig = self.rig()
        rig.start(forget=False)
        for command in list(dict.fromkeys(rig.modem.commands)):
            rig = self.rig()
            rig.modem.answers[command] = None
            rig.start()
            stopped: list[object] = []
            rig.gateway.stopService().addCallback(stopped.append)
            self.assertEqual(stopped, [None], command)
            self.assertEqual(rig.clock.getDelayedCalls(), [], command)

    def test_without_device(self) -> None:
        rig = self.rig()
        rig.modem.present = False
        rig.start()
        stopped: list[object] = []
        rig.gateway.stopService().addCallback(stopped.append)
        self.assertEqual(stopped, [None])
        self.assertEqual(rig.clock.getDelayedCalls(), [])


class Restarted(GsmCase):
    """A modem that was switched off and on behind a serial port that stayed: it is in text mode again."""

    def test_echo_betrays_it(self) -> None:
        rig = self.rig().start()
        rig.modem.echo = True
        failure = rig.send()[0].value
        self.assertEqual(
            (failure.kind, failure.scope, failure.maybe_sent), (Kind.TEMPORARY, Scope.GATEWAY, False)
        )
        self.assertEqual(rig.modem.pdus, [])
        self.assertEqual(rig.outlet.reason, "the modem has restarted: it echoes again")
        rig.pass_time(1.25)
        self.assertEqual(rig.send(), [Accepted("1")])
        self.assertIn("AT+CMGF=0", rig.modem.commands)

    def test_modem_that_always_echoes(self) -> None:
        rig = self.rig()
        rig.modem.answers["ATE0"] = OK
        rig.start()
        self.assertEqual(rig.send(), [Accepted("1")])

    def test_during_the_start(self) -> None:
        rig = self.rig()
        times = [0]

        def forget(_: str) -> bytes:
            times[0] += 1
            rig.modem.echo = times[0] == 1
            return OK

        rig.modem.answers["AT+CMGF=0"] = forget
        rig.start()
        self.assertFalse(rig.outlet.is_open)
        rig.pass_time(0.5)
        self.assertEqual(rig.modem.opened, 1)  # a device that we close rests for a second
        rig.pass_time(0.5)
        self.assertTrue(rig.outlet.is_open)
        self.assertEqual((times, rig.modem.opened), ([2], 2))

    def test_its_first_words_betray_it(self) -> None:
        for line in (b"RDY", b"^SYSSTART"):
            rig = self.rig().start()
            rig.modem.say(b"\r\n" + line + b"\r\n")
            self.assertIn("restarted", rig.outlet.reason)
            rig.pass_time(1.25)
            self.assertTrue(rig.outlet.is_open)

    def test_text_mode_betrays_it(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CMGF?"] = lines("+CMGF: 1")
        rig.pass_time(3)
        self.assertEqual(rig.modem.opened, 2)
        rig.pass_time(60)
        self.assertLess(rig.modem.opened, 7)

    def test_simulated(self) -> None:
        for profile in ("generic", "ublox", "quectel-ec25"):
            rig = SimulatedRig(self.folder(), profile).start()
            rig.sim.restart()
            rig.turn(0.1)
            outcome = rig.send()
            rig.turn(5)
            self.assertEqual(rig.sim.sent, [], profile)
            self.assertFalse(outcome[0].value.maybe_sent)
            rig.turn(10)
            self.assertTrue(rig.outlet.is_open)
            rig.send("now")
            rig.turn(1)
            self.assertEqual([sent.text for sent in rig.sim.sent], ["now"])
            rig.gateway.stopService()
            rig.sim.stop()


class Refusals(GsmCase):
    """Answers that are about the gateway."""

    def refuse(self, text: str, **options: object):
        rig = self.rig(**options).start()
        rig.modem.send_result = f"\r\n{text}\r\n".encode()
        outcome = rig.send()
        rig.modem.send_result = None
        return rig, outcome[0].value

    def test_initialises_again(self) -> None:
        rig, failure = self.refuse("+CMS ERROR: 302")
        self.assertEqual((failure.kind, failure.scope), (Kind.TEMPORARY, Scope.GATEWAY))
        self.assertFalse(rig.outlet.is_open)
        rig.pass_time(1.5)
        self.assertEqual((rig.outlet.is_open, rig.modem.opened), (True, 2))

    def test_each_time_later(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = b"\r\n+CMS ERROR: 302\r\n"
        openings = []
        for number in range(5):
            rig.send(delivery=number)
            start = rig.clock.seconds()
            while not rig.outlet.is_open:
                rig.pass_time(0.25)
            openings.append(round(rig.clock.seconds() - start))
        self.assertEqual(openings, [1, 2, 4, 8, 16])

    def test_no_network_waits_for_registration(self) -> None:
        rig, failure = self.refuse("+CMS ERROR: 331")
        self.assertEqual(failure.scope, Scope.GATEWAY)
        self.assertEqual(rig.outlet.reason, "no network service")
        rig.pass_time(3)
        self.assertEqual((rig.outlet.is_open, rig.modem.opened), (True, 1))

    def test_one_message_does_not_hold_up_the_others(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = lambda pdu: b"\r\n+CMS ERROR: 513\r\n" if "1497214365F7" in pdu else None
        other = Address("sms", "+41792345678")
        self.assertIs(rig.send(delivery=7)[0].value.scope, Scope.GATEWAY)
        self.assertFalse(rig.outlet.is_open)
        rig.pass_time(1.5)
        failure = rig.send(delivery=7)[0].value
        self.assertEqual((failure.kind, failure.scope), (Kind.TEMPORARY, Scope.MESSAGE))
        self.assertEqual(rig.send(delivery=8, target=other), [Accepted("1")])
        self.assertEqual((rig.outlet.is_open, rig.modem.opened), (True, 2))

    def test_waits_for_the_network_grow(self) -> None:
        rig = self.rig().start()
        self.assertEqual(rig.send(), [Accepted("1")])
        rig.modem.send_result = b"\r\n+CMS ERROR: 331\r\n"
        waits = []
        for _ in range(4):
            rig.send()
            rig.send()
            start = rig.clock.seconds()
            while not rig.outlet.is_open:
                rig.pass_time(0.25)
            waits.append(round(rig.clock.seconds() - start))
        self.assertEqual(waits, [1, 2, 4, 8])

    def test_pin_wanted_without_end(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = b"\r\n+CMS ERROR: 311\r\n"
        for number in range(60):
            rig.send(delivery=number)
            rig.pass_time(1)
        self.assertLess(rig.modem.opened, 8)

    def test_full_memory_is_emptied(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CMGL=4"] = lines("+CMGL: 3,1,,29", DELIVER)
        rig.modem.answers["AT+CMGD=3"] = OK
        rig.modem.send_result = b"\r\n+CMS ERROR: 322\r\n"
        self.assertEqual(rig.send()[0].value.scope, Scope.GATEWAY)
        self.assertIn("AT+CMGD=3", rig.modem.commands)
        rig.pass_time(2)
        self.assertTrue(rig.outlet.is_open)

    def test_reference_then_error_is_unknown(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = b"\r\n+CMGS: 59\r\n\r\nERROR\r\n"
        self.assertIs(rig.send()[0].value.kind, Kind.UNKNOWN)

    def test_ok_without_reference(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = OK
        self.assertEqual(rig.send(), [Accepted(None)])

    def test_rejected_becomes_final(self) -> None:
        rig = self.rig().start()
        rig.modem.send_result = b"\r\n+CMS ERROR: 21\r\n"
        self.assertEqual(rig.send()[0].value.kind, Kind.TEMPORARY)
        self.assertEqual(rig.send(tries=5)[0].value.kind, Kind.PERMANENT)
        self.assertTrue(rig.outlet.is_open)

    def test_no_pdu_mode(self) -> None:
        rig = self.rig()
        rig.modem.answers["AT+CMGF=0"] = ERROR
        rig.start()
        self.assertIn("PDU mode", rig.outlet.reason)
        rig.modem.answers["AT+CMGF=0"] = OK
        rig.pass_time(70)
        self.assertTrue(rig.outlet.is_open)

    def test_starting_modem_is_asked_again(self) -> None:
        rig = self.rig()
        answers = [b"\r\n+CMS ERROR: 302\r\n"] * 4 + [OK]
        rig.modem.answers["AT+CMGF=0"] = lambda _: answers.pop(0)
        rig.start()
        rig.pass_time(2.5)
        self.assertTrue(rig.outlet.is_open)
        self.assertEqual((answers, rig.modem.opened), ([], 1))


class Network(GsmCase):
    """Registration."""

    def test_searching_at_the_start(self) -> None:
        rig = self.rig()
        rig.modem.answers["AT+CREG?"] = lines("+CREG: 1,2")
        rig.start()
        self.assertEqual(rig.outlet.reason, "searching for a network")
        rig.modem.answers["AT+CREG?"] = lines("+CREG: 1,5")
        rig.pass_time(3)
        self.assertTrue(rig.outlet.is_open)

    def test_registered_for_lte_only(self) -> None:
        rig = self.rig()
        rig.modem.answers["AT+CREG?"] = lines("+CREG: 1,0")
        rig.modem.answers["AT+CEREG?"] = lines("+CEREG: 0,1")
        rig.start()
        self.assertTrue(rig.outlet.is_open)

    def test_states(self) -> None:
        for state, open_ in enumerate((0, 1, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0)):
            rig = self.rig()
            rig.modem.answers["AT+CREG?"] = lines(f"+CREG: 1,{state}")
            rig.start()
            self.assertEqual(rig.outlet.is_open, bool(open_), state)

    def test_lost_network_closes_after_a_grace(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CREG?"] = lines("+CREG: 1,3")
        rig.modem.say(b"\r\n+CREG: 3\r\n")
        rig.pass_time(9)
        self.assertTrue(rig.outlet.is_open)
        rig.pass_time(2)
        self.assertEqual(rig.outlet.reason, "the network denied registration")
        rig.modem.say(b"\r\n+CREG: 1\r\n")
        self.assertTrue(rig.outlet.is_open)

    def test_short_loss_is_nothing(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CREG?"] = lines("+CREG: 1,2")
        rig.modem.say(b"\r\n+CREG: 2\r\n")
        rig.pass_time(5)
        rig.modem.answers["AT+CREG?"] = lines("+CREG: 1,1")
        rig.pass_time(30)
        self.assertEqual(rig.outlet.calls, [("closed", "starting"), ("opened", 2)])


class Receiving(GsmCase):
    """Nothing is acknowledged or deleted before its commit, nothing kept is forgotten."""

    def test_failed_commit_is_not_acknowledged(self) -> None:
        rig = self.rig().start()
        rig.inbound.error = RuntimeError("disk full")
        rig.modem.say(f"\r\n+CMT: ,29\r\n{DELIVER}\r\n".encode())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertNotIn("AT+CNMA", rig.modem.commands)
        rig.pass_time(31)
        self.assertIn("AT+CNMI=2,2,0,1,0", rig.modem.commands)

    def test_failed_commit_is_not_deleted_and_tried_again(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CMGR=4"] = lines("+CMGR: 0,,29", DELIVER)
        rig.modem.answers["AT+CMGL=4"] = lines("+CMGL: 4,1,,29", DELIVER)
        rig.modem.answers["AT+CMGD=4"] = OK
        rig.inbound.error = RuntimeError("disk full")
        rig.modem.say(b'\r\n+CMTI: "SM",4\r\n')
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertNotIn("AT+CMGD=4", rig.modem.commands)
        rig.inbound.error = None
        rig.pass_time(31)
        self.assertEqual(rig.inbound.parts[0], PartIn("m1", OCTETS, "SM:4"))
        self.assertEqual(rig.inbound.parts[0], rig.inbound.parts[1])
        self.assertIn("AT+CMGD=4", rig.modem.commands)

    def test_stored_while_away(self) -> None:
        rig = self.rig()
        rig.modem.answers["AT+CMGL=4"] = lines(
            "+CMGL: 1,1,,29", DELIVER, '+CMGL: 2,0,"",29', DELIVER, "+CMGL: 7,3,,9", DELIVER
        )
        for index in (1, 2):
            rig.modem.answers[f"AT+CMGD={index}"] = OK
        rig.inbound.hold = True
        rig.start(forget=False)
        self.assertTrue(rig.outlet.is_open)
        self.assertEqual([part.slot for part in rig.inbound.parts], ["SM:1", "SM:2"])
        self.assertNotIn("AT+CMGD=1", rig.modem.commands)
        rig.modem.answers["AT+CMGL=4"] = OK
        rig.inbound.commit()
        self.assertEqual(
            rig.modem.commands[-5:], ["AT+CMGD=1", "AT+CMGD=2", 'AT+CPMS="ME"', "AT+CMGL=4", 'AT+CPMS="SM"']
        )

    def test_empty_slots(self) -> None:
        for answer in (OK, b"\r\n+CMS ERROR: 321\r\n", lines("+CMGR: 0,,0")):
            rig = self.rig().start()
            rig.modem.answers["AT+CMGR=1"] = answer
            rig.modem.say(b'\r\n+CMTI: "SM",1\r\n')
            self.assertEqual(rig.inbound.parts, [])
            self.assertEqual(rig.modem.commands, ["AT+CMGR=1"])

    def test_busy_when_asked_for_an_announced_message(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CMGR=4"] = b"\r\n+CMS ERROR: 314\r\n"
        rig.modem.answers["AT+CMGL=4"] = lines("+CMGL: 4,1,,29", DELIVER)
        rig.modem.answers["AT+CMGD=4"] = OK
        rig.modem.say(b'\r\n+CMTI: "SM",4\r\n')
        self.assertEqual(rig.inbound.parts, [])
        rig.pass_time(31)
        self.assertEqual(rig.inbound.parts[0], PartIn("m1", OCTETS, "SM:4"))
        self.assertIn("AT+CMGD=4", rig.modem.commands)

    def test_busy_when_asked_for_what_was_stored(self) -> None:
        rig = self.rig()
        rig.modem.answers["AT+CMGL=4"] = b"\r\n+CMS ERROR: 314\r\n"
        rig.start()
        rig.modem.answers["AT+CMGL=4"] = lines("+CMGL: 4,1,,29", DELIVER)
        rig.pass_time(31)
        self.assertEqual(rig.inbound.parts[0], PartIn("m1", OCTETS, "SM:4"))

    def test_memory_that_is_not_configured_is_read_again(self) -> None:
        rig = self.rig().start()
        rig.modem.answers['AT+CPMS="SR"'] = rig.modem.answers["AT+CMGD=1"] = OK
        rig.modem.answers["AT+CMGR=1"] = lines("+CMGR: 0,,25", REPORT)
        rig.outlet.result = lambda: fail(RuntimeError("disk full"))
        rig.modem.say(b'\r\n+CDSI: "SR",1\r\n')
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(rig.modem.commands, ['AT+CPMS="SR"', "AT+CMGR=1", 'AT+CPMS="SM"'])
        rig.outlet.result = lambda: succeed(True)
        rig.modem.answers["AT+CMGL=4"] = lambda _: (
            lines("+CMGL: 1,1,,25", REPORT) if 'AT+CPMS="SR"' in rig.modem.commands[-2:] else OK
        )
        rig.modem.commands.clear()
        rig.pass_time(31)
        self.assertEqual([report.reference for report in rig.outlet.reports], ["5", "5"])
        self.assertIn("AT+CMGD=1", rig.modem.commands)

    def test_announced_without_a_memory(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CMGR=4"] = lines("+CMGR: 0,,29", DELIVER)
        rig.modem.say(b"\r\n+CMTI: ,4\r\n")
        self.assertEqual(rig.inbound.parts, [PartIn("m1", OCTETS, "SM:4")])

    def test_unreadable_pdu_is_kept(self) -> None:
        rig = self.rig().start()
        rig.modem.say(b"\r\n+CMT: ,20\r\nFF00112233445566778899AABBCCDDEEFF\r\n")
        (part,) = rig.inbound.parts
        self.assertEqual(part.octets[:2], b"\xff\x00")
        self.assertEqual(rig.modem.commands, ["AT+CNMA"])

    def test_news_that_were_dropped_are_switched_on_again(self) -> None:
        rig = self.rig().start()
        rig.modem.answers["AT+CNMI?"] = lines("+CNMI: 2,2,0,1,0")
        rig.pass_time(61)
        self.assertNotIn("AT+CNMI=2,2,0,1,0", rig.modem.commands)
        rig.modem.answers["AT+CNMI?"] = lines("+CNMI: 2,0,0,0,0")
        rig.modem.answers["AT+CMGL=4"] = lines("+CMGL: 3,1,,29", DELIVER)
        rig.pass_time(31)
        self.assertIn("AT+CNMI=2,2,0,1,0", rig.modem.commands)
        self.assertEqual(rig.modem.opened, 1)
        # What came while they were off lies in a memory, announced to nobody.
        self.assertIn(PartIn("m1", OCTETS, "SM:3"), rig.inbound.parts)

    def test_cut_pdu_waits_for_a_better_copy(self) -> None:
        rig = self.rig().start()
        rig.modem.say(f"\r\n+CMT: ,29\r\n{DELIVER[:-6]}\r\n".encode())
        self.assertEqual((rig.inbound.parts, rig.modem.commands), ([], []))
        rig.modem.say(f"\r\n+CMT: ,29\r\n{DELIVER}\r\n".encode())
        self.assertEqual(rig.inbound.parts, [PartIn("m1", OCTETS, "")])

    def test_modem_that_cannot_count(self) -> None:
        rig = self.rig().start()
        for _ in range(3):
            rig.modem.say(f"\r\n+CMT: ,31\r\n{DELIVER}\r\n".encode())
        self.assertEqual(len(rig.inbound.parts), 2)

    def test_garbage_disturbs_nothing(self) -> None:
        rig = self.rig().start()
        for garbage in (
            b"\xff\xfe\0\0",
            b"x" * 100_000,
            b"+CMT: \r\n",
            b"+CMTI: \r\n",
            b"> > > ",
            b'+CREG: "\r\n',
            b"OK\r\nOK\r\n",
        ):
            rig.modem.say(garbage)
        rig.modem.say(b"\r\n")
        rig.pass_time(5)
        self.assertEqual(rig.send(), [Accepted("1")])

    def test_without_news_the_memories_are_polled(self) -> None:
        rig = self.rig(poll=None)
        rig.modem.answers["AT+CNMI=?"] = ERROR
        rig.modem.answers["AT+CNMI=2,2,0,1,0"] = rig.modem.answers["AT+CNMI=2,1,0,1,0"] = ERROR
        rig.start()
        rig.modem.answers["AT+CMGL=4"] = lines("+CMGL: 0,0,,29", DELIVER)
        rig.modem.answers["AT+CMGD=0"] = OK
        rig.pass_time(21)
        self.assertEqual(rig.inbound.parts[0], PartIn("m1", OCTETS, "SM:0"))

    def test_full_memory_is_read(self) -> None:
        rig = self.rig(template="huawei-e1556").start()
        rig.modem.say(b'\r\n^SMMEMFULL: "SM"\r\n')
        self.assertIn("AT+CMGL=4", rig.modem.commands)

    def test_send_only(self) -> None:
        rig = self.rig(template="nokia-phone").start(forget=False)
        self.assertTrue(rig.outlet.is_open)
        for command in rig.modem.commands:
            self.assertFalse(command.startswith(("AT+CNMI", "AT+CPMS", "AT+CMGL", "AT+CSMS")), command)
        self.assertFalse(rig.gateway.abilities.reports)
        rig.send(report=True)
        rig.pass_time(1, 0.01)
        self.assertEqual(rig.modem.pdus[0][2:4], "01")
