"""Money under everything at once: messages of all lengths, outcomes of all kinds, reports, expiry, cancelling, sending again,
digests, top-ups, changed prices and crashes, over a real store.

Always: the sum of the ledger is the balance, what is reserved is what is open, nothing is below zero, no part is charged twice, and
nobody has paid more than his messages cost. At the end nothing is reserved any more, and every part that has been charged was
taken by a network (or, where delivery is paid, delivered).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.accounts.settings import AccountGroupSettings
from smsd.core.credit import Credit
from smsd.interfaces import Abilities
from smsd.policy.charge import Price, PriceList, Tariffs
from smsd.store import credit, operating
from smsd.values.account import Account
from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport, Piece, Scope, State
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Parameters, Wants, Window
from tests.house import House, submission

PROVIDER = Abilities(frozenset({"sms"}), reports=True)
LISTS = [
    PriceList({"1": Price(100), "15550000003": Price(0)}),
    PriceList({"1": Price(450, "one"), "15550000002": Price(1000, "dear")}),
]
CAN = {
    "retry": (State.FAILED, State.EXPIRED, State.CANCELLED, State.HELD),
    "cancel": (State.READY, State.HELD, State.GATHERED),
}
NO = {
    "busy": Failure(Kind.TEMPORARY, "busy"),
    "never": Failure(Kind.PERMANENT, "no such number"),
    "ill": Failure(Kind.TEMPORARY, "no network", scope=Scope.GATEWAY),
    "lost": Failure(Kind.UNKNOWN, "no answer"),
}
ACCOUNTS = {
    "shop": Account("shop", prepaid=True),
    "ann": Account("ann", prepaid=True, group="sales", payer="group:sales"),
    "bob": Account("bob", prepaid=True, group="sales", payer="group:sales"),
    "free": Account("free"),
}
GROUPS = {"sales": AccountGroupSettings(id="sales", prepaid=True)}
PAYERS = {"shop": "shop", "ann": "group:sales", "bob": "group:sales"}
ACCOUNT = st.sampled_from(["shop", "shop", "ann", "bob", "free"])
LENGTH = st.sampled_from([5, 5, 160, 200, 400, 700])
HOW = st.sampled_from(["yes"] * 6 + list(NO))
REPORT = st.sampled_from(["delivered", "delivered", "failed", "expired", "pending"])
WISH = st.tuples(
    ACCOUNT, st.lists(st.integers(1, 4), min_size=1, max_size=3), LENGTH, st.sampled_from(["", "", "", "digest"]),
    st.sampled_from([None, None, 3]), st.booleans(),
)  # fmt: skip


class Story:
    """One run, over as many lives of the process as there are crashes."""

    house: Any

    def __init__(self, late: bool) -> None:
        self.tariffs = Tariffs(LISTS[0], currency="EUR", late=late)
        self.taken: Counter[tuple[int, int]] = Counter()  # by networks: (delivery, part)
        self.reported: set[int] = set()
        self.references: list[tuple[str, str]] = []
        self.added: Counter[str] = Counter()
        self.references_used = 0
        self.serial = 0
        self.live(House())

    def live(self, house: House) -> None:
        self.house = house
        house.accounts.update(ACCOUNTS)
        house.planner.tariffs = self.tariffs
        self.credit = Credit(house.store, house.accounts.get, lambda: self.tariffs, GROUPS.get)
        self.gsm = house.gsm
        self.gsm.manual = True
        house.gateway("gsm2", PROVIDER).manual = True
        house.open(2)
        house.outlet("gsm2").opened(2)
        house.sweeper.start()
        self.quiet()

    # -- what can happen

    def pay(self, account: str, amount: int, again: bool) -> None:
        if account == "free":
            return
        self.references_used += not again
        try:
            made = self.house.wait(
                Deferred.fromCoroutine(self.credit.top_up(account, amount, f"n{self.references_used}"))
            )
        except InvalidValue:
            return
        if not made.repeated:
            self.added[PAYERS[account]] += amount
        self.check()

    def prices(self, which: int) -> None:
        self.tariffs = replace(self.tariffs, common=LISTS[which])
        self.house.planner.tariffs = self.tariffs

    def submit(self, wish: tuple[str, list[int], int, str, int | None, bool]) -> None:
        account, numbers, length, care, minutes, wants = wish
        parameters = Parameters(expire_minutes=minutes)
        made = submission(
            numbers=[f"+1555000000{n}" for n in numbers], text="x" * length, account=account, parameters=parameters,
            wants=Wants.SUCCESS | Wants.FAILURE if wants else Wants.NOTHING,
        )  # fmt: skip
        if care:
            window = Window("storm", 0, 60_000, "%count% more: %first%")
            made = replace(made, recipients=tuple(replace(one, gather=(window,)) for one in made.recipients))
        try:
            self.house.wait(self.house.dispatcher.submit(made))
        except Refused as refusal:
            if refusal.reason is not Reason.NO_CREDIT or account == "free":
                raise
        self.check()

    def storm(self, account: str, number: int, length: int, most: int) -> None:
        for _ in range(most):
            self.submit((account, [number], length, "digest", None, False))

    def answer(self, second: bool, how: list[str], settled: bool) -> None:
        gateway = self.house.outlet("gsm2" if second else "gsm1").gateway
        for one in how:
            if gateway.pending:
                piece: Piece = gateway.pending[0][0]
                if one == "yes":
                    self.serial += 1
                    parts = range(1, 9) if second else [piece.seq]
                    self.taken.update((piece.delivery, part) for part in parts)
                    self.references.append((gateway.name, f"r{self.serial}"))
                    gateway.release(Accepted(f"r{self.serial}"))
                else:
                    gateway.release(NO[one])
            if settled:
                self.quiet()
        self.quiet()

    def report(self, which: int, status: str) -> None:
        if self.references:
            name, reference = self.references[-1 - which % len(self.references)]
            self.house.wait(self.house.queue.reports.reported(name, NetworkReport(reference, "", status)))
            self.quiet()

    def verb(self, verb: str, which: int) -> None:
        # Mostly those with which it can be done.
        states = () if which > 8 else CAN[verb]
        rows = self.house.wait(self.house.store.ask(operating.find, states=states, door="http", limit=1000))
        if not rows:
            return
        now = self.house.store.now()
        try:
            done = self.house.store.control(
                operating.Verb(verb, rows[which % len(rows)]["id"], now, now + 3_600_000)
            )
            for lane in self.house.wait(done):
                self.house.queue.wake(lane, now)
        except InvalidValue:
            pass
        self.quiet()

    def gateway(self, opened: bool) -> None:
        outlet = self.house.outlet("gsm1")
        outlet.opened(2) if opened else outlet.closed("gone")
        self.quiet()

    def time(self, seconds: float) -> None:
        self.house.clock.advance(seconds)
        self.quiet()

    def crash(self) -> None:
        before, self.house = self.house, None
        before.sweeper.stop()
        self.live(before.crash())

    # -- what has to hold

    def quiet(self) -> None:
        self.house.settle()
        self.check()

    def ask(self, query: str, *values: Any) -> list[Any]:
        found: list[Any] = self.house.wait(
            self.house.store.ask(lambda connection: connection.execute(query, values).fetchall())
        )
        return found

    def check(self) -> None:
        wrong = self.house.wait(self.house.store.ask(credit.wrong))
        assert not wrong, wrong
        twice = self.ask(
            "select delivery, seq, count(*) from ledger where kind='charged' group by 1, 2 having count(*) > 1"
        )
        assert not twice, "a part was charged twice"
        for payer, total in self.added.items():
            ((spent,),) = self.ask(
                "select coalesce(sum(-reserved), 0) from ledger where payer=? and kind='charged'", payer
            )
            has = self.house.wait(self.house.store.ask(credit.balance, payer))
            assert has.available + has.reserved + spent == total, (payer, has, spent, total)
        strangers = self.ask(
            "select c.delivery from charge c join delivery d on d.id=c.delivery join message m on m.id=d.message"
            " where m.account='free' or m.account is null or m.door='notice'"
        )
        assert not strangers, "somebody pays who does not pay"

    def end(self) -> None:
        try:
            self.house.outlet("gsm1").opened(2)
            for _ in range(40):
                self.quiet()
                for second in (False, True):
                    while self.house.outlet("gsm2" if second else "gsm1").gateway.pending:
                        self.answer(second, ["yes"], True)
                self.house.clock.advance(86_400 / 4)
                self.quiet()
            charged = self.ask(
                "select delivery, seq, late, price from ledger join charge using(delivery) where kind='charged'"
            )
            for delivery, seq, late, _ in charged:
                assert self.taken[delivery, seq], (delivery, seq, "was charged and never sent")
                state = self.ask("select state from delivery where id=?", delivery)[0][0]
                assert not late or state == 10, (delivery, state, "is paid when delivered, and was not")
            if not self.tariffs.late:
                # What was sent while money was reserved for it has been paid: nothing is sent for nothing, but by an operator.
                for delivery, paid, parts, state in self.ask(
                    "select c.delivery, paid, parts, state from charge c join delivery d on d.id=c.delivery where state in (2, 10)"
                ):
                    assert paid == parts, (delivery, paid, parts, state)
            left = self.ask("select payer, reserved from balance where reserved <> 0")
            assert not left, [tuple(one) for one in left]
        finally:
            self.house.sweeper.stop()
            self.house.queue.stop()
            self.house.wait(self.house.store.close())


def step(method: Callable[..., None], **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(method), st.fixed_dictionaries(arguments))


STEPS = {
    3: step(Story.pay, account=ACCOUNT, amount=st.sampled_from([1000, 5000, 20_000, -700]), again=st.booleans()),
    8: step(Story.submit, wish=WISH),
    7: step(Story.storm, account=ACCOUNT, number=st.integers(1, 4), length=LENGTH, most=st.integers(2, 4)),
    10: step(Story.answer, second=st.booleans(), how=st.lists(HOW, min_size=1, max_size=6), settled=st.booleans()),
    6: step(Story.report, which=st.integers(0, 8), status=REPORT),
    5: step(Story.verb, verb=st.sampled_from(["retry", "cancel"]), which=st.integers(0, 12)),
    2: step(Story.crash),
    1: step(Story.prices, which=st.integers(0, 1)),
    4: step(Story.time, seconds=st.sampled_from([1, 16, 61, 200, 700, 5000])),
}  # fmt: skip
STEP = st.sampled_from([one for weight, one in STEPS.items() for _ in range(weight)] + [
    step(Story.gateway, opened=st.booleans())
]).flatmap(lambda one: one)  # fmt: skip


class Stateful(SynchronousTestCase):
    @settings(
        max_examples=int(os.environ.get("SMSD_EXAMPLES", "15")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.booleans(), st.lists(STEP, min_size=15, max_size=40))
    def test_the_books_add_up(
        self, late: bool, steps: list[tuple[Callable[..., None], dict[str, Any]]]
    ) -> None:
        story = Story(late)
        story.pay("shop", 20_000, False)
        story.pay("ann", 5000, False)
        for method, arguments in steps:
            method(story, **arguments)
        story.end()
