"""smsd and Linphone: several texts at once, notifications that its user sees, a forbidden number, TLS."""

from __future__ import annotations

from tests.links.sip import real
from tests.links.sip.real import DOMAIN, NUMBER
from tests.peers.linphone import Linphone, missing
from tests.rig.processes import until
from tests.rig.server import modem_gateway

RULES = [
    {"number": "^09", "stop": "1", "response": "603 Decline"},
    {"number": r"^\+?[0-9]", "method": "MESSAGE", "sms": "1", "response": "200 OK"},
]


class WithLinphone(real.RealSip):
    skip = missing()

    def linphone(self, server: str, ca: str = "") -> Linphone:
        phone = Linphone("ann", "annpw", server, DOMAIN, ca)
        self.addCleanup(phone.stop)
        phone.start()
        return phone

    def test_texts_at_once_and_what_became_of_them(self) -> None:
        modems = self.modems()
        self.smsd(modem_gateway("gsm1", modems.link()), link={"rules": RULES})
        phone = self.linphone(f"sip:127.0.0.1:{self.port};transport=udp")
        texts = [f"Nachricht {number} – 👋" for number in range(5)]
        phone.write(f"sip:{NUMBER}@{DOMAIN}", *texts)
        phone.write(f"sip:0900123@{DOMAIN}", "forbidden")
        sent = self.on_air(modems, 5)
        self.assertEqual(sorted(one["text"] for one in sent), texts)
        until(lambda: phone.became("DeliveredToUser") == 5, 60, "notifications", self.server.process)
        until(lambda: phone.became("NotDelivered") == 1, 60, "a refusal", self.server.process)
        self.assertIn("algorithm=SHA-256, username", phone.trace())
        self.receive(modems, "Danke, gleichfalls")
        shown = f"Message received from sip:{NUMBER}@{DOMAIN}: Danke, gleichfalls"
        until(lambda: shown in phone.shown(), 60, "the answer", self.server.process)

    def test_by_tls(self) -> None:
        port, secure, cert = self.secure()
        modems = self.modems()
        self.smsd(modem_gateway("gsm1", modems.link()), link={"listen": [*self.link()["listen"], secure]})
        phone = self.linphone(f"sip:127.0.0.1:{port};transport=tls", cert)
        phone.write(f"sip:{NUMBER}@{DOMAIN}", "by TLS")
        self.assertEqual([one["text"] for one in self.on_air(modems, 1)], ["by TLS"])
        self.receive(modems, "the same way back")
        until(lambda: "the same way back" in phone.shown(), 60, "the answer", self.server.process)
        # On the connection that it has opened, which nobody but the two can read.
        self.assertRegex(phone.trace(), rf"MESSAGE sip:\S+ SIP/2.0\r?\nVia: SIP/2.0/TLS 127.0.0.1:{port};")
        self.assertNotRegex(phone.trace(), "SIP/2.0/(UDP|TCP)")
