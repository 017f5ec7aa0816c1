"""Texts as their account wants them sent, and quotes: what a text becomes and costs before it is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import segment, tidy
from smsd.core.billing import Billing
from smsd.core.credit import Credit
from smsd.core.explaining import trace_lines
from smsd.core.pricing import Pricing, told
from smsd.interfaces import Abilities
from smsd.policy.charge import PriceList, Tariffs
from smsd.store import operating
from smsd.values.account import Account
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Parameters, Text
from tests.core.paying import ITALY, NOWHERE, TARIFFS
from tests.house import House, submission

PORTUGUESE = Abilities(frozenset({"sms"}), parts=True, national=frozenset({3}))
CURLY = "It’s " + "x" * 150


class TextCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.open()
        self.house.planner.tariffs = TARIFFS
        self.become()

    def become(self, **changes: Any) -> None:
        self.house.accounts["shop"] = replace(Account("shop"), **changes)

    def plan(self, text: str, **options: Any) -> Any:
        made = submission(text=text, account="shop", **options)
        entry = self.house.planner.plan(made, reserve=False).order[0]
        return getattr(entry, "refusal", entry)


class Policies(TextCase):
    def test_as_is(self) -> None:
        entry = self.plan(CURLY)
        self.assertEqual((entry.encoding, entry.parts, entry.content, entry.notes), ("UCS-2", 3, None, ()))

    def test_tidy(self) -> None:
        self.become(text="tidy")
        entry = self.plan(CURLY)
        self.assertEqual((entry.encoding, entry.parts), ("GSM-7", 1))
        self.assertEqual(entry.content, Text(CURLY.replace("’", "'")))
        self.assertEqual(entry.notes, ("tidied: ’ → '",))
        self.assertEqual(trace_lines(entry.trace), ["tidied, else it would go as Unicode: ’ → '"])

    def test_what_a_listener_says_holds_where_the_account_says_nothing(self) -> None:
        self.house.planner.texts = {"http": "tidy"}
        self.assertEqual(self.plan(CURLY).parts, 1)
        self.assertEqual(self.plan(CURLY, door="mail").parts, 3)
        made = submission(text=CURLY)
        self.assertEqual(self.house.planner.plan(made, reserve=False).order[0].parts, 1)

    def test_what_is_sent_and_what_is_remembered(self) -> None:
        self.become(text="tidy")
        receipt = self.house.send(text="“on”", account="shop")
        self.house.settle()
        self.assertEqual(self.house.gsm.pieces[0].content.text, '"on"')
        told = self.house.wait(self.house.store.ask(operating.explain, receipt.recipients[0].delivery))
        self.assertEqual((told["about"]["body"], told["made"]), ("“on”", '"on"'))

    def test_only_if_it_avoids_unicode(self) -> None:
        self.become(text="tidy")
        entry = self.plan("“Ω and я”")
        self.assertEqual((entry.encoding, entry.content, entry.trace), ("UCS-2", None, ""))

    def test_a_text_without_such_characters_is_not_looked_at(self) -> None:
        self.become(text="tidy")
        entry = self.plan("plain è")
        self.assertEqual((entry.content, entry.notes), (None, ()))

    def test_a_coding_that_was_asked_for(self) -> None:
        self.become(text="tidy")
        self.assertEqual(self.plan("“on”", parameters=Parameters(coding=8)).encoding, "UCS-2")

    def test_national(self) -> None:
        self.house.outlet("gsm1").closed("gone")
        self.house.wait(self.house.queue.remove("gsm1"))
        self.house.gateway("pt", PORTUGUESE)
        self.become(text="national")
        entry = self.plan("Coração ê")
        self.assertEqual((entry.encoding, entry.content), ("GSM-7", None))
        entry = self.plan("Coração “ê”")
        self.assertEqual((entry.encoding, entry.content), ("GSM-7", Text('Coração "ê"')))
        self.become(text="tidy")
        self.assertEqual(self.plan("Coração ê").content, Text("Coracao e"))

    def test_many_characters_are_not_all_named(self) -> None:
        self.become(text="tidy")
        (note,) = self.plan("áâãåćčďêëęîï").notes
        self.assertTrue(note.endswith((" and 2 more", " and 1 more")), note)

    def test_a_rule_has_left_a_trace_before(self) -> None:
        self.become(text="tidy")
        made = submission(text="“on”", account="shop")
        before = json.dumps([7, "01", ["rewritten"], "last"])
        made = replace(made, recipients=tuple(replace(one, trace=before) for one in made.recipients))
        (entry,) = self.house.planner.plan(made, reserve=False).order
        self.assertEqual(
            json.loads(entry.trace),
            [7, "01", ["rewritten", 'tidied, else it would go as Unicode: “ → ", ” → "'], "last"],
        )


class TooLong(TextCase):
    def test_refused_instead_of_cut(self) -> None:
        self.become(max_parts_refuse=2)
        refusal = self.plan("x" * 400)
        self.assertEqual((type(refusal), refusal.reason), (Refused, Reason.TOO_LONG))
        self.assertEqual(refusal.text, "the text needs 3 SMS, and at most 2 are sent: make it shorter")
        self.assertEqual(self.plan("x" * 300).parts, 2)

    def test_it_says_which_character_makes_it_long(self) -> None:
        self.become(max_parts_refuse=2)
        self.assertIn("because of '’' it goes as Unicode", self.plan(CURLY).text)

    def test_a_lower_number_of_the_sender_counts_and_cuts_nothing(self) -> None:
        self.become(max_parts_refuse=2)
        self.assertEqual(self.plan("x" * 300, parameters=Parameters(max_parts=1)).reason, Reason.TOO_LONG)
        self.assertEqual(self.plan("x" * 400, parameters=Parameters(max_parts=5)).reason, Reason.TOO_LONG)


class Quotes(TextCase):
    def setUp(self) -> None:
        super().setUp()
        self.pricing = Pricing(self.house.planner)

    def test_a_text_is_looked_at_once_for_all_its_numbers(self) -> None:
        looked: list[str] = []
        offenders, replan = tidy.offenders, segment.replan
        self.patch(tidy, "offenders", lambda text: looked.append(text) or offenders(text))
        self.patch(segment, "replan", lambda *args, **said: looked.append("cut") or replan(*args, **said))
        pricing = Pricing(self.house.planner)
        quotes = {pricing.quote(f"+3933312345{n}", CURLY, "shop").parts for n in range(10, 20)}
        self.assertEqual((looked, quotes), ([CURLY, "cut"], {3}))

    def test_a_plain_text(self) -> None:
        quote = self.pricing.quote(ITALY, "hello", "shop")
        self.assertEqual(
            (
                quote.encoding,
                quote.parts,
                quote.units,
                quote.left,
                quote.amount,
                quote.destination,
                quote.offenders,
            ),
            ("GSM-7", 1, 5, 155, 450, "Italy", ()),
        )

    def test_the_curly_quote(self) -> None:
        quote = self.pricing.quote(ITALY, CURLY)
        self.assertEqual(
            (quote.encoding, quote.parts, quote.amount, quote.plain_parts), ("UCS-2", 3, 1350, 1)
        )
        (one,) = quote.offenders
        self.assertEqual((one.char, one.at, one.times, one.plain), ("’", 2, 1, "'"))

    def test_what_the_account_makes_of_it(self) -> None:
        self.become(text="tidy")
        quote = self.pricing.quote(ITALY, CURLY, "shop")
        self.assertEqual(
            (quote.parts, quote.notes, quote.text), (1, ("tidied: ’ → '",), CURLY.replace("’", "'"))
        )

    def test_cut(self) -> None:
        quote = self.pricing.quote(ITALY, "x" * 900, "shop", Parameters(max_parts=2))
        self.assertEqual((quote.parts, quote.units, quote.notes), (2, 306, ("cut to the first 2 SMS",)))

    def test_refused(self) -> None:
        self.become(prepaid=True)
        for number, words in (("no number", "number"), (NOWHERE, "there is no price")):
            quote = self.pricing.quote(number, "α", "shop")
            self.assertIn(words, quote.refused)
            self.assertEqual(len(quote.offenders), 1)
        self.assertIn("empty", self.pricing.quote(ITALY, "").refused)
        self.assertRaises(InvalidValue, self.pricing.quote, ITALY, "hello", "nobody")

    def test_no_price_for_who_does_not_pay_before(self) -> None:
        quote = self.pricing.quote(NOWHERE, "hello", "shop")
        self.assertEqual((quote.refused, quote.price, quote.amount), ("", None, None))

    def test_nothing_is_kept(self) -> None:
        self.pricing.quote(ITALY, "hello", "shop")
        self.house.settle()
        self.assertEqual((self.house.rows(), self.house.gsm.pieces), ([], []))
        self.assertEqual(self.house.outlet("gsm1").reserved, 0)

    def test_in_json(self) -> None:
        self.assertEqual(json.loads(json.dumps(told(self.pricing.quote(ITALY, CURLY))))["amount"], "0.135")


class Verbs(TextCase):
    def setUp(self) -> None:
        super().setUp()
        self.become(prepaid=True)
        credit = Credit(self.house.store, self.house.accounts.get, lambda: self.house.planner.tariffs)
        self.billing = Billing(credit, Pricing(self.house.planner), lambda: self.house.planner.tariffs)

    def call(self, verb: str, **arguments: Any) -> Any:
        from twisted.internet.defer import Deferred

        return self.house.wait(Deferred.fromCoroutine(self.billing.verbs()[verb](arguments)))

    def test_top_up_and_show(self) -> None:
        row = self.call("top_up", account="shop", amount="12.50", reference="7")
        self.assertEqual(
            row,
            {"payer": "shop", "available": "12.50", "reserved": "0.00", "currency": "EUR", "repeated": False},
        )
        self.assertTrue(self.call("top_up", account="shop", amount="12.50", reference="7")["repeated"])
        self.call("top_up", account="shop", amount="2.50", reference="8", take=True)
        self.assertEqual([row["available"] for row in self.call("credit")], ["10.00"])
        self.assertEqual(self.call("credit", account="shop")[0]["payer"], "shop")
        lines = self.call("statement", account="shop")["lines"]
        self.assertEqual([line["amount"] for line in lines], ["12.50", "-2.50"])
        self.assertEqual(self.call("books"), [])

    def test_what_makes_no_sense(self) -> None:
        for verb, given in (
            ("top_up", {"account": "shop", "amount": "1", "reference": " "}),
            ("top_up", {"account": "shop", "amount": "-1", "reference": "7"}),
            ("top_up", {"account": "shop", "amount": 1, "reference": "7"}),
            ("top_up", {"account": "shop", "amount": "1"}),
            ("top_up", {"account": "shop", "amount": "1", "reference": "x" * 201}),
            ("statement", {"account": "shop", "after": "x"}),
            ("statement", {}),
            ("credit", {"account": "nobody"}),
            ("price", {"to": ITALY}),
            ("price", {"to": ITALY, "text": "x", "max_parts": 0}),
        ):
            with self.assertRaises(InvalidValue, msg=str(given)):
                self.call(verb, **given)

    def test_price(self) -> None:
        quote = self.call("price", to=ITALY, text="hello", account="shop")
        self.assertEqual((quote["amount"], quote["credit"]), ("0.045", "0.00 EUR"))
        self.assertNotIn("credit", self.call("price", to=ITALY, text="hello"))

    def test_prices_that_nobody_has_set(self) -> None:
        self.house.planner.tariffs = Tariffs(PriceList())
        self.assertEqual(self.call("price", to=ITALY, text="hello")["amount"], None)
