"""Ad-hoc commands: what each does, and the conversation with somebody who goes back, cancels, waits too long,
or makes things up."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.words.xish.domish import Element

from smsd.codec.jid import Jid
from smsd.links.xmpp import people
from smsd.links.xmpp.people import Known
from smsd.links.xmpp.services import commands
from smsd.store import watching
from smsd.values.address import Address
from smsd.values.message import Recipient
from tests.links.xmpp.room import ANN, BOB, SMS, Room

COMMANDS = "http://jabber.org/protocol/commands"
CARL = Jid.parse("carl@example.net/x")


class CommandCase(Room):
    def payload(self, node: str, action: str = "", session: str = "", **fields: str) -> str:
        inside = "".join(
            f"<field var='{name}'><value>{value}</value></field>" for name, value in fields.items()
        )
        form = f"<x xmlns='jabber:x:data' type='submit'>{inside}</x>" if fields else ""
        said = f" action='{action}'" if action else ""
        said += f" sessionid='{session}'" if session else ""
        return f"<command xmlns='{COMMANDS}' node='{node}'{said}>{form}</command>"

    def do(self, node: str, action: str = "", session: str = "", who: Jid = ANN, /, **fields: str) -> Any:
        command = self.result("set", SMS, self.payload(node, action, session, **fields), who)
        self.assertEqual((command.uri, command.name, command["node"]), (COMMANDS, "command", node))
        return command

    def not_done(
        self, node: str, action: str = "", session: str = "", who: Jid = ANN, /, **fields: str
    ) -> tuple[str, str, str]:
        """The condition, the extension's, and the text."""
        answer = self.ask("set", SMS, self.payload(node, action, session, **fields), who)
        error: Any = answer.firstChildElement()
        names = [one.name for one in error.elements() if one.name != "text"]
        also = next((one.name for one in error.elements() if one.uri == COMMANDS), "")
        return names[0], also, str(error.text)

    def status(self, command: Any) -> tuple[str, list[str]]:
        actions = [one.name for one in command.actions.elements()] if command.actions else []
        return command["status"], actions

    def note(self, command: Any) -> tuple[str, str]:
        return command.note["type"], str(command.note)

    def fields(self, command: Any) -> dict[str, Element]:
        return {one["var"]: one for one in command.x.elements() if one.name == "field"}


