"""Alerts that went to somebody's chat: "OK" there ends them, whoever they seem to come from."""

from __future__ import annotations

from dataclasses import replace

from smsd.store import operating
from smsd.values.address import Address
from tests.house import submission
from tests.links.xmpp.test_link import EMAIL, PHONE, SMS, Linked
from tests.store.caring import escalation


class Alerted(Linked):
    def alert(self, who: str, origin: str) -> int:
        """A phone is asked first; after its five minutes, `who`. The delivery to the phone."""
        self.house.sweeper.start()
        made = submission(PHONE, "fire", origin=Address.parse(origin))
        care = escalation(f"xmpp:{who}", "+15550000003")
        given = replace(made, recipients=tuple(replace(one, gather=(care,)) for one in made.recipients))
        receipt = self.house.wait(self.house.dispatcher.submit(given))
        self.house.advance(301)
        self.settle()
        return int(receipt.recipients[0].delivery)

    def state(self, delivery: int) -> str:
        ((alert,),) = (self.house.wait(self.house.store.ask(operating.explain, delivery))["alerts"],)
        return str(alert["state"])

    def test_from_a_program_it_comes_from_the_domain_and_is_answered_there(self) -> None:
        first = self.alert("ann@example.org", "account:nagios")
        (asked,) = self.got()
        self.assertEqual(asked.get("from"), SMS)
        self.write("Ok.", to=SMS)
        self.assertEqual((self.state(first), self.got()), ("answered", []))
        self.write("Ok.", to=SMS)
        self.assertEqual(len(self.got()), 1)  # what can be done here

    def test_from_a_mailbox_the_answer_goes_there_too(self) -> None:
        first = self.alert("ann@example.org", "mailto:nagios@example.org")
        (asked,) = self.got(EMAIL)
        self.write("OK", to=asked.get("from", ""))
        self.assertEqual((self.state(first), self.got(EMAIL)), ("answered", []))
        self.assertEqual(self.house.mail.pieces[-1].target.target, "nagios@example.org")

    def test_who_has_no_account_may_answer_all_the_same(self) -> None:
        first = self.alert("eve@away.example", "mailto:nagios@example.org")
        (asked,) = self.got(EMAIL)
        self.write("I come", to=asked.get("from", ""), sender="eve@away.example/x")
        self.assertEqual(self.error(EMAIL)[2], "registration-required")
        self.write("OK", to=asked.get("from", ""), sender="eve@away.example/x", id="message-2")
        self.assertEqual((self.state(first), self.got(EMAIL)), ("answered", []))
        self.assertEqual(self.house.mail.pieces, [])

    def test_another_ones_ok_is_none(self) -> None:
        first = self.alert("ann@example.org", "account:nagios")
        self.write("OK", to=SMS, sender="bob@example.org/x")
        self.write("OK", to=SMS, sender="ann@elsewhere.example/x")
        self.assertEqual(self.state(first), "open")
