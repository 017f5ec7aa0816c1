"""What a real chat server, real chat programs, a real smsd and simulated phones have to do with each other. Subclasses say which
chat server; the tests of this module are the same for all."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
from pathlib import Path
from typing import Any, Protocol

from twisted.trial.unittest import SynchronousTestCase

from smsd.cli.main import main
from smsd.core.accounts import hash_password
from tests.peers.chat import Chat, Refused
from tests.rig.mailbox import Mailbox
from tests.rig.modems import Modems
from tests.rig.processes import Folder, until
from tests.rig.server import Server, mail_gateway, modem_gateway

SMS, EMAIL = "sms.example.org", "email.example.org"
SECRETS = {SMS: "secret", EMAIL: "another secret"}
PHONE = "+15551234567"
NULL = {"id": "null", "type": "loopback"}
ACCOUNTS = [
    {"user": "ann", "password": hash_password("annpw"), "email": "ann@example.net", "monthly_limit": 50},
    {"user": "bob", "password": "bobpw", "demo": True, "jids": ["bob@example.org"]},
]


class ChatServer(Protocol):
    """Prosody or ejabberd."""

    base: Path
    c2s: int
    component: int

    def configure(self, secrets: dict[str, str]) -> None: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


class RealChat(SynchronousTestCase):
    """A folder, a chat server in it, and what else a test wants; all gone when it is over."""

    server: Server
    peer: ChatServer

    def chat_server(self) -> ChatServer:
        """Not started."""
        raise NotImplementedError

    def setUp(self) -> None:
        self.place = Folder()
        self.addCleanup(self.place.close)
        self.peer = self.chat_server()
        self.addCleanup(self.peer.stop)
        self.peer.start()

    def link(self, **more: Any) -> dict[str, Any]:
        """The gateway of type xmpp."""
        components = [{"domain": domain, "secret": secret} for domain, secret in SECRETS.items()]
        return {
            "id": "chat",
            "type": "xmpp",
            "server": f"tcp:127.0.0.1:{self.peer.component}",
            "components": components,
            **more,
        }

    def smsd(self, *gateways: dict[str, Any], **extra: Any) -> Server:
        """Running, with the link in service."""
        server = self.server = Server(
            self.place.path / "s", [*gateways, self.link()], extra={"accounts": ACCOUNTS, **extra}
        )
        self.addCleanup(lambda: server.process and server.process.kill())
        self.start()
        return server

    def start(self) -> None:
        """Until the link is in service."""
        self.server.start()
        self.server.ready()
        self.connected()

    def connected(self) -> None:
        """Wait until every domain is."""

        def is_it() -> bool:
            return self.status().count("connected") == len(SECRETS) and "not connected" not in self.status()

        until(is_it, 60, "both domains connected", self.server.process)

    def status(self) -> str:
        """What the link says of itself."""
        with contextlib.suppress(OSError):
            found = [one for one in self.server.ask("status")["gateways"] if one["id"] == "chat"]
            return str(found[0])
        return ""

    def modems(self) -> Modems:
        """One simulated modem, which a test's phones are at."""
        modems = Modems(self.place.path / "modems")
        self.addCleanup(modems.stop)
        return modems

    def chat(self, name: str = "ann") -> Chat:
        """Somebody's chat program, online."""
        chat = Chat(self.peer.c2s, f"{name}@example.org", self.place.path)
        self.addCleanup(chat.stop)
        return chat

    def on_air(self, modems: Modems, count: int) -> list[dict[str, Any]]:
        """What the modem sent, once there are so many SMS."""
        until(lambda: modems.sent() >= count, 60, f"{count} SMS on the air", self.server.process)
        sent: list[dict[str, Any]] = modems.ask("sent")["answer"]
        self.assertEqual(len(sent), count)
        under_way = "select count(*) from delivery where target like 'sms:%' and state in (0, 1)"
        until(lambda: self.server.rows(under_way) == [(0,)], 30, "smsd to know it", self.server.process)
        return sent

    def receive(self, modems: Modems, text: str, number: str = PHONE) -> None:
        """Somebody answers by phone."""
        modems.ask(json.dumps({"do": "receive", "number": number, "text": text}))

    def refused(self, order: Any, **details: Any) -> Refused:
        """The error stanza that an order gets."""
        with self.assertRaises(Refused) as caught:
            order(**details)
        return caught.exception

    def error_of(self, chat: Chat, name: str) -> dict[str, str]:
        """The error that answers a message."""

        def found() -> list[dict[str, str]]:
            return [one for one in chat.errors() if one["id"] == name]

        (error,) = until(found, 30, "an error", self.server.process)
        return dict(error)

    def output(self) -> str:
        """The server's log."""
        assert self.server.process is not None
        return self.server.process.log.read_text("utf-8", "replace")

    def rewrite(self, **link: Any) -> None:
        """Other settings for the link in the file."""
        settings = json.loads(self.server.file.read_text())
        settings["gateways"] = [
            self.link(**link) if one["id"] == "chat" else one for one in settings["gateways"]
        ]
        self.server.file.write_text(json.dumps(settings, indent=1))

    def command(self, *words: str) -> str:
        """What `smsd …` prints."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main(["--control", str(self.server.folder / "var" / "control.sock"), *words])
        return out.getvalue()

    def hang_up(self) -> None:
        """SIGHUP."""
        assert self.server.process is not None
        before = self.output().count("is in force")
        os.kill(self.server.process.pid, signal.SIGHUP)
        until(lambda: self.output().count("is in force") > before, 30, "a reload", self.server.process)


class Sessions(RealChat):
    """With phones."""

    def test_a_session_from_registration_to_farewell(self) -> None:
        modems = self.modems()
        modems.ask("reports 0:0")
        box = Mailbox(self.place.path / "box")
        self.addCleanup(box.stop)
        self.smsd(modem_gateway("gsm1", modems.link()), mail_gateway(box.port), replies={"keep_minutes": 60})
        ann = self.chat()
        to = f"{PHONE}@{SMS}"

        # Nobody writes without an account.
        error = self.error_of(ann, ann.say(to=to, body="hello?"))
        self.assertEqual((error["from"], error["type"]), (to, "auth"))
        self.assertIn("register", error["text"])

        # What the service is.
        info = ann.info(to=SMS)
        self.assertIn(["gateway", "sms"], [one[:2] for one in info["identities"]])
        for feature in (
            "jabber:iq:register",
            "jabber:iq:gateway",
            "urn:xmpp:ping",
            "http://jabber.org/protocol/commands",
        ):
            self.assertIn(feature, info["features"])
        ann.ping(to=SMS)
        self.assertEqual(sorted(ann.form(to=SMS)["fields"]), ["password", "username"])

        # Registration.
        self.assertEqual(
            self.refused(ann.register, to=SMS, username="ann", password="wrong").condition, "not-authorized"
        )
        ann.register(to=SMS, username="ann", password="annpw")
        self.assertTrue(ann.form(to=SMS)["registered"])

        # A text, and the phone has it.
        name = ann.say(to=to, body="Grüße an alle 😀")
        (sent,) = self.on_air(modems, 1)
        self.assertEqual((sent["number"], sent["text"]), (PHONE, "Grüße an alle 😀"))
        until(ann.receipts, 30, "a receipt", self.server.process)
        self.assertEqual(ann.receipts(), [(to, name)])

        # Its answer comes from exactly who was written to.
        self.receive(modems, "thanks & <see> you\x0blater")
        until(lambda: len(ann.said(to)) >= 1, 30, "an answer", self.server.process)
        self.assertEqual(len(ann.said(to)), 1)
        self.assertEqual(ann.said(to)[0][0], to)
        self.assertRegex(ann.said(to)[0][1], r"^thanks & <see> you.?later$")
        other = "+15557654321"
        without = f"{other[1:]}@{SMS}"
        ann.say(to=without, body="second", receipt=False)
        self.on_air(modems, 2)
        self.receive(modems, "answer to the second", other)
        until(lambda: ann.said(without), 30, "another answer", self.server.process)
        self.assertEqual(ann.said(without), [(without, "answer to the second")])

        # What a phone cannot be.
        error = self.error_of(ann, ann.say(to=f"nobody@{SMS}", body="x"))
        self.assertTrue(error["text"], error)

        # Mail through the relay.
        ann.say(to=f"john%example.com@{EMAIL}", body="A letter from a chat.", receipt=False)
        until(lambda: box.count() >= 1, 30, "a mail", self.server.process)
        (letter,) = box.letters()
        self.assertEqual((letter.to, letter.text.strip()), ("<john@example.com>", "A letter from a chat."))

        # What is left, by ad-hoc command.
        self.assertIn("balance", [node for node, _ in ann.commands(to=SMS)])
        balance = ann.command(to=SMS, node="balance")
        self.assertEqual(balance["status"], "completed")
        self.assertIn("You may send 47 more messages this month", str(balance["notes"]))

        # Good bye.
        ann.unregister(to=SMS)
        self.assertEqual(self.error_of(ann, ann.say(to=to, body="still there?"))["type"], "auth")
        self.assertEqual(modems.sent(), 2)

    def test_a_long_text_a_failed_one_and_a_stranger(self) -> None:
        modems = self.modems()
        modems.ask("reports 0:0x41")
        self.smsd(modem_gateway("gsm1", modems.link(), deliver_to="xmpp:bob@example.org"))
        bob = self.chat("bob")
        to = f"{PHONE}@{SMS}"

        # The network says no.
        error = self.error_of(bob, bob.say(to=to, body="to nowhere"))
        self.assertEqual(error["from"], to)
        self.assertIn("0x41", error["text"])

        # A long one.
        long = "It is not what it was, and it never will be again. " * 12
        bob.say(to=to, body=long, receipt=False)
        sent = self.on_air(modems, 5)
        self.assertEqual("".join(part["text"] for part in sent[1:]), long)
        until(lambda: bob.said(), 30, "a note", self.server.process)
        self.assertIn("4 SMS", bob.said()[-1][1])

        # Who writes first comes from number@domain.
        self.receive(modems, "who are you?", "+15557654321")
        until(lambda: bob.said("+15557654321"), 30, "a stranger's text", self.server.process)
        self.assertEqual(bob.said("+15557654321"), [(f"+15557654321@{SMS}", "who are you?")])

    def test_the_chat_server_is_killed_and_comes_back(self) -> None:
        """Nothing is lost in either direction: an answer waits for the server, and what is written after it works again."""
        modems = self.modems()
        self.smsd(modem_gateway("gsm1", modems.link()), replies={"keep_minutes": 60})
        bob = self.chat("bob")
        to = f"{PHONE}@{SMS}"
        bob.say(to=to, body="before", receipt=False)
        self.on_air(modems, 1)
        bob.stop()
        self.peer.kill()
        until(lambda: self.status().count("connected") < 2 or "tried" in self.output(), 30, "it is noticed")
        self.receive(modems, "while you were away")
        waiting = "select count(*) from delivery where target like 'xmpp:%' and state in (0, 1)"
        until(lambda: self.server.rows(waiting) == [(1,)], 30, "an answer that waits", self.server.process)
        self.peer.start()
        # Who logs in in the same moment may miss it until he does so again: that is between him and the chat server.
        until(
            lambda: self.server.rows(waiting) == [(0,)], 60, "the chat server to take it", self.server.process
        )
        bob = self.chat("bob")
        until(lambda: bob.said(to), 60, "the answer", self.server.process)
        self.assertEqual(bob.said(to), [(to, "while you were away")])
        self.connected()
        bob.say(to=to, body="after", receipt=False)
        self.assertEqual([sent["text"] for sent in self.on_air(modems, 2)], ["before", "after"])


class Operation(RealChat):
    """Without phones."""

    burst = 10_000

    def test_a_wrong_secret_is_said_and_mended(self) -> None:
        self.smsd(NULL)
        bob = self.chat("bob")
        self.peer.configure({**SECRETS, SMS: "changed"})
        self.peer.kill()
        self.peer.start()
        bob.online(2)
        until(lambda: "does not take the secret" in self.status(), 60, "it is noticed", self.server.process)
        self.assertEqual(self.output().count(f"does not take the secret of {SMS}"), 1)
        self.assertNotIn("another secret", self.output())
        self.assertIn(f"does not take the secret of {SMS}", self.command("status"))
        # The other domain is not touched.
        until(lambda: f"{EMAIL}: connected" in self.status(), 60, "the other domain", self.server.process)

        self.rewrite(
            components=[{"domain": SMS, "secret": "changed"}, {"domain": EMAIL, "secret": SECRETS[EMAIL]}]
        )
        self.hang_up()
        self.connected()
        bob.say(to=f"{PHONE}@{SMS}", body="hello", receipt=False)
        arrived = "select count(*) from delivery where target=? and state in (2, 10)"
        until(
            lambda: self.server.rows(arrived, f"sms:{PHONE}") == [(1,)], 30, "it arrives", self.server.process
        )

    def test_a_burst(self) -> None:
        """So many stanzas as fast as the chat server takes them: each becomes one message, in bounded memory."""
        count = self.burst
        self.smsd(NULL)
        assert self.server.process is not None
        before = self.server.process.memory()["VmHWM"]
        bob = self.chat("bob")
        texts = [
            [f"+1555{number:07d}@{SMS}", f"burst-{number:05d}", f"message {number}"]
            for number in range(count)
        ]
        bob.begin("burst", texts=texts)

        def stored() -> int:
            return int(self.server.rows("select count(*) from delivery where state in (2, 10)")[0][0])

        until(lambda: stored() >= count, 120, f"{count} messages", self.server.process, every=0.1)
        self.assertEqual(self.server.rows("select count(*) from message"), [(count,)])
        self.assertEqual(
            self.server.rows("select count(distinct target) from delivery where state in (2, 10)"), [(count,)]
        )
        self.assertEqual(bob.errors(), [])
        self.assertLess(self.server.process.memory()["VmHWM"], before + 100_000)


class Kills(RealChat):
    """Of smsd itself."""

    def test_killed_under_load(self) -> None:
        """Who repeats what he has had no receipt for, under the same id, as chat programs do, gets everything through: each text is
        on the air, and twice only where the store says that it may be."""
        count = 200
        modems = self.modems()
        modems.ask("reports 0:0")
        self.smsd(modem_gateway("gsm1", modems.link()))
        bob = self.chat("bob")
        names = {f"+1555{number:07d}@{SMS}": f"kill-{number:07d}" for number in range(count)}
        for _ in range(2):
            self._write(bob, names)
            reached = min(modems.sent() + 50, count)
            until(lambda: modems.sent() >= reached, 60, "some on the air", self.server.process)  # noqa: B023
            assert self.server.process is not None
            self.server.process.kill()
            accepted = self.server.rows(
                "select count(distinct target) from delivery where target like 'sms:%'"
            )[0][0]
            self.start()
            until(lambda: not self.server.waiting(), 60, "an empty queue", self.server.process)
            self.assertGreaterEqual(len(self._heard(modems)), accepted, "accepted, and not sent")
        self._write(bob, names)
        until(lambda: len(self._heard(modems)) >= count, 60, "all on the air", self.server.process)
        until(lambda: not self.server.waiting(), 60, "an empty queue", self.server.process)
        heard = self._heard(modems)
        self.assertEqual(sorted(heard), sorted(to.partition("@")[0] for to in names))
        twice = sum(times - 1 for times in heard.values())
        (marked,) = self.server.rows(
            "select count(*) from delivery where maybe_twice=1 and target like 'sms:%'"
        )[0]
        self.assertLessEqual(twice, marked)
        # Reports that came while nobody listened lie in the modem until it is asked for them; what is told is true.
        self.assertLessEqual(set(bob.receipts()), set(names.items()))

    def _write(self, chat: Chat, wanted: dict[str, str]) -> None:
        done = set(chat.receipts())
        for to, name in wanted.items():
            if (to, name) in done:
                continue
            xml = (
                f"<message to='{to}' id='{name}' type='chat'><body>text {name}</body>"
                "<request xmlns='urn:xmpp:receipts'/></message>"
            )
            chat.begin("raw", xml=xml)

    def _heard(self, modems: Modems) -> dict[str, int]:
        found: dict[str, int] = {}
        for line in modems.journal.read_text().splitlines():
            number = json.loads(line)["number"]
            found[number] = found.get(number, 0) + 1
        return found
