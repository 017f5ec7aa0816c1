"""What must not keep a gathered message from leaving: codings, rules with one name, gateways that are gone."""

from __future__ import annotations

from smsd.codec.dcs import Dcs
from smsd.policy.rules import engine
from smsd.policy.rules.model import Action, All, Cap, Escalate, Field, How, Rule, TextTest
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.message import Parameters, Ticket, Wants
from tests.house import MODEM, submission
from tests.store.caring import ANN, BOB, EVE, CareCase, cap, digest

GSM7 = Parameters(coding=0)
FLASH = Parameters(coding=0x10)


class Codings(CareCase):
    """A digest may have characters that no message in it has, and messages of several codings."""

    def test_the_template_may_have_a_sign_that_the_coding_does_not_have(self) -> None:
        for text in "abc":
            self.send(text, cap(1, text="%first% … %last%"), parameters=GSM7)
        self.later(1)
        self.assertEqual(self.texts(), ["a", "b … c"])

    def test_what_is_cut_costs_no_other_alphabet(self) -> None:
        for letter in "abc":
            self.send(letter * 150, cap(1))
        self.later(1)
        self.assertEqual(self.texts()[1:], [f"2 more: {'b' * 117}..."])  # one part

    def test_the_last_text_may_not_fit_the_coding_of_the_first(self) -> None:
        self.send("disk", digest(text="%first% %last%"), parameters=GSM7)
        self.send("диск", digest(text="%first% %last%"))
        self.later(1)
        self.assertEqual(self.texts(), ["disk диск"])

    def test_it_flashes_like_its_first_message(self) -> None:
        for number in "ab":
            self.send(number, digest(), parameters=FLASH)
        self.later(1)
        (piece,) = self.house.gsm.pieces
        self.assertEqual(Dcs.read(piece.parameters.coding or 0).message_class, 0)


class Windows(CareCase):
    def test_the_same_wish_twice_is_one(self) -> None:
        for text in "abc":
            self.send(text, cap(1), cap(1))
        self.later(1)
        self.assertEqual(self.texts(), ["a", "2 more: b"])

    def test_what_nothing_carries_keeps_nobody_else_waiting(self) -> None:
        self.house.accounts.update(ann=Account("ann"), bob=Account("bob"))
        self.house.gateway("gsm2", MODEM)
        for text in "ab":
            self.send(text, digest(), account="ann", parameters=Parameters(gateway="gsm2"))
        for text in "cd":
            self.send(text, digest(), account="bob")
        self.house.wait(self.house.queue.remove("gsm2"))
        self.later(1)
        self.assertEqual(self.texts(ANN), ["2 more: c"])
        self.assertEqual(self.house.states(), ["gathered"] * 2 + ["merged"] * 2 + ["sent"])
        self.house.gateway("gsm2", MODEM)
        self.house.outlet("gsm2").opened(1)
        self.later(1.1)
        self.assertEqual(self.house.states(), ["merged"] * 4 + ["sent"] * 2)


class CallLog(CareCase):
    def test_what_is_in_a_digest_is_kept_until_that_has_come_to_an_end(self) -> None:
        self.house.sweeper.keep_days = 1
        self.house.outlet("gsm1").closed("pulled out")
        for name in "ab":
            ticket = Ticket(Address("mailto", f"{name}@example.org"))
            self.send(name, digest(), ticket=ticket, wants=Wants.FAILURE)
        for _ in range(5 * 24):
            self.later(60)
        self.assertEqual(
            [piece.target.target for piece in self.house.mail.pieces], ["a@example.org", "b@example.org"]
        )
        for _ in range(3 * 24):
            self.later(60)
        self.assertEqual(self.house.rows(), [])


class UsersRules(CareCase):
    """Titles are unique among the rules of one user, and no further."""

    def start(self) -> None:
        self.house.accounts.update(ann=Account("ann"), bob=Account("bob"))
        super().start()

    def use(self, *actions: Action) -> None:
        """The administrator, ann and bob have a rule with one title each, and the same wishes."""
        mine = [
            Rule("storm", Field("account", TextTest(How.EQUALS, user)), actions, user=user)
            for user in ("ann", "bob")
        ]
        self.house.judge.use(engine.compile([Rule("storm", All(), actions), *mine]), 1)

    def submit(self, text: str, account: str) -> None:
        self.house.wait(self.house.dispatcher.submit(submission(ANN, text, account=account)))
        self.house.settle()

    def test_each_has_windows_of_its_own(self) -> None:
        self.use(Cap(2, 1, "%count% more"))
        for text in "abc":
            self.submit(text, "ann")
        self.submit("d", "bob")
        # bob's own window has room for one; the administrator's is for all together, and is full.
        windows = sorted(self.select("select key, passed, waiting from gathering"))
        key = f"2/60000|sms:{ANN}|storm"
        self.assertEqual(windows, [(key, 2, 2), (f"{key}|ann", 2, 0)])
        self.later(1)
        self.assertEqual(sorted(self.texts()), ["a", "b", "c", "d"])

    def test_each_asks_the_numbers_of_its_own(self) -> None:
        self.house.judge.use(
            engine.compile(
                [
                    Rule(
                        "on call",
                        Field("account", TextTest(How.EQUALS, user)),
                        (Escalate((to,), 5),),
                        user=user,
                    )
                    for user, to in (("ann", BOB), ("bob", EVE))
                ]
            ),
            1,
        )
        self.submit("fire", "ann")
        self.submit("water", "bob")
        self.later(5)
        self.assertEqual((self.texts(BOB), self.texts(EVE)), (["fire"], ["water"]))