class Linking(CommandCase):
    def test_who_has_no_choice_answers_one_form(self) -> None:
        command = self.do("register")
        self.assertEqual(self.status(command), ("executing", ["next", "complete"]))
        self.assertEqual(sorted(self.fields(command)), ["password", "username"])
        command = self.do("register", "next", command["sessionid"], username="ann", password="annpw")
        self.assertEqual(self.status(command), ("completed", []))
        self.assertIn("ann@example.org is linked to the SMS account ann", self.note(command)[1])
        self.assertEqual(self.people.registered(ANN), "ann")
        self.assertEqual([one[0] for one in self.presences()], ["subscribe", ""])

    def test_who_has_is_asked(self) -> None:
        session = self.do("register", "", "", BOB)["sessionid"]
        command = self.do("register", "next", session, BOB, username="office", password="annpw")
        self.assertEqual(self.status(command), ("executing", ["prev", "next", "complete"]))
        options = [
            str(one.value) for one in self.fields(command)["gateway"].elements() if one.name == "option"
        ]
        self.assertEqual(options, ["*", "gsm1", "gsm2"])
        command = self.do("register", "next", session, BOB, gateway="gsm2")
        self.assertEqual(self.status(command), ("executing", ["prev", "complete"]))
        self.assertEqual(self.people.preferences(BOB), Known())
        command = self.do("register", "prev", session, BOB)
        self.assertEqual(str(self.fields(command)["gateway"].value), "gsm2")
        self.do("register", "next", session, BOB, gateway="gsm1")
        command = self.do("register", "execute", session, BOB, sender="ACME")
        self.assertEqual(command["status"], "completed")
        self.assertEqual(self.people.preferences(BOB), Known("office", "gsm1", "ACME"))

    def test_complete_skips_the_rest(self) -> None:
        session = self.do("register", "", "", BOB)["sessionid"]
        command = self.do("register", "complete", session, BOB, username="office", password="annpw")
        self.assertEqual(command["status"], "completed")
        self.assertEqual(self.people.preferences(BOB), Known("office"))

    def test_a_wrong_password_asks_again(self) -> None:
        session = self.do("register")["sessionid"]
        for fields, text in (
            ({"username": "ann", "password": "wrong"}, "unknown user or wrong password"),
            ({"username": "ann"}, "type the name and the password of your SMS account"),
            ({"username": "old", "password": "annpw"}, "this account is switched off: ask the administrator"),
        ):
            command = self.do("register", "complete", session, ANN, **fields)
            self.assertEqual(command["status"], "executing")
            self.assertEqual(self.note(command), ("error", text))
            self.assertTrue(str(command.x.instructions).startswith(f"Not done: {text}. The name and"))
            self.assertNotIn("wrong</value>", command.toXml())
        self.do("register", "complete", session, username="ann", password="annpw")
        self.assertEqual(self.people.registered(ANN), "ann")

    def test_the_account_for_trying_out(self) -> None:
        """Its right password is not enough, and who tries it is told what is."""
        self.configure({"user": "demo", "password": "demo", "demo": True})
        session = self.do("register")["sessionid"]
        command = self.do("register", "complete", session, username="demo", password="demo")
        self.assertIn("may write jids: [ann@example.org]", self.note(command)[1])
        login = "<username>demo</username><password>demo</password>"
        kind, condition, text = self.refused("set", SMS, f"<query xmlns='jabber:iq:register'>{login}</query>")
        self.assertEqual((kind, condition), ("auth", "not-authorized"))
        self.assertIn("may write jids: [ann@example.org]", text)
        self.configure({"user": "demo", "password": "demo", "demo": True, "jids": ["ann@example.org"]})
        self.assertIn("balance", [one["node"] for one in self.listed()])

    def listed(self) -> list[Any]:
        items = self.result(
            "get", SMS, f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>"
        )
        return list(items.elements())

    def test_too_many(self) -> None:
        self.patch(people, "MOST_OF_ONE", 1)
        self.register("office", BOB)
        session = self.do("register")["sessionid"]
        condition, _, text = self.not_done(
            "register", "complete", session, username="office", password="annpw"
        )
        self.assertEqual(condition, "not-acceptable")
        self.assertIn("1 chat addresses are linked to the account office", text)
        self.patch(people, "MOST", 1)
        session = self.do("gateway", "", "", CARL)["sessionid"]
        condition, _, text = self.not_done("gateway", "complete", session, CARL, gateway="gsm1")
        self.assertEqual((condition, self.people.preferences(CARL)), ("not-acceptable", Known()))

    def test_unlinking(self) -> None:
        self.assertEqual(self.not_done("unregister")[0], "forbidden")
        self.register()
        session = self.do("unregister")["sessionid"]
        self.assertEqual(self.note(self.do("unregister", "complete", session, sure="0"))[0], "error")
        command = self.do("unregister", "complete", session, sure="true")
        self.assertEqual(
            self.note(command), ("info", "ann@example.org is not linked to the SMS account ann any more.")
        )
        self.assertEqual(self.people.registered(ANN), "")
        self.assertEqual([one[0] for one in self.presences()], ["unsubscribe", "unsubscribed", "unavailable"])

    def test_a_closed_account_can_be_unlinked(self) -> None:
        self.house.wait(self.people.link(ANN, "old"))
        session = self.do("unregister")["sessionid"]
        self.assertEqual(self.do("unregister", "complete", session, sure="1")["status"], "completed")


