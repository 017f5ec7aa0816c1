"""A house in which rules have said how messages leave, without rules: for tests of digests and alerts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.store import operating
from smsd.values.address import Address
from smsd.values.message import DEFAULT_PARAMETERS, Care, Escalation, Pause, Text, Window
from tests.house import House, submission

ANN = "+15550000001"
BOB = "+15550000002"
EVE = "+15550000003"
MINUTE = 60


def cap(most: int, minutes: int = 1, text: str = "%count% more: %first%", rule: str = "storm") -> Window:
    return Window(rule, most, minutes * MINUTE * 1000, text)


def digest(minutes: int = 1, text: str = "%count% more: %first%", rule: str = "digest") -> Window:
    return cap(0, minutes, text, rule)


def pause(house: House, seconds: int, rule: str = "night") -> Pause:
    return Pause(rule, house.store.now() + seconds * 1000)


def escalation(*numbers: str, minutes: int = 5, answers: tuple[str, ...] = ("OK",)) -> Escalation:
    named = [Address.parse(one if ":" in one else f"sms:{one}") for one in numbers]
    to = tuple((address, DEFAULT_PARAMETERS) for address in named)
    return Escalation("on call", to, minutes * MINUTE * 1000, answers)


class CareCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.start()

    def start(self) -> None:
        """Open the gateways and let the sweeper run."""
        self.house.open()
        self.house.sweeper.start()
        self.house.settle()

    def send(self, text: str, *cares: Care, to: str = ANN, **options: Any) -> int:
        """Submit a text as rules want it to leave; its (last) delivery."""
        given = submission(to, text, **options)
        given = replace(given, recipients=tuple(replace(one, gather=cares) for one in given.recipients))
        receipt = self.house.wait(self.house.dispatcher.submit(given))
        self.house.settle()
        delivery: int = receipt.recipients[-1].delivery
        return delivery

    def later(self, minutes: float) -> None:
        """Let time pass, second by second at its end, so that the sweeper has done what is due."""
        self.house.advance(max(minutes * MINUTE - 1, 0))
        for _ in range(3):
            self.house.advance(1)

    def texts(self, to: str = ANN) -> list[str]:
        """What left for a phone, in order."""
        return [
            piece.content.text
            for piece in self.house.gsm.pieces
            if piece.target.target == to and isinstance(piece.content, Text)
        ]

    def row(self, delivery: int) -> dict[str, Any]:
        told: dict[str, Any] = self.house.wait(self.house.store.ask(operating.explain, delivery))
        return told

    def state(self, delivery: int) -> str:
        state: str = self.row(delivery)["state"]
        return state

    def operate(self, verb: str, delivery: int) -> None:
        now = self.house.store.now()
        for lane in self.house.wait(
            self.house.store.control(operating.Verb(verb, delivery, now, now + 86_400_000))
        ):
            self.house.queue.wake(lane, now)
        self.house.settle()

    def select(self, statement: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self.house.wait(
            self.house.store.ask(lambda c: [tuple(row) for row in c.execute(statement)])
        )
        return rows

    def crash(self) -> None:
        """A kill, and a new process life over what is on the disk."""
        self.house.sweeper.stop()
        self.house = self.house.crash()
        self.start()
