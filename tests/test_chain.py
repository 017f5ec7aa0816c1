"""Servers in a chain (features D1, D2, R8; document 001's "Scenario Example"): real processes, of which the last has the modem.

`near` is where people write their mail; it has no modem and sends through `far` (or through a third one between them). What phones
answer goes back by a rule that executes a URL, `/sms/deliver.html` of the server before, and on to whoever wrote.
"""

from __future__ import annotations

import base64
import smtplib
import urllib.parse
import urllib.request
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.rig.mailbox import Letter, Mailbox
from tests.rig.modems import Modems
from tests.rig.processes import Folder, until
from tests.rig.server import PASSWORD, USER, Server, mail_gateway, modem_gateway

PHONE = "+15551234567"
PIN = "pinnumber"
KEY = "whsec_" + base64.b64encode(b"the key of far's events, for near").decode()
HANDING_BACK = (
    "/sms/deliver.html?id={gateway}&pass=" + PIN + "&number=%%from%%&data=%data%&binary=%binary%&udh=%udh%"
)
LONG = "It is not what it was, and it never will be again, say those who know. " * 4


def _through(server: Server, name: str = "far", **more: Any) -> dict[str, Any]:
    """A gateway that sends through another server."""
    return {
        "id": name, "type": "http", "template": "smsd", "server": f"http://127.0.0.1:{server.http}",
        "credentials": {"user": USER, "password": PASSWORD}, "pin": PIN, "mail_from": "sms:%s@sms.example.org",
        "deliver_to": "office@example.net", "incoming": {"secret": KEY}, **more,
    }  # fmt: skip


def _handing_back(server: Server, gateway: str = "far") -> list[dict[str, Any]]:
    """The incoming rules of the server behind, for which `server` calls it `gateway`."""
    url = f"http://127.0.0.1:{server.http}{HANDING_BACK.format(gateway=gateway)}"
    return [{"title": "hand back", "if": "all", "do": [{"url": url}]}]


def _reporting(server: Server, gateway: str = "far") -> list[dict[str, Any]]:
    """Who hears at the server behind what became of messages."""
    url = f"http://127.0.0.1:{server.http}/sms/in/{gateway}"
    return [
        {
            "id": "before",
            "url": url,
            "secrets": [KEY],
            "accounts": [USER],
            "events": ["delivered", "failed", "expired"],
        }
    ]