class Addresses(CommandCase):
    def test_others_are_unlinked(self) -> None:
        self.register("office")
        self.assertEqual(self.not_done("addresses")[0], "forbidden")
        self.register("office", BOB)
        self.register("ann", CARL)
        command = self.do("addresses")
        session = command["sessionid"]
        options = [
            str(one.value) for one in self.fields(command)["unlink"].elements() if one.name == "option"
        ]
        self.assertEqual(options, ["*", BOB.bare])
        self.assertIn("These addresses write for the account office too", str(command.x.instructions))
        command = self.do("addresses", "complete", session, unlink=CARL.bare)
        self.assertEqual(self.note(command), ("error", "choose a chat address of the list"))
        command = self.do("addresses", "complete", session, unlink=BOB.bare)
        self.assertEqual(
            self.note(command)[1], "bob@elsewhere.example is not linked to the SMS account office any more."
        )
        self.assertEqual(self.people.jids("office"), [ANN.bare])
        self.assertEqual(
            [(one[0], one[2]) for one in self.presences()],
            [(kind, BOB.bare) for kind in ("unsubscribe", "unsubscribed", "unavailable")],
        )

    def test_nothing_is_chosen(self) -> None:
        self.register("office")
        self.register("office", BOB)
        session = self.do("addresses")["sessionid"]
        self.assertEqual(
            self.note(self.do("addresses", "complete", session, unlink=""))[1], "Nothing was changed."
        )
        self.assertEqual(len(self.people.jids("office")), 2)


class Looking(CommandCase):
    def told(self, command: Any) -> dict[str, str]:
        return {var: str(one.value) for var, one in self.fields(command).items()}

    def test_what_may_be_sent(self) -> None:
        self.configure(
            {"user": "member", "group": "sales", "monthly_limit": 9, "expires": "2030-12-31"},
            {"user": "payer", "prepaid": True},
            groups=({"id": "sales", "monthly_limit": 5},),
        )
        self.house.send(account="member")
        self.house.send(account="member")
        self.register("member")
        command = self.do("balance")
        self.assertEqual(self.note(command), ("info", "You may send 3 more messages this month."))
        self.assertEqual(
            self.told(command),
            {
                "account": "member", "sent": "2", "limit": "9", "group_sent": "2", "group_limit": "5", "expires": "2030-12-31",
            },
        )  # fmt: skip
        self.register("payer")
        command = self.do("balance")
        self.assertEqual(self.note(command)[1], "You have no monthly limit. Your balance is 0.00 EUR.")
        self.assertEqual(self.told(command)["limit"], "none")

    def test_a_held_account(self) -> None:
        self.register()
        self.patch(watching, "hold", lambda connection, account: ("200 in an hour, 3 are usual", 7))
        self.assertEqual(self.told(self.do("balance"))["held"], "until the administrator releases them")

    def test_last_messages(self) -> None:
        self.register()
        session = self.do("messages")["sessionid"]
        command = self.do("messages", "complete", session, which="all")
        self.assertEqual(self.note(command)[1], "There are no such messages.")
        self.house.send("+15550000001", "hello <&> \u0007\n you", account="ann")
        self.house.send("+15550000002", "x" * 300, account="ann")
        self.house.send("+15550000003", "not hers", account="office")
        self.house.settle()
        session = self.do("messages")["sessionid"]
        command = self.do("messages", "complete", session, which="all")
        # Facts, each with its label: no table, which some programs do not show.
        self.assertEqual({one.name for one in command.x.elements()}, {"title", "field"})
        labels = [field["label"] for field in self.fields(command).values()]
        self.assertRegex(labels[0], r"^2027-01-15 \d\d:\d\d [+-]?\w+, to \+15550000002$")
        self.assertRegex(labels[1], r", to \+15550000001$")
        self.assertEqual(list(self.told(command).values()), [f"sent: {'x' * 99}…", "sent: hello <&> ␇ you"])
        session = self.do("messages")["sessionid"]
        command = self.do("messages", "complete", session, which="all", to="+1 555 000 0001")
        self.assertEqual(self.note(command)[1], "One message.")
        session = self.do("messages")["sessionid"]
        command = self.do("messages", "complete", session, which="failed")
        self.assertEqual(self.note(command)[1], "There are no such messages.")

    def test_what_cannot_be_asked(self) -> None:
        self.register()
        session = self.do("messages")["sessionid"]
        self.assertEqual(self.note(self.do("messages", "complete", session, which="none"))[0], "error")
        condition, _, text = self.not_done("messages", "complete", session, which="all", to="+0")
        self.assertEqual(condition, "not-acceptable")
        self.assertIn("country code", text)

    def test_a_message_with_several_recipients(self) -> None:
        self.register()
        recipients = tuple(
            Recipient(Address("sms", number), number) for number in ("+15550000001", "+15550000002")
        )
        self.house.send(account="ann", recipients=recipients)
        session = self.do("messages")["sessionid"]
        command = self.do("messages", "complete", session, which="delivered")
        self.assertEqual(self.note(command)[1], "There are no such messages.")
        session = self.do("messages")["sessionid"]
        self.assertEqual(
            self.note(self.do("messages", "complete", session))[1], "Your last 2 messages, the latest first."
        )


