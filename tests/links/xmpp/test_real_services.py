"""What a real chat program (slixmpp) and real chat servers make of our services: a whole session, as the program's own plugins
read it."""

from __future__ import annotations

from typing import Any

from smsd.core.accounts import hash_password
from tests.links.xmpp import real
from tests.links.xmpp.real import NULL, PHONE, SMS
from tests.peers import chat, ejabberd, prosody
from tests.peers.chat import Chat
from tests.peers.ejabberd import Ejabberd
from tests.peers.prosody import Prosody
from tests.rig.processes import until

OFFICE = {
    "user": "office", "password": hash_password("officepw"), "senders": ["+15557654321", "ACME"], "monthly_limit": 50,
}  # fmt: skip
GATEWAY = "{jabber:iq:gateway}"


class Asking(real.RealChat):
    """Subclasses say which server."""

    def presences(self, program: Chat, sender: str) -> list[str]:
        """Types of those that came from somebody."""
        found = [
            one for one in program.stanzas("presence") if one.get("from", "").partition("/")[0] == sender
        ]
        return [one.get("type", "") for one in found]

    def wait_for(self, program: Chat, sender: str, *types: str) -> None:
        until(
            lambda: all(one in self.presences(program, sender) for one in types), 30, f"{types} of {sender}"
        )

    def step(self, program: Chat, node: str, said: Any = None, action: str = "execute", **fields: str) -> Any:
        session = {} if said is None else {"session": said["session"]}
        more = {"fields": fields} if fields else {}
        return program.command(to=SMS, node=node, action=action, **session, **more)

    def session(self) -> None:
        self.smsd(NULL, {"id": "null2", "type": "loopback"}, accounts=[OFFICE])
        ann = self.chat()
        to = f"{PHONE}@{SMS}"

        # Before registration.
        self.assertEqual([node for node, _ in ann.commands(to=SMS)], ["register"])
        self.assertEqual(self.refused(ann.command, to=SMS, node="balance").condition, "forbidden")
        ann.presence(to=to, kind="subscribe")
        self.wait_for(ann, to, "unsubscribed")

        # Linking, in stages, with a mistake and a change of mind.
        said = self.step(ann, "register")
        self.assertEqual(sorted(said["fields"]), ["password", "username"])
        said = self.step(ann, "register", said, "next", username="office", password="wrong")
        self.assertEqual(said["notes"], [["error", "unknown user or wrong password"]])
        said = self.step(ann, "register", said, "next", username="office", password="officepw")
        self.assertEqual((said["status"], sorted(said["fields"])), ("executing", ["gateway"]))
        said = self.step(ann, "register", said, "next", gateway="null")
        self.assertEqual(sorted(said["fields"]), ["sender"])
        said = self.step(ann, "register", said, "prev")
        self.assertEqual(said["fields"], {"gateway": "null"})
        said = self.step(ann, "register", said, "next", gateway="null2")
        said = self.step(ann, "register", said, "complete", sender="ACME")
        self.assertEqual(said["status"], "completed")
        self.wait_for(ann, SMS, "subscribe", "")
        ann.presence(to=SMS, kind="subscribe")
        self.wait_for(ann, SMS, "subscribed")

        # A phone as a contact.
        query = "<query xmlns='jabber:iq:gateway'><prompt>+1 (555) 123-4567</prompt></query>"
        self.assertIn(f"<jid>{to}</jid>", ann.iq(to=SMS, kind="set", payload=query))
        ann.presence(to=to, kind="subscribe")
        self.wait_for(ann, to, "subscribed", "", "subscribe")
        self.assertIn(["client", "sms", "Phone"], ann.info(to=to)["identities"])
        self.assertIn(f"<NUMBER>{PHONE}</NUMBER>", ann.vcard(to=to))
        ann.ping(to=to)

        # A text leaves as was chosen, and is seen in the list.
        ann.say(to=to, body="by the second", receipt=False)
        gateway = "select gateway from delivery where target=? and state in (2, 10)"
        until(
            lambda: self.server.rows(gateway, f"sms:{PHONE}") == [("null2",)],
            30,
            "it leaves",
            self.server.process,
        )
        said = self.step(ann, "messages")
        said = self.step(ann, "messages", said, "complete", which="all", to="")
        self.assertIn("by the second", said["xml"])
        said = self.step(ann, "balance")
        self.assertEqual(said["notes"], [["info", "You may send 49 more messages this month."]])

        # What is not offered, and what is wrong.
        mam = "<query xmlns='urn:xmpp:mam:2' queryid='q'/>"
        refused = self.refused(ann.iq, to=to, kind="set", payload=mam)
        self.assertEqual((refused.type, refused.condition), ("cancel", "service-unavailable"))
        refused = self.refused(ann.command, to=SMS, node="messages", session="nothing")
        self.assertEqual(refused.condition, "bad-request")

        ann.raw(xml=f"<presence to='{to}/ann'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        self.wait_for(ann, to, "error")

        # Registered for good: also for another life of the server, which comes back by itself.
        self.server.stop()
        self.wait_for(ann, SMS, "unavailable")
        self.wait_for(ann, to, "unavailable")
        self.start()
        self.assertTrue(ann.form(to=SMS)["registered"])
        until(lambda: self.presences(ann, to)[-1:] == [""], 30, "the phone is there", self.server.process)
        seen = len(self.presences(ann, SMS))
        until(
            lambda: self.presences(ann, SMS)[-1:] == [""] or seen < 0, 30, "it is there", self.server.process
        )

        # Unlinked.
        said = self.step(ann, "unregister", self.step(ann, "unregister"), "complete", sure="1")
        self.assertEqual(said["status"], "completed")
        self.wait_for(ann, SMS, "unsubscribed")
        self.assertFalse(ann.form(to=SMS)["registered"])
        self.assertEqual(self.error_of(ann, ann.say(to=to, body="still there?"))["type"], "auth")


class ByPolicy(real.RealChat):
    """Who has logged in at the chat server needs no other login."""

    skip = prosody.missing() or chat.missing()

    def chat_server(self) -> Prosody:
        return Prosody(real.SECRETS)

    def link(self, **more: Any) -> dict[str, Any]:
        return super().link(user_domains=["example.org"], **more)

    def test_users_of_this_server(self) -> None:
        policies = [
            {"who": "example.org", "access": True, "monthly_limit": 1}, {"who": "bob@example.org", "access": False},
        ]  # fmt: skip
        self.smsd(NULL, accounts=[], policies=policies)
        ann, bob = self.chat(), self.chat("bob")
        ann.say(to=f"{PHONE}@{SMS}", body="once", receipt=False)
        account = "select account from message where account is not null"
        until(
            lambda: self.server.rows(account) == [("ann@example.org",)],
            30,
            "it is taken",
            self.server.process,
        )
        error = self.error_of(ann, ann.say(to=f"{PHONE}@{SMS}", body="twice"))
        self.assertEqual(error["type"], "wait")
        error = self.error_of(bob, bob.say(to=f"{PHONE}@{SMS}", body="once"))
        self.assertEqual((error["type"], error["condition"]), ("auth", "registration-required"))
        self.assertFalse(ann.form(to=SMS)["registered"])
        said = ann.command(to=SMS, node="balance")
        self.assertEqual(said["notes"], [["info", "You may send 0 more messages this month."]])


class WithProsody(Asking):
    skip = prosody.missing() or chat.missing()

    def chat_server(self) -> Prosody:
        return Prosody(real.SECRETS)

    def test_a_session(self) -> None:
        self.session()


class WithEjabberd(Asking):
    skip = ejabberd.missing() or chat.missing()

    def chat_server(self) -> Ejabberd:
        return Ejabberd(real.SECRETS)

    def test_a_session(self) -> None:
        self.session()
