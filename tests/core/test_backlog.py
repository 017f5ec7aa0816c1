"""Old backlog leaves as digests: at the start, and when a gateway opens after a long time. Nothing else does."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.store import gathering
from smsd.values.account import Account
from smsd.values.delivery import Failure, Kind
from smsd.values.message import Binary, Parameters, Text
from tests.house import MODEM, House

ANN = "+15550000001"
BOB = "+15550000002"
DIGEST = "{} delayed messages. First: {} Last: {}"


class BacklogCase(SynchronousTestCase):
    minutes = 60

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.backlog.minutes = self.minutes
        self.house.open()

    def outage(self, minutes: float, texts: str = "abc", **options: Any) -> None:
        """The modem is away; one message a second comes; then time passes."""
        self.house.outlet("gsm1").closed("pulled out")
        for text in texts:
            self.house.send(text=text, **options)
            self.house.advance(1)
        self.house.advance(minutes * 60)

    def back(self) -> None:
        self.house.outlet("gsm1").opened(1)
        self.house.settle()

    def restart(self) -> None:
        self.house = self.house.crash()
        self.house.backlog.minutes = self.minutes
        self.house.open()

    def texts(self, to: str = ANN) -> list[str]:
        return [
            piece.content.text
            for piece in self.house.gsm.pieces
            if piece.target.target == to and isinstance(piece.content, Text)
        ]


class Opening(BacklogCase):
    def test_after_a_long_time_one_digest(self) -> None:
        self.outage(61)
        self.back()
        self.assertEqual(self.texts(), [DIGEST.format(3, "a", "c")])
        self.assertEqual(self.house.states(), ["merged"] * 3 + ["sent"])

    def test_after_a_short_time_as_they_are(self) -> None:
        self.outage(59)
        self.back()
        self.assertEqual(self.texts(), ["a", "b", "c"])

    def test_what_is_young_stays_out_of_it(self) -> None:
        self.outage(61)
        self.house.send(text="now")
        self.back()
        self.assertEqual(self.texts(), [DIGEST.format(3, "a", "c"), "now"])

    def test_two_are_no_backlog(self) -> None:
        self.outage(61, "ab")
        self.outage(61, "cde", number=BOB)
        self.back()
        self.assertEqual((self.texts(), len(self.texts(BOB))), (["a", "b"], 1))

    def test_while_another_gateway_serves_the_route_nobody_is_late(self) -> None:
        slow = self.house.gateway("gsm2", MODEM)
        slow.manual = True
        self.house.outlet("gsm1").closed("pulled out")
        self.house.outlet("gsm2").opened(1)
        self.house.send(BOB, "long")
        self.outage(61)
        self.back()
        self.assertEqual(self.texts(), ["a", "b", "c"])
        slow.release()

    def test_pinned_to_what_was_closed_they_are_late_all_the_same(self) -> None:
        self.house.gateway("gsm2", MODEM)
        self.house.outlet("gsm2").opened(1)
        self.outage(61, parameters=Parameters(gateway="gsm1"))
        self.back()
        self.assertEqual(self.texts(), [DIGEST.format(3, "a", "c")])

    def test_closed_again_meanwhile(self) -> None:
        self.outage(61)
        self.house.outlet("gsm1").opened(1)
        self.house.outlet("gsm1").closed("pulled out")
        self.house.settle()
        self.assertEqual(self.texts(), [])
        self.assertEqual(self.house.outlet("gsm1").reason, "pulled out")
        self.back()
        self.assertEqual(self.texts(), [DIGEST.format(3, "a", "c")])

    def test_told_twice_it_opens_once_with_the_latest_slots(self) -> None:
        self.outage(61)
        self.house.outlet("gsm1").opened(1)
        self.house.outlet("gsm1").opened(2)
        self.house.settle()
        self.assertEqual((self.house.outlet("gsm1").slots, len(self.texts())), (2, 1))

    def test_a_store_that_fails_keeps_no_gateway_closed(self) -> None:
        self.outage(61)

        def broken(*_: Any) -> Any:
            raise OSError("no disk")

        self.patch(gathering, "old", broken)
        self.back()
        self.assertEqual(self.texts(), ["a", "b", "c"])

    def test_switched_off(self) -> None:
        self.house.backlog.minutes = 0
        self.outage(5000)
        self.back()
        self.assertEqual(self.texts(), ["a", "b", "c"])


class Starting(BacklogCase):
    def test_after_a_restart(self) -> None:
        self.outage(61)
        self.restart()
        self.assertEqual(self.texts(), [DIGEST.format(3, "a", "c")])

    def test_what_is_due_later_is_no_backlog(self) -> None:
        self.house.gsm.answer = lambda piece: Failure(Kind.TEMPORARY, "busy", retry_after=7200)
        for text in "abc":
            self.house.send(text=text)
        self.house.advance(3700)
        self.restart()
        self.assertEqual(self.texts(), [])

    def test_binary_and_begun_messages_leave_as_they_are(self) -> None:
        self.house.gsm.manual = True
        self.house.send(text="x" * 400)
        self.house.gsm.release()
        self.house.settle()  # one of its three parts has left
        self.house.outlet("gsm1").closed("pulled out")
        for _ in range(3):
            self.house.send(content=Binary(b"\1"))
        self.house.send(text="a")
        self.house.send(text="b")
        self.house.advance(3700)
        self.restart()
        self.assertEqual([row["door"] for row in self.house.rows() if row["door"] == "digest"], [])

    def test_accounts_are_never_mixed(self) -> None:
        self.house.accounts.update(ann=Account("ann"), bob=Account("bob"))
        self.outage(61, "ab", account="ann")
        self.outage(61, "cd", account="bob")
        self.restart()
        self.assertEqual(self.house.states(), ["sent"] * 4)

    def test_many_recipients_page_by_page(self) -> None:
        self.patch(gathering, "PAGE", 7)
        self.house.outlet("gsm1").closed("pulled out")
        for number in range(5):
            for text in ("a", "b", "c", "d")[: 3 + number % 2]:
                self.house.send(f"+1555000001{number}", text)
        self.house.advance(3700)
        self.restart()
        self.house.advance(5)
        told = sorted((piece.target.target, piece.content.text) for piece in self.house.gsm.pieces)  # type: ignore[union-attr]
        self.assertEqual(
            told,
            [
                (f"+1555000001{n}", DIGEST.format(*((4, "a", "d") if n % 2 else (3, "a", "c"))))
                for n in range(5)
            ],
        )

    def test_a_page_that_one_recipient_fills(self) -> None:
        self.patch(gathering, "PAGE", 4)
        self.outage(61, "abcdefghij")
        self.restart()
        self.assertEqual([text[:2] for text in self.texts()], ["4 ", "4 ", "i", "j"])

    def test_in_several_transactions(self) -> None:
        self.patch(gathering, "BITE", 4)
        self.house.outlet("gsm1").closed("pulled out")
        for number, texts in (("+15550000011", "abc"), ("+15550000012", "abc"), ("+15550000013", "abcdefgh")):
            for text in texts:
                self.house.send(number, text)
        self.house.advance(3700)
        self.restart()
        self.house.advance(5)
        told = sorted((piece.target.target[-2:], piece.content.text[:1]) for piece in self.house.gsm.pieces)  # type: ignore[union-attr]
        self.assertEqual(told, [("11", "3"), ("12", "3"), ("13", "4"), ("13", "4")])
