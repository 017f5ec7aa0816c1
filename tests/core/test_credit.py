"""Money of prepaid accounts over a real store: reserved, charged, released, never twice, and nothing where nobody pays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zope.interface.verify import verifyObject

from smsd.interfaces import Abilities, ICredit
from smsd.policy.charge import Price, PriceList, Tariffs
from smsd.policy.rules import engine
from smsd.policy.rules.model import Field, How, Rule, Send, TextTest
from smsd.store import accounts
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import (
    Call,
    Declined,
    IdempotencyKey,
    Once,
    Parameters,
    Recipient,
    Submission,
    Wants,
    Window,
)
from tests.core.paying import AMERICA, ITALY, LONG, NOWHERE, TARIFFS, PayingCase, books
from tests.house import submission

NEVER = Failure(Kind.PERMANENT, "no such number")
BUSY = Failure(Kind.TEMPORARY, "busy")
LOST = Failure(Kind.UNKNOWN, "no answer")
PROVIDER = Abilities(frozenset({"sms"}), reports=True)


class Accepting(PayingCase):
    def test_reserved_then_charged(self) -> None:
        self.house.gsm.manual = True
        self.send()
        self.assertEqual(self.has(), ("0.955", "0.045"))
        self.house.gsm.release()
        self.assertEqual(self.has(), ("0.955", "0.00"))
        self.assertEqual(self.lines(), [("reserved", "0.045", 0), ("charged", "0.045", 1)])

    def test_refused_when_it_is_not_covered(self) -> None:
        self.send("+15559000001")
        self.send("+15559000002")
        with self.assertRaises(Refused) as caught:
            self.send()
        self.assertIs(caught.exception.reason, Reason.NO_CREDIT)
        self.assertEqual(
            caught.exception.text,
            "this costs 0.045 EUR, and the credit of account shop is 0.00 EUR: ask for more credit, or send less",
        )
        self.assertEqual((Reason.NO_CREDIT.http, Reason.NO_CREDIT.smtp), (402, 552))
        self.assertEqual(len(self.house.states()), 2, "nothing of it is kept")
        self.assertEqual(self.house.outlet("gsm1").reserved, 0, "its slot is free")

    def test_all_recipients_or_none(self) -> None:
        numbers = [ITALY, *(f"+1555900000{n}" for n in range(2))]
        with self.assertRaises(Refused):
            self.send(numbers=numbers)
        self.assertEqual(self.has(), ("1.00", "0.00"))
        self.send(numbers=numbers[:2])
        self.assertEqual(self.has(), ("0.455", "0.00"))

    def test_the_same_number_twice_is_paid_once(self) -> None:
        self.send(numbers=[ITALY, ITALY])
        self.assertEqual(self.has()[0], "0.955")

    def test_calls_of_one_group_spend_one_balance(self) -> None:
        results: list[Any] = []
        for n in range(4):
            done = self.house.dispatcher.submit(submission(f"+1555900000{n}", account="shop"))
            done.addBoth(results.append)
        self.house.settle()
        self.assertEqual(sum(hasattr(one, "recipients") for one in results), 2)
        self.assertEqual(self.has(), ("0.00", "0.00"))

    def test_parts_are_paid(self) -> None:
        self.send(text=LONG)
        self.assertEqual(self.has(), ("0.865", "0.00"))
        self.assertEqual([line[2] for line in self.lines()], [0, 1, 2, 3])

    def test_parts_of_a_gateway_that_takes_them_whole(self) -> None:
        self.house.outlet("gsm1").closed("gone")
        self.house.gateway("provider", PROVIDER)
        self.house.outlet("provider").opened(1)
        self.send(text=LONG)
        self.assertEqual(self.has(), ("0.865", "0.00"))

    def test_longest_prefix(self) -> None:
        self.send("+15559000001")
        self.send(AMERICA)
        self.assertEqual(self.has()[0], "0.49")

    def test_no_price_is_refused(self) -> None:
        with self.assertRaises(Refused) as caught:
            self.send(NOWHERE)
        self.assertEqual(
            caught.exception.text, f"there is no price for {NOWHERE}: ask the administrator to set one"
        )
        self.assertIsInstance(
            self.house.wait(
                self.house.dispatcher.submit(submission(account="shop", numbers=[NOWHERE, ITALY]))
            ).recipients[0],
            Declined,
        )

    def test_a_default_price(self) -> None:
        self.house.planner.tariffs = replace(TARIFFS, common=PriceList({}, 2000))
        self.send(NOWHERE)
        self.assertEqual(self.has()[0], "0.80")

    def test_lists_of_accounts_and_groups(self) -> None:
        self.house.planner.tariffs = Tariffs(
            PriceList({}, 1000), {"shop": PriceList({}, 20)}, {"sales": PriceList({}, 30)}
        )
        self.send()
        self.assertEqual(self.has()[0], "0.998")
        self.become("free", prepaid=True, group="sales", payer="group:sales")
        self.top_up("1.00", "group:sales")
        self.send(account="free")
        self.assertEqual((self.has("group:sales")[0], self.has("free")[0]), ("0.997", "0.00"))

    def test_free_destinations_need_no_credit(self) -> None:
        self.house.planner.tariffs = Tariffs(PriceList({"39": Price(0)}))
        self.top_up("-1.00")
        self.send()
        self.assertEqual(self.lines(), [])

    def test_a_repeated_request_is_paid_once(self) -> None:
        key = IdempotencyKey("web", "order 7")
        self.assertEqual(self.send(key=key), self.send(key=key))
        self.assertEqual(self.has()[0], "0.955")

    def test_reports_are_not_paid(self) -> None:
        self.house.gsm.answer = lambda piece: NEVER
        self.send()
        self.assertEqual(len(self.house.mail.pieces), 1)
        self.assertEqual(self.has(), ("1.00", "0.00"))


class NobodyPays(PayingCase):
    def statements(self, account: str | None) -> list[str]:
        seen: list[str] = []
        writer = self.house.store._writer
        writer.set_trace_callback(seen.append)
        try:
            self.send(account=account)
            self.house.gsm.answer = lambda piece: NEVER
            failed = self.send(account=account, text=LONG)
            self.verb("retry", failed)
            self.verb("cancel", failed)
        finally:
            writer.set_trace_callback(None)
        return [each for each in seen if any(name in each for name in ("charge", "ledger", "balance"))]

    def test_no_row_and_no_statement(self) -> None:
        self.send()
        self.assertEqual(self.statements("free"), [])
        self.assertEqual(self.statements(None), [])

    def test_this_test_sees_them(self) -> None:
        self.assertNotEqual(self.statements("shop"), [])


class Settling(PayingCase):
    def test_parts_that_were_sent_are_charged_the_others_released(self) -> None:
        self.house.gsm.answer = lambda piece: NEVER if piece.seq == 3 else Accepted(str(piece.seq))
        self.send(text=LONG)
        self.assertEqual(self.has(), ("0.91", "0.00"))
        self.assertEqual(
            self.lines(),
            [
                ("reserved", "0.135", 0),
                ("charged", "0.045", 1),
                ("charged", "0.045", 2),
                ("released", "0.045", 0),
            ],
        )

    def test_a_try_that_failed_costs_nothing(self) -> None:
        answers = iter([BUSY, LOST, Accepted("1")])
        self.house.gsm.answer = lambda piece: next(answers)
        self.send()
        self.assertEqual(self.has(), ("0.955", "0.045"))
        self.house.advance(61)
        self.house.advance(61)
        self.assertEqual(self.has(), ("0.955", "0.00"))

    def test_expiry(self) -> None:
        self.house.outlet("gsm1").closed("gone")
        delivery = self.send(parameters=Parameters(expire_minutes=10))
        self.house.advance(700)
        self.house.advance(60)
        self.assertEqual((self.state(delivery), self.has()), ("expired", ("1.00", "0.00")))

    def test_cancel_and_retry(self) -> None:
        self.house.outlet("gsm1").closed("gone")
        delivery = self.send()
        self.verb("cancel", delivery)
        self.assertEqual(self.has(), ("1.00", "0.00"))
        self.verb("retry", delivery)
        self.assertEqual(self.has(), ("0.955", "0.045"))
        self.verb("cancel", delivery)
        self.verb("retry", delivery)
        self.house.outlet("gsm1").opened(1)
        self.assertEqual(self.has(), ("0.955", "0.00"))

    def test_a_retry_that_is_not_covered(self) -> None:
        self.house.gsm.answer = lambda piece: NEVER
        delivery = self.send("+15559000001")
        self.top_up("-0.60")
        self.assertIn("it costs 0.50, and the credit of account shop is 0.40", self.verb("retry", delivery))
        self.assertEqual(self.state(delivery), "failed")

    def test_what_is_paid_and_sent_again_is_not_paid_again(self) -> None:
        delivery = self.send(text=LONG, wants=Wants.SUCCESS)
        self.report("2", "failed")
        self.assertEqual((self.state(delivery), self.has()), ("failed", ("0.865", "0.00")))
        self.verb("retry", delivery)
        self.assertEqual((len(self.house.gsm.pieces), self.has()), (6, ("0.865", "0.00")))

    def test_the_rest_of_one_that_is_sent_again(self) -> None:
        self.house.gsm.answer = lambda piece: NEVER if piece.seq == 2 else Accepted(str(piece.seq))
        delivery = self.send(text=LONG)
        self.assertEqual(self.has(), ("0.955", "0.00"))
        self.house.gsm.answer = lambda piece: Accepted(str(piece.seq))
        self.verb("retry", delivery)
        self.assertEqual(self.has(), ("0.865", "0.00"))

    def test_a_crash_on_the_wire(self) -> None:
        self.house.gsm.manual = True
        delivery = self.send()
        self.live(self.house.crash())
        self.house.settle()
        self.assertEqual((self.state(delivery), self.has()), ("sent", ("0.955", "0.00")))

    def test_a_part_of_which_the_network_says_no_while_the_next_is_on_the_wire(self) -> None:
        self.house.gsm.manual = True
        delivery = self.send(text=LONG, wants=Wants.SUCCESS)
        self.house.gsm.release(Accepted("71"))
        self.house.settle()
        self.report("71", "failed")
        self.house.gsm.release(Accepted("72"))
        self.assertEqual((self.state(delivery), self.has()), ("failed", ("0.955", "0.00")))

    def test_purged_with_the_call_log_and_kept_in_the_ledger(self) -> None:
        self.house.sweeper.keep_days = 1
        self.send()
        for _ in range(10):
            self.house.advance(86_400)
        self.assertEqual(self.house.rows(), [])
        self.assertEqual(len(self.lines()), 2)
        self.assertEqual(self.house.wait(self.house.store.ask(_count, "charge")), 0)


class WhenDelivered(PayingCase):
    def setUp(self) -> None:
        super().setUp()
        self.late()

    def test_charged_when_it_is_delivered(self) -> None:
        self.send(text=LONG)
        self.assertEqual(self.has(), ("0.865", "0.135"))
        for part in "123":
            self.report(part, "delivered")
        self.assertEqual(self.has(), ("0.865", "0.00"))
        self.assertEqual([line[0] for line in self.lines()], ["reserved", *["charged"] * 3])

    def test_released_when_the_network_says_no(self) -> None:
        delivery = self.send()
        self.report("1", "failed")
        self.assertEqual((self.state(delivery), self.has()), ("failed", ("1.00", "0.00")))

    def test_what_was_given_back_is_not_taken_again(self) -> None:
        delivery = self.send()
        self.report("1", "failed")
        self.report("1", "delivered")
        self.assertEqual((self.state(delivery), self.has()), ("delivered", ("1.00", "0.00")))

    def test_released_when_no_report_comes(self) -> None:
        delivery = self.send()
        for _ in range(9):
            self.house.advance(86_400)
        self.assertEqual((self.state(delivery), self.has()), ("sent", ("1.00", "0.00")))

    def test_a_gateway_that_gives_no_reports(self) -> None:
        self.house.outlet("gsm1").closed("gone")
        self.house.gateway("mute", Abilities(frozenset({"sms"})))
        self.house.outlet("mute").opened(1)
        self.send()
        self.assertEqual(self.has(), ("0.955", "0.00"))

    def test_one_that_was_accepted_before_the_prices_changed(self) -> None:
        self.house.gsm.manual = True
        self.send()
        self.house.planner.tariffs = TARIFFS
        self.house.gsm.release(Accepted("1"))
        self.assertEqual(self.has(), ("0.955", "0.045"))
        self.report("1", "delivered")
        self.assertEqual(self.has(), ("0.955", "0.00"))


class Rules(PayingCase):
    def caring(self, *cares: Any, text: str = "storm", to: str = ITALY) -> int:
        made = submission(to, text, account="shop")
        made = replace(made, recipients=tuple(replace(one, gather=cares) for one in made.recipients))
        delivery: int = self.house.wait(self.house.dispatcher.submit(made)).recipients[0].delivery
        self.house.settle()
        return delivery

    def test_a_digest_is_paid_instead_of_its_messages(self) -> None:
        window = Window("storm", 0, 60_000, "%count%: %first%")
        for _ in range(5):
            self.caring(window)
        self.assertEqual(self.has(), ("0.775", "0.225"))
        self.house.advance(61)
        self.house.advance(61)
        self.assertEqual(
            (self.house.gsm.pieces[-1].content.text, self.has()), ("5: storm", ("0.955", "0.00"))
        )

    def test_a_digest_never_costs_more_than_its_messages(self) -> None:
        window = Window("storm", 0, 60_000, "%count%: " + "y" * 900)
        for _ in range(2):
            self.caring(window)
        self.house.advance(61)
        self.house.advance(61)
        self.assertGreater(self.house.gsm.pieces[-1].total, 2)
        self.assertEqual(self.has(), ("0.91", "0.00"))

    def test_a_digest_is_paid_by_who_has_paid_for_its_messages(self) -> None:
        for _ in range(3):
            self.caring(Window("storm", 0, 60_000, "%count%: %first%"))
        self.become("shop", group="sales", payer="group:sales")
        self.house.advance(61)
        self.house.advance(61)
        self.assertEqual(self.house.gsm.pieces[-1].content.text, "3: storm")
        self.assertEqual((self.has(), self.has("group:sales")), (("0.955", "0.00"), ("0.00", "0.00")))

    def test_a_digest_leaves_whatever_its_account_would_be_refused(self) -> None:
        self.become("shop", senders=("ACME",), max_parts_refuse=1)
        window = Window("storm", 0, 60_000, "%count%: " + "y" * 900)
        for _ in range(2):  # the administrator's rule has chosen the sender
            made = submission(ITALY, "storm", account="shop")
            (one,) = made.recipients
            one = replace(one, gather=(window,), parameters=Parameters(sender="BOSS"), named_by_rule=True)
            self.house.wait(self.house.dispatcher.submit(replace(made, recipients=(one,))))
        self.house.planner.tariffs = replace(TARIFFS, common=PriceList())
        self.become("shop", active=False)
        self.house.advance(61)
        self.house.advance(61)
        (piece,) = self.house.gsm.pieces
        self.assertEqual(
            (piece.total, piece.parameters.sender), (1, "BOSS"), "cut, for none was to be longer"
        )
        self.assertEqual(piece.content.text[:4], "2: y")
        self.assertEqual(self.has(), ("1.00", "0.00"), "it has no price any more")

    def test_what_a_rule_sends_once_an_hour(self) -> None:
        once = Once("answers", "what")
        self.caring(once)
        self.caring(once)
        self.assertEqual([line[0] for line in self.lines()], ["reserved", "charged", "reserved", "released"])
        self.assertEqual(self.has(), ("0.955", "0.00"))

    def test_what_rules_send_besides_is_paid_too(self) -> None:
        parent = self.house.planner.plan(submission(ITALY, account="shop"))
        child = self.house.planner.plan(
            submission(AMERICA, account="shop", door="rules"), parent.message, reserve=False
        )
        self.house.wait(self.house.dispatcher.commit(parent._replace(children=(child,))))
        self.assertEqual(self.has(), ("0.945", "0.00"))

    def test_what_rules_send_has_to_be_covered(self) -> None:
        self.top_up("-0.95")
        parent = self.house.planner.plan(submission(ITALY, account="shop"))
        child = self.house.planner.plan(
            submission(AMERICA, account="shop", door="rules"), parent.message, reserve=False
        )
        with self.assertRaises(Refused):
            self.house.wait(self.house.dispatcher.commit(parent._replace(children=(child,))))

    def answered(self) -> list[str]:
        """Who is sent something when a program that the shop's message has started answers a phone, and a rule copies that."""
        copy = Rule("copy", Field("number", TextTest(How.EQUALS, ITALY)), (Send(AMERICA, "%body%"),))
        self.house.judge.use(engine.compile([copy]), 1)
        programs = self.house.gateway("programs", Abilities(frozenset({"program"})))
        programs.answer = lambda piece: Accepted(output="21 degrees")
        self.house.outlet("programs").opened(1)
        asked = Call("program", "/bin/true", reply=f"sms:{ITALY}", gateway="gsm1")
        to = (Recipient(Address("program", "p"), "p"),)
        started = Submission("rules", Address("sms", AMERICA), to, asked, account="shop")
        self.house.wait(self.house.dispatcher.submit(started))
        for _ in range(4):
            self.house.advance(1)
        return [piece.target.target for piece in self.house.gsm.pieces]

    def test_what_rules_send_because_of_a_programs_answer_is_paid_and_counted(self) -> None:
        self.assertEqual(self.answered(), [ITALY, AMERICA])
        self.assertEqual(self.has(), ("0.945", "0.00"))
        period = self.house.planner.period(self.house.store.now())
        counted = self.house.wait(self.house.store.ask(accounts.counted, ["shop"], period, "2000-01"))
        self.assertEqual(counted["shop"]["sent_this_month"], 3, "the program, its answer and the copy")

    def test_and_is_not_sent_when_that_is_not_covered(self) -> None:
        self.top_up("-0.95")
        self.assertEqual(self.answered(), [])
        self.assertEqual(self.has(), ("0.05", "0.00"))

    def test_what_rules_drop_is_not_paid(self) -> None:
        made = submission(ITALY, account="shop")
        made = replace(made, recipients=tuple(replace(one, dropped="deleted") for one in made.recipients))
        self.house.wait(self.house.dispatcher.submit(made))
        self.assertEqual(self.has(), ("1.00", "0.00"))