class Choosing(CommandCase):
    def test_a_gateway(self) -> None:
        self.register("office", BOB)
        session = self.do("gateway", "", "", BOB)["sessionid"]
        self.assertEqual(
            self.note(self.do("gateway", "complete", session, BOB, gateway="mail")),
            ("error", "choose a gateway of the list"),
        )
        command = self.do("gateway", "complete", session, BOB, gateway="gsm2")
        self.assertEqual(self.note(command)[1], "From now on the gateway gsm2 carries your texts.")
        self.assertEqual(self.people.gateway(BOB, self.accounts.find("office")), "gsm2")
        session = self.do("gateway", "", "", BOB)["sessionid"]
        command = self.do("gateway", "complete", session, BOB, gateway="")
        self.assertEqual(self.note(command)[1], "From now on any gateway carries your texts.")
        self.assertIsNone(self.people.gateway(BOB, self.accounts.find("office")))

    def test_no_choice_is_empty_and_none_can_be_chosen_again(self) -> None:
        """An empty one ends profanity 0.13."""
        self.register("office", BOB)
        for node, value in (("gateway", "gsm2"), ("sender", "ACME")):
            self.do(node, "complete", self.do(node, "", "", BOB)["sessionid"], BOB, **{node: value})
            command = self.do(node, "", "", BOB)
            (field,) = self.fields(command).values()
            values = [str(one.value) for one in field.elements() if one.name == "option"]
            self.assertEqual((str(field.value), all(values), value in values), (value, True, True))
            self.do(node, "complete", command["sessionid"], BOB, **{node: values[0]})
        self.assertEqual(self.people.preferences(BOB), Known("office"))

    def test_who_is_linked_by_settings_chooses_too(self) -> None:
        session = self.do("gateway", "", "", CARL)["sessionid"]
        self.do("gateway", "complete", session, CARL, gateway="gsm1")
        self.assertEqual(self.people.preferences(CARL), Known("", "gsm1"))

    def test_an_account_with_its_own_gateway_has_no_choice(self) -> None:
        self.register()
        self.assertEqual(self.not_done("gateway")[0], "forbidden")
        self.assertEqual(self.not_done("sender")[0], "forbidden")

    def test_who_has_no_account(self) -> None:
        condition, _, text = self.not_done("balance", "", "", BOB)
        self.assertEqual(condition, "forbidden")
        self.assertIn("register with sms.example.org", text)


