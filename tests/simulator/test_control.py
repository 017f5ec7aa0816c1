"""The control socket's words and JSON, and that a wrong word is answered with what would be right."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from smsd.simulator.control import ControlFactory, Controls, obey, read_request
from tests.simulator.rig import REPORTED, Rig


class Words(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.controls = Controls(self.rig.modem)

    def do(self, line: str) -> Any:
        answer = obey(self.controls, line)
        self.assertTrue(answer["ok"], answer)
        return answer.get("answer")

    def test_reading(self) -> None:
        self.assertEqual(read_request("fail message 3 value='+CMS ERROR: 500'"),
                         ("fail", ["message", "3"], {"value": "+CMS ERROR: 500"}))  # fmt: skip
        self.assertEqual(read_request('{"do": "latency", "seconds": 3}'), ("latency", [], {"seconds": 3}))

    def test_each_takes_its_words(self) -> None:
        self.rig.chat("AT+CNMI=2,2,0,1")
        self.rig.send(REPORTED)
        for line in (
            "latency 1 3", "latency 0", "signal 99", "register 2", "register 1", "reports 1:0x20,2:0 +15551234567",
            "reports -1:0", "fail command 3 action=drop match=+CSQ", "drop_answer", "chunks 4 0.1", "chunks 0", "mend",
            "wrong_length 2", "wrong_length 0", "echo always", "echo", "rude off", "acknowledge_within 3", "empty ME",
            "garbage 00ff", "flood ^RSSI:1 3", "tpdu 00ff", "sim no", "sim yes", "pin", "silence 1", "speak", "restart",
            "vanish", "back",
        ):  # fmt: skip
            self.do(line)
        self.assertEqual(self.do("report 0x41"), {"mr": 0})
        self.assertEqual(self.do("receive +1555 'hello there'"), {"parts": 1})
        self.assertEqual(
            self.do(f"receive ACME text={'a' * 200} width=16 order=2,1,1 reference=5"), {"parts": 3}
        )
        self.assertEqual(
            self.do('{"do": "receive", "number": "+1555", "hex": "00ff", "udh": "05040b8423f0"}'),
            {"parts": 1},
        )
        self.assertEqual(self.do("fill ME"), {"added": 100})
        self.assertEqual(self.do("sent")[0]["text"], "how are you?")
        self.assertEqual(self.do("status")["sent"], 1)

    def test_help_names_them_all(self) -> None:
        listed = self.do("help")
        self.assertIn("vanish", listed)
        for line in listed.values():
            self.assertRegex(line, r"^[a-z_]+.* - [A-Za-z]")

    def test_errors_say_what_is_right(self) -> None:
        for line, hint in (
            ("explode", "try help"), ("latency", "latency seconds [to]"), ("latency soon", "soon"), ("fill XX", "SM, ME"),
            ("fail nowhere", "command, prompt"), ("{", "Expecting"), ("{}", "do"), ("receive + x", "digits"),
            ("receive +1555 x order=2", "no part 2"), ("report", "no such message"), ("garbage xy", "hex"),
            ("echo loud", "always"), ("rude maybe", "neither"), ("'", "quotation"), ("sent last=x", "'x'"),
        ):  # fmt: skip
            answer = obey(self.controls, line)
            self.assertFalse(answer["ok"], line)
            self.assertIn(hint, answer["error"], line)


class Watching(SynchronousTestCase):
    def test_events(self) -> None:
        rig = Rig(name="m7")
        transport = StringTransport()
        protocol = ControlFactory(rig.modem).buildProtocol(None)
        protocol.makeConnection(transport)
        protocol.dataReceived(b"watch\n\nstatus\n")
        rig.send()
        rig.modem.vanish()
        rig.modem.come_back()
        heard = [json.loads(line) for line in transport.value().splitlines()]
        self.assertEqual(
            [line.get("event", "answer") for line in heard], ["answer", "answer", "sent", "vanished", "back"]
        )
        self.assertEqual((heard[2]["modem"], heard[2]["number"]), ("m7", "+15551234567"))
        protocol.connectionLost(None)
        self.assertEqual(rig.modem.listeners, [])
