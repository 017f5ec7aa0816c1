"""smsd and sipp: many texts, lost answers, digest, TCP, garbage. What is answered with 202 is in the store, once."""

from __future__ import annotations

import random
import socket
import threading

from tests.links.sip import real
from tests.links.sip.real import DOMAIN, NULL
from tests.peers import sipp
from tests.rig.processes import until

TRUSTING = {"trusted_networks": ["127.0.0.0/8"], "account": "ann"}


def numbers(count: int) -> list[str]:
    return [f"+1555{number:07d}" for number in range(count)]


class Sipp(real.RealSip):
    skip = sipp.missing()

    def check(self, ran: sipp.Ran, count: int) -> None:
        """All went as the scenario wants, and each is in the store, once."""
        self.assertEqual((ran.good, ran.bad), (count, 0), ran.errors)
        targets = "select count(*), count(distinct target) from delivery where target like 'sms:%'"
        self.assertEqual(self.server.rows(targets), [(count, count)])
        self.assertEqual(self.stored(), count)

    def test_answers_are_lost(self) -> None:
        """Two of ten: what comes again is the same message."""
        self.smsd(NULL, link=TRUSTING)
        ran = sipp.run("lossy", self.port, numbers(60), self.place.path, domain=DOMAIN, user="ann")
        self.assertGreater(ran.again, 0)
        self.check(ran, 60)

    def test_digest(self) -> None:
        """MD5, which sipp knows best, and a wrong password."""
        self.smsd(NULL, link={"algorithms": ["MD5"]})
        said = {"domain": DOMAIN, "user": "ann", "refusal": "401"}
        ran = sipp.run(
            "digest", self.port, numbers(30), self.place.path, password="annpw", answer="202", **said
        )
        self.check(ran, 30)
        ran = sipp.run(
            "digest", self.port, numbers(1), self.place.path, password="wrong", answer="403", **said
        )
        self.assertEqual((ran.good, ran.bad), (1, 0), ran.errors)
        self.assertEqual(self.stored(), 30)

    def test_by_tcp(self) -> None:
        """All on one connection."""
        self.smsd(NULL, link=TRUSTING)
        ran = sipp.run(
            "message",
            self.port,
            numbers(200),
            self.place.path,
            domain=DOMAIN,
            user="ann",
            transport="t1",
            rate=200,
        )
        self.check(ran, 200)

    def test_a_thousand_a_second(self) -> None:
        """Or as fast as the machine can: a hundred wait for their answer at any time, so nobody has to give up."""
        self.smsd(NULL, link=TRUSTING)
        count = 3000
        ran = sipp.run(
            "message",
            self.port,
            numbers(count),
            self.place.path,
            domain=DOMAIN,
            user="ann",
            rate=1000,
            at_once=100,
            within=300,
        )
        self.check(ran, count)

    def test_killed_in_between(self) -> None:
        """kill -9 while texts come: what was not answered comes again, and is one message in the end."""
        self.smsd(NULL, link=TRUSTING)
        count = 300
        ran: list[sipp.Ran] = []

        def load() -> None:
            ran.append(
                sipp.run(
                    "message",
                    self.port,
                    numbers(count),
                    self.place.path,
                    domain=DOMAIN,
                    user="ann",
                    rate=60,
                    within=90,
                )
            )

        loading = threading.Thread(target=load, daemon=True)
        loading.start()
        assert self.server.process is not None
        until(lambda: self.stored() >= 30, 60, "some of them", self.server.process)
        self.server.process.kill()
        self.start()
        loading.join(200)
        self.check(ran[0], count)
        self.assertGreater(ran[0].again, 0)

    def test_between_garbage(self) -> None:
        """Datagrams and connections full of nonsense, and texts at the same time."""
        self.smsd(NULL, link=TRUSTING)
        chance = random.Random(6)
        whole = (
            f"MESSAGE sip:+15550000001@{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKg\r\nFrom: <sip:a@b>;tag=1\r\n"
            f"To: <sip:+15550000001@{DOMAIN}>\r\nCall-ID: g\r\nCSeq: 1 MESSAGE\r\nContent-Length: 3\r\n\r\nabc"
        ).encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            for number in range(1000):
                if number % 2:
                    octets = chance.randbytes(chance.randrange(1, 1200))
                else:
                    cut = chance.randrange(len(whole) - 3)
                    octets = whole[:cut] + chance.randbytes(3) + whole[cut + 40 :]
                asking.sendto(octets, ("127.0.0.1", self.port))
        streams = [socket.create_connection(("127.0.0.1", self.port), 120) for _ in range(20)]
        for number, stream in enumerate(streams):
            self.addCleanup(stream.close)
            stream.sendall(
                chance.randbytes(5000)
                if number % 2
                else b"MESSAGE sip:x SIP/2.0\r\nContent-Length: 99999999\r\n\r\n"
            )
        before = self.stored()
        ran = sipp.run(
            "message",
            self.port,
            [f"+1666{n:07d}" for n in range(100)],
            self.place.path,
            domain=DOMAIN,
            user="ann",
        )
        self.assertEqual((ran.good, ran.bad), (100, 0), ran.errors)
        arrived = self.server.rows("select count(*) from delivery where target like 'sms:+1666%'")
        self.assertEqual(arrived, [(100,)])
        self.assertLess(before, 1000)
        assert self.server.process is not None
        self.assertNotIn("Traceback", self.server.process.log.read_text("utf-8", "replace"))
