"""A recorded conversation played back, and where the dialogue leaves it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.simulator import replay

RECORDING = r"""
2026-11-21T02:53:19.001Z modem1 --- opened /dev/ttyUSB0
2026-11-21T02:53:19.001Z modem1 <<< [12] "\r\n^SYSSTART\r\n"
2026-11-21T02:53:19.010Z modem1 >>> [4] "\x1bAT\r"
2026-11-21T02:53:19.020Z other >>> [3] "AT\r"
2026-11-21T02:53:19.030Z modem1 <<< [3] "AT\r"
2026-11-21T02:53:19.040Z modem1 <<< [6] "\r\nOK\r\n"
2026-11-21T02:53:20.000Z modem1 >>> [16] "AT+CPIN=\"****\"\r"
2026-11-21T02:53:20.100Z modem1 <<< [6] "\r\nOK\r\n"
2026-11-21T02:53:21.000Z modem1 >>> [11] "AT+CMGS=24\r"
2026-11-21T02:53:21.100Z modem1 <<< [4] "\r\n> "
2026-11-21T02:53:21.200Z modem1 >>> [3] "000"
2026-11-21T02:53:21.210Z modem1 >>> [4] "100\x1a"
2026-11-21T02:53:24.000Z modem1 <<< [22] "\r\n+CMGS: 7\r\n\r\nOK\r\n"
2026-11-21T02:53:25.000Z modem1 >>> [7] "AT+CSQ\r"
2026-11-21T02:53:25.100Z modem1 <<< [10] "\xff\\\t\"\r\nOK\r\n"
"""


class Replay(SynchronousTestCase):
    def setUp(self) -> None:
        before, exchanges = replay.read(RECORDING.splitlines())
        self.written: list[bytes] = []
        self.told: list[str] = []
        self.player = replay.Player(before, exchanges, self.written.append, self.told.append)
        self.player.start()

    def say(self, data: bytes) -> bytes:
        self.written.clear()
        self.player.received(data)
        return b"".join(self.written)

    def test_the_same_dialogue_in_other_chunks(self) -> None:
        self.assertEqual(self.written, [b"\r\n^SYSSTART\r\n"])
        self.assertEqual(self.say(b"\x1b"), b"")
        self.assertEqual(self.say(b"A") + self.say(b"T\r"), b"AT\r\r\nOK\r\n")
        self.assertEqual(self.say(b'AT+CPIN="0371"\r'), b"\r\nOK\r\n")
        self.assertEqual(self.say(b"AT+CMGS=24\r"), b"\r\n> ")
        self.assertEqual(self.say(b"000100\x1a"), b"\r\n+CMGS: 7\r\n\r\nOK\r\n")
        self.assertFalse(self.player.finished)
        self.assertEqual(self.say(b"AT+CSQ\r"), b'\xff\\\t"\r\nOK\r\n')
        self.assertTrue(self.player.finished)
        self.assertEqual((self.player.differences, self.told), (0, []))

    def test_a_command_left_out_is_told_and_found_ahead(self) -> None:
        self.say(b"\x1bAT\r")
        self.assertEqual(self.say(b"AT+CMGS=24\r"), b"\r\n> ")
        self.assertEqual(
            self.told, ['line 8 has AT+CPIN=****, given was "AT+CMGS=24\\r": going on at line 10']
        )

    def test_an_unknown_command_gets_an_error(self) -> None:
        self.assertEqual(self.say(b"\x1bAT\rAT+COPS?\r"), b"AT\r\r\nOK\r\n\r\nERROR\r\n")
        self.assertIn("line 8", self.told[0])
        self.assertIn("AT+COPS?", self.told[0])
        self.assertEqual(self.say(b'AT+CPIN="1"\r'), b"\r\nOK\r\n")

    def test_another_pdu_gets_the_recorded_answer(self) -> None:
        self.say(b"\x1bAT\rAT+CPIN=1\rAT+CMGS=24\r")
        self.assertIn(b"+CMGS: 7", self.say(b"00FF\x1a"))
        self.assertEqual(self.player.differences, 1)

    def test_a_command_again_after_the_end(self) -> None:
        self.say(b"\x1bAT\rAT+CPIN=1\rAT+CMGS=24\r")
        self.say(b"000100\x1aAT+CSQ\r")
        self.assertIn(b"OK", self.say(b"AT+CSQ\r"))
        self.assertIn("at its end", self.told[0])

    def test_one_of_two_gateways(self) -> None:
        before, exchanges = replay.read(RECORDING.splitlines(), "other")
        self.assertEqual((before, [exchange.command for exchange in exchanges]), (b"", [b"AT\r"]))

    def test_no_recording(self) -> None:
        for lines in ([], ["hello", "2026 x >>> nonsense"]):
            error = self.assertRaises(replay.BadRecording, replay.read, lines)
            self.assertIn(">>>", str(error))

    def test_what_the_gateway_logs_is_read(self) -> None:
        from smsd.links.gsm.conversation import escaped

        octets = bytes(range(256))
        self.assertEqual(replay.unescape(escaped(octets)), octets)
