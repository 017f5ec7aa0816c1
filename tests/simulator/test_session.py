"""The byte level: echo, line endings, several commands in a line, prompt, escape."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from smsd.simulator.session import split_commands
from tests.simulator.rig import LENGTH, PLAIN, Rig


class Lines(SynchronousTestCase):
    def test_echo_until_switched_off(self) -> None:
        rig = Rig()
        self.assertEqual(rig.chat("ATE1"), b"\r\nOK\r\n")
        self.assertEqual(rig.chat("AT"), b"AT\r\r\nOK\r\n")
        self.assertEqual(rig.chat("ATE0"), b"ATE0\r\r\nOK\r\n")
        self.assertEqual(rig.chat("AT"), b"\r\nOK\r\n")

    def test_byte_by_byte_and_line_feeds(self) -> None:
        rig = Rig()
        answers = [rig.write(bytes((octet,))) for octet in b"\r\n\n at\r\n"]
        self.assertEqual(b"".join(answers), b"\r\nOK\r\n")

    def test_stale_bytes_before_the_command(self) -> None:
        rig = Rig()
        self.assertEqual(rig.write(b"\x1b\x1a0011FFAT\r"), b"\r\nOK\r\n")
        self.assertEqual(rig.chat("nonsense"), b"")

    def test_without_words(self) -> None:
        rig = Rig()
        self.assertEqual(rig.chat("ATV0"), b"0\r")
        self.assertEqual(rig.chat("AT+CSQ"), b"+CSQ: 20,99\r\n0\r")
        self.assertEqual(rig.chat("AT+NONE"), b"4\r")

    def test_several_commands_in_a_line(self) -> None:
        rig = Rig()
        self.assertEqual(
            rig.chat("ATE0V1+CMEE=1;+CSQ;+CREG?"), b"\r\n+CSQ: 20,99\r\n\r\n+CREG: 0,1\r\n\r\nOK\r\n"
        )
        self.assertEqual(rig.chat("AT+CSQ;+NONE;+CREG?"), b"\r\n+CSQ: 20,99\r\n\r\nERROR\r\n")

    def test_splitting(self) -> None:
        self.assertEqual(split_commands("E0V1&F+CSQ;+CPMS=\"A;B\",\"C\";\\Q3S0=1"),
                         ["E0", "V1", "&F", "+CSQ", '+CPMS="A;B","C"', "\\Q3", "S0=1"])  # fmt: skip

    def test_repeats_the_last_line(self) -> None:
        rig = Rig()
        rig.chat("AT+CSQ")
        self.assertEqual(rig.chat("A/"), b"\r\n+CSQ: 20,99\r\n\r\nOK\r\n")

    def test_error_levels(self) -> None:
        rig = Rig(pin="1234")
        for level, answer in (
            ("0", b"ERROR"),
            ("1", b"+CME ERROR: 11"),
            ("2", b"+CME ERROR: SIM PIN required"),
        ):
            rig.chat(f"AT+CMEE={level}")
            self.assertEqual(rig.chat("AT+CIMI"), b"\r\n" + answer + b"\r\n")

    def test_any_octets_at_all_leave_it_usable(self) -> None:
        chance = random.Random(1)
        rig = Rig()
        names = [name.encode() for name in rig.modem._commands]
        for _ in range(3000):
            junk = bytes(
                chance.choices(b'\r\x1a\x1bAT+=?,;"0123456789ABCDEF\x00\xff\x08', k=chance.randrange(24))
            )
            rig.write(b"AT" + chance.choice(names) + chance.choice((b"=", b"?", b"=?", b"")) + junk + b"\r")
            rig.modem.general.power = 1
        rig.write(b"\x1b\rATZ\r")
        rig.clock.advance(1)
        rig.read()
        self.assertIn(b"OK", rig.chat("AT"))


class Prompts(SynchronousTestCase):
    def test_bytes_of_a_send(self) -> None:
        rig = Rig()
        self.assertEqual(rig.chat(f"AT+CMGS={LENGTH}"), b"\r\n> ")
        self.assertEqual(rig.write(PLAIN.encode() + b"\x1a"), b"\r\n+CMGS: 0\r\n\r\nOK\r\n")
        self.assertEqual(rig.send(), b"\r\n+CMGS: 1\r\n\r\nOK\r\n")

    def test_data_ahead_of_the_prompt_is_lost(self) -> None:
        rig = Rig()
        self.assertEqual(rig.write(f"AT+CMGS={LENGTH}\r{PLAIN}\x1a".encode()), b"\r\n> ")
        self.assertEqual(rig.modem.sent, [])

    def test_escape(self) -> None:
        rig = Rig()
        rig.chat(f"AT+CMGS={LENGTH}")
        self.assertEqual(rig.write(PLAIN.encode() + b"\x1b"), b"\r\nOK\r\n")
        self.assertEqual(rig.modem.sent, [])
        self.assertEqual(rig.chat("AT"), b"\r\nOK\r\n")

    def test_a_pending_prompt_ends_with_escape_before_the_next_session(self) -> None:
        rig = Rig()
        rig.chat(f"AT+CMGS={LENGTH}")
        self.assertEqual(rig.write(b"\x1bAT\r"), b"\r\nOK\r\n\r\nOK\r\n")

    def test_unsolicited_lines_wait_for_the_end_of_the_prompt(self) -> None:
        rig = Rig()
        rig.chat(f"AT+CMGS={LENGTH}")
        rig.modem.tell("^RSSI:18")
        self.assertEqual(rig.read(), b"")
        self.assertEqual(rig.write(PLAIN.encode() + b"\x1a"), b"\r\n+CMGS: 0\r\n\r\nOK\r\n\r\n^RSSI:18\r\n")
        rig.modem.faults.rude = True
        rig.chat(f"AT+CMGS={LENGTH}")
        rig.modem.tell("^RSSI:18")
        self.assertEqual(rig.read(), b"\r\n^RSSI:18\r\n")

    def test_commands_wait_while_a_send_is_on_its_way(self) -> None:
        rig = Rig(latency=3.0)
        self.assertEqual(rig.send(), b"")
        self.assertEqual(rig.chat("AT"), b"")
        rig.modem.tell("RING")
        self.assertEqual(rig.read(), b"\r\nRING\r\n")
        rig.clock.advance(2.9)
        self.assertEqual(rig.read(), b"")
        rig.clock.advance(0.1)
        self.assertEqual(rig.read(), b"\r\n+CMGS: 0\r\n\r\nOK\r\n\r\nOK\r\n")