class Chain(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Folder()
        self.addCleanup(self.place.close)
        self.modems = Modems(self.place.path / "modems")
        self.addCleanup(self.modems.stop)
        self.mailbox = Mailbox(self.place.path / "mailbox")
        self.addCleanup(self.mailbox.stop)

    def server(self, name: str, gateways: list[dict[str, Any]], **extra: Any) -> Server:
        server = Server(Path(self.place.path) / name, gateways, extra=extra)
        self.addCleanup(lambda: server.process and server.process.kill())
        return server

    def start(self, *servers: tuple[Server, str]) -> None:
        for server, _ in servers:
            server.start()
        for server, gateway in servers:
            server.ready()
            server.in_service(gateway)

    def rewrite(self, server: Server, gateways: list[dict[str, Any]], **extra: Any) -> Server:
        """The same server (its ports stay) with what can only be written once the other ports are known."""
        again = Server(server.folder, gateways, extra=extra)
        for kind in ("http", "smtp"):
            text = again.file.read_text().replace(
                f"tcp:{getattr(again, kind)}:", f"tcp:{getattr(server, kind)}:"
            )
            again.file.write_text(text)
            setattr(again, kind, getattr(server, kind))
        self.addCleanup(lambda: again.process and again.process.kill())
        return again

    def two(self) -> None:
        """near → far → the modem, and back."""
        near = self.server("near", [])
        self.far = self.server(
            "far",
            [modem_gateway("gsm1", self.modems.link()), mail_gateway(self.mailbox.port)],
            incoming=_handing_back(near),
            subscribers=_reporting(near),
        )
        self.near = self.rewrite(
            near,
            [_through(self.far), mail_gateway(self.mailbox.port)],
            replies={"keep_minutes": 60},
            queue={"reports": "failures"},
        )
        self.start((self.far, "gsm1"), (self.near, "far"))

    def mail(self, text: str, *notify: str) -> None:
        """What ann writes to the phone, and what she wants to hear of it."""
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "ann@example.net", f"{PHONE}@sms.example.org", ""
        mail.set_content(text)
        with smtplib.SMTP("127.0.0.1", self.near.smtp, timeout=120) as client:
            client.login(USER, PASSWORD)
            client.sendmail("ann@example.net", mail["To"], mail.as_bytes(), rcpt_options=notify)

    def on_air(self, count: int) -> list[dict[str, Any]]:
        """What the modem sent, once there are so many SMS."""
        until(lambda: self.modems.sent() >= count, 60, f"{count} SMS on the air", self.far.process)
        sent: list[dict[str, Any]] = self.modems.ask("sent")["answer"]
        self.assertEqual(len(sent), count)
        return sent

    def letter(self) -> Letter:
        """The one mail that somebody got."""
        until(lambda: self.mailbox.count() >= 1, 60, "a mail", self.near.process)
        (letter,) = self.mailbox.letters()
        return letter

    def get(self, server: Server, **fields: str) -> str:
        query = urllib.parse.urlencode({"user": USER, "pass": PASSWORD, "number": PHONE, **fields})
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http}/sms/?{query}", timeout=120) as answer:
            said: str = answer.read().decode()
            return said

    def test_a_mail_becomes_an_sms_at_the_other_server_and_its_answer_a_mail(self) -> None:
        self.two()
        self.mail("the alarm is on")
        (sent,) = self.on_air(1)
        self.assertEqual((sent["number"], sent["text"]), (PHONE, "the alarm is on"))
        self.modems.ask(f"receive {PHONE} 'I switch it off'")
        letter = self.letter()
        self.assertEqual((letter.to, letter.text.strip()), ("<ann@example.net>", "I switch it off"))

    def test_unicode_and_long_texts(self) -> None:
        self.two()
        self.get(self.near, data="Привет, мир")
        self.get(self.near, data=LONG)
        sent = self.on_air(3)
        self.assertEqual(sent[0]["text"], "Привет, мир")
        self.assertEqual("".join(part["text"] for part in sent[1:]), LONG)
        answer = "Ответ: " + "да, конечно; " * 12
        self.modems.ask(f"receive {PHONE} '{answer.strip()}'")
        until(lambda: self.mailbox.count() >= 1, 60, "a mail", self.near.process)
        self.assertEqual("".join(self.mailbox.letters()[0].text.split()), "".join(answer.split()))

    def test_binary_with_a_header_there_and_back(self) -> None:
        self.two()
        self.get(self.near, binary="1", data="AAECAwQ=", udh="BQQLhCPw")
        (sent,) = self.on_air(1)
        self.assertEqual((sent["hex"], sent["udh"]), ("0001020304", "05040b8423f0"))
        self.modems.ask(f"receive {PHONE} hex=c0ffee udh=05040b8423f0")
        until(lambda: self.mailbox.count() >= 1, 60, "a mail", self.near.process)
        octets, headers = self.near.rows(
            "select body, headers from message where kind=2 order by id desc limit 1"
        )[0]
        self.assertEqual(octets, bytes.fromhex("c0ffee"))
        self.assertIn("05040b8423f0", headers)

    def test_three_servers(self) -> None:
        near, middle = self.server("near", []), self.server("middle", [])
        self.far = self.server(
            "far",
            [modem_gateway("gsm1", self.modems.link()), mail_gateway(self.mailbox.port)],
            incoming=_handing_back(middle),
            subscribers=_reporting(middle),
        )
        middle = self.rewrite(
            middle,
            [_through(self.far), mail_gateway(self.mailbox.port)],
            incoming=_handing_back(near, "middle"),
        )
        self.near = self.rewrite(
            near,
            [_through(middle, "middle"), mail_gateway(self.mailbox.port)],
            replies={"keep_minutes": 60},
            queue={"reports": "failures"},
        )
        self.start((self.far, "gsm1"), (middle, "far"), (self.near, "middle"))
        self.mail("is somebody there?")
        (sent,) = self.on_air(1)
        self.assertEqual(sent["text"], "is somebody there?")
        self.modems.ask(f"receive {PHONE} 'yes, me'")
        letter = self.letter()
        self.assertEqual((letter.to, letter.text.strip()), ("<ann@example.net>", "yes, me"))

    def test_reports_travel_back(self) -> None:
        self.two()
        self.modems.ask("reports 0:0")
        self.mail("good news", "NOTIFY=SUCCESS,FAILURE")
        letter = self.letter()
        self.assertEqual(letter.to, "<ann@example.net>")
        self.assertIn("was delivered", letter.text)
        self.modems.ask("reports 0:0x41")
        self.mail("bad news", "NOTIFY=SUCCESS,FAILURE")
        until(lambda: self.mailbox.count() >= 2, 60, "a second mail", self.near.process)
        self.assertIn(
            "Reason: the network reports: 0x41 incompatible destination\r\n", self.mailbox.letters()[1].text
        )

    def test_what_failed_and_is_sent_again_goes_out_again(self) -> None:
        """The server behind takes it for another message, and does not answer what it answered before."""
        self.two()
        self.modems.ask("reports 0:0x41")
        self.mail("try once more", "NOTIFY=SUCCESS,FAILURE")
        self.on_air(1)
        failed = lambda: self.near.rows("select id from delivery where state=11 and target like 'sms:%'")  # noqa: E731
        ((delivery,),) = until(failed, 60, "a failure", self.near.process)
        self.modems.ask("reports 0:0")
        self.near.ask("retry", delivery=delivery)
        self.assertEqual([one["text"] for one in self.on_air(2)], ["try once more"] * 2)
        until(
            lambda: self.near.rows("select id from delivery where state=10"),
            60,
            "a delivery",
            self.near.process,
        )

    def test_servers_that_send_to_each_other_stop(self) -> None:
        near, far = self.server("near", []), self.server("far", [])
        self.far = self.rewrite(
            far,
            [_through(near, "near"), mail_gateway(self.mailbox.port)],
            subscribers=_reporting(near),
            queue={"reports": "failures"},
        )
        self.near = self.rewrite(
            near,
            [_through(self.far), mail_gateway(self.mailbox.port)],
            subscribers=_reporting(far, "near"),
            queue={"reports": "failures"},
        )
        self.start((self.far, "near"), (self.near, "far"))
        self.mail("round and round")
        letter = self.letter()
        self.assertEqual(letter.to, "<ann@example.net>")
        self.assertIn("in a circle", letter.text)
        rounds = sum(
            server.rows("select count(*) from message where kind=1")[0][0] for server in (self.near, self.far)
        )
        self.assertEqual(rounds, 9)  # effects.max_hops, and the first

    def test_subscribers_of_each_other_stop(self) -> None:
        """What a phone writes goes to the other server's program, which is this server."""
        near, far = self.server("near", []), self.server("far", [])
        servers = []
        for here, there, theirs, ours in ((near, far, "far", "near"), (far, near, "near", "far")):
            url = f"http://127.0.0.1:{there.http}/sms/in/{ours}"
            back = [{"id": "other", "url": url, "secrets": [KEY]}]
            servers.append(
                self.rewrite(here, [_through(there, theirs, deliver_to="hook:other")], subscribers=back)
            )
        self.near, self.far = servers
        self.start((self.far, "near"), (self.near, "far"))
        fields = {"id": "far", "pass": PIN, "number": PHONE, "data": "round and round"}
        url = f"http://127.0.0.1:{self.near.http}/sms/deliver.html?{urllib.parse.urlencode(fields)}"
        with urllib.request.urlopen(url, timeout=120) as answer:
            self.assertEqual(answer.read(), b"True\n")

        def held() -> list[str]:
            rows = [server.rows("select reason from delivery where state=5") for server in servers]
            return [reason for found in rows for (reason,) in found]

        until(held, 60, "an end of it", self.near.process)
        self.assertIn("in a circle", held()[0])
        rounds = sum(server.rows("select count(*) from message")[0][0] for server in servers)
        self.assertEqual(rounds, 10)  # effects.max_hops, the first, and the one that is held

    def test_nothing_is_lost_or_doubled_when_the_far_one_is_killed(self) -> None:
        self.two()
        for number in range(20):
            self.get(self.near, data=f"message {number}", number=f"+155512300{number:02}")
        assert self.far.process is not None
        self.far.process.kill()
        for number in range(20, 40):
            self.get(self.near, data=f"message {number}", number=f"+155512300{number:02}")
        self.far.start()
        self.far.ready()
        until(
            lambda: not self.near.waiting() and not self.far.waiting(), 120, "empty queues", self.far.process
        )
        texts = sorted(sent["text"] for sent in self.modems.ask("sent")["answer"])
        self.assertEqual(sorted(set(texts)), sorted(f"message {number}" for number in range(40)))
        twice = len(texts) - len(set(texts))
        (marked,) = self.far.rows("select count(*) from delivery where maybe_twice=1")[0]
        self.assertLessEqual(twice, marked)
