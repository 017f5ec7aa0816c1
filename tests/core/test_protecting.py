"""Accounts that suddenly send far more than usual, over a real store: held, told, released; and what the counting costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SynchronousTestCase

from smsd.config.settings import ProtectionSettings
from smsd.core.auditing import Auditor
from smsd.core.protecting import Protection
from smsd.policy.charge import Tariffs
from smsd.store import accounts as rows
from smsd.store import audit, known
from smsd.store.audit import Entry
from smsd.store.watching import NOTE, PREFIX
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Refused
from smsd.values.message import Declined, IdempotencyKey, Pause, Recipient
from smsd.values.plan import Charge, Cost
from tests.house import House, submission

HOUR = 3600
TIGHT = ProtectionSettings(
    factor=2, spending_factor=2, from_messages=8, from_spending=0.08, learn_messages=10
)


class ProtectionCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.live()

    def live(self, settings: ProtectionSettings = TIGHT) -> None:
        """What a server does when it starts."""
        house = self.house
        house.accounts.update(
            ann=Account("ann", email="ann@example.org"),
            bob=Account("bob"),
            carl=Account("carl", monthly_limit=1000),
        )
        self.protection = Protection(house.store, house.planner, house.queue, house.clock, house.accounts.get)
        self.protection.use(settings, "postmaster@example.org")
        house.open(slots=50)

    def send(self, times: int, account: str = "ann", **options: Any) -> list[Any]:
        """So many messages, at once: they share commits."""
        sent = [
            self.house.dispatcher.submit(
                submission(
                    f"+1555{account_number(account)}{number:05}", account=account, ticket=None, **options
                )
            )
            for number in range(times)
        ]
        receipts: list[Any] = self.house.wait(gatherResults(sent))
        self.house.settle()
        return receipts

    def habitual(self, account: str = "ann", hours: int = 5, each: int = 4) -> None:
        """It sends a little in each of some hours."""
        for _ in range(hours):
            self.send(each, account)
            self.house.advance(HOUR)

    def states(self, account: str = "ann") -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in self.house.rows(limit=5000):
            if row["account"] == account:
                counts[row["state"]] = counts.get(row["state"], 0) + 1
        return counts

    def call(self, verb: str, **arguments: Any) -> Any:
        return self.house.wait(Deferred.fromCoroutine(self.protection.verbs()[verb](arguments)))

    def mails(self) -> list[Any]:
        return [piece for piece in self.house.mail.pieces if "is held" in str(piece.headers)]


def account_number(account: str) -> str:
    return str(sum(map(ord, account)) % 90 + 10)


class Holding(ProtectionCase):
    def test_far_more_than_usual_is_accepted_and_held(self) -> None:
        self.habitual()
        receipts = self.send(20)
        # Usual are 4 in an hour: 8 go out, the ninth begins the hold.
        self.assertEqual(self.states(), {"sent": 20 + 8, "held": 12})
        self.assertEqual(len(self.house.gsm.pieces), 28)
        self.assertFalse(any(isinstance(one.recipients[0], Declined) for one in receipts))
        self.assertEqual([one.recipients[0].notes for one in receipts], [()] * 8 + [(NOTE,)] * 12)
        reasons = {row["reason"] for row in self.house.rows(limit=500) if row["state"] == "held"}
        self.assertEqual(reasons, {PREFIX + "9 messages within an hour, where 4 are usual at most"})

    def test_no_slot_of_a_gateway_stays_reserved(self) -> None:
        self.habitual()
        self.send(20)
        self.assertEqual(self.send(60, "bob") and self.states("bob"), {"sent": 60})
        self.assertEqual(len(self.house.outlet("gsm1").on_wire), 0)

    def test_owner_and_postmaster_are_told_once(self) -> None:
        self.habitual()
        self.send(20)
        self.send(20)
        self.house.advance(HOUR)
        self.send(20)
        told = self.mails()
        self.assertEqual(
            sorted(piece.target.target for piece in told), ["ann@example.org", "postmaster@example.org"]
        )
        self.assertIn("smsd account release ann", told[0].content.text)
        self.assertIn("it has sent 9 messages within an hour", told[0].content.text)
        self.assertEqual(self.states(), {"sent": 28, "held": 52})

    def test_others_go_on(self) -> None:
        self.habitual()
        self.habitual("carl")
        self.send(20)
        self.send(8, "carl")
        self.assertEqual(self.states("carl"), {"sent": 28})

    def test_it_is_on_record(self) -> None:
        self.habitual()
        self.send(20)
        auditor = Auditor(self.house.store)
        found = self.house.wait(Deferred.fromCoroutine(auditor.find({})))
        self.assertEqual(
            [(one["who"], one["verb"], one["subject"]) for one in found], [("smsd", "account_hold", "ann")]
        )
        self.assertEqual([one["name"] for one in self.call("holds")], ["ann"])
        self.assertEqual(self.call("holds")[0]["waiting"], 12)

    def test_new_accounts_can_work(self) -> None:
        self.send(200)
        self.assertEqual(self.states(), {"sent": 200})

    def test_what_comes_again_under_its_key_counts_once(self) -> None:
        self.habitual()
        for _ in range(30):
            self.send(1, key=IdempotencyKey("ann", "same"))
        self.assertEqual(self.call("holds"), [])

    def test_one_message_to_many(self) -> None:
        self.habitual()
        many = [f"+15553{number:06}" for number in range(9)]
        self.house.wait(self.house.dispatcher.submit(submission(numbers=many, account="ann", ticket=None)))
        self.assertEqual(self.states(), {"sent": 20, "held": 9})

    def test_who_may_surge(self) -> None:
        self.house.accounts["ann"] = Account("ann", may_surge=True)
        self.habitual()
        self.send(50)
        self.assertEqual(self.states(), {"sent": 70})

    def test_a_job_waits_for_its_account(self) -> None:
        self.habitual()
        self.send(20)
        accepting = self.house.store.accepting
        plan = self.house.planner.plan(submission(account="ann", ticket=None), reserve=False)
        refused = self.house.wait(
            self.house.store.call(lambda c, items: [[accepting.charge(c, plan)]], None)
        )[0]
        self.assertIn("account ann is held (9 messages within an hour", refused.text)
        self.call("account_release", name="ann", cancel=True)
        refused = self.house.wait(
            self.house.store.call(lambda c, items: [[accepting.charge(c, plan)]], None)
        )[0]
        self.assertIsNone(refused)

    def test_switched_off(self) -> None:
        self.habitual()
        self.protection.use(TIGHT.model_copy(update={"hold": False}), "postmaster@example.org")
        self.send(50)
        self.assertEqual(self.states(), {"sent": 70})

    def test_a_full_disk_begins_no_hold(self) -> None:
        self.habitual()
        real = self.house.store._group._commit

        def full() -> None:
            raise OSError("no space left on device")

        self.house.store._group._commit = full
        for _ in range(12):
            refused = self.house.dispatcher.submit(submission(account="ann", ticket=None))
            self.assertRaises(Refused, self.house.wait, refused)
        self.house.store._group._commit = real
        self.house.settle()
        self.assertEqual(self.send(8) and self.states(), {"sent": 28})
        self.assertEqual(self.mails(), [])


class Prices(ProtectionCase):
    """Of what is paid before."""

    def setUp(self) -> None:
        super().setUp()
        self.price = 100
        self.house.accounts["dora"] = Account("dora", prepaid=True)
        planner = self.house.planner
        planner.check_price = lambda target, account: None  # type: ignore[method-assign]

        def charged(acceptance: Any, account: Account) -> Any:
            costs = tuple(Cost(one.delivery, self.price, 1) for one in acceptance.planned)
            return acceptance._replace(charge=Charge(account.name, account.name, costs))

        planner.charged = charged  # type: ignore[method-assign]
        from smsd.store.credit import TopUp

        self.house.wait(self.house.store.top_up(TopUp("dora", 10**9, "first", 1)))

    def test_prices_far_above_the_usual_are_held(self) -> None:
        self.house.planner.tariffs = Tariffs(currency="EUR")
        self.protection.use(TIGHT, "postmaster@example.org")
        self.habitual("dora")
        self.price = 500  # usual are 400 an hour: 800 are not held
        self.send(3, "dora")
        self.assertEqual(self.states("dora"), {"sent": 21, "held": 2})
        self.assertIn("messages for 0.10 EUR within an hour, where 0.0", self.call("holds")[0]["why"])

    def test_what_was_spent_in_this_hour_is_known_after_a_crash(self) -> None:
        self.habitual("dora")
        self.price = 300
        self.send(2, "dora")
        self.house = self.house.crash()
        self.setUp_again()
        self.price = 300
        self.send(1, "dora")
        self.assertEqual(self.states("dora"), {"sent": 22, "held": 1})

    def setUp_again(self) -> None:
        house = self.house
        self.live()
        house.accounts["dora"] = Account("dora", prepaid=True)
        house.planner.check_price = lambda target, account: None  # type: ignore[method-assign]
        house.planner.charged = lambda acceptance, account: acceptance._replace(  # type: ignore[method-assign]
            charge=Charge(
                "dora", "dora", tuple(Cost(one.delivery, self.price, 1) for one in acceptance.planned)
            )
        )

    def test_money_of_what_is_held_stays_reserved_and_comes_back_when_it_is_cancelled(self) -> None:
        self.habitual("dora")
        before = self.balance()
        self.price = 500
        self.send(3, "dora")
        self.assertEqual(self.balance(), (before[0] - 1500, 1000))
        self.call("account_release", name="dora", cancel=True)
        self.house.settle()
        self.assertEqual(self.balance(), (before[0] - 500, 0))
        self.assertEqual(self.states("dora"), {"sent": 21, "cancelled": 2})

    def balance(self) -> tuple[int, int]:
        question = self.house.store.ask(
            lambda c: tuple(
                c.execute("select available, reserved from balance where payer='dora'").fetchone()
            )
        )
        found: tuple[int, int] = self.house.wait(question)
        return found


class Releasing(ProtectionCase):
    def test_it_goes_on_with_what_has_waited(self) -> None:
        self.habitual()
        self.send(20)
        self.assertEqual(self.call("account_release", name="ann"), {"was": True, "done": 12, "left": 0})
        self.house.settle()
        self.assertEqual(self.states(), {"sent": 40})
        self.assertEqual(self.call("holds"), [])
        self.assertEqual(self.send(20) and self.states(), {"sent": 60})  # as much is usual from now on

    def test_what_its_sender_wants_sent_later_is_sent_then(self) -> None:
        self.habitual()
        self.send(8)
        to = Recipient(
            Address("sms", "+15559999999"), gather=(Pause("", self.house.store.now() + 2 * HOUR * 1000),)
        )
        later = submission(account="ann", ticket=None)
        self.house.wait(self.house.dispatcher.submit(replace(later, recipients=(to,))))
        self.house.settle()
        self.call("account_release", name="ann")
        self.house.settle()
        sent = len(self.house.gsm.pieces)
        self.assertNotIn("+15559999999", [piece.target.target for piece in self.house.gsm.pieces])
        self.house.advance(2 * HOUR + 5)
        self.house.settle()
        self.assertEqual([piece.target.target for piece in self.house.gsm.pieces[sent:]], ["+15559999999"])

    def test_it_is_held_again_when_it_goes_far_beyond_that(self) -> None:
        self.habitual()
        self.send(20)
        self.call("account_release", name="ann")
        self.send(60)
        self.assertEqual(self.states()["held"], 60 - 20)
        self.assertEqual(len(self.mails()), 4)

    def test_in_bites(self) -> None:
        self.habitual()
        self.send(150)
        self.assertEqual(self.call("account_release", name="ann")["done"], 142)
        self.house.settle()
        self.assertNotIn("held", self.states())

    def test_cancelled_instead(self) -> None:
        self.habitual()
        self.send(20)
        self.assertEqual(self.call("account_release", name="ann", cancel=True)["done"], 12)
        self.assertEqual(self.states(), {"sent": 28, "cancelled": 12})
        self.assertEqual(self.send(1) and self.states()["sent"], 29)

    def test_what_is_held_for_another_reason_stays(self) -> None:
        self.habitual()
        self.send(1)
        self.house.wait(
            self.house.store.call(
                lambda c, items: (
                    [c.execute("update delivery set state=5, reason='in doubt: x' where state=2")] and [None]
                ),
                None,
            )
        )
        self.send(20)
        self.call("account_release", name="ann")
        self.house.settle()
        self.assertEqual(self.states(), {"held": 21, "sent": 20})

    def test_nobody_to_release(self) -> None:
        for given in ({"name": "ann"}, {"name": "nobody"}, {"name": ""}, {}):
            self.assertRaises(InvalidValue, self.call, "account_release", **given)

    def test_what_is_refused_leaves_nothing_behind(self) -> None:
        """Neither a habit of somebody who is not there, nor a row of the log."""
        auditor = Auditor(self.house.store)
        release = self.protection.verbs()["account_release"]
        for name in ("nobody", "ann"):
            asked = auditor.kept("account_release", {"name": name}, release)
            self.assertRaises(InvalidValue, self.house.wait, Deferred.fromCoroutine(asked))
        self.assertEqual(self.house.wait(self.house.store.ask(audit.find)), [])
        (habits,) = self.house.wait(
            self.house.store.ask(
                lambda connection: connection.execute("select count(*) from habit").fetchone()
            )
        )
        self.assertEqual(habits, 0)

    def test_after_a_restart(self) -> None:
        self.habitual()
        self.send(20)
        self.house = self.house.crash()
        self.live()
        self.assertEqual(self.call("holds")[0]["waiting"], 12)
        self.send(3)
        self.assertEqual(self.call("account_release", name="ann")["done"], 15)


class Counting(ProtectionCase):
    def statements(self, times: int) -> int:
        """How many statements about habits so many messages, one after the other, take."""
        seen: list[str] = []
        self.house.store._writer.set_trace_callback(seen.append)
        for _ in range(times):
            self.send(1)
        self.house.store._writer.set_trace_callback(None)
        return sum("habit" in statement for statement in seen)

    def test_a_message_costs_nothing_but_the_first_of_an_hour(self) -> None:
        self.habitual()
        self.assertEqual(self.statements(1), 1)
        self.assertEqual(self.statements(5), 0)
        self.house.advance(HOUR)
        self.assertEqual(self.statements(1), 1)

    def test_the_turn_of_the_month(self) -> None:
        self.habitual()
        self.send(4)
        self.house.planner.period = lambda now: "2099-01"  # type: ignore[method-assign]
        self.send(4)
        self.house = self.house.crash()
        self.house.planner.period = lambda now: "2099-01"  # type: ignore[method-assign]
        self.live()
        self.send(1)
        self.assertEqual(self.states(), {"sent": 28, "held": 1})

    def test_a_counter_that_is_set_by_hand(self) -> None:
        self.habitual()
        self.send(4)
        period = self.house.planner.period(self.house.store.now())
        for n in (0, 1000):
            self.house.wait(self.house.store.tally(rows.Tally("ann", period, "2026-12", n)))
            self.house = self.house.crash()
            self.live()
            self.send(1)
        self.assertEqual(self.states(), {"sent": 26})
        self.send(3)
        self.assertEqual(self.states(), {"sent": 28, "held": 1})


class Tidying(ProtectionCase):
    def test_what_is_known_of_one_account_leaves_room_for_others(self) -> None:
        store = self.house.store
        self.house.wait(store.call(known.learn, (("192.0.2.1", "ann"), 1.0)))
        for number in range(9):
            self.house.wait(store.call(known.learn, ((f"2001:db8:{number}::/64", "eve"), 10.0 + number)))
        found = [pair for pair, _ in self.house.wait(store.ask(known.every, 0, 4, 3))]
        self.assertEqual(found[0], ("192.0.2.1", "ann"))
        self.assertEqual(found[1:], [(f"2001:db8:{number}::/64", "eve") for number in (6, 7, 8)])

    def test_what_is_old_goes(self) -> None:
        store, now = self.house.store, self.house.store.now()
        self.house.wait(store.call(audit.write, Entry(now - 800 * 86_400_000, "root", "set", "old")))
        self.house.wait(store.call(audit.write, Entry(now, "root", "set", "new")))
        self.house.wait(store.call(known.learn, (("192.0.2.1", "ann"), now / 1000 - 1)))
        self.protection.start()
        self.addCleanup(self.protection.stop)
        self.house.settle()
        self.assertEqual([one["subject"] for one in self.house.wait(store.ask(audit.find))], ["new"])
        self.assertEqual(self.house.wait(store.ask(known.every, 0, 10, 5)), [])
        self.protection.use(TIGHT.model_copy(update={"audit_days": 1}), "x@y")
        for _ in range(49):
            self.house.advance(HOUR)
        self.assertEqual(self.house.wait(store.ask(audit.find)), [])


class Life(RuleBasedStateMachine):
    """However it goes on: no message is lost, none goes out while the account is held, and memory says what the rows say."""

    def __init__(self) -> None:
        super().__init__()
        self.case = Holding()
        self.case.house = House()
        self.case.live(TIGHT.model_copy(update={"learn_messages": 5}))
        self.given = 0

    @rule(times=st.integers(1, 12))
    def send(self, times: int) -> None:
        held, out = self.held(), len(self.case.house.gsm.pieces)
        self.case.send(times)
        self.given += times
        if held:
            assert len(self.case.house.gsm.pieces) == out

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        self.case.house.advance(hours * HOUR)

    @rule(cancel=st.booleans())
    def release(self, cancel: bool) -> None:
        if self.held():
            self.case.call("account_release", name="ann", cancel=cancel)
            self.case.house.settle()

    @rule()
    def crash(self) -> None:
        self.case.house = self.case.house.crash()
        self.case.live(TIGHT.model_copy(update={"learn_messages": 5}))

    def held(self) -> bool:
        return bool(self.case.call("holds"))

    @invariant()
    def nothing_is_lost(self) -> None:
        states = self.case.states()
        assert sum(states.values()) == self.given
        assert set(states) <= {"sent", "held", "cancelled", "expired"}
        assert ("held" in states) <= self.held()

    @invariant()
    def memory_and_rows_agree(self) -> None:
        watching = self.case.house.store.accepting.watching
        habit = watching._habits.get("ann")
        if habit is None:
            return
        period = self.case.house.planner.period(self.case.house.store.now())
        cursor = self.case.house.store._writer.cursor()
        again = watching._read(cursor, "ann", period)
        assert again == habit, (again, habit)

    def teardown(self) -> None:
        self.case.house.close()


LifeTest = Life.TestCase
LifeTest.settings = hypothesis(max_examples=15, stateful_step_count=12, deadline=None)
