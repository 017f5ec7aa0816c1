"""The reply log against a ledger that simply remembers every message: whoever writes, whatever leaves or fails or waits,
whenever the process dies, each answer goes to the one whom the ledger names, or is held with one question an hour."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smsd.policy.reply import CONFLICT
from smsd.store.replies import REMEMBERED
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind
from smsd.values.message import Parameters, Ticket
from tests.core.arriving import HOUR, MINUTES, OTHER, PHONE, ArrivingCase
from tests.house import House

KEEP = HOUR * MINUTES
GATEWAYS = ("gsm1", "gsm2")
DEFAULT = {"gsm1": "mailto:ann@example.org", "gsm2": "mailto:two@example.org"}

WHO = st.sampled_from(["bob", "carl", "dora"])
WHERE = st.sampled_from([PHONE, PHONE, PHONE, PHONE, OTHER])
GATEWAY = st.sampled_from(GATEWAYS)
STEP = st.sampled_from(
    ["write"] * 5 + ["answer"] * 5 + ["name", "pass", "pass", "close", "open", "bar", "unbar", "die"]
).flatmap(
    lambda name: st.tuples(
        st.just(name),
        *{
            "write": (WHO, WHERE, GATEWAY),
            "answer": (WHERE, GATEWAY),
            "name": (WHO, WHERE, GATEWAY),
            "pass": (st.sampled_from([1, 7, 19, 31, 59]),),
            "die": (),
        }.get(name, (GATEWAY,)),
    )
)
STEPS = st.lists(STEP, min_size=12, max_size=30)


class Ledger:
    """Every message that was taken, and by which gateway it left."""

    def __init__(self) -> None:
        self.written: dict[str, list[tuple[str, int, float]]] = defaultdict(list)
        self.left: dict[int, str] = {}
        self.asked: dict[str, float] = {}

    def meant(self, phone: str, gateway: str, now: float) -> list[str]:
        """Who may be meant by an answer, the best founded only."""
        ranks: dict[str, int] = {}
        for who in {who for who, _, _ in self.written[phone]}:
            alive = [
                delivery for name, delivery, at in self.written[phone] if name == who and at > now - KEEP
            ]
            if alive:
                left = [self.left.get(delivery) for delivery in alive]
                ranks[who] = 3 if gateway in left or len(alive) > REMEMBERED - 1 else 2 if any(left) else 1
        best = max(ranks.values(), default=0)
        return sorted(who for who, rank in ranks.items() if rank == best)


class Answers(ArrivingCase):
    def setUp(self) -> None:
        """Each example has a house of its own."""

    def ready(self) -> None:
        for gateway in (self.house.gsm, self.gsm2):
            gateway.answer = self.answer_of(gateway)

    def answer_of(self, gateway: Any) -> Any:
        def answer(piece: Any) -> Any:
            if gateway.name in self.barred:
                return Failure(Kind.PERMANENT, "barred")
            self.ledger.left[piece.delivery] = gateway.name
            return Accepted(str(piece.delivery))

        return answer

    @given(STEPS)
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def test_each_answer_finds_its_way(self, steps: list[tuple[Any, ...]]) -> None:
        self._slots, self.ledger, self.barred = 0, Ledger(), set[str]()
        self.begin(House())
        try:
            for name, *arguments in steps:
                getattr(self, f"do_{name}")(*arguments)
                self.house.settle()
        finally:
            self.house.close()

    def now(self) -> float:
        return self.house.clock.seconds()

    def do_write(self, who: str, phone: str, gateway: str) -> None:
        address = Address("mailto", f"{who}@example.org")
        receipt = self.house.send(
            phone, origin=address, ticket=Ticket(address), parameters=Parameters(gateway=gateway)
        )
        self.ledger.written[phone].append((who, receipt.recipients[0].delivery, self.now()))
        self.house.clock.advance(0.01)

    def do_answer(self, phone: str, gateway: str) -> None:
        before = self.questions(phone)
        meant = self.ledger.meant(phone, gateway, self.now())
        state, target, _ = self.arrived("yes", phone, gateway)
        if len(meant) > 1:
            due = self.now() >= self.ledger.asked.get(phone, 0) + HOUR * MINUTES
            self.assertEqual((state, self.questions(phone) - before), ("held", int(due)))
            if due:
                self.ledger.asked[phone] = self.now()
            return
        expected = f"mailto:{meant[0]}@example.org" if meant else DEFAULT[gateway]
        self.assertEqual((state, target, self.questions(phone)), ("sent", expected, before))

    def do_name(self, who: str, phone: str, gateway: str) -> None:
        state, target, _ = self.arrived(f"yes #{who}@example.org#", phone, gateway)
        self.assertEqual((state, target), ("sent", f"mailto:{who}@example.org"))

    def do_pass(self, minutes: int) -> None:
        self.house.advance(minutes * MINUTES + 0.5)

    def do_close(self, gateway: str) -> None:
        self.house.outlet(gateway).closed("test")

    def do_open(self, gateway: str) -> None:
        self.house.outlet(gateway).opened(1)

    def do_bar(self, gateway: str) -> None:
        self.barred = self.barred | {gateway}

    def do_unbar(self, gateway: str) -> None:
        self.barred = self.barred - {gateway}

    def do_die(self) -> None:
        self.restart()

    def arrived(self, text: str, phone: str, gateway: str) -> tuple[str, str, str]:
        """Takes an SMS; state, target and text of its delivery."""
        message = self.sms(text, phone, gateway)
        (row,) = [row for row in self.house.rows() if row["message"] == message]
        return row["state"], row["target"], row["text"]

    def questions(self, phone: str) -> int:
        """How often it was asked whom it means."""
        return sum(
            row["text"] == CONFLICT and row["target"] == f"sms:{phone}" for row in self.house.rows(limit=1000)
        )
