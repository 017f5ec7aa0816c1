"""Who gets what a phone writes, with real chat servers: each way that an answer finds, in its order. And what a fax domain says."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.links.xmpp import real
from tests.links.xmpp.real import PHONE, SMS
from tests.peers import chat, ejabberd, prosody
from tests.peers.ejabberd import Ejabberd
from tests.peers.prosody import Prosody
from tests.rig.processes import until
from tests.rig.server import modem_gateway

FAX = "fax.example.org"
SECRETS = {**real.SECRETS, FAX: "third"}
FROM = f"{PHONE}@{SMS}"
ACCOUNTS = [
    {"user": name, "demo": True, "password": f"{name}pw", "jids": [f"{name}@example.org"]}
    for name in ("ann", "bob")
]


class Order(real.RealChat):
    """Subclasses say which server."""

    def link(self, **more: Any) -> dict[str, Any]:
        components = [{"domain": domain, "secret": secret} for domain, secret in SECRETS.items()]
        return super().link(**{"components": components, **more})

    def connected(self) -> None:
        until(
            lambda: f"{FAX}: connected" in self.status() and f"{SMS}: connected" in self.status(),
            60,
            "the domains connected",
            self.server.process,
        )

    def answers(self) -> None:
        modems = self.modems()
        self.smsd(
            modem_gateway("gsm1", modems.link(), deliver_to="xmpp:carl@example.org"),
            accounts=ACCOUNTS,
            replies={"keep_minutes": 60},
            incoming=[
                {
                    "title": "orders",
                    "if": {"from": {"starts": "+15557"}},
                    "do": [{"forward": "xmpp:bob@example.org"}, "stop"],
                }
            ],
        )
        ann, bob, carl = self.chat(), self.chat("bob"), self.chat("carl")
        without = f"15551111111@{SMS}"

        # Who wrote there, in the chat where he did.
        ann.say(to=FROM, body="with +", receipt=False)
        ann.say(to=without, body="without", receipt=False)
        self.on_air(modems, 2)
        self.receive(modems, "to +", PHONE)
        self.receive(modems, "to none", "+15551111111")
        until(lambda: len(ann.said()) >= 2, 30, "two answers", self.server.process)
        self.assertEqual(sorted(ann.said()), [(FROM, "to +"), (without, "to none")])

        # The account's chat, for what it sent without leaving an address.
        query = urlencode({"user": "bob", "pass": "bobpw", "number": "+15552222222", "data": "by HTTP"})
        with urlopen(f"http://127.0.0.1:{self.server.http}/sms/?{query}", timeout=30) as answer:
            self.assertEqual(answer.status, 200)
        self.on_air(modems, 3)
        self.receive(modems, "to the account", "+15552222222")
        until(lambda: bob.said(), 30, "an answer in the account's chat", self.server.process)
        self.assertEqual(bob.said(), [(f"+15552222222@{SMS}", "to the account")])

        # A rule, for what answers nobody; and the gateway's own at the end.
        self.receive(modems, "an order", "+15557000000")
        until(lambda: len(bob.said()) >= 2, 30, "what the rule forwards", self.server.process)
        self.assertEqual(bob.said()[1:], [(f"+15557000000@{SMS}", "an order")])
        self.receive(modems, "for anybody", "+15553000000")
        until(lambda: carl.said(), 30, "what nobody else gets", self.server.process)
        self.assertEqual(carl.said(), [(f"+15553000000@{SMS}", "for anybody")])

        # The log goes before the rules.
        ann.say(to=f"+15557000000@{SMS}", body="your order is here", receipt=False)
        self.on_air(modems, 4)
        self.receive(modems, "thanks", "+15557000000")
        until(lambda: len(ann.said()) >= 3, 30, "an answer, past the rules", self.server.process)
        self.assertEqual((ann.said()[2:], len(bob.said())), ([(f"+15557000000@{SMS}", "thanks")], 2))

        # Nothing carries faxes: it is said at once, as it is shown.
        fax = f"{PHONE}@{FAX}"
        refused = self.error_of(ann, ann.say(to=fax, body="a page", receipt=False))
        self.assertEqual((refused["condition"], refused["type"]), ("service-unavailable", "cancel"))
        self.assertIn("no gateway here carries this (fax)", refused["text"])
        ann.presence(to=fax, kind="subscribe")
        status = "No gateway carries faxes just now."
        until(lambda: status in self.shown(ann, fax), 30, "its presence", self.server.process)
        self.assertIn("nobody can write to fax.example.org: no gateway carries fax:", self.output())

        # What comes back when it counted as sent already.
        (last,) = [one for one in ann.stanzas() if "thanks" in "".join(one.itertext())]
        name = last.get("id")
        inside = "<error type='cancel'><remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        ann.raw(xml=f"<message type='error' to='+15557000000@{SMS}' id='{name}'>{inside}</message>")
        failed = "select reason from delivery where state=11 and target='xmpp:ann@example.org'"
        until(lambda: self.server.rows(failed), 30, "it stands on record", self.server.process)
        self.assertIn("remote-server-timeout", self.command("log"))

    def shown(self, program: chat.Chat, who: str) -> list[str]:
        found = [one for one in program.stanzas("presence") if one.get("from", "").partition("/")[0] == who]
        return [chat.text(one, "status") for one in found]


class WithProsody(Order):
    skip = prosody.missing() or chat.missing()

    def chat_server(self) -> Prosody:
        return Prosody(SECRETS, ("ann", "bob", "carl"))

    def test_answers(self) -> None:
        self.answers()


class WithEjabberd(Order):
    skip = ejabberd.missing() or chat.missing()

    def chat_server(self) -> Ejabberd:
        return Ejabberd(SECRETS, ("ann", "bob", "carl"))

    def test_answers(self) -> None:
        self.answers()
