"""What is shown of a delivery: its parts, every report with the network's words, and what followed from it by its right name."""

from __future__ import annotations

import contextlib
import io
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.cli import explain, main, messages
from smsd.cli.output import moment
from smsd.core.explaining import Explainer
from smsd.interfaces import Abilities
from smsd.policy.rules import engine
from smsd.policy.rules.model import All, Forward, Program, Respond, Rule, Send
from smsd.store import operating
from smsd.values.delivery import Accepted, NetworkReport
from smsd.values.message import Wants
from tests.house import START, House

PROVIDER = Abilities(frozenset({"sms"}), reports=True)
NUMBER = "+15550000001"
WANTED = Wants.SUCCESS | Wants.FAILURE


class Aftermath(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.open()
        self.house.outlet("gsm1").closed("not today")
        self.one = self.house.gateway("one", PROVIDER)
        self.house.outlet("one").opened(4)

    def send(self, text: str = "hello", **options: Any) -> int:
        delivery: int = self.house.send(NUMBER, text, wants=WANTED, **options).recipients[0].delivery
        self.house.settle()
        return delivery

    def report(self, reference: str, status: str, detail: str, at: int | None = None) -> None:
        report = NetworkReport(reference, NUMBER, status, detail, at)
        self.house.wait(self.house.queue.reports.reported("one", report))
        self.house.settle()

    def told(self, delivery: int) -> dict[str, Any]:
        told: dict[str, Any] = self.house.wait(self.house.store.ask(operating.explain, delivery))
        return told

    def printed(self, *words: str) -> str:
        house = self.house
        explainer = Explainer(house.store, house.planner, house.judge)

        def call(options: Any, verb: str, **given: Any) -> Any:
            return house.wait(Deferred.fromCoroutine(explainer.delivery(given["delivery"])))

        out = io.StringIO()
        with contextlib.ExitStack() as stack:
            for module in (explain, messages):
                stack.enter_context(mock.patch.object(module, "call", call))
            stack.enter_context(contextlib.redirect_stdout(out))
            self.assertEqual(main.main(list(words)), 0)
        return out.getvalue()

    def test_every_part_and_every_report(self) -> None:
        self.one.answer = lambda piece: Accepted("a-1", more=("a-2",))
        delivery = self.send("x" * 200)
        self.report("a-2", "pending", "phone off", 1000)
        self.house.clock.advance(60)
        self.report("a-1", "delivered", "DELIVRD", 2000)
        told = self.told(delivery)
        self.assertEqual(
            [(one["part"], one["gateway"], one["reference"], one["reported"]) for one in told["parts"]],
            [(1, "one", "a-1", "delivered"), (2, "one", "a-2", "pending")],
        )
        now = int(START * 1000)
        self.assertEqual(
            [tuple(one.values()) for one in told["network"]],
            [
                (2, "a-2", "pending", "phone off", 1000, now),
                (1, "a-1", "delivered", "DELIVRD", 2000, now + 60_000),
            ],
        )
        for words in (("explain", str(delivery)), ("queue", "show", str(delivery))):
            shown = self.printed(*words)
            self.assertRegex(
                shown, rf"the network reports:\nPART .*\n2 +a-2 +pending +phone off +{moment(1000)}"
            )
            self.assertRegex(shown, r"parts:\nPART.*\n1 +one +a-1 .* delivered\n2 +one +a-2 .* pending\n")
            self.assertIn("not delivered yet: phone off", shown)

    def test_one_that_went_whole_has_its_name(self) -> None:
        self.one.answer = lambda piece: Accepted("a-1")
        (part,) = self.told(self.send())["parts"]
        self.assertEqual((part["part"], part["gateway"], part["reference"]), (1, "one", "a-1"))

    def test_what_followed_has_its_name(self) -> None:
        rules = (
            Rule("all", All(), (
                Forward("boss@example.org", copy=True), Send("+15550000009", "look"), Respond("thank you"),
                Program(("/bin/true", "%body%")),
            )),
        )  # fmt: skip
        self.house.judge.use(engine.compile(rules), 1)
        self.one.answer = lambda piece: Accepted(f"{piece.target.target}-1")
        delivery = self.send()
        self.report(f"{NUMBER}-1", "delivered", "ok")
        told = self.told(delivery)
        self.assertEqual([one["tells"] for one in told["reports"]], ["delivered"])
        self.assertEqual([one["target"] for one in told["answers"]], ["mailto:bob@example.org"])
        self.assertEqual([one["target"] for one in told["copies"]], ["mailto:boss@example.org"])
        self.assertEqual([one["target"] for one in told["effects"]], ["sms:+15550000009", "program:true"])
        shown = self.printed("explain", str(delivery))
        self.assertRegex(shown, r"told to its sender:\nTELLS .*\ndelivered +\d+ +mailto:bob@example.org")
