"""A real smsd with a link of type sip through reloads and kills, asked by datagrams and a connection."""

from __future__ import annotations

import socket

from tests.links.sip import real
from tests.links.sip.real import NULL
from tests.rig.processes import until

TRUSTING = {"trusted_networks": ["127.0.0.0/8"], "account": "ann"}
TEXT = {"headers": "Content-Type: text/plain", "body": "Hello"}


class Life(real.RealSip):
    def test_a_reload_opens_its_ports_again_with_other_rules(self) -> None:
        rules = self.place.path / "rules.xml"
        rules.write_text(
            "<NUMBER>^[+]</NUMBER><METHOD>MESSAGE</METHOD><SMS>1</SMS><RESPONSE>200 OK</RESPONSE>"
        )
        self.smsd(NULL, link={**TRUSTING, "rules_file": str(rules)})
        stream = socket.create_connection(("127.0.0.1", self.port), 120)
        self.addCleanup(stream.close)
        stream.settimeout(120)
        stream.sendall(b"\r\n\r\n")
        self.assertEqual(stream.recv(100), b"\r\n")
        self.assertTrue(self.ask("MESSAGE", **TEXT).startswith(b"SIP/2.0 200 OK"))
        self.server.ask("reload")  # nothing has changed: nobody is disturbed
        stream.sendall(b"\r\n\r\n")
        self.assertEqual(stream.recv(100), b"\r\n")
        rules.write_text("<METHOD>MESSAGE</METHOD><STOP>1</STOP><RESPONSE>603 Decline</RESPONSE>")
        self.assertEqual(self.server.ask("reload"), [])
        self.assertEqual(stream.recv(100), b"")
        until(self.answers, 30, "SIP again", self.server.process)
        (link,) = [one for one in self.server.ask("status")["gateways"] if one["id"] == "sip"]
        self.assertIn(f"listening on udp:{self.port}:interface=127.0.0.1", link["status"])
        self.assertTrue(self.ask("MESSAGE", token="another", **TEXT).startswith(b"SIP/2.0 603 Decline"))
        rules.write_text("<NUMBER>(</NUMBER><STOP>1</STOP>")
        (trouble,) = self.server.ask("reload")
        self.assertIn("rules.xml:1: NUMBER", trouble)
        self.assertTrue(self.answers())

    def test_a_text_is_one_sms_however_often_smsd_is_killed(self) -> None:
        """Who asks is answered at last, whenever the kills come: before, within or behind the commit."""
        self.smsd(NULL, link=TRUSTING)
        for turn in range(4):
            assert self.server.process is not None
            answer = self.ask("MESSAGE", 0.001 * turn, token=f"turn{turn}", **TEXT)
            self.server.process.kill()
            self.start()
            again = self.ask("MESSAGE", token=f"turn{turn}", **TEXT)
            self.assertTrue(again.startswith(b"SIP/2.0 202"), (answer, again))
            self.assertEqual(self.stored(), turn + 1)
