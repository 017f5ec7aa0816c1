"""What chat programs ask: discovery, registration, the prompt, small questions; and that nothing is left without an answer."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from smsd import __version__
from smsd.codec.jid import Jid
from smsd.links.xmpp import services
from smsd.links.xmpp.services import disco
from smsd.links.xmpp.stanzas import stanza
from tests.house import START
from tests.links.xmpp.room import ANN, BOB, EMAIL, HASH, ONLY, PHONE, SMS, Room

INFO, ITEMS = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"
COMMANDS = "http://jabber.org/protocol/commands"
CARL = Jid.parse("carl@example.net/x")


class Asking(Room):
    def test_what_is_not_offered_is_refused(self) -> None:
        for kind, payload in (
            ("set", "<query xmlns='urn:xmpp:mam:2' queryid='1'/>"),
            ("get", "<blocklist xmlns='urn:xmpp:blocking'/>"),
            ("set", "<block xmlns='urn:xmpp:blocking'/>"),
            ("get", "<query xmlns='jabber:iq:roster'/>"),
            ("get", "<query xmlns='http://jabber.org/protocol/muc#owner'/>"),
            ("set", "<pubsub xmlns='http://jabber.org/protocol/pubsub'/>"),
            ("get", "<query xmlns='urn:example:nothing'/>"),
            ("get", "<query/>"),
            ("get", "<iq/>"),
        ):
            for to in (SMS, PHONE, f"john%doe.com@{EMAIL}"):
                self.assertEqual(self.refused(kind, to, payload)[:2], ("cancel", "service-unavailable"))

    def test_what_is_wrong_is_said(self) -> None:
        for kind, payload in (("get", ""), ("get", "<a/><b/>"), ("fetch", "<ping xmlns='urn:xmpp:ping'/>")):
            self.assertEqual(self.refused(kind, SMS, payload)[:2], ("modify", "bad-request"))
        self.iq("get", SMS, "<ping xmlns='urn:xmpp:ping'/>", id="")
        self.assertEqual(self.link.sent[-1]["type"], "error")
        self.assertEqual(
            self.refused("get", f"no-number-at-all@{SMS}", "<ping xmlns='urn:xmpp:ping'/>"),
            ("cancel", "item-not-found", "nobody has this address: it is no phone number"),
        )
        self.assertEqual(
            self.refused("get", f"15551234567@{ONLY}", f"<query xmlns='{INFO}' node='x'/>")[1],
            "item-not-found",
        )
        self.assertEqual(
            self.refused("get", f"john%doe.com@{ONLY}", f"<query xmlns='{INFO}'/>")[1], "item-not-found"
        )

    def test_answers_are_not_answered(self) -> None:
        for kind in ("result", "error"):
            self.iq(kind, SMS, "<ping xmlns='urn:xmpp:ping'/>")
        self.assertEqual(self.link.sent, [])

    def test_what_cannot_be_changed(self) -> None:
        for payload in (
            f"<query xmlns='{INFO}'/>", f"<query xmlns='{ITEMS}'/>", "<query xmlns='jabber:iq:version'/>",
            "<time xmlns='urn:xmpp:time'/>", "<query xmlns='jabber:iq:last'/>", "<vCard xmlns='vcard-temp'/>",
            "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>",
        ):  # fmt: skip
            self.assertEqual(self.refused("set", SMS, payload)[1], "not-allowed")
        self.assertEqual(self.refused("set", SMS, "<ping xmlns='urn:xmpp:ping'/>")[1], "bad-request")

    def test_who_asks_too_much_at_once_waits(self) -> None:
        """Registrations of one person that wait for a password to be checked are bounded; so are all."""
        query = "<query xmlns='jabber:iq:register'><username>ann</username><password>x{}</password></query>"
        self.accounts._verifier._run = lambda f, *args: Deferred()  # never comes to an end
        for number in range(services.MOST_OF_ONE + 2):
            self.iq("set", SMS, query.format(number))
        self.assertEqual([one["type"] for one in self.link.sent], ["error", "error"])
        self.assertIn("resource-constraint", self.link.sent[0].toXml())
        self.iq("get", SMS, "<ping xmlns='urn:xmpp:ping'/>", BOB)
        self.assertEqual(self.link.sent[-1]["type"], "result")

    def test_something_unexpected(self) -> None:
        self.register()
        self.patch(self.context.door.clerk, "account", None)  # type: ignore[union-attr]
        refused = self.refused("set", SMS, f"<command xmlns='{COMMANDS}' node='balance'/>")
        self.assertEqual(refused[:2], ("wait", "internal-server-error"))
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)


class Discovery(Room):
    def info(self, to: str, node: str = "") -> tuple[list[tuple[str, str, str]], list[str]]:
        query = self.result("get", to, f"<query xmlns='{INFO}'{node and f' node={node!r}'}/>")
        self.assertEqual(query.getAttribute("node", ""), node)
        identities = [
            (one["category"], one["type"], one["name"]) for one in query.elements() if one.name == "identity"
        ]
        return identities, [one["var"] for one in query.elements() if one.name == "feature"]

    def test_domains(self) -> None:
        identities, features = self.info(SMS)
        self.assertEqual(identities, [("gateway", "sms", "Texts to phones")])
        for feature in (
            INFO, ITEMS, COMMANDS, "jabber:iq:register", "jabber:iq:gateway", "urn:xmpp:ping", "jabber:iq:version",
            "vcard-temp", "urn:xmpp:time", "http://jabber.org/protocol/address",
        ):  # fmt: skip
            self.assertIn(feature, features)
        self.assertEqual(self.info(EMAIL)[0], [("gateway", "smtp", "Mail")])
        for absent in ("urn:xmpp:mam:2", "http://jabber.org/protocol/muc", "urn:xmpp:blocking"):
            self.assertNotIn(absent, features)

    def test_every_feature_is_answered(self) -> None:
        """What is in the list of features as the namespace of a question is no lie."""
        names = {
            "urn:xmpp:ping": "ping", "vcard-temp": "vCard", "urn:ietf:params:xml:ns:vcard-4.0": "vcard",
            "urn:xmpp:time": "time",
        }  # fmt: skip
        no_questions = {
            COMMANDS, "jabber:x:data", "http://jabber.org/protocol/caps", "urn:xmpp:receipts",
            "http://jabber.org/protocol/address",
        }  # fmt: skip
        for to in (SMS, EMAIL, PHONE, f"ACME@{SMS}", f"john%doe.com@{EMAIL}"):
            for feature in set(self.info(to)[1]) - no_questions:
                self.result("get", to, f"<{names.get(feature, 'query')} xmlns='{feature}'/>")

    def test_phones_and_mailboxes(self) -> None:
        identities, features = self.info(PHONE)
        self.assertEqual(identities, [("client", "sms", "Phone")])
        self.assertIn("urn:xmpp:receipts", features)
        self.assertNotIn("jabber:iq:register", features)
        self.assertEqual(self.info(f"john%doe.com@{EMAIL}")[0], [("client", "pc", "Mailbox")])
        identities, features = self.info(f"acme@{SMS}")
        self.assertEqual((identities[0][2], "urn:xmpp:receipts" in features), ("Phone", False))

    def test_commands(self) -> None:
        def items(sender: Jid) -> list[str]:
            query = self.result("get", SMS, f"<query xmlns='{ITEMS}' node='{COMMANDS}'/>", sender)
            return [one["node"] for one in query.elements()]

        self.assertEqual(items(ANN), ["register"])
        self.register("ann")
        self.assertEqual(items(ANN), ["register", "balance", "messages", "unregister"])
        self.register("office", BOB)
        self.assertEqual(items(BOB), ["register", "balance", "messages", "gateway", "sender", "unregister"])
        self.assertEqual(items(CARL), ["register", "balance", "messages", "gateway"])
        self.assertEqual(
            self.info(SMS, COMMANDS)[0], [("automation", "command-list", "What you can do here")]
        )
        self.assertEqual(
            self.info(SMS, "balance")[0], [("automation", "command-node", "What you may still send")]
        )
        top = self.result("get", SMS, f"<query xmlns='{ITEMS}'/>")
        self.assertEqual([one["node"] for one in top.elements()], [COMMANDS])
        self.assertEqual(list(self.result("get", PHONE, f"<query xmlns='{ITEMS}'/>").elements()), [])
        for uri in (INFO, ITEMS):
            self.assertEqual(
                self.refused("get", SMS, f"<query xmlns='{uri}' node='nothing'/>")[1], "item-not-found"
            )
            self.assertEqual(
                self.refused("get", PHONE, f"<query xmlns='{uri}' node='{COMMANDS}'/>")[1], "item-not-found"
            )

    def test_the_short_form_in_presence(self) -> None:
        """The example of XEP-0115 section 5.2; and ours can be looked up."""
        self.assertEqual(
            disco.verification(
                ("client", "pc", "Exodus 0.9.1"),
                ("http://jabber.org/protocol/muc", INFO, ITEMS, "http://jabber.org/protocol/caps"),
            ),
            "QgayPKawpkPSDYmwT/WM94uAlu0=",
        )
        self.register()
        probe = stanza("presence", sender=str(ANN), to=PHONE, kind="probe")
        self.services.presence(self.domain(SMS), probe)
        (shown,) = self.link.sent
        c = next(one for one in shown.elements() if one.name == "c")
        self.link.sent.clear()
        node = f"{c['node']}#{c['ver']}"
        self.assertEqual(self.info(PHONE, node), self.info(PHONE))
        # The same for the next phone, so that nobody asks for thousands of them.
        self.assertEqual(self.info(f"+15550000000@{SMS}", node), self.info(PHONE))


class Registration(Room):
    QUERY = "<query xmlns='jabber:iq:register'>{}</query>"

    def login(self, user: str, password: str) -> str:
        return self.QUERY.format(f"<username>{user}</username><password>{password}</password>")

    def test_the_form(self) -> None:
        query = self.result("get", SMS, self.QUERY.format(""))
        self.assertEqual(
            [one.name for one in query.elements()], ["instructions", "username", "password", "x"]
        )
        fields = [(one["var"], one["type"]) for one in query.x.elements() if one.name == "field"]
        self.assertEqual(
            fields, [("FORM_TYPE", "hidden"), ("username", "text-single"), ("password", "text-private")]
        )
        self.assertIn(f"+15551234567@{SMS} is a text", str(query.instructions))

    def test_who_is_registered_is_told(self) -> None:
        self.register()
        query = self.result("get", SMS, self.QUERY.format(""))
        self.assertEqual(
            [one.name for one in query.elements()],
            ["registered", "instructions", "username", "password", "x"],
        )
        self.assertEqual((str(query.username), str(query.password)), ("ann", ""))
        self.assertNotIn("annpw", query.toXml())
        query = self.result("get", SMS, self.QUERY.format(""), CARL)
        self.assertIn("administrator has linked carl@example.net to the SMS account settled", query.toXml())

    def test_by_fields_and_by_form(self) -> None:
        self.assertIsNone(self.result("set", SMS, self.login("ann", "annpw")))
        self.assertEqual(self.people.registered(ANN), "ann")
        form = (
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>jabber:iq:register</value></field>"
            "<field var='username'><value>office</value></field><field var='password'><value>annpw</value></field></x>"
        )
        self.assertIsNone(self.result("set", SMS, self.QUERY.format(form)))
        self.assertEqual(self.people.registered(ANN), "office")

    def test_a_cancelled_form_changes_nothing(self) -> None:
        self.register()
        form = "<x xmlns='jabber:x:data' type='cancel'/>"
        self.assertIsNone(self.result("set", SMS, self.QUERY.format(form)))
        self.assertEqual(self.people.registered(ANN), "ann")

    def test_then_both_see_each_other(self) -> None:
        self.result("set", SMS, self.login("ann", "annpw"))
        self.house.settle()
        self.assertEqual(
            self.presences(),
            [
                ("subscribe", SMS, ANN.bare, ""),
                ("", SMS, ANN.bare, f"Write to a number at {SMS}."),
            ],
        )

    def test_refusals(self) -> None:
        self.configure({"user": "inside", "password": HASH, "networks": ["192.0.2.0/24"]})
        for payload, kind, condition in (
            (self.QUERY.format(""), "modify", "not-acceptable"),
            (self.login("ann", ""), "modify", "not-acceptable"),
            (self.login(" ", "x"), "modify", "not-acceptable"),
            (self.login("a" * 600, "x"), "modify", "not-acceptable"),
            (self.login("ann", "wrong"), "auth", "not-authorized"),
            (self.login("nobody", "annpw"), "auth", "not-authorized"),
            (self.login("inside", "annpw"), "auth", "not-authorized"),
            (self.login("old", "annpw"), "auth", "forbidden"),
            (self.QUERY.format("<remove/>"), "auth", "registration-required"),
            (self.QUERY.format("<remove/><username>ann</username>"), "modify", "bad-request"),
        ):
            self.assertEqual(self.refused("set", SMS, payload)[:2], (kind, condition), payload)
        self.assertEqual(self.people.registered(ANN), "")
        self.assertEqual(
            self.refused("set", PHONE, self.login("ann", "annpw"))[:2], ("cancel", "service-unavailable")
        )

    def test_guessing_is_slow(self) -> None:
        said = [self.refused("set", SMS, self.login("ann", f"guess{number}"))[1] for number in range(12)]
        self.assertEqual((said[0], said[-1]), ("not-authorized", "resource-constraint"))
        self.assertEqual(self.refused("set", SMS, self.login("ann", "annpw"))[0], "wait")

    def test_removal(self) -> None:
        self.register()
        self.assertIsNone(self.result("set", SMS, self.QUERY.format("<remove/>")))
        self.house.settle()
        self.assertEqual([one[0] for one in self.presences()], ["unsubscribe", "unsubscribed", "unavailable"])
        self.assertEqual(self.people.registered(ANN), "")

    def test_who_is_linked_by_settings_cannot_remove_that(self) -> None:
        kind, condition, text = self.refused("set", SMS, self.QUERY.format("<remove/>"), CARL)
        self.assertEqual((kind, condition), ("auth", "registration-required"))
        self.assertIn("the administrator has linked it", text)


class Prompting(Room):
    def typed(self, text: str, to: str = SMS, sender: Jid = ANN) -> str:
        query = self.result(
            "set", to, f"<query xmlns='jabber:iq:gateway'><prompt>{text}</prompt></query>", sender
        )
        self.assertEqual(str(query.jid), str(query.prompt))
        return str(query.jid)

    def test_what_is_asked_for(self) -> None:
        query = self.result("get", SMS, "<query xmlns='jabber:iq:gateway'/>")
        self.assertEqual(
            (str(query.desc), str(query.prompt)),
            ("Type the number of the phone, with + and its country code.", "Phone number"),
        )
        self.assertEqual(
            str(self.result("get", EMAIL, "<query xmlns='jabber:iq:gateway'/>").prompt), "Mail address"
        )

    def test_numbers_as_people_type_them(self) -> None:
        for typed, node in (
            ("+1 (555) 123-4567", "+15551234567"), ("0039 333 1234567", "+393331234567"), ("(555) 123-4567", "5551234567"),
            ("12345", "12345"), ("*100#", "*100#"), (" +1.555.123.4567 ", "+15551234567"),
        ):  # fmt: skip
            self.assertEqual(self.typed(typed), f"{node}@{SMS}")

    def test_national_numbers_of_who_has_a_country(self) -> None:
        self.register("office", BOB)
        self.assertEqual(self.typed("(212) 555-0123", sender=BOB), f"+12125550123@{SMS}")

    def test_mail_addresses(self) -> None:
        self.assertEqual(self.typed("john@doe.com", EMAIL), f"john%doe.com@{EMAIL}")
        self.assertEqual(self.typed("john@doe.com"), f"john%doe.com@{SMS}")

    def test_what_can_be_nobody(self) -> None:
        for to, typed in (
            (SMS, ""), (SMS, "ACME"), (SMS, "call me"), (SMS, "+0"), (SMS, "1" * 30), (SMS, "x" * 400), (SMS, "a@b"), (SMS, "@b.c"),
            (SMS, "a b@c.example"), (ONLY, "john@doe.com"), (EMAIL, "a@@b.example"),
        ):  # fmt: skip
            query = f"<query xmlns='jabber:iq:gateway'><prompt>{typed}</prompt></query>"
            kind, condition, text = self.refused("set", to, query)
            self.assertEqual((kind, condition), ("modify", "not-acceptable"), typed)
            self.assertTrue(text)
        self.assertEqual(self.refused("set", SMS, "<query xmlns='jabber:iq:gateway'/>")[1], "not-acceptable")


class SmallQuestions(Room):
    def test_ping(self) -> None:
        for to in (SMS, PHONE, f"{SMS}/home"):
            self.assertIsNone(self.result("get", to, "<ping xmlns='urn:xmpp:ping'/>"))

    def test_version_time_and_uptime(self) -> None:
        query = self.result("get", SMS, "<query xmlns='jabber:iq:version'/>")
        self.assertEqual((str(query.name), str(query.version)), ("query", __version__))
        self.house.clock.advance(3600)
        told = self.result("get", SMS, "<time xmlns='urn:xmpp:time'/>")
        self.assertEqual((str(told.tzo), str(told.utc)), ("+00:00", "2027-01-15T09:00:00Z"))
        self.assertGreater(self.house.clock.seconds(), START)
        self.assertEqual(self.result("get", SMS, "<query xmlns='jabber:iq:last'/>")["seconds"], "3600")
        for payload in ("<time xmlns='urn:xmpp:time'/>", "<query xmlns='jabber:iq:last'/>"):
            self.assertEqual(self.refused("get", PHONE, payload)[1], "service-unavailable")

    def test_cards(self) -> None:
        card = "<vCard xmlns='vcard-temp'/>"
        self.assertEqual(
            self.result("get", PHONE, card).toXml(),
            "<vCard xmlns='vcard-temp'><FN>+15551234567</FN><TEL><NUMBER>+15551234567</NUMBER></TEL></vCard>",
        )
        self.assertEqual(
            self.result("get", f"john%doe.com@{EMAIL}", card).toXml(),
            "<vCard xmlns='vcard-temp'><FN>john@doe.com</FN><EMAIL><USERID>john@doe.com</USERID></EMAIL></vCard>",
        )
        self.assertEqual(
            self.result("get", f"acme@{SMS}", card).toXml(), "<vCard xmlns='vcard-temp'><FN>acme</FN></vCard>"
        )
        self.assertIn(
            "<DESC>Texts to phones, by gw.example.org</DESC>", self.result("get", SMS, card).toXml()
        )
        card = "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>"
        self.assertIn("<tel><uri>tel:+15551234567</uri></tel>", self.result("get", PHONE, card).toXml())
        self.assertIn(
            "<email><text>john@doe.com</text></email>",
            self.result("get", f"john%doe.com@{EMAIL}", card).toXml(),
        )
        self.assertIn("<note><text>Mail, by", self.result("get", EMAIL, card).toXml())

    def test_a_message_to_the_domain(self) -> None:
        said = self.services.command(self.domain(SMS), ANN, "help")
        self.assertEqual(
            said,
            f"Write to +15551234567@{SMS}, with the right number. Your account, your messages and your balance are among the"
            f" commands of {SMS} in your chat program.",
        )
        self.register()
        self.assertIn("You write for the account ann.", self.services.command(self.domain(SMS), ANN, ""))
        self.assertIn("the right address", self.services.command(self.domain(EMAIL), ANN, ""))
