"""The ledger of reports: whoever comes first, in whatever spelling, twice or late; over restarts; and what it costs."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.interfaces import Abilities
from smsd.store import ledger, operating
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport
from smsd.values.message import Parameters, Ticket, Wants
from tests.house import MODEM, FakeGateway, House

PROVIDER = Abilities(frozenset({"sms"}), reports=True)
ANN, BOB = "+393331234567", "+15550000002"
WANTED = Wants.SUCCESS | Wants.FAILURE
EVERYTHING = WANTED | Wants.SENT | Wants.BUFFERED
HOOK = Ticket(Address("test", "hook"))
DAY = 86_400


class LedgerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.begin()

    def begin(self) -> None:
        self.house.open()
        self.house.outlet("gsm1").closed("not today")
        self.one = self.house.gateway("one", PROVIDER)
        self.house.outlet("one").opened(4)
        self.hook = self.house.gateway("hook", Abilities(frozenset({"test"})))
        self.house.outlet("hook").opened(1)

    def send(self, wants: Wants = WANTED, number: str = ANN, text: str = "hello", **options: Any) -> int:
        delivery: int = self.house.send(number, text, wants=wants, **options).recipients[0].delivery
        self.house.settle()
        return delivery

    def report(self, reference: str, status: str, number: str = "", detail: str = "", **when: Any) -> bool:
        report = NetworkReport(reference, number, status, detail, **when)
        known: bool = self.house.wait(self.house.queue.reports.reported("one", report))
        self.house.settle()
        return known

    def told(self, delivery: int) -> dict[str, Any]:
        told: dict[str, Any] = self.house.wait(self.house.store.ask(operating.explain, delivery))
        return told

    def state(self, delivery: int) -> str:
        state: str = self.told(delivery)["state"]
        return state

    def events(self, gateway: FakeGateway | None = None) -> list[str]:
        return [piece.content.event for piece in (gateway or self.house.mail).pieces]

    def count(self, table: str) -> int:
        return int(self.house.store._writer.execute(f"select count(*) from {table}").fetchone()[0])


class States(LedgerCase):
    def setUp(self) -> None:
        super().setUp()
        self.one.answer = lambda piece: Accepted("abc-1")

    def test_every_order_of_what_a_network_may_say(self) -> None:
        for said, state, told in (
            (["delivered"], "delivered", ["delivered"]),
            (["pending", "delivered"], "delivered", ["delivered"]),
            (["delivered", "pending"], "delivered", ["delivered"]),
            (["delivered", "failed"], "delivered", ["delivered"]),
            (["failed", "delivered"], "delivered", ["failed", "delivered"]),
            (["expired", "delivered"], "delivered", ["expired", "delivered"]),
            (["expired", "failed"], "expired", ["expired"]),
            (["failed", "expired", "pending"], "failed", ["failed"]),
            (["pending", "pending"], "sent", []),
            (["delivered"] * 3, "delivered", ["delivered"]),
        ):
            with self.subTest(said=said):
                self.house.mail.pieces.clear()
                name = "-".join(said)
                self.one.answer = lambda piece, name=name: Accepted(name)
                delivery = self.send()
                for status in said:
                    self.assertTrue(self.report(name, status))
                self.assertEqual((self.state(delivery), self.events()), (state, told))

    def test_the_networks_words_are_the_reason(self) -> None:
        delivery = self.send()
        self.report("abc-1", "pending", detail="phone off")
        self.assertEqual(self.told(delivery)["reason"], "not delivered yet: phone off")
        self.report("abc-1", "failed", detail="no such subscriber")
        self.assertEqual(self.told(delivery)["reason"], "the network reports: no such subscriber")
        (piece,) = self.house.mail.pieces
        self.assertEqual(
            (piece.content.gateway, piece.content.reference, piece.content.network, piece.content.parts_sent),
            ("one", "abc-1", "no such subscriber", 1),
        )
        self.report("abc-1", "delivered", detail="late")
        self.assertEqual(self.told(delivery)["reason"], "", "it is there")

    def test_what_no_network_took_was_not_sent(self) -> None:
        self.one.answer = lambda piece: Failure(Kind.PERMANENT, "no such number")
        self.send()
        (piece,) = self.house.mail.pieces
        self.assertEqual(
            (piece.content.parts_sent, piece.content.gateway, piece.content.network), (0, "one", "")
        )

    def test_after_everybody_gave_up_waiting(self) -> None:
        self.house.sweeper.start()
        delivery = self.send()
        self.house.advance(9 * DAY)
        self.house.advance(2)
        self.assertEqual(
            (self.told(delivery)["reason"], self.events()), ("no delivery report came", ["relayed"])
        )
        self.assertTrue(self.report("abc-1", "pending"))
        self.assertIsNotNone(self.told(delivery)["finished"], "it is not waited for again")
        self.assertTrue(self.report("abc-1", "delivered"))
        self.assertEqual((self.state(delivery), self.events()), ("delivered", ["relayed", "delivered"]))

    def test_programs_hear_more_than_mail_does(self) -> None:
        self.send(EVERYTHING, ticket=HOOK)
        for detail in ("phone off", "phone busy"):
            self.report("abc-1", "pending", detail=detail)
        self.report("abc-1", "delivered")
        self.assertEqual(self.events(self.hook), ["sent", "buffered", "delivered"])
        sent, buffered, _ = [piece.content for piece in self.hook.pieces]
        self.assertEqual((sent.gateway, sent.reference, sent.parts_sent), ("one", "abc-1", 1))
        self.assertEqual(buffered.network, "phone off")
        self.send(EVERYTHING)
        self.assertEqual(self.events(), [])

    def test_where_no_report_can_come(self) -> None:
        self.house.outlet("one").closed("")
        dumb = self.house.gateway("dumb", Abilities(frozenset({"sms"})))
        self.house.outlet("dumb").opened(1)
        for wants, ticket, mail, hook in (
            (Wants.SUCCESS, {}, ["relayed"], []),
            (WANTED | Wants.SENT, {}, ["relayed"], []),
            (Wants.FAILURE | Wants.DELAY, {}, [], []),
            (EVERYTHING, {"ticket": HOOK}, [], ["sent"]),
            (WANTED, {"ticket": HOOK}, [], []),
        ):
            self.house.mail.pieces.clear()
            self.hook.pieces.clear()
            delivery = self.send(wants, **ticket)
            self.assertEqual((self.events(), self.events(self.hook)), (mail, hook), wants)
            self.assertIsNotNone(self.told(delivery)["finished"])
        self.assertEqual(len(dumb.pieces), 5)


class Names(LedgerCase):
    def test_spellings(self) -> None:
        for name, said, number, state in (
            ("0x1A2B", "6699", "", "delivered"),
            ("100200300", "0x5f8f00c", "", "sent"),
            ("100200301", f"{100200301:X}", "", "delivered"),
            ("100200302", f"0x{100200302:x}", ANN, "delivered"),
            ("00077001", "77001", "", "delivered"),
            ("77002", "00077002", "", "delivered"),
            ("AbC-d", "aBc-D", "", "delivered"),
            ("88001", "88001", BOB, "sent"),
            ("99001", "99001", "0333 123 4567", "delivered"),
        ):
            self.one.answer = lambda piece, name=name: Accepted(name)
            delivery = self.send()
            self.report(said, "delivered", number)
            self.assertEqual(self.state(delivery), state, (name, said, number))

    def test_the_other_way_round(self) -> None:
        for name, said, number, state in (
            ("6699", "0x1A2B", "", "delivered"),
            ("AbC-d", "aBc-D", ANN, "delivered"),
            ("88001", "88001", BOB, "sent"),
            ("1a", "26", "", "sent"),
            ("0001b", "27", ANN, "delivered"),
        ):
            self.one.answer = lambda piece, name=name: Accepted(name)
            self.assertFalse(self.report(said, "delivered", number))
            self.assertEqual(self.state(self.send()), state, (name, said, number))

    def test_what_could_be_two_is_nobody_and_the_exact_one_is_somebody(self) -> None:
        deliveries = {}
        for name in ("1a2b", "26265"):
            self.one.answer = lambda piece, name=name: Accepted(name)
            deliveries[name] = self.send()
        self.assertFalse(self.report("6699", "failed", ANN))
        self.one.answer = lambda piece: Accepted("6699")
        last = self.send()
        self.assertEqual(self.state(last), "failed", "it was waiting for this one")
        self.assertEqual([self.state(one) for one in deliveries.values()], ["sent", "sent"])

    def test_two_that_differ_in_case_stay_two(self) -> None:
        both = []
        for name in ("aB3-x", "Ab3-x"):
            self.one.answer = lambda piece, name=name: Accepted(name)
            both.append(self.send())
        self.report("Ab3-x", "delivered")
        self.assertEqual([self.state(one) for one in both], ["sent", "delivered"])
        self.assertFalse(self.report("ab3-X", "failed"))

    def test_an_octet_that_comes_again(self) -> None:
        self.house.outlet("one").closed("")
        self.house.outlet("gsm1").opened(1)
        self.house.gsm.answer = lambda piece: Accepted("7")
        old = self.send()
        first = self.house.store.now()
        self.house.clock.advance(3600)
        new = self.send()
        reports = self.house.queue.reports
        said = {"at": self.house.store.now() + 60_000, "submitted": first + 2000}
        self.house.wait(reports.reported("gsm1", NetworkReport("7", ANN, "failed", "old", **said)))
        self.assertEqual([self.state(old), self.state(new)], ["failed", "sent"])
        self.house.wait(reports.reported("gsm1", NetworkReport("7", ANN, "delivered", at=said["at"])))
        self.assertEqual([self.state(old), self.state(new)], ["failed", "delivered"])

    def test_an_octet_for_nobody_is_forgotten_soon(self) -> None:
        for name, minutes, state in (
            ("7", 9, "delivered"),
            ("8", 11, "sent"),
            ("800", 1439, "delivered"),
            ("801", 1441, "sent"),
        ):
            self.one.answer = lambda piece, name=name: Accepted(name)
            self.report(name, "delivered", ANN)
            self.house.clock.advance(minutes * 60)
            self.assertEqual(self.state(self.send()), state, name)

    def test_what_was_forgotten_does_not_come_back_with_the_next_one(self) -> None:
        self.report("7", "failed", ANN)
        self.house.clock.advance(11 * 60)
        self.report("7", "pending", ANN)
        self.one.answer = lambda piece: Accepted("7")
        self.assertEqual(self.state(self.send()), "sent")


class Parts(LedgerCase):
    def setUp(self) -> None:
        super().setUp()
        self.one.answer = lambda piece: Accepted("m-1", more=("m-2", "m-3"))

    def test_delivered_when_all_are(self) -> None:
        delivery = self.send(text="x" * 400)
        for part in (3, 1, 1, 3):
            self.report(f"m-{part}", "delivered")
            self.assertEqual(self.state(delivery), "sent")
        self.report("M-2", "delivered")
        self.assertEqual((self.state(delivery), self.events()), ("delivered", ["delivered"]))

    def test_failed_when_one_fails(self) -> None:
        delivery = self.send(text="x" * 400)
        self.report("m-1", "delivered")
        self.report("m-2", "failed")
        self.report("m-3", "delivered")
        self.assertEqual((self.state(delivery), self.events()), ("failed", ["failed"]))
        self.report("m-2", "pending")
        self.assertEqual(self.told(delivery)["parts"][1]["reported"], "failed")
        self.report("m-2", "delivered")
        self.assertEqual((self.state(delivery), self.events()), ("delivered", ["failed", "delivered"]))

    def test_all_before_the_answer(self) -> None:
        self.one.manual = True
        delivery = self.send(text="x" * 400)
        for part in (2, 3, 1):
            self.assertFalse(self.report(f"m-{part}", "pending"))
            self.assertFalse(self.report(f"m-{part}", "delivered"))
        self.one.release(Accepted("m-1", more=("m-2", "m-3", "m-2", "")))
        self.house.settle()
        self.assertEqual((self.state(delivery), self.events()), ("delivered", ["delivered"]))

    def test_what_was_said_of_an_earlier_try_changes_nothing(self) -> None:
        delivery = self.send(text="x" * 400)
        self.report("m-2", "failed")
        self.one.answer = lambda piece: Accepted("n-1", more=("n-2",))
        now = self.house.store.now()
        for lane in self.house.wait(
            self.house.store.control(operating.Verb("retry", delivery, now, now + 10**9))
        ):
            self.house.queue.wake(lane, now)
        self.house.settle()
        self.assertEqual((self.state(delivery), len(self.one.pieces)), ("sent", 2))
        for name in ("m-1", "m-2", "m-3"):
            self.report(name, "delivered")
        self.report("m-3", "failed", detail="again")
        self.assertEqual(self.state(delivery), "sent")
        for name in ("n-2", "n-1"):
            self.report(name, "delivered")
        self.assertEqual(self.state(delivery), "delivered")
        said = [(one["reference"], one["status"]) for one in self.told(delivery)["network"]]
        self.assertIn(("m-3", "failed"), said, "but it is on record")


class PartsOneByOne(LedgerCase):
    """A gateway that sends the parts of a long message itself, as modems do."""

    def setUp(self) -> None:
        super().setUp()
        self.modem = self.house.gateway("gsm2", MODEM)
        self.house.outlet("one").closed("not today")
        self.house.outlet("gsm2").opened(1)
        self.modem.manual = True

    def answered(self, name: str) -> None:
        self.modem.release(Accepted(name))
        self.house.settle()

    def reports(self, *said: tuple[str, str]) -> None:
        for name, status in said:
            report = NetworkReport(name, ANN, status)
            self.assertTrue(self.house.wait(self.house.queue.reports.reported("gsm2", report)), name)
            self.house.settle()

    def test_one_is_on_the_wire_while_another_is_reported_failed(self) -> None:
        delivery = self.send(text="x" * 200)
        self.answered("31")
        self.reports(("31", "failed"))
        self.assertEqual((self.state(delivery), self.events()), ("failed", ["failed"]))
        self.answered("32")
        told = self.told(delivery)
        self.assertEqual([part["reference"] for part in told["parts"]], ["31", "32"])
        self.reports(("32", "delivered"), ("31", "delivered"))
        self.assertEqual((self.state(delivery), self.events()), ("delivered", ["failed", "delivered"]))

    def test_sent_again_after_a_lost_part_it_begins_anew(self) -> None:
        delivery = self.send(text="x" * 400)
        self.answered("31")
        self.reports(("31", "failed"))
        self.answered("32")
        self.assertEqual((self.state(delivery), len(self.modem.pieces)), ("failed", 2))
        now = self.house.store.now()
        verb = operating.Verb("retry", delivery, now, now + 10**9)
        for lane in self.house.wait(self.house.store.control(verb)):
            self.house.queue.wake(lane, now)
        self.house.settle()
        for name in ("41", "42", "43"):
            self.answered(name)
        self.assertEqual([piece.seq for piece in self.modem.pieces], [1, 2, 1, 2, 3])
        self.reports(("41", "delivered"), ("42", "delivered"), ("43", "delivered"))
        self.assertEqual(self.state(delivery), "delivered")


class Bounds(LedgerCase):
    def test_a_network_that_does_not_stop(self) -> None:
        self.one.answer = lambda piece: Accepted("abc-1")
        delivery = self.send()
        for n in range(ledger.MOST_REPORTS + 20):
            self.report("abc-1", "pending", detail=f"{n}")
        self.assertEqual(self.count("network_report"), ledger.MOST_REPORTS)
        self.report("abc-1", "delivered")
        self.assertEqual(self.state(delivery), "delivered")

    def test_a_reference_without_an_end(self) -> None:
        for name in ("r" * 230, "s" * 5000):
            self.one.answer = lambda piece, name=name: Accepted(name)
            delivery = self.send()
            self.assertTrue(self.report(name[:255], "delivered"))
            self.assertEqual(self.state(delivery), "delivered")

    def test_one_for_nobody_that_does_not_stop(self) -> None:
        for n in range(ledger.MOST_EARLY + 5):
            self.report("abc-1", "pending", detail=f"{n}")
        row = self.house.store._writer.execute("select early from reference").fetchone()
        self.assertEqual(row[0].count("pending"), ledger.MOST_EARLY)

    def test_everything_is_forgotten_with_its_message(self) -> None:
        self.one.answer = lambda piece: Accepted("abc-1", more=("abc-2",))
        self.house.sweeper.start()
        self.house.sweeper.keep_days = 30
        self.send()
        self.report("abc-1", "delivered")
        self.report("abc-2", "delivered")
        self.report("other", "delivered")
        for _ in range(4):
            self.house.advance(11 * DAY)
        for table in ("message", "delivery", "piece", "network_report", "reference"):
            self.assertEqual(self.count(table), 0, table)

    def test_who_wants_no_report_pays_for_none(self) -> None:
        """Row budget (rule 7 of the architecture): nothing but what was accepted."""
        self.one.answer = lambda piece: Accepted("abc-1")
        self.send(Wants.NOTHING)
        self.send(Wants.FAILURE | Wants.DELAY)
        writer = self.house.store._writer
        self.assertEqual(
            [
                self.count(table)
                for table in ("message", "delivery", "reference", "network_report", "piece", "attempt")
            ],
            [2, 2, 0, 0, 0, 0],
        )
        said: list[str] = []
        writer.set_trace_callback(said.append)
        self.send(Wants.NOTHING)
        writer.set_trace_callback(None)
        self.assertEqual([sql for sql in said if "reference(" in sql or "network_report" in sql], [])


class Older(SynchronousTestCase):
    def test_a_store_of_before_is_brought_forward(self) -> None:
        """With what modems called their pieces, and reports that wait for their answers."""
        house = House()
        house.open()
        house.gsm.answer = lambda piece: Accepted(str(piece.seq + 6))
        long = house.send(ANN, "x" * 300, wants=WANTED).recipients[0].delivery
        short = house.send(BOB, wants=WANTED).recipients[0].delivery
        house.settle()
        now = house.store.now()
        house.store._writer.executescript(
            f"""
            drop table reference; drop table network_report;
            create table reference(
                space text, ref text, delivery int, seq int, report text, detail text, at int, expires int not null,
                primary key(space, ref)) without rowid;
            insert into reference values('gsm1', '7|{ANN}', {long}, 1, null, null, null, {now + 10**9});
            insert into reference values('gsm1', '8|{ANN}', {long}, 2, null, null, null, {now + 10**9});
            insert into reference values('gsm1', '7|{BOB}', {short}, 1, null, null, null, {now + 10**9});
            insert into reference values('gsm1', '9|{ANN}', null, null, 'delivered', null, 5, {now + 600000});
            insert into reference values('one', '0x00AB-Z', {short}, 1, null, null, null, {now + 10**9});
            """
        )
        migration = dict(_migrations())[6]
        house.store._writer.executescript(migration)
        reports = house.queue.reports
        for reference, number in (("7", BOB), ("7", ANN), ("8", ANN)):
            self.assertTrue(
                house.wait(reports.reported("gsm1", NetworkReport(reference, number, "delivered")))
            )
        house.gsm.answer = lambda piece: Accepted("9")
        early = house.send(ANN, wants=WANTED).recipients[0].delivery
        house.settle()
        for delivery in (long, short, early):
            told = house.wait(house.store.ask(operating.explain, delivery))
            self.assertEqual(told["state"], "delivered")
        rows = house.store._writer.execute(
            "select ref, name, number from reference where space='one'"
        ).fetchall()
        self.assertEqual([tuple(row) for row in rows], [("0xab-z", "0x00AB-Z", BOB)])
        house.close()


def _migrations() -> list[tuple[int, str]]:
    from smsd.store.schema import migrations

    return migrations()


STATUS = st.sampled_from(["delivered", "delivered", "pending", "failed"])
SPELLINGS = (
    lambda value: f"{value:x}", lambda value: f"{value:X}", lambda value: f"00{value:x}", lambda value: f"0x{value:X}",
    lambda value: str(value),
)  # fmt: skip
MESSAGE = st.lists(st.lists(STATUS, max_size=3), min_size=1, max_size=3)  # what is reported of each part


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[list[list[str]]], list[tuple[Any, ...]]]:
    """Messages with what the network says of each of their parts; and everything that happens, in some order."""
    messages = draw(st.lists(MESSAGE, min_size=1, max_size=3))
    happens: list[tuple[Any, ...]] = []
    for index, parts in enumerate(messages):
        happens += [("submit", index), ("answer",)]
        for part, statuses in enumerate(parts):
            for status in statuses:
                happens += [("report", index, part, status, draw(st.integers(0, 4)))] * draw(
                    st.integers(1, 2)
                )
    happens += [("crash",)] * draw(st.integers(0, 2))
    return messages, draw(st.permutations(happens))


class Interleavings(SynchronousTestCase):
    """In whatever order answers, reports, their doubles and restarts come, the end is the same."""

    @settings(
        max_examples=int(os.environ.get("SMSD_EXAMPLES", "60")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(stories())
    def test_every_order_ends_the_same(
        self, story: tuple[list[list[list[str]]], list[tuple[Any, ...]]]
    ) -> None:
        messages, happens = story
        life = Life(messages)
        try:
            for what, *how in happens:
                getattr(life, what)(*how)
            life.finish()
            for index, parts in enumerate(messages):
                self.assertEqual(life.state(index), expected(parts), (messages, happens))
                told = life.told[life.ids[index]]
                self.assertLessEqual(told.count("failed"), 1)
                self.assertEqual(told.count("delivered"), int(expected(parts) == "delivered"))
        finally:
            life.house.close()


def expected(parts: list[list[str]]) -> str:
    """What a message ends as."""
    if all("delivered" in statuses for statuses in parts):
        return "delivered"
    return "failed" if any("failed" in statuses for statuses in parts) else "sent"


class Life:
    """A house with a provider that names every part of a message, and answers when it is told to; it knows a message that it is
    given again."""

    def __init__(self, messages: list[list[list[str]]]) -> None:
        self.messages = messages
        self.ids: dict[int, int] = {}
        self.told: dict[int, list[str]] = {}
        self.heard: set[int] = set()
        self.answers = 0
        self.begin(House())

    def begin(self, house: House) -> None:
        self.house = house
        self.one = house.gateway("one", PROVIDER)
        self.one.manual = True
        house.open()
        house.outlet("gsm1").closed("")
        house.outlet("one").opened(9)
        house.settle()

    def name(self, index: int, part: int) -> int:
        return 0xA000_0000 + index * 16 + part

    def submit(self, index: int) -> None:
        receipt = self.house.send(ANN, str(index), wants=WANTED, parameters=Parameters(gateway="one"))
        self.ids[index] = receipt.recipients[0].delivery
        self.told.setdefault(self.ids[index], [])
        self.house.settle()

    def answer(self) -> None:
        if not self.one.pending:
            return
        piece, _ = self.one.pending[0]
        index = int(piece.content.text)
        names = [f"{self.name(index, part):X}" for part in range(len(self.messages[index]))]
        self.one.release(Accepted(names[0], more=tuple(names[1:])))
        self.house.settle()
        self.listen()

    def report(self, index: int, part: int, status: str, spelling: int) -> None:
        said = SPELLINGS[spelling](self.name(index, part))
        report = NetworkReport(said, ANN, status)
        self.house.wait(self.house.queue.reports.reported("one", report))
        self.house.settle()
        self.listen()

    def listen(self) -> None:
        for piece in self.house.mail.pieces:
            if piece.delivery not in self.heard:
                self.heard.add(piece.delivery)
                self.told[piece.content.delivery].append(piece.content.event)

    def crash(self) -> None:
        self.begin(self.house.crash())
        self.listen()

    def finish(self) -> None:
        for _ in range(10):
            self.house.advance(20)
            while self.one.pending:
                self.answer()
        self.listen()

    def state(self, index: int) -> str:
        told = self.house.wait(self.house.store.ask(operating.explain, self.ids[index]))
        state: str = told["state"]
        return state
