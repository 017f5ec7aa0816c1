"""The log of a dialogue: what is shown at each level, and that debug can be replayed."""

from __future__ import annotations

import os
import re

from twisted.logger import capturedLogs

from smsd.links.gsm import conversation
from smsd.links.gsm.conversation import Conversation
from smsd.simulator import replay
from tests.links.gsm.fake import DELIVER, GsmCase
from tests.links.gsm.simulated import SimulatedRig


class Log(GsmCase):
    """One file."""

    def setUp(self) -> None:
        self.path = os.path.join(self.folder(), "log")

    def make(self, level: str) -> Conversation:
        return Conversation("m1", self.path, level, lambda: 1_700_000_000.25)

    def read(self) -> list[str]:
        with open(self.path, encoding="ascii") as file:
            return file.read().splitlines()

    def test_format(self) -> None:
        log = self.make("debug")
        log.sent(b'AT+CSCA="x\\"\x1a\r')
        log.received(b"\r\nOK\xff")
        log.close()
        self.assertEqual(
            self.read(),
            [
                '2023-11-14T22:13:20.250Z m1 >>> [14] "AT+CSCA=\\"x\\\\\\"\\x1a\\r"',
                '2023-11-14T22:13:20.250Z m1 <<< [5] "\\r\\nOK\\xff"',
            ],
        )

    def test_info_masks_texts_and_numbers(self) -> None:
        for size in (1, 7, 1000):
            self.path = os.path.join(self.folder(), "log")
            log = self.make("info")
            log.sent(DELIVER.encode() + b"\x1a")
            said = f'\r\n+CMT: ,29\r\n{DELIVER}\r\n+CLIP: "+41791234567",145\r\n+CMGS: 12\r\n'.encode()
            for n in range(0, len(said), size):
                log.received(said[n : n + size])
            log.close()
            text = "\n".join(self.read())
            self.assertIsNone(re.search(r"[0-9A-F]{16}", text), text)
            self.assertNotIn("1234567", text)
            self.assertIn(f"[{len(DELIVER) + 1}]", text)
            self.assertIn("+CMGS: 12", text)

    def test_info_masks_the_pieces_of_a_pdu(self) -> None:
        for size in (4, 9, 15, 18):
            self.path = os.path.join(self.folder(), "log")
            log = self.make("info")
            data = DELIVER.encode() + b"\x1a"
            for n in range(0, len(data), size):
                log.sent(data[n : n + size])
            log.received(b"> " + DELIVER[-8:].encode() + b"\r\n+CMGS: 12\r\n\r\nOK\r\n")
            log.close()
            text = "\n".join(self.read())
            self.assertNotIn(DELIVER[-6:-2], text)
            self.assertIsNone(re.search(r"\"[0-9A-F]{2,}", text), text)
            self.assertIn("+CMGS: 12", text)

    def test_full_disk_disturbs_nothing(self) -> None:
        folder = os.path.dirname(self.path)
        self.path = os.path.join(folder, "missing", "log")
        log = self.make("debug")
        with capturedLogs() as said:
            log.sent(b"AT\r")
            log.received(b"\r\nOK\r\n")
        self.assertEqual(len(said), 1)
        os.mkdir(os.path.dirname(self.path))
        log.sent(b"AT+CSQ\r")
        log.close()
        self.assertEqual(len(self.read()), 1)

    def test_bounded(self) -> None:
        self.patch(conversation, "ROTATE", 2000)
        log = self.make("debug")
        for _ in range(500):
            log.received(b"x" * 50)
        log.close()
        sizes = [
            os.path.getsize(f"{self.path}{end}")
            for end in ("", *(f".{n}" for n in range(1, 20)))
            if os.path.exists(f"{self.path}{end}")
        ]
        self.assertEqual(len(sizes), conversation.KEPT + 1)
        self.assertLess(max(sizes), 2300)

    def test_off(self) -> None:
        log = self.make("off")
        log.sent(b"AT\r")
        log.close()
        self.assertFalse(os.path.exists(self.path))

    def test_endless_line_is_not_kept_back(self) -> None:
        log = self.make("info")
        for _ in range(100):
            log.received(b"x" * 1000)
        self.assertLess(len(log._held), 6000)
        log.close()

    def test_replay(self) -> None:
        rig = SimulatedRig(self.folder(), "zte", None, {"pin": "1234"}, pin="1234").start()
        rig.send("hello", report=True)
        rig.sim.receive("+15551230001", "hi")
        rig.turn(5)
        lines = rig.conversation.splitlines()
        before, exchanges = replay.read(lines)
        written: list[bytes] = []
        player = replay.Player(before, exchanges, written.append, self.fail)
        for line in lines:
            if ">>>" in line:
                player.received(replay.unescape(line.partition(' "')[2][:-1]))
        self.assertEqual((player.differences, player.finished), (0, True))
        self.assertIn(b"+CMGS: ", b"".join(written))
        rig.gateway.stopService()
        rig.sim.stop()