class ByHand(PayingCase):
    funds = ""

    def test_a_repeat_is_harmless(self) -> None:
        self.assertFalse(self.top_up("5.00", reference="invoice 7").repeated)
        again = self.top_up("5.00", reference="invoice 7")
        self.assertEqual((again.repeated, again.available), (True, 50_000))
        with self.assertRaises(InvalidValue) as caught:
            self.top_up("6.00", reference="invoice 7")
        self.assertIn("was used for 5.00", str(caught.exception))

    def test_not_below_zero(self) -> None:
        self.top_up("5.00")
        with self.assertRaises(InvalidValue):
            self.top_up("-5.01")
        self.top_up("-5.00")
        self.assertEqual(self.has(), ("0.00", "0.00"))

    def test_who_has_no_credit(self) -> None:
        self.assertRaises(InvalidValue, self.top_up, "1.00", "nobody")
        self.assertRaises(InvalidValue, self.top_up, "1.00", "free")
        self.assertRaises(InvalidValue, self.top_up, "1.00", "group:misspelt")
        for ask in (self.credit.balance, self.credit.statement):
            refused = self.assertRaises(InvalidValue, self.done, ask("group:misspelt"))
            self.assertIn("there is no account group 'misspelt': smsd account list --group", str(refused))
        self.assertRaises(InvalidValue, self.top_up, "0.00")

    def test_an_account_that_was_removed(self) -> None:
        self.top_up("1.00")
        self.send()
        del self.house.accounts["shop"]
        self.assertEqual(self.done(self.credit.balance("shop")).available, 9550)
        self.assertEqual(len(self.done(self.credit.statement("shop"))), 3)
        self.assertRaises(InvalidValue, self.top_up, "1.00")
        self.assertEqual(self.top_up("-0.955").available, 0)

    def test_statement(self) -> None:
        self.top_up("1.00", reference="=cmd")
        self.send(text=LONG)
        lines = self.done(self.credit.statement("shop"))
        self.assertEqual(
            [(line["kind"], line["available"], line["set_aside"]) for line in lines],
            [
                ("top_up", 10_000, 0), ("reserved", 8650, 1350), ("charged", 8650, 900), ("charged", 8650, 450),
                ("charged", 8650, 0),
            ],
        )  # fmt: skip
        self.assertEqual((lines[1]["note"], lines[1]["target"]), ("Italy 3 parts", f"sms:{ITALY}"))
        later = self.done(self.credit.statement("shop", after=lines[2]["id"]))
        self.assertEqual(later, lines[3:])

    def test_pages_of_a_statement_in_any_order(self) -> None:
        self.house.accounts["other"] = replace(self.house.accounts["shop"], name="other")
        for name in ("shop", "other"):
            self.top_up("1.00", name)
        for _ in range(3):
            for name in ("shop", "other"):
                self.send(account=name)
        whole = {name: self.done(self.credit.statement(name)) for name in ("shop", "other")}
        self.assertEqual([line["available"] for line in whole["other"]][-1], 8650)
        for name, at in (
            ("shop", 1),
            ("shop", 3),
            ("shop", 2),
            ("other", 4),
            ("shop", 5),
            ("other", 5),
            ("other", 0),
        ):
            lines = whole[name]
            after = lines[at - 1]["id"] if at else 0
            page = self.done(self.credit.statement(name, after=after, limit=2))
            self.assertEqual(page, lines[at : at + 2], (name, at))

    def test_shown_at_a_login(self) -> None:
        verifyObject(ICredit, self.credit)
        self.top_up("12.50")
        self.assertEqual(self.house.wait(self.credit.shown("shop")), "12.50 EUR")
        self.assertEqual(self.house.wait(self.credit.shown("free")), "")
        self.assertEqual(self.house.wait(self.credit.shown("nobody")), "")

    def test_books_that_do_not_add_up_are_noticed(self) -> None:
        self.top_up("1.00")
        writer = self.house.store._writer
        for harm, repair in (
            ("available=available+1", "available=available-1"),
            ("reserved=reserved+1", "reserved=reserved-1"),
        ):
            writer.execute(f"update balance set {harm}")
            self.assertNotEqual(books(self.house), [])
            writer.execute(f"update balance set {repair}")
        self.assertEqual(books(self.house), [])


def _count(connection: Any, table: str) -> int:
    (n,) = connection.execute(f"select count(*) from {table}").fetchone()
    return int(n)
