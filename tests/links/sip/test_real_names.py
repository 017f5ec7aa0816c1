"""A proxy that is named by its domain: smsd asks a DNS server, and Kamailio is found behind a host that is not there."""

from __future__ import annotations

import subprocess
import sys

from tests.links.sip import real
from tests.peers import kamailio
from tests.peers.names import Names
from tests.rig.processes import ROOT, environment, free_port, until
from tests.rig.server import modem_gateway

PBX = "pbx.example.net"
TAKEN = f'if (is_method("MESSAGE") && $rd == "{PBX}") {{ sl_send_reply("202", "Accepted"); exit; }}'
ASKING = """
import sys
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from smsd.links.sip.records import Records

async def ask(reactor):
    records = Records(reactor, ["127.0.0.1:" + sys.argv[1]])
    for name in sys.argv[2:]:
        found = await records.srv(name)
        print(name, sorted((one.priority, one.port, str(one.target)) for one in found)[:2], len(found))
    print(await records.addresses("a.example.net"), await records.addresses("x" * 64 + ".example.net"))

react(lambda reactor: Deferred.fromCoroutine(ask(reactor)))
"""


class ByName(real.RealSip):
    skip = kamailio.missing()

    def names(self, *zone: str) -> Names:
        names = Names(self.place.path, list(zone))
        self.addCleanup(names.stop)
        names.start()
        return names

    def test_the_next_host_gets_it(self) -> None:
        proxy = kamailio.Kamailio(self.port, more=TAKEN)
        self.addCleanup(proxy.stop)
        proxy.start()
        names = self.names(
            f"{PBX} NAPTR 10 10 s SIP+D2T _sip._tcp.{PBX}",
            f"_sip._tcp.{PBX} SRV 10 1 {free_port()} gone.{PBX}",
            f"_sip._tcp.{PBX} SRV 20 1 {proxy.port} here.{PBX}",
            f"gone.{PBX} A 127.0.0.1",
            f"here.{PBX} A 127.0.0.1",
        )
        modems = self.modems()
        self.smsd(
            modem_gateway("gsm1", modems.link()),
            link={
                "trusted_networks": ["127.0.0.0/8"], "account": "ann", "registrar": False,
                "proxy": f"sip:{PBX}", "name_servers": [f"127.0.0.1:{names.port}"],
            },
        )  # fmt: skip
        said = f"Content-Type: text/plain\nP-Asserted-Identity: <sip:200@{PBX}>"
        self.assertTrue(self.ask("MESSAGE", headers=said, body="Hello").startswith(b"SIP/2.0 202"))
        self.on_air(modems, 1)
        self.receive(modems, "found you")
        sent = "select state from delivery where target like 'sip:%'"
        until(lambda: "found you" in proxy.log(), 60, "the answer at the proxy", self.server.process)
        self.assertRegex(proxy.log(), r"CAME MESSAGE \S+ tcp 127\.0\.0\.1:\d+")
        until(lambda: self.server.rows(sent) == [(2,)], 30, "smsd to know it", self.server.process)

    def test_long_answers_and_names_that_are_none(self) -> None:
        many = [
            f"_sip._udp.many.example.net SRV {n} 1 5060 host-with-a-long-name-{n}.example.net"
            for n in range(50)
        ]
        names = self.names(*many, "a.example.net A 192.0.2.1", "a.example.net AAAA 2001:db8::1")
        services = [f"_sip._udp.{name}.example.net" for name in ("many", "none")]
        command = [sys.executable, "-c", ASKING, str(names.port), *services]
        asked = subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
        self.assertEqual(
            asked.stdout.splitlines(),
            [
                "_sip._udp.many.example.net [(0, 5060, 'host-with-a-long-name-0.example.net'), "
                "(1, 5060, 'host-with-a-long-name-1.example.net')] 50",
                "_sip._udp.none.example.net [] 0",
                "['192.0.2.1', '2001:db8::1'] []",
            ],
            asked.stderr,
        )