class Conversations(CommandCase):
    def test_whose_account_was_closed_meanwhile(self) -> None:
        self.register()
        sessions = [self.do("messages")["sessionid"] for _ in range(2)]
        self.house.wait(self.people.link(ANN, "office"))
        self.assertEqual(
            self.not_done("messages", "complete", sessions[0])[::2],
            ("forbidden", "your account is another one now: begin the command again"),
        )
        self.house.wait(self.people.link(ANN, "old"))
        self.assertEqual(
            self.not_done("messages", "complete", sessions[1])[::2],
            ("forbidden", "this account is switched off: ask the administrator"),
        )

    def test_cancel(self) -> None:
        session = self.do("register")["sessionid"]
        command = self.do("register", "cancel", session)
        self.assertEqual((command["status"], command["sessionid"]), ("canceled", session))
        self.assertEqual(self.not_done("register", "next", session)[:2], ("bad-request", "bad-sessionid"))
        self.assertEqual(self.not_done("register", "cancel")[:2], ("bad-request", "bad-sessionid"))

    def test_it_is_one_persons_and_one_commands(self) -> None:
        self.register()
        session = self.do("register")["sessionid"]
        elsewhere = Jid.parse(f"{ANN.bare}/elsewhere")
        for node, sender in (("register", BOB), ("register", elsewhere), ("messages", ANN)):
            self.assertEqual(
                self.not_done(node, "next", session, sender)[:2], ("bad-request", "bad-sessionid")
            )

    def test_what_is_wrong(self) -> None:
        self.assertEqual(self.not_done("nothing")[0], "item-not-found")
        self.assertEqual(self.not_done("register", "dance")[:2], ("bad-request", "malformed-action"))
        session = self.do("register")["sessionid"]
        self.assertEqual(self.not_done("register", "prev", session)[:2], ("bad-request", "bad-action"))
        self.assertEqual(
            self.refused("get", SMS, self.payload("register"))[1:],
            ("bad-request", "commands are executed with type='set'"),
        )
        self.assertEqual(
            self.not_done("register", "next", session, username="x" * 3000)[::2],
            ("not-acceptable", "a field here has at most 2000 characters"),
        )
        many = {f"f{number}": "" for number in range(60)}
        self.assertEqual(self.not_done("register", "next", session, ANN, **many)[0], "not-acceptable")

    def test_who_waits_too_long(self) -> None:
        session = self.do("register")["sessionid"]
        self.house.clock.advance(commands.LIFE - 1)
        self.do("register", "next", session, username="ann", password="wrong")
        self.house.clock.advance(commands.LIFE - 1)
        self.do("register", "next", session, username="ann", password="wrong2")
        self.house.clock.advance(commands.LIFE + 1)
        self.assertEqual(
            self.not_done("register", "next", session, username="ann", password="annpw")[:2],
            ("not-allowed", "session-expired"),
        )
        self.assertEqual(self.not_done("register", "next", session)[:2], ("bad-request", "bad-sessionid"))

    def test_one_person_has_so_many(self) -> None:
        sessions = [self.do("register")["sessionid"] for _ in range(commands.MOST_OF_ONE + 1)]
        self.assertEqual(self.not_done("register", "next", sessions[0])[:2], ("bad-request", "bad-sessionid"))
        self.do("register", "cancel", sessions[1])

    def test_all_have_so_many(self) -> None:
        self.patch(commands, "MOST", 10)
        them = [Jid.parse(f"u{number}@example.net/x") for number in range(11)]
        sessions = [self.do("register", "", "", jid)["sessionid"] for jid in them[:10]]
        self.assertEqual(self.not_done("register", "", "", them[10])[0], "resource-constraint")
        self.do("register", "cancel", sessions[3], them[3])
        self.do("register", "", "", them[10])
        # Those who have gone away make room.
        self.house.clock.advance(commands.LIFE + 1)
        self.do("register", "", "", them[0])
        self.assertEqual(
            self.not_done("register", "next", sessions[5], them[5])[:2], ("bad-request", "bad-sessionid")
        )

    def test_two_answers_at_once(self) -> None:
        session = self.do("register")["sessionid"]
        slow: Deferred[bool] = Deferred()
        self.accounts._verifier._run = lambda f, *args: slow
        self.iq("set", SMS, self.payload("register", "next", session, username="ann", password="annpw"))
        self.assertEqual(self.not_done("register", "cancel", session)[0], "unexpected-request")
        slow.callback(True)
        self.house.settle()
        self.assertEqual(self.people.registered(ANN), "ann")

    def test_one_that_is_pushed_out_while_it_waits_links_nobody(self) -> None:
        session = self.do("register")["sessionid"]
        slow: Deferred[bool] = Deferred()
        self.accounts._verifier._run = lambda f, *args: slow
        self.iq("set", SMS, self.payload("register", "next", session, username="ann", password="annpw"))
        for _ in range(commands.MOST_OF_ONE):
            self.do("register")
        slow.callback(True)
        self.house.settle()
        self.assertEqual(self.people.registered(ANN), "")
