"""A proxy that is named by its domain: smsd asks a DNS server, and Kamailio is found behind a host that is not there."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from typing import Any

from twisted.internet.defer import Deferred

from smsd.links.sip.records import Records
from smsd.values.delivery import State
from tests.links.sip import real
from tests.peers import kamailio
from tests.peers.names import Names
from tests.rig.processes import ROOT, environment, free_port, until
from tests.rig.server import modem_gateway

PBX = "pbx.example.net"
TAKEN = f'if (is_method("MESSAGE") && $rd == "{PBX}") {{ sl_send_reply("202", "Accepted"); exit; }}'
END = b"end"
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

    def answered(self, names: Names, **link: Any) -> None:
        """Somebody at the PBX has written to a mobile phone, and that answers."""
        modems = self.modems()
        self.smsd(
            modem_gateway("gsm1", modems.link()),
            link={
                "trusted_networks": ["127.0.0.0/8"], "account": "ann", "registrar": False,
                "name_servers": [f"127.0.0.1:{names.port}"], **link,
            },
        )  # fmt: skip
        said = f"Content-Type: text/plain\nP-Asserted-Identity: <sip:200@{PBX}>"
        self.assertTrue(self.ask("MESSAGE", headers=said, body="Hello").startswith(b"SIP/2.0 202"))
        self.on_air(modems, 1)
        self.receive(modems, "found you")

    def state(self) -> list[tuple[int, ...]]:
        """Of the answer."""
        return self.server.rows("select state from delivery where target like 'sip:%'")

    def proxy(self, certificate: str = "") -> kamailio.Kamailio:
        tls = self.certified(certificate) if certificate else None
        proxy = kamailio.Kamailio(self.port, more=TAKEN, tls=tls)
        self.addCleanup(proxy.stop)
        proxy.start()
        return proxy

    def test_the_next_host_gets_it(self) -> None:
        proxy = self.proxy()
        names = self.names(
            f"{PBX} NAPTR 10 10 s SIP+D2T _sip._tcp.{PBX}",
            f"_sip._tcp.{PBX} SRV 10 1 {free_port()} gone.{PBX}",
            f"_sip._tcp.{PBX} SRV 20 1 {proxy.port} here.{PBX}",
            f"gone.{PBX} A 127.0.0.1",
            f"here.{PBX} A 127.0.0.1",
        )
        self.answered(names, proxy=f"sip:{PBX}")
        until(lambda: self.state() == [(State.SENT,)], 60, "the answer at the proxy", self.server.process)
        self.assertIn("found you", proxy.log())
        self.assertRegex(proxy.log(), r"CAME MESSAGE \S+ tcp 127\.0\.0\.1:\d+")

    def by_tls(self, certificate: str) -> kamailio.Kamailio:
        """Kamailio with a certificate for that name, found by TLS alone."""
        proxy = self.proxy(certificate)
        names = self.names(
            f"{PBX} NAPTR 10 10 s SIPS+D2T _sips._tcp.{PBX}",
            f"_sips._tcp.{PBX} SRV 10 1 {proxy.secure} host7.example.com",
            "host7.example.com A 127.0.0.1",
        )
        self.answered(names, proxy=f"sip:{PBX}", proxy_ca=str(self.place.path / f"{certificate}.pem"))
        return proxy

    def test_by_tls_to_who_may_speak_for_the_domain(self) -> None:
        proxy = self.by_tls(PBX)
        until(lambda: self.state() == [(State.SENT,)], 60, "the answer at the proxy", self.server.process)
        self.assertRegex(proxy.log(), r"CAME MESSAGE \S+ tls 127\.0\.0\.1:\d+")

    def test_and_to_nobody_else(self) -> None:
        """Not to the host that DNS names, if that is all that its certificate says."""
        proxy = self.by_tls("host7.example.com")
        why = "127.0.0.1 cannot be reached: its certificate is for another name"
        process = self.server.process
        assert process is not None
        until(lambda: why in process.log.read_text("utf-8", "replace"), 60, "a try", process)
        self.assertNotEqual(self.state(), [(State.SENT,)])
        self.assertNotIn("found you", proxy.log())

    def test_long_answers_and_names_that_are_none(self) -> None:
        many = [
            f"_sip._udp.many.example.net SRV {n} 1 5060 host-with-a-long-name-{n}.example.net"
            for n in range(50)
        ]
        names = self.names(*many, "a.example.net A 192.0.2.1", "a.example.net AAAA 2001:db8::1")
        asked = self.asked(names.port, *(f"_sip._udp.{name}.example.net" for name in ("many", "none")))
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

    def test_answers_that_make_no_sense(self) -> None:
        """Octets, an answer that ends in the middle, and one that is too long for a datagram where nobody listens by TCP."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            serving = threading.Thread(target=nonsense, args=(server,), daemon=True)
            serving.start()
            asked = self.asked(server.getsockname()[1], "_sip._udp.example.net")
            server.sendto(END, server.getsockname())
            serving.join(30)
        self.assertEqual(asked.stdout.splitlines(), ["_sip._udp.example.net [] 0", "[] []"], asked.stderr)

    def test_an_answer_that_is_never_whole(self) -> None:
        """Cut short by TCP too: it is not asked for again and again."""
        with (
            socket.create_server(("127.0.0.1", 0)) as streams,
            socket.socket(type=socket.SOCK_DGRAM) as server,
        ):
            server.bind(streams.getsockname())
            heard: list[bytes] = []
            threading.Thread(target=nonsense, args=(server,), daemon=True).start()
            threading.Thread(target=cutting, args=(streams, heard), daemon=True).start()
            asked = self.asked(server.getsockname()[1], "_sip._udp.example.net")
            server.sendto(END, server.getsockname())
        self.assertEqual(asked.stdout.splitlines(), ["_sip._udp.example.net [] 0", "[] []"], asked.stderr)
        self.assertEqual(len(heard), 3)

    def test_what_is_no_name_is_not_looked_up(self) -> None:
        for name in ("x" * 64 + ".example.net", "a..example.net", "a." * 130 + "net"):
            found = Deferred.fromCoroutine(Records(None).addresses(name))
            self.assertEqual(self.successResultOf(found), [])

    def asked(self, port: int, *names: str) -> subprocess.CompletedProcess[str]:
        """What another process finds out."""
        command = [sys.executable, "-c", ASKING, str(port), *names]
        return subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
        )


def nonsense(server: socket.socket) -> None:
    """Answers all questions, until it is told to end."""
    while (heard := server.recvfrom(4096))[0] != END:
        question, whence = heard
        broken = question[:2] + b"\x84\0\0\1\0\1" + b"\xc0\x0c" * 9
        truncated = question[:2] + b"\x86\0" + b"\0" * 8
        for answer in (b"\0" * 5, broken, truncated):
            server.sendto(answer, whence)


def cutting(streams: socket.socket, heard: list[bytes]) -> None:
    """Answers what is asked by TCP by the first octets of an answer."""
    with contextlib.suppress(OSError):
        while True:
            stream, _ = streams.accept()
            with stream:
                while len(question := stream.recv(4096)) > 4:
                    heard.append(question)
                    stream.sendall(b"\0\x0c" + question[2:4] + b"\x86\0" + b"\0" * 8)
