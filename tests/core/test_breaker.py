"""A gateway that fails is left alone, tried by one message, and taken back; a message that is ill itself stops nobody."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.core.control import Control
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope
from smsd.values.errors import InvalidValue
from smsd.values.message import Parameters, Priority
from tests.house import House

ILL = Failure(Kind.TEMPORARY, "connection refused", scope=Scope.GATEWAY)
UNKNOWN = Failure(Kind.UNKNOWN, "no answer")
REFUSED = Failure(Kind.PERMANENT, "no such number")
NO_CREDIT = Failure(Kind.TEMPORARY, "no credit", scope=Scope.GATEWAY, retry_after=86_400)


class BreakerCase(SynchronousTestCase):
    slots = 4

    def setUp(self) -> None:
        self.house = House()
        self.gsm = self.house.gsm
        self.addCleanup(self.end)
        self.house.open(self.slots)

    def end(self) -> None:
        self.gsm.manual = False
        while self.gsm.pending:
            self.gsm.release()
            self.house.settle()
        self.house.close()

    def send(self, count: int = 1, first: int = 0, text: str = "", **options: object) -> None:
        for n in range(first, first + count):
            self.house.send(f"+1555{n:07}", text or f"{n}", **options)
        self.house.settle()

    def told(self) -> str:
        return self.house.outlet("gsm1").told(self.house.queue.now())

    def tries(self) -> set[int]:
        return {row["tries"] for row in self.house.rows()}


class Breaker(BreakerCase):
    def test_waits_grow_and_each_ends_with_one_probe(self) -> None:
        self.gsm.answer = lambda piece: ILL
        self.send(20)
        self.assertEqual(len(self.gsm.pieces), 1)
        self.assertEqual(self.told(), "resting after 'connection refused'; one message tries again in 5 s")
        for probe, wait in enumerate((5, 10, 20, 40, 80, 160, 300, 300), 2):
            self.house.advance(wait - 0.1)
            self.assertEqual(len(self.gsm.pieces), probe - 1, wait)
            self.house.advance(0.2)
            self.assertEqual(len(self.gsm.pieces), probe, wait)
        self.assertEqual(
            len({piece.delivery for piece in self.gsm.pieces}), 9, "each a message that had not failed"
        )
        self.assertEqual(self.tries(), {0})

    def test_while_the_probe_is_out_nothing_else_goes(self) -> None:
        self.gsm.answer = lambda piece: ILL
        self.send(10)
        self.gsm.manual = True
        self.house.advance(6)
        self.send(3, 100)
        self.house.advance(600)
        self.assertEqual(len(self.gsm.pieces), 2)
        self.assertEqual(self.told(), "after 'connection refused' one message tries whether it works again")
        self.gsm.release()
        self.house.settle()
        self.assertEqual((len(self.gsm.pieces), self.told()), (6, ""))  # one, one, and all four slots

    def test_a_new_message_may_be_the_probe(self) -> None:
        self.gsm.answer = lambda piece: ILL if piece.content.text == "0" else Accepted("1")
        self.send(1)
        self.house.advance(4)
        self.send(1, 1)
        self.assertEqual(len(self.gsm.pieces), 1)
        self.house.advance(2)
        self.assertEqual([piece.content.text for piece in self.gsm.pieces[:2]], ["0", "1"])

    def test_a_refusal_is_an_answer(self) -> None:
        self.gsm.answer = lambda piece: ILL
        self.send(5)
        self.gsm.answer = lambda piece: REFUSED
        self.house.advance(6)
        self.assertEqual((len(self.gsm.pieces), self.told()), (6, ""))

    def test_what_was_on_its_way_when_it_opened_counts_once(self) -> None:
        self.gsm.manual = True
        self.send(4)
        for _ in range(4):
            self.gsm.release(ILL)
        self.house.settle()
        self.assertEqual(self.told(), "resting after 'connection refused'; one message tries again in 5 s")

    def test_three_without_an_answer_open_it(self) -> None:
        self.gsm.manual = True
        self.send(4)
        for expected in ("", "", "resting after 'no answer'; one message tries again in 5 s"):
            self.gsm.release(UNKNOWN)
            self.house.settle()
            self.assertEqual(self.told(), expected)

    def test_so_do_three_answers_that_nobody_expects(self) -> None:
        """A portal in between that says 200 to everything takes three messages of a full queue, not all."""
        odd = Failure(Kind.PERMANENT, "an answer that nobody expects", maybe_sent=True)
        self.gsm.answer = lambda piece: odd
        self.send(10)
        states = [row["state"] for row in self.house.rows()]
        self.assertLessEqual(states.count("failed"), 2 + self.slots)
        self.assertIn("resting after 'an answer that nobody expects'", self.told())

    def test_an_answer_between_starts_the_count_anew(self) -> None:
        answers = iter([UNKNOWN, UNKNOWN, Accepted("1"), UNKNOWN, UNKNOWN, REFUSED, UNKNOWN])
        self.gsm.answer = lambda piece: next(answers)
        self.send(7)
        self.assertEqual((len(self.gsm.pieces), self.told()), (7, ""))

    def test_one_message_that_always_times_out_opens_nothing(self) -> None:
        self.gsm.answer = lambda piece: UNKNOWN
        self.send()
        for _ in range(20):
            self.house.advance(301)
        self.assertEqual(self.told(), "")
        self.assertGreater(len(self.gsm.pieces), 10)

    def test_a_gateway_that_comes_back_is_tried_at_once_by_one(self) -> None:
        self.gsm.answer = lambda piece: ILL
        self.send(9)
        self.house.outlet("gsm1").closed("gone")
        self.gsm.manual = True
        self.house.outlet("gsm1").opened(4)
        self.house.settle()
        self.assertEqual(len(self.gsm.pieces), 2)

    def test_the_rest_of_a_text_waits_while_it_rests(self) -> None:
        self.gsm.manual = True
        self.send(1, text="x" * 300)
        self.send(1, 5)
        self.gsm.pending.reverse()
        self.gsm.release(ILL)
        self.gsm.release()
        self.house.settle()
        self.assertEqual(len(self.gsm.pieces), 2)
        self.house.advance(6)
        self.assertEqual([piece.seq for piece in self.gsm.pieces], [1, 1, 2])


class Stopped(BreakerCase):
    def setUp(self) -> None:
        super().setUp()
        self.gsm.answer = lambda piece: NO_CREDIT
        self.send(3)
        self.gsm.answer = lambda piece: Accepted("1")

    def test_rests_as_long_as_it_says(self) -> None:
        self.assertEqual(self.told(), "stopped after 'no credit'; one message tries again in 24 h")
        self.house.advance(86_000)
        self.assertEqual(len(self.gsm.pieces), 1)
        self.house.advance(401)
        self.assertEqual((self.house.states(), self.tries()), (["sent"] * 3, {0}))

    def test_also_when_it_closes_and_opens(self) -> None:
        self.house.outlet("gsm1").closed("gone")
        self.house.outlet("gsm1").opened(4)
        self.house.settle()
        self.assertEqual(len(self.gsm.pieces), 1)

    def test_until_an_operator_knows_better(self) -> None:
        control = Control(
            store=self.house.store, dispatcher=None, queue=self.house.queue, overrides=None, explainer=None,
            status=dict, reload=lambda: None,
        )  # type: ignore[arg-type]  # fmt: skip

        async def call(gateway: str) -> None:
            await control.call("release", {"gateway": gateway})

        from twisted.internet.defer import Deferred

        self.failureResultOf(Deferred.fromCoroutine(call("gms1")), InvalidValue)
        self.successResultOf(Deferred.fromCoroutine(call("gsm1")))
        self.house.settle()
        self.assertEqual((self.house.states(), self.told()), (["sent"] * 3, ""))


class Poison(BreakerCase):
    """A message that the gateway cannot bear, of which it does not say that it is the message."""

    def ill(self, failure: Failure) -> None:
        self.gsm.answer = lambda piece: failure if self.is_ill(piece) else Accepted("1")

    def is_ill(self, piece: Piece) -> bool:
        return piece.content.text == "poison"

    def passed(self) -> int:
        return sum(not self.is_ill(piece) for piece in self.gsm.pieces)

    def test_others_pass_at_the_next_probe_and_then_freely(self) -> None:
        self.ill(ILL)
        self.send(1, 1000, text="poison", parameters=Parameters(priority=Priority.URGENT))
        self.send(20)
        self.assertEqual(self.passed(), 0)
        self.house.advance(6)  # one probe, which is not the poison; then the poison, and now it is known
        self.assertEqual(self.passed(), 20)
        self.assertEqual(self.told(), "")
        poison = next(row for row in self.house.rows() if row["text"] == "poison")
        self.assertEqual((poison["state"], poison["tries"]), ("ready", 1))

    def test_it_waits_longer_and_longer(self) -> None:
        self.ill(ILL)
        self.send(1, 1000, text="poison")
        for n in range(100):
            self.send(1, n)
            self.house.advance(60)
        self.assertEqual(self.passed(), 100)
        self.assertLess(len(self.gsm.pieces) - 100, 20)

    def test_timing_out_for_ever(self) -> None:
        self.ill(UNKNOWN)
        for n in range(5):  # enough to open it
            self.send(1, 1000 + n, text="poison", parameters=Parameters(priority=Priority.URGENT))
        for n in range(50):
            self.send(1, n)
            self.house.advance(60)
        self.assertEqual(self.passed(), 50)
