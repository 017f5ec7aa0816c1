"""What tests of incoming messages share: phones that write, a house with the reply log switched on, rules as a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import segment
from smsd.codec.tpdu import Address as TpAddress
from smsd.codec.tpdu import Deliver
from smsd.core.arriving import Arrivals, Rulebook
from smsd.interfaces import PartIn
from smsd.policy.reply import Replying
from smsd.policy.rules.letter import Ask, Effect, Facts, Letter, Trace, Verdict
from smsd.values.address import Address
from smsd.values.message import Parameters, Ticket, Wants
from tests.house import MODEM, House

PHONE, OTHER = "+393331234567", "+393337654321"
MINUTES = 60
HOUR = 60
REPLYING = Replying(
    keep=HOUR * MINUTES * 1000,
    domains=frozenset({"example.org"}),
    mailboxes=frozenset({"boss@elsewhere.net"}),
)


def parts(text: str, sender: str = PHONE, reference: int = 7) -> list[bytes]:
    """The TPDUs of a message from a phone."""
    planned = segment.plan_text(text)
    return [
        Deliver(TpAddress.of(sender), planned.user_data(seq, reference), planned.dcs()).encode()
        for seq in range(1, planned.total + 1)
    ]


class ArrivingCase(SynchronousTestCase):
    """`gsm1` belongs to ann@example.org; ann and bob write from mail."""

    replying = REPLYING

    def setUp(self) -> None:
        self._slots = 0
        self.begin(House())
        self.addCleanup(lambda: self.house.close())

    def begin(self, house: House) -> None:
        """One process life."""
        self.house = house
        self.gsm2 = house.gateway("gsm2", MODEM)
        house.inbound.use(self.replying)
        house.inbound.arriving.arrivals["gsm2"] = Arrivals("two@example.org", "%s@sms.example.org", "IT")
        house.inbound.arriving.rules = Rulebook(trace=lambda verdict: "\n".join(verdict.trace.steps))
        self.ready()
        house.open()
        house.outlet("gsm2").opened(1)

    def ready(self) -> None:
        """For what has to be so before gateways open."""

    def restart(self) -> None:
        """What a kill leaves."""
        self.begin(self.house.crash())

    # -- who writes

    def mail(self, who: str = "ann", number: str = PHONE, **ticket: str) -> Any:
        """Somebody writes to a phone by mail; it leaves by gsm1."""
        address = Address("mailto", f"{who}@example.org")
        return self.house.send(
            number,
            f"from {who}",
            door="smtp",
            origin=address,
            ticket=Ticket(address, **ticket),
            wants=Wants.FAILURE,
            parameters=Parameters(gateway="gsm1"),
        )

    def sms(self, text: str = "ciao", sender: str = PHONE, gateway: str = "gsm1") -> int | None:
        """A phone writes."""
        message = None
        for octets in parts(text, sender):
            self._slots += 1
            part = PartIn(gateway, octets, f"SM:{self._slots}")
            message = self.house.wait(self.house.inbound.part(part))
        self.house.settle()
        return message

    # -- what became of it

    def mails(self) -> list[tuple[str, str]]:
        """(recipient, text) of the mails that left."""
        return [(piece.target.target, piece.content.text) for piece in self.house.mail.pieces]

    def texts(self, gateway: str = "gsm1") -> list[tuple[str, str]]:
        """(number, text) of the SMS that left."""
        pieces = self.house.gsm.pieces if gateway == "gsm1" else self.gsm2.pieces
        return [(piece.target.target, piece.content.text) for piece in pieces]

    def record(self) -> list[tuple[str, str]]:
        """(state, reason) of incoming messages, oldest first."""
        return [
            (row["state"], row["reason"] or "")
            for row in self.house.rows()
            if row["door"] in ("gsm1", "gsm2")
        ]

    def count(self, table: str) -> int:
        """Rows of a table."""
        question = self.house.store.ask(lambda c: c.execute(f"select count(*) from {table}").fetchone()[0])
        return int(self.house.wait(question))


Judge = Callable[[Letter, Facts], "Verdict | Ask"]


def rule(*actions: Any, fate: str = "accept", text: str = "", title: str = "r", **changes: Any) -> Judge:
    """A rule that matches every message: actions that it does besides, and what it rewrites."""
    from dataclasses import replace

    def judge(letter: Letter, facts: Facts) -> Verdict:
        named = {"sender": "from"}
        return Verdict(
            fate,
            replace(letter, **changes),
            text,
            tuple(Effect(title, action) for action in actions),
            frozenset(named.get(name, name) for name in changes),
            Trace(b"\0", (f"{title!r} matched",), title if fate != "accept" else ""),
        )

    return judge
