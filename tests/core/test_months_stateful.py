"""Monthly counters under everything at once: several doors, repeats, clocks that jump over month ends, resets by hand, crashes.

Always: a counter says what the store has accepted for its account (or group) in that month, and what was set by hand; none goes
over its limit; what is covered is not refused.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, DeferredList
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.accounts import AccountGroupSettings, AccountSettings, Directory, hash_password
from smsd.core.accounts.book import Book
from smsd.store.accepting import group_counter
from smsd.values.errors import Reason, Refused
from smsd.values.message import IdempotencyKey
from tests.house import House, ThreadedClock, submission

ROME = ZoneInfo("Europe/Rome")
HASH = hash_password("annpw")
LIMITS = {"ann": 4, "bob": 0, "eve": 3, "group:sales": 6}
MEMBERS = ("ann", "bob")
# Around the end of January 2027 in Rome (23:00 UTC), the end of March (summer time begins on the 28th) and the end of the year.
MOMENTS = [
    datetime(*when, tzinfo=ROME).timestamp()
    for when in (
        (2027, 1, 31, 23, 59, 59), (2027, 2, 1), (2027, 2, 1, 0, 30), (2027, 2, 1, 1, 30), (2027, 3, 31, 23, 30),
        (2027, 4, 1, 0, 30), (2026, 12, 31, 23, 59), (2027, 12, 31, 23, 59, 59), (2028, 1, 1),
    )
]  # fmt: skip

HAND_IN = st.tuples(
    st.sampled_from(["http", "smtp", "kannel"]), st.sampled_from(["ann", "bob", "eve"]), st.integers(1, 3),
    st.none() | st.none() | st.sampled_from("ab"),
)  # fmt: skip
ACTION = st.one_of(
    st.tuples(st.just("hand in"), st.lists(HAND_IN, min_size=1, max_size=5)),
    st.tuples(st.just("hand in"), st.lists(HAND_IN, min_size=1, max_size=1)),
    st.tuples(st.just("jump"), st.sampled_from(MOMENTS)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 1, 1800, 86_400, 31 * 86_400])),
    st.tuples(
        st.just("reset"),
        st.tuples(st.sampled_from(["ann", "eve", "group:sales"]), st.integers(0, 7), st.booleans()),
    ),
    st.tuples(st.just("crash"), st.lists(HAND_IN, max_size=2)),
)


class Story:
    """One run: a house that lives again after each crash."""

    def __init__(self) -> None:
        clock = ThreadedClock()
        clock.rightNow = MOMENTS[0] - 3600
        self.house = House(clock=clock)
        self.by_hand: Counter[tuple[str, str]] = Counter()
        """What resets have added to what was accepted, by counter and month."""
        self.over: dict[tuple[str, str], int] = {}
        """The highest value that was set by hand."""
        self.begin()

    def begin(self) -> None:
        directory = Directory(ROME)
        directory.use(
            {
                "account": [
                    AccountSettings(
                        user=name,
                        password=HASH,
                        monthly_limit=LIMITS[name],
                        group="sales" if name in MEMBERS else None,
                    )
                    for name in ("ann", "bob", "eve")
                ],
                "group": [AccountGroupSettings(id="sales", monthly_limit=LIMITS["group:sales"])],
            }
        )
        planner = self.house.planner
        planner._find_account, planner.zone = directory.find, ROME
        self.book = Book(self.house.store, directory, planner.period)

    # -- what happens

    def do(self, what: str, given: Any) -> None:
        getattr(self, what.replace(" ", "_"))(given)

    def submit(self, wish: tuple[str, str, int, str | None]) -> Deferred[Any]:
        door, account, n, key = wish
        # The same key is the same request; with another account or size it is refused as a conflict.
        identity = None if key is None else IdempotencyKey(f"account:{account}", key, str(n).encode())
        numbers = [f"+1555000000{number}" for number in range(n)]
        return self.house.dispatcher.submit(
            submission(numbers=numbers, door=door, account=account, key=identity)
        )

    def hand_in(self, wishes: list[tuple[str, str, int, str | None]]) -> None:
        before = self.counters()
        month = self.house.planner.period(self.house.store.now())
        results = self.house.wait(DeferredList([self.submit(wish) for wish in wishes], consumeErrors=True))
        for (ok, result), wish in zip(results, wishes, strict=True):
            if not ok:
                assert result.check(Refused), result
                assert result.value.reason in (Reason.OVER_LIMIT, Reason.CONFLICT), result
                if len(wishes) == 1 and result.value.reason is Reason.OVER_LIMIT:
                    assert not self.covers(before, month, wish), (wish, before)
            elif len(wishes) == 1 and not result.replayed:
                assert self.covers(before, month, wish), (wish, before)

    def covers(
        self, before: dict[tuple[str, str], int], month: str, wish: tuple[str, str, int, str | None]
    ) -> bool:
        _, account, n, _ = wish
        counters = [account, "group:sales"] if account in MEMBERS else [account]
        return all(not LIMITS[one] or before.get((one, month), 0) + n <= LIMITS[one] for one in counters)

    def jump(self, moment: float) -> None:
        """Somebody sets the clock."""
        self.house.clock.rightNow = moment

    def wait(self, seconds: float) -> None:
        self.house.clock.advance(seconds)

    def reset(self, given: tuple[str, int, bool]) -> None:
        counter, n, last_month = given
        kind, name = ("group", "sales") if counter == group_counter("sales") else ("account", counter)
        self.house.wait(
            Deferred.fromCoroutine(
                self.book.reset({"kind": kind, "name": name, "sent_before" if last_month else "sent": n})
            )
        )
        month = self.house.planner.period(self.house.store.now())
        if last_month:
            year, number = int(month[:4]), int(month[5:])
            month = f"{year - (number == 1)}-{(number - 2) % 12 + 1:02}"
        self.by_hand[counter, month] = n - self.accepted()[counter, month]
        self.over[counter, month] = max(n, self.over.get((counter, month), 0))

    def crash(self, wishes: list[tuple[str, str, int, str | None]]) -> None:
        """Whoever was just handing in has no answer; what the store has counts."""
        for wish in wishes:
            self.submit(wish).addBoth(lambda _: None)
        self.house = self.house.crash()
        self.begin()

    # -- what holds

    def counters(self) -> dict[tuple[str, str], int]:
        question = self.house.store.ask(
            lambda c: c.execute("select account, period, n from counter").fetchall()
        )
        return {(account, period): n for account, period, n in self.house.wait(question)}

    def accepted(self) -> Counter[tuple[str, str]]:
        """Deliveries in the store by counter and month."""
        question = self.house.store.ask(
            lambda c: c.execute(
                "select m.account, m.arrived, count(*) from message m join delivery d on d.message=m.id group by m.id"
            ).fetchall()
        )
        found: Counter[tuple[str, str]] = Counter()
        for account, arrived, n in self.house.wait(question):
            month = datetime.fromtimestamp(arrived / 1000, ROME).strftime("%Y-%m")
            found[account, month] += n
            if account in MEMBERS:
                found["group:sales", month] += n
        return found

    def check(self) -> None:
        counters, accepted = self.counters(), self.accepted()
        for key in {*counters, *accepted}:
            said = counters.get(key, 0)
            assert said == accepted[key] + self.by_hand[key], (key, said, accepted[key], self.by_hand[key])
            most = LIMITS[key[0]]
            assert not most or said <= max(most, self.over.get(key, 0)), (key, said)


class Months(SynchronousTestCase):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(ACTION, min_size=1, max_size=25))
    def test_counters_say_what_was_accepted(self, actions: list[tuple[str, Any]]) -> None:
        story = Story()
        try:
            for what, given_ in actions:
                story.do(what, given_)
                story.check()
        finally:
            story.house.close()

    def test_midnight_in_rome_is_not_midnight_in_utc(self) -> None:
        story = Story()
        self.addCleanup(lambda: story.house.close())
        story.jump(MOMENTS[0])
        story.hand_in([("http", "eve", 3, None)])
        story.jump(MOMENTS[1])
        story.hand_in([("http", "eve", 3, None)])
        story.jump(MOMENTS[0])
        story.hand_in([("http", "eve", 1, None)])
        self.assertEqual(story.counters(), {("eve", "2027-01"): 3, ("eve", "2027-02"): 3})
