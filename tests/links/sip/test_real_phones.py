"""smsd and a SIP phone (baresip), straight and through a proxy (Kamailio).

Debian 12's baresip knows MD5 alone, and gives up when it is asked for something else first.
"""

from __future__ import annotations

import re

from tests.links.sip import real
from tests.links.sip.real import DOMAIN, NUMBER
from tests.peers import baresip, kamailio
from tests.rig.processes import until
from tests.rig.server import modem_gateway

OLD = {"algorithms": ["MD5"]}


class Phones(real.RealSip):
    skip = baresip.missing()

    def test_a_text_and_its_answer(self) -> None:
        modems = self.modems()
        self.smsd(modem_gateway("gsm1", modems.link()), link=OLD)
        phone = self.phone()
        phone.write("Grüße vom Telefon")
        (sent,) = self.on_air(modems, 1)
        self.assertEqual((sent["number"], sent["text"]), (NUMBER, "Grüße vom Telefon"))
        self.receive(modems, "Danke, gleichfalls – ебенда")
        self.shows(phone, "Danke, gleichfalls – ебенда")
        self.assertIn(f'{NUMBER}@{DOMAIN}: "Danke', phone.shown())
        # The phone was asked for its password, and never said it.
        self.assertIn("401", phone.trace())
        self.assertNotIn("annpw", phone.trace())

    def test_by_tcp(self) -> None:
        modems = self.modems()
        self.smsd(modem_gateway("gsm1", modems.link()), link=OLD)
        phone = self.phone(transport="tcp")
        phone.write("by TCP")
        self.assertEqual([sent["text"] for sent in self.on_air(modems, 1)], ["by TCP"])
        self.receive(modems, "the same way back")
        self.shows(phone, "the same way back")

    def test_by_tls(self) -> None:
        """A phone has no certificate and cannot be called: the answer takes the connection that the phone has opened."""
        port, secure, cert = self.secure()
        modems = self.modems()
        listen = [*self.link()["listen"], secure]
        self.smsd(modem_gateway("gsm1", modems.link()), link={**OLD, "listen": listen})
        phone = self.phone(through=port, transport="tls", ca=cert)
        phone.write("by TLS")
        self.assertEqual([sent["text"] for sent in self.on_air(modems, 1)], ["by TLS"])
        self.receive(modems, "the same way back")
        self.shows(phone, "the same way back")
        (where,) = self.server.rows("select value from setting where key like 'phone:%'")[0]
        self.assertIn('"TLS"', where)

    def test_an_answer_waits_while_the_phone_is_away(self) -> None:
        """Switched off in order, and gone without a word; over a restart of smsd as well."""
        modems = self.modems()
        self.smsd(modem_gateway("gsm1", modems.link()), link=OLD)
        phone = self.phone()
        phone.write("I am leaving")
        self.on_air(modems, 1)
        phone.leave()
        self.receive(modems, "first answer")
        self.waits()
        assert self.server.process is not None
        self.server.process.kill()
        self.start()
        self.waits()
        phone.start()
        phone.registered()
        self.gets(phone, "first answer")

    def test_a_restart_keeps_registrations(self) -> None:
        modems = self.modems()
        self.smsd(modem_gateway("gsm1", modems.link()), link=OLD)
        phone = self.phone(every=3600)
        phone.write("still there?")
        self.on_air(modems, 1)
        registrations = phone.trace().count("REGISTER sip")
        assert self.server.process is not None
        self.server.process.kill()
        self.start()
        self.server.in_service("gsm1")
        self.receive(modems, "here I am")
        self.shows(phone, "here I am")
        self.assertEqual(phone.trace().count("REGISTER sip"), registrations)

    def waits(self) -> None:
        """An answer is in the queue."""
        waiting = "select count(*) from delivery where target like 'sip:%' and state in (0, 1)"
        until(lambda: self.server.rows(waiting) == [(1,)], 30, "an answer that waits", self.server.process)


class Proxied(real.RealSip):
    """Kamailio between: it adds a Via of its own, decrements Max-Forwards and sends on what it does not know."""

    skip = baresip.missing() or kamailio.missing()

    def through(self, transport: str) -> None:
        modems = self.modems()
        proxy = kamailio.Kamailio(self.port, DOMAIN, transport)
        self.addCleanup(proxy.stop)
        proxy.start()
        behind = {**OLD, "proxy": f"sip:127.0.0.1:{proxy.port};transport={transport}"}
        self.smsd(modem_gateway("gsm1", modems.link()), link=behind)
        phone = self.phone(through=proxy.port, transport=transport)
        phone.write("through a proxy")
        self.assertEqual([sent["text"] for sent in self.on_air(modems, 1)], ["through a proxy"])
        self.receive(modems, "and back")
        self.shows(phone, "and back")
        # What reached us had two Vias, the proxy's first; our answers went the same way.
        passed = re.findall(r"LEFT MESSAGE \S+ \S+ 127\.0\.0\.1:(\d+)\r?\n(.*?)\r?\n\r?\n", proxy.log(), re.S)
        (to_us,) = {text for port, text in passed if port == str(self.port) and "Authorization" in text}
        vias = re.findall(r"^Via: (.*)", to_us, re.M)
        self.assertEqual(len(vias), 2)
        self.assertIn(str(proxy.port), vias[0])
        self.assertIn("Max-Forwards: 69", to_us)

    def test_by_udp(self) -> None:
        self.through("udp")

    def test_by_tcp(self) -> None:
        self.through("tcp")
