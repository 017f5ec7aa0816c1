"""What the command shows of messages that wait, of digests and of alerts: the answers are those of a real store."""

from __future__ import annotations

import contextlib
import io
import time
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred

from smsd.cli import explain, main, messages
from smsd.cli.output import moment, until
from smsd.core.explaining import Explainer
from tests.house import START
from tests.store.caring import ANN, BOB, CareCase, digest, escalation, pause


class Shown(CareCase):
    def run_command(self, *words: str) -> str:
        house = self.house
        explainer = Explainer(house.store, house.planner, house.judge)

        def call(options: Any, verb: str, **given: Any) -> Any:
            if verb == "list":
                return list(reversed(house.rows()))
            return house.wait(Deferred.fromCoroutine(explainer.delivery(given["delivery"])))

        out = io.StringIO()
        with contextlib.ExitStack() as stack:
            for module in (explain, messages):
                stack.enter_context(mock.patch.object(module, "call", call))
            stack.enter_context(mock.patch.object(time, "time", house.clock.seconds))
            stack.enter_context(contextlib.redirect_stdout(out))
            self.assertEqual(main.main(list(words)), 0)
        return out.getvalue()

    def test_who_waits_and_until_when(self) -> None:
        self.send("a", digest(5))
        self.send("b", pause(self.house, 3600))
        held, gathered = self.run_command("queue", "list").splitlines()[1:]
        self.assertIn("gathered", gathered)
        self.assertIn(
            f"waits for the digest of the rule 'digest', until {moment(int(START + 300) * 1000)[:13]}",
            gathered,
        )
        self.assertIn(f"held by the rule 'night', until {moment(int(START + 3600) * 1000)[:13]}", held)
        self.later(60)
        self.assertNotIn("until", self.run_command("queue", "list"))

    def test_what_is_in_a_digest(self) -> None:
        members = [self.send(text, digest()) for text in ("web1", "web2")]
        self.later(1)
        (row,) = self.house.rows(door="digest")
        told = self.run_command("explain", str(row["id"]))
        for member, text in zip(members, ("web1", "web2"), strict=True):
            self.assertRegex(told.partition("gathered:")[2], f"{member} .* {text}")
        self.assertIn(f"why: in the digest {row['id']}\n", self.run_command("explain", str(members[0])))

    def test_where_an_alert_stands(self) -> None:
        first = self.send("fire", escalation(BOB))
        self.send("smoke", escalation(BOB))

        def alert() -> str:
            told = self.run_command("explain", str(first))
            return next(line for line in told.splitlines() if line.startswith("alert: "))

        self.assertIn(f"alert: the rule 'on call' asked {ANN}: open, the next one is asked at ", alert())
        self.assertTrue(alert().endswith("; 1 more joined it"))
        self.later(5)
        self.assertIn(f"asked {ANN}, {BOB}: open, ends at ", alert())
        self.later(5)
        self.assertIn(f"asked {ANN}, {BOB}: nobody answered; 1 more joined it", alert())


class Until(CareCase):
    def test_only_what_waits_for_more_than_a_moment(self) -> None:
        now = int(time.time() * 1000)
        self.assertEqual(until({"state": "ready", "due": now + 30_000}), "")
        self.assertEqual(until({"state": "sent", "due": now + 3_600_000}), "")
        self.assertEqual(
            until({"state": "gathered", "due": now + 3_600_000}), f", until {moment(now + 3_600_000)}"
        )
