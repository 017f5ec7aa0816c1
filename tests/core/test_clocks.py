"""Timed rules over a real store: what they send, once, through crashes, restarts, reloads, clocks that jump and databases that
do not answer. The clock begins on Friday, the 15th of January 2027, at 08:00 UTC."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smsd.config.timed import TimedSettings
from smsd.core import clocks, timedruns
from smsd.core.accounts import Account
from smsd.core.clocks import Clocks, Memory, read_memory
from smsd.core.control import Control
from smsd.core.databases import Databases
from smsd.core.timedruns import read_kept
from smsd.policy.timetable import Done
from smsd.store import operating
from smsd.values.delivery import Failure, Kind
from smsd.values.errors import Reason, Refused
from smsd.values.message import Binary, Content, Text
from tests.house import START, House

EIGHT = int(START * 1000)
PASSING = Failure(Kind.TEMPORARY, "the database says: locked", status="4.3.0")
FOR_EVER = Failure(Kind.PERMANENT, "the database says: no such table", status="5.3.0")


class Found:
    """What a fake database gives."""

    def __init__(
        self, rows: Sequence[tuple[str | None, ...]], columns: tuple[str, ...] = (), more: bool = False
    ) -> None:
        self.rows = tuple(rows)
        self.columns = columns
        self.more = more


def rule(title: str = "hello", **options: Any) -> TimedSettings:
    if "every" not in options:
        options.setdefault("at", "08:01")
    return TimedSettings(**{"title": title, "to": "+15550000001", "text": "It is %time%.", **options})


def sql(title: str = "dues", **options: Any) -> TimedSettings:
    return rule(
        title,
        **{
            "to": ["%1%"],
            "text": "Hello %2%",
            "sql": {"database": "club", "statement": "select 1"},
            **options,
        },
    )


def text(content: Content) -> str:
    assert not isinstance(content, Binary)
    assert isinstance(content, Text)
    return content.text


class Timed(SynchronousTestCase):
    def setUp(self) -> None:
        self.live_in(House())
        self.addCleanup(lambda: self.house.close())
        self.answers: list[Any] = []  # what the database gives, one after the other, the last again and again
        self.asked: list[tuple[str, str, tuple[str, ...], float]] = []
        self.events: list[Any] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def live_in(self, house: House) -> None:
        self.house = house
        house.open()

    def query(self, database: str, statement: str, values: tuple[str, ...], seconds: float) -> Deferred[Any]:
        self.asked.append((database, statement, values, seconds))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Deferred):
            return answer
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def make(self, *rules: TimedSettings, **options: Any) -> Clocks:
        """Clocks that have not begun."""
        house = self.house
        parts = {"store": house.store, "dispatcher": house.dispatcher, "query": self.query, **options}
        made = Clocks(parts["store"], parts["dispatcher"], house.clock, house.accounts.get, parts["query"])
        made.zone = timezone.utc
        made.use(rules)
        return made

    def start(self, *rules: TimedSettings, **options: Any) -> Clocks:
        made = self.make(*rules, **options)
        self.house.wait(Deferred.fromCoroutine(made.start()))
        self.house.settle()
        self.clocks = made
        return made

    def stop(self) -> None:
        self.house.wait(self.clocks.stop())

    def minutes(self, count: int) -> None:
        """Let minutes pass, one after the other."""
        for number in range(count):
            self.house.clock.advance(60)
            if count < 30 or number % 10 == 9:
                self.house.settle()
        self.house.settle()

    def restart(self, *rules: TimedSettings, minutes: int = 0) -> None:
        self.stop()
        self.house.clock.advance(minutes * 60)
        self.start(*rules)

    def texts(self) -> list[str]:
        return [text(piece.content) for piece in self.house.gsm.pieces]

    def logged(self) -> str:
        return "\n".join(
            formatEvent(event) or "" for event in self.events if "timed rule" in event.get("log_format", "")
        )

    def remembered(self, scope: str) -> dict[str, str]:
        found: dict[str, str] = self.house.wait(self.house.store.settings(scope))
        return found


class Sending(Timed):
    def test_a_text_at_its_time(self) -> None:
        self.start(rule())
        self.house.advance(59)
        self.assertEqual(self.texts(), [])
        self.house.advance(1.1)
        self.assertEqual(self.texts(), ["It is 08:01."])
        self.minutes(120)
        self.assertEqual(self.texts(), ["It is 08:01."])
        [piece] = self.house.gsm.pieces
        self.assertEqual(
            (str(piece.target), str(piece.origin), piece.account), ("sms:+15550000001", "account:smsd", None)
        )
        [row] = self.house.rows()
        self.assertEqual((row["door"], row["state"]), ("timed", "sent"))

    def test_every_day(self) -> None:
        self.start(rule())
        for _ in range(3):
            self.minutes(1440)
        self.assertEqual(len(self.texts()), 3)

    def test_every_so_many_minutes(self) -> None:
        self.start(rule(every=20))
        self.minutes(61)
        self.assertEqual(self.texts(), ["It is 08:20.", "It is 08:40.", "It is 09:00."])

    def test_phones_and_mailboxes(self) -> None:
        self.start(
            rule(
                to=["+15550000001", "mailto:ann@example.org", "sms:+15550000002?priority=urgent"],
                subject="%title%",
            )
        )
        self.minutes(2)
        self.assertEqual(
            sorted(str(p.target) for p in self.house.gsm.pieces), ["sms:+15550000001", "sms:+15550000002"]
        )
        [mail] = self.house.mail.pieces
        self.assertEqual(
            (str(mail.target), dict(mail.headers)["subject"]), ("mailto:ann@example.org", "hello")
        )
        self.assertEqual(len({row["message"] for row in self.house.rows()}), 1)

    def test_a_message_for_each_row(self) -> None:
        self.answers = [
            Found([("+15550000001", "Ann"), ("+15550000002", "Bob"), ("+15550000003", None)], ("n", "who"))
        ]
        self.start(
            sql(
                text="Hello %who%",
                sql={"database": "club", "statement": "s", "values": ["%date% %time%"], "seconds": 3},
            )
        )
        self.minutes(2)
        self.assertEqual(self.asked, [("club", "s", ("2027-01-15 08:01",), 3.0)])
        self.assertEqual(
            sorted((piece.target.target, text(piece.content)) for piece in self.house.gsm.pieces),
            [("+15550000001", "Hello Ann"), ("+15550000002", "Hello Bob"), ("+15550000003", "Hello ")],
        )

    def test_no_row_no_message(self) -> None:
        self.answers = [Found([])]
        self.start(sql())
        self.minutes(3)
        self.assertEqual((self.texts(), len(self.asked)), ([], 1))
        self.assertEqual(self.clocks.listed()[0]["result"], "no rows")

    def test_all_rows_in_one_message(self) -> None:
        self.answers = [Found([("Ann", "3"), ("Bob", "4")])]
        self.start(sql(to="+15550000009", text="%1%: %2%", join=True))
        self.minutes(2)
        self.assertEqual(self.texts(), ["Ann: 3\nBob: 4"])

    def test_equal_rows_are_several_messages(self) -> None:
        self.answers = [Found([("+15550000001", "Ann")] * 3)]
        self.start(sql())
        self.minutes(2)
        self.assertEqual(self.texts(), ["Hello Ann"] * 3)

    def test_a_bad_row_keeps_no_other(self) -> None:
        self.answers = [
            Found([
                ("+15550000001", "Ann"), ("nobody", "x"), (None, "x"), ("account:backup", "x"), ("+1555?id=gsm1", "x"),
                ("+0123", "x"), ("+15550000003", "a\0b"), ("+15550000002", "Bob"),
            ])
        ]  # fmt: skip
        self.start(sql())
        self.minutes(2)
        self.assertEqual(sorted(self.texts()), ["Hello Ann", "Hello Bob"])
        for expected in (
            "message 2 of the timed rule 'dues' for 2027-01-15T08:01+00:00 was refused: 'nobody' is no address",
            "message 3 of the timed rule 'dues' for 2027-01-15T08:01+00:00 was refused: it has no address",
            "message 4 of the timed rule 'dues' for 2027-01-15T08:01+00:00 was refused: 'account:backup' cannot be reached",
            "message 5 of the timed rule 'dues' for 2027-01-15T08:01+00:00 was refused: the address in its column has",
            "message 7 of the timed rule 'dues' for 2027-01-15T08:01+00:00 was refused: the text contains a NUL",
            "ran for 2027-01-15T08:01+00:00: 2 sent, 6 refused",
        ):
            self.assertIn(expected, self.logged())
        self.assertEqual(self.clocks.listed()[0]["result"], "2 sent, 6 refused")

    def test_more_rows_than_most(self) -> None:
        self.answers = [Found([("+15550000001", str(n)) for n in range(5)])]
        self.start(sql(most=3))
        self.minutes(2)
        self.assertEqual(len(self.texts()), 3)
        self.assertIn("gives more than 3 rows: only those are sent", self.logged())

    def test_many_rows(self) -> None:
        self.answers = [Found([(f"+1555{n:07}", "x") for n in range(500)])]
        self.house.outlet("gsm1").opened(50)
        self.start(sql())
        self.minutes(2)
        self.assertEqual(len({piece.target for piece in self.house.gsm.pieces}), 500)

    def test_two_rules_of_one_minute(self) -> None:
        waiting: Deferred[Any] = Deferred()
        self.answers = [waiting]
        self.start(sql("slow"), rule("quick"))
        self.minutes(3)
        self.assertEqual(self.texts(), ["It is 08:01."])
        waiting.callback(Found([("+15550000002", "Ann")]))
        self.house.settle()
        self.assertEqual(self.texts(), ["It is 08:01.", "Hello Ann"])

    def test_not_active(self) -> None:
        self.start(rule(active=False))
        self.minutes(3)
        self.assertEqual(self.texts(), [])


class Accounts(Timed):
    def test_its_messages_are_the_accounts(self) -> None:
        self.house.accounts["ann"] = Account("ann", gateway="gsm1", email="ann@example.org")
        self.house.gsm.answer = lambda piece: Failure(Kind.PERMANENT, "no such number")
        self.start(rule(account="ann", subject="Morning"))
        self.minutes(2)
        [piece] = self.house.gsm.pieces
        self.assertEqual((piece.account, str(piece.origin)), ("ann", "account:ann"))
        [report] = self.house.mail.pieces
        self.assertEqual(str(report.target), "mailto:ann@example.org")

    def test_an_account_that_may_not(self) -> None:
        self.house.accounts["ann"] = Account("ann", active=False)
        self.start(rule(account="ann"), rule("other", account="bob"))
        self.minutes(3)
        self.assertEqual(self.house.rows(), [])
        self.assertIn(
            "'hello' sends nothing for 2027-01-15T08:01+00:00: this account is switched off", self.logged()
        )
        self.assertIn("there is no account 'bob'", self.logged())

    def test_its_limit_counts(self) -> None:
        self.house.accounts["ann"] = Account("ann", monthly_limit=2)
        self.answers = [Found([(f"+1555000000{n}", "x") for n in range(4)])]
        self.start(sql(account="ann"))
        self.minutes(2)
        self.assertEqual(len(self.texts()), 2)
        self.assertEqual(self.clocks.listed()[0]["result"], "2 sent, 2 refused")


class Once(Timed):
    def test_a_restart_within_the_minute(self) -> None:
        self.start(rule())
        self.minutes(1)
        self.house.advance(0.1)
        self.assertEqual(len(self.texts()), 1)
        for _ in range(3):
            self.restart(rule())
            self.house.advance(1)
        self.minutes(5)
        self.assertEqual(len(self.texts()), 1)

    def test_a_time_that_was_missed_is_made_up_for(self) -> None:
        self.start(rule(at=["08:10", "08:20"]))
        self.restart(rule(at=["08:10", "08:20"]), minutes=30)
        self.assertEqual(self.texts(), ["It is 08:10.", "It is 08:20."])

    def test_of_every_only_the_last(self) -> None:
        self.start(rule(every=5))
        self.restart(rule(every=5), minutes=33)
        self.assertEqual(self.texts(), ["It is 08:30."])
        self.minutes(2)
        self.assertEqual(self.texts(), ["It is 08:30.", "It is 08:35."])

    def test_too_late(self) -> None:
        self.start(rule(at=["08:10", "08:20"], late_minutes=15))
        self.restart(rule(at=["08:10", "08:20"], late_minutes=15), minutes=33)
        self.assertEqual(self.texts(), ["It is 08:20."])
        self.assertIn(
            "'hello' did not run at 2027-01-15T08:10+00:00: that is more than 15 minutes ago", self.logged()
        )
        self.events.clear()
        self.restart(rule(at=["08:10", "08:20"], late_minutes=15), minutes=33)
        self.assertEqual(self.logged(), "")

    def test_down_for_a_week(self) -> None:
        self.start(rule())
        self.restart(rule(), minutes=7 * 1440 + 300)
        self.assertEqual(self.texts(), [])
        self.assertIn("did not run at 2027-01-22T08:01+00:00 and 6 times before", self.logged())
        [told] = self.clocks.listed()
        self.assertEqual(told["result"], "not run: it became too late")
        self.minutes(1440)
        self.assertEqual(len(self.texts()), 1)

    def test_a_clock_that_jumps_back(self) -> None:
        self.start(rule())
        self.minutes(2)
        self.stop()
        self.house.clock.rightNow -= 600
        self.start(rule())
        self.minutes(30)
        self.assertEqual(len(self.texts()), 1)

    def test_a_clock_that_jumps_back_while_it_runs(self) -> None:
        self.start(rule())
        self.minutes(2)
        self.house.clock.rightNow -= 600
        self.minutes(30)
        self.assertEqual(len(self.texts()), 1)

    def test_a_clock_that_jumps_forward(self) -> None:
        self.start(rule(at=["09:00", "15:00"]))
        self.house.advance(4 * 3600)
        self.assertEqual(self.texts(), [])
        self.assertIn("did not run at 2027-01-15T09:00+00:00", self.logged())
        self.house.advance(3.5 * 3600)
        self.assertEqual(self.texts(), ["It is 15:00."])

    def test_another_time_zone_sends_nothing_twice(self) -> None:
        self.answers = [Found([("+15550000001", "Ann")])]
        self.start(sql(), store=Mortal(self.house, 3))  # timetable, rows, then nothing more
        self.minutes(2)
        self.assertEqual(len(self.texts()), 1)
        self.live_in(self.house.crash())
        made = self.make(sql())
        made.zone = timezone.utc
        self.house.wait(Deferred.fromCoroutine(made.start()))
        self.minutes(2)
        self.assertEqual(self.texts(), [])
        self.house.wait(made.stop())


class Mortal:
    """A store or dispatcher that does so much and then nothing, like a process that was killed: what is asked of it then never
    happens, and never answers."""

    def __init__(self, house: House, lives: int) -> None:
        self.house = house
        self.left = lives

    def _live(self, f: Any, *args: Any) -> Any:
        self.left -= 1
        return f(*args) if self.left >= 0 else Deferred()

    def now(self) -> int:
        return self.house.store.now()

    def settings(self, scope: str) -> Any:
        return self.house.store.settings(scope)

    def remember(self, *args: Any) -> Any:
        return self._live(self.house.store.remember, *args)

    def submit(self, submission: Any) -> Any:
        return self._live(self.house.dispatcher.submit, submission)


class Crashes(Timed):
    def run_and_die(self, lives: int, one: TimedSettings) -> bool:
        """Start, die after `lives` writes, start again; whether it died at all."""
        mortal = Mortal(self.house, lives)
        self.start(one, store=mortal, dispatcher=mortal)
        self.minutes(2)
        died = mortal.left < 0
        self.live_in(self.house.crash())
        self.start(one)
        self.minutes(3)
        return died

    def all_targets(self) -> list[str]:
        return [row["target"].removeprefix("sms:") for row in self.house.rows(limit=1000)]

    def test_killed_after_any_write(self) -> None:
        rows = [(f"+1555000000{n}", "Ann") for n in range(5)]
        lives = 1  # that the rule is known; before, it never was there
        while True:
            self.answers = [Found(rows), Found([("+15559999999", "somebody else"), *rows, *rows])]
            self.asked.clear()
            died = self.run_and_die(lives, sql())
            # From the rows' being written down on, what the database says later does not count.
            expected = [row[0] for row in rows]
            if lives == 1:
                expected = ["+15559999999", *expected, *expected]
            self.assertEqual(sorted(self.all_targets()), sorted(expected), f"killed after {lives} writes")
            self.assertEqual(self.remembered(timedruns.SCOPE), {})
            self.assertEqual(len(self.asked), 2 if lives == 1 else 1)
            self.stop()
            self.house.close()
            self.live_in(House())
            if not died:
                break
            lives += 1
        self.assertEqual(
            lives, 1 + 1 + len(rows) + 1 + 1
        )  # known, rows, messages, what has run, the rows forgotten

    def test_killed_without_a_statement(self) -> None:
        for lives in (1, 2, 3):
            self.run_and_die(lives, rule())
            self.assertEqual(len(self.all_targets()), 1, f"killed after {lives} writes")
            self.stop()
            self.house.close()
            self.live_in(House())

    def test_too_late_for_the_rest(self) -> None:
        self.answers = [Found([(f"+1555000000{n}", "Ann") for n in range(5)])]
        mortal = Mortal(self.house, 4)
        self.start(sql(late_minutes=10), store=mortal, dispatcher=mortal)
        self.minutes(2)
        self.live_in(self.house.crash())
        self.house.clock.advance(1200)
        self.start(sql(late_minutes=10))
        self.minutes(3)
        self.assertEqual(len(self.all_targets()), 2)
        self.assertIn(
            "was interrupted in its run for 2027-01-15T08:01+00:00: the rest of its messages", self.logged()
        )
        self.assertEqual(self.remembered(timedruns.SCOPE), {})

    def test_what_is_remembered_can_be_nonsense(self) -> None:
        self.answers = [Found([("+15550000001", "Ann")])]
        for scope in (clocks.SCOPE, timedruns.SCOPE):
            for title, value in (("dues", "{"), ("old", "[1]"), ("gone", "null")):
                self.house.wait(self.house.store.remember(scope, title, value))
        self.start(sql())
        self.minutes(2)
        self.assertEqual(self.texts(), ["Hello Ann"])
        self.assertEqual(list(self.remembered(clocks.SCOPE)), ["dues"])
        self.assertEqual(self.remembered(timedruns.SCOPE).keys() - {"dues"}, set())

    @given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr))
    def test_anything_is_read_or_not(self, value: str) -> None:
        read_memory(value)
        read_kept(value)

    def test_what_is_written_is_read(self) -> None:
        memory = Memory("08:00 mon", Done().having(0, 6_000_000), 5, 6, "3 sent")
        self.assertEqual(read_memory(memory.json()), memory)


class Trouble(Timed):
    def test_a_database_that_does_not_answer_is_asked_again(self) -> None:
        self.answers = [PASSING, PASSING, PASSING, Found([("+15550000001", "Ann")])]
        self.start(sql())
        asked = []
        for _ in range(12):
            self.minutes(1)
            asked.append(len(self.asked))
        self.assertEqual(asked, [0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4])
        self.assertEqual(self.texts(), ["Hello Ann"])
        self.assertIn(
            "cannot run for 2027-01-15T08:01+00:00: the database says: locked; it is tried again until",
            self.logged(),
        )

    def test_until_it_is_too_late(self) -> None:
        self.answers = [PASSING]
        self.start(sql(late_minutes=30))
        self.minutes(200)
        self.assertLess(len(self.asked), 8)
        self.assertIn(
            "did not run at 2027-01-15T08:01+00:00: that is more than 30 minutes ago", self.logged()
        )
        self.answers = [Found([("+15550000001", "Ann")])]
        self.minutes(1440)
        self.assertEqual(self.texts(), ["Hello Ann"])

    def test_what_will_never_work_is_given_up(self) -> None:
        self.answers = [FOR_EVER]
        self.start(sql())
        self.minutes(90)
        self.assertEqual(len(self.asked), 1)
        self.assertIn(
            "sends nothing for 2027-01-15T08:01+00:00: the database says: no such table", self.logged()
        )
        self.assertEqual(self.clocks.listed()[0]["result"], "failed: the database says: no such table")

    def test_a_column_that_there_is_not(self) -> None:
        self.answers = [Found([("+15550000001",)])]
        self.start(sql())
        self.minutes(3)
        self.assertEqual((len(self.asked), self.texts()), (1, []))
        self.assertIn("there is no variable 2", self.logged())

    def test_a_store_that_takes_nothing_now(self) -> None:
        self.answers = [Found([(f"+1555000000{n}", "Ann") for n in range(3)])]
        real, refusals = self.house.dispatcher, [2]

        class Full:
            @staticmethod
            def submit(submission: Any) -> Any:
                if submission.recipients[0].address.target.endswith("1") and refusals[0]:
                    refusals[0] -= 1
                    return fail(Refused(Reason.UNAVAILABLE, "later"))
                return real.submit(submission)

        self.start(sql(), dispatcher=Full())
        self.minutes(10)
        self.assertEqual(len(self.house.rows()), 3)
        self.assertEqual((len(self.asked), refusals), (1, [0]))

    def test_a_mistake_of_ours_keeps_no_other_message(self) -> None:
        self.answers = [Found([(f"+1555000000{n}", "Ann") for n in range(3)])]
        real = self.house.dispatcher

        class Broken:
            @staticmethod
            def submit(submission: Any) -> Any:
                if submission.recipients[0].address.target.endswith("1"):
                    raise ZeroDivisionError
                return real.submit(submission)

        self.start(sql(), dispatcher=Broken())
        self.minutes(10)
        self.assertEqual(len(self.house.rows()), 2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stopping_waits_for_no_database(self) -> None:
        self.answers = [Deferred(), Found([("+15550000001", "Ann")])]
        self.start(sql())
        self.minutes(2)
        self.assertEqual(len(self.asked), 1)
        self.restart(sql())
        self.minutes(1)
        self.assertEqual(self.texts(), ["Hello Ann"])

    def test_stopping_before_it_has_looked(self) -> None:
        self.start(rule())
        self.stop()
        self.assertEqual(
            [call for call in self.house.clock.getDelayedCalls() if call.func == self.clocks._loop.start], []
        )


class Reloads(Timed):
    def reload(self, *rules: TimedSettings) -> None:
        self.clocks.use(rules)
        self.house.settle()

    def test_a_new_rule_has_no_past(self) -> None:
        self.start()
        self.minutes(10)
        self.reload(rule(at=["08:05", "08:15"]))
        self.minutes(30)
        self.assertEqual(self.texts(), ["It is 08:15."])

    def test_neither_has_a_new_time(self) -> None:
        self.start(rule(at="12:00"))
        self.minutes(10)
        self.reload(rule(at=["08:05", "08:15"]))
        self.minutes(10)
        self.assertEqual(self.texts(), ["It is 08:15."])
        self.restart(rule(at=["08:16", "08:18", "08:30"]))
        self.minutes(30)
        self.assertEqual(self.texts(), ["It is 08:15.", "It is 08:30."])

    def test_another_text_at_the_same_time(self) -> None:
        self.start(rule())
        self.minutes(2)
        self.reload(rule(text="Good morning"))
        self.minutes(1440)
        self.assertEqual(self.texts(), ["It is 08:01.", "Good morning"])

    def test_gone_and_back(self) -> None:
        self.start(rule())
        self.minutes(1)
        self.house.advance(0.1)
        self.reload()
        self.assertEqual(self.remembered(clocks.SCOPE), {})
        self.reload(rule())
        self.minutes(5)
        self.assertEqual(len(self.texts()), 1)
        self.minutes(1440)
        self.assertEqual(len(self.texts()), 2)

    def test_switched_off_and_on(self) -> None:
        self.start(rule(at="08:10"))
        self.reload(rule(at="08:10", active=False))
        self.restart(rule(at="08:10", active=False), minutes=11)
        self.reload(rule(at="08:10"))
        self.minutes(5)
        self.assertEqual(self.texts(), [])

    def test_gone_while_its_database_is_asked(self) -> None:
        waiting: Deferred[Any] = Deferred()
        self.answers = [waiting]
        self.start(sql())
        self.minutes(2)
        self.reload()
        waiting.callback(Found([("+15550000001", "Ann")]))
        self.house.settle()
        self.minutes(2)
        self.assertLessEqual(len(self.texts()), 1)
        self.assertEqual((self.remembered(clocks.SCOPE), self.remembered(timedruns.SCOPE)), ({}, {}))


class Listed(Timed):
    def test_before_and_after(self) -> None:
        self.answers = [PASSING]
        self.start(rule(days="sat"), sql(), rule("off", active=False))
        self.minutes(2)
        hello, dues, off = self.clocks.listed()
        self.assertEqual(
            (hello["title"], hello["times"], hello["next"], hello["last"], hello["waits"]),
            ("hello", "08:01 sat", EIGHT + 1441 * 60_000, None, False),
        )
        self.assertEqual((dues["next"], dues["waits"], dues["last"]), (EIGHT + 60_000, True, None))
        self.assertEqual((off["active"], off["next"], off["waits"]), (False, None, False))
        self.answers = [Found([("+15550000001", "Ann")])]
        self.minutes(10)
        dues = self.clocks.listed()[1]
        self.assertEqual(
            (dues["next"], dues["waits"], dues["last"], dues["result"]),
            (EIGHT + 1441 * 60_000, False, EIGHT + 60_000, "1 sent"),
        )
        self.restart(rule(days="sat"), sql())
        self.assertEqual(self.clocks.listed()[1]["result"], "1 sent")

    def test_the_operators_verb(self) -> None:
        self.start(rule())
        parts: dict[str, Any] = dict.fromkeys(
            ("store", "dispatcher", "queue", "overrides", "explainer", "status", "reload")
        )
        control = Control(**parts, timed=self.clocks.listed)
        told = self.house.wait(Deferred.fromCoroutine(control.call("timed", {})))
        self.assertEqual([one["title"] for one in told], ["hello"])
        self.assertEqual(json.loads(json.dumps(told)), told)


class WithADatabase(Timed):
    """The real thing, with its threads."""

    def test_rows_are_taken_and_sent_once(self) -> None:
        path = os.path.abspath(self.mktemp())
        with closing(sqlite3.connect(path)) as database:
            database.execute(
                "create table outbox(id integer primary key, number, text, gone integer default 0)"
            )
            database.executemany(
                "insert into outbox(number, text) values(?, ?)",
                [("+15550000001", "one"), ("+15550000002", "50% of two")],
            )
            database.commit()
        databases = Databases(self.house.clock)
        databases.use({"shop": f"sqlite:{path}"})
        self.addCleanup(databases.stop)
        statement = "update outbox set gone = 1 where gone = 0 returning number, text"
        self.start(
            sql(every=1, text="%2%", sql={"database": "shop", "statement": statement}, at=[]),
            query=databases.run,
        )
        for _ in range(3):
            self.house.clock.advance(60.1)
            self.house.wait(DeferredList(list(self.clocks._busy.values())))
        self.house.settle()
        self.assertEqual(sorted(self.texts()), ["50% of two", "one"])


walks = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(1, 20)),
        st.tuples(st.just("down"), st.integers(0, 50)),
        st.tuples(st.just("crash"), st.integers(0, 9)),
        st.tuples(st.just("jump"), st.integers(-50, 50)),
        st.tuples(st.just("trouble"), st.integers(1, 3)),
    ),
    max_size=8,
)


class Walks(Timed):
    """Whatever happens, no slot's messages leave twice, and those of every minute that could be made up for do leave."""

    @settings(max_examples=25, deadline=None)
    @given(walks)
    def test_walk(self, walk: list[tuple[str, int]]) -> None:
        self.house.close()
        self.live_in(House())
        rules = (
            rule(at=[f"{h:02}:{m:02}" for h in range(24) for m in range(0, 60, 7)]),
            sql(every=11, text="%2% at %time%"),
        )
        self.answers = [Found([("+15550000001", "a"), ("+15550000002", "b")])]
        self.start(*rules)
        for what, n in walk:
            if what == "pass":
                self.minutes(n)
            elif what == "down":
                self.restart(*rules, minutes=n)
            elif what == "jump":
                self.stop()
                self.house.clock.rightNow += n * 60
                self.start(*rules)
            elif what == "trouble":
                self.answers = [PASSING] * n + self.answers[-1:]
            else:
                self.stop()
                mortal = Mortal(self.house, n)
                self.start(*rules, store=mortal, dispatcher=mortal)
                self.minutes(12)
                self.live_in(self.house.crash())
                self.start(*rules)
        self.minutes(1)
        self.stop()
        rows = self.house.wait(self.house.store.ask(operating.find, limit=1000))
        sent = sorted((row["text"], row["target"]) for row in rows)
        self.assertEqual(len(sent), len(set(sent)))
        texts = {row["text"] for row in rows}
        if not any(what == "jump" and n > 0 for what, n in walk):
            day = datetime.fromtimestamp(self.house.clock.seconds(), timezone.utc)
            newest = day.hour * 60 + day.minute
            # The minute that has just begun is looked at a moment later.
            expected = [m for m in range(481, newest) if m % 60 % 7 == 0]
            self.assertEqual([m for m in expected if f"It is {m // 60:02}:{m % 60:02}." not in texts], [])
