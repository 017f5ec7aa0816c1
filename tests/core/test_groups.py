"""Gateways that share and stand in for each other, and what becomes of a delivery that one of them did not take."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.interfaces import Abilities
from smsd.policy.limits import Limits
from smsd.policy.route import Group
from smsd.store import operating
from smsd.values.delivery import Accepted, Failure, Kind, Scope
from smsd.values.message import Binary, Parameters
from tests.house import MODEM, House

BUSY = Failure(Kind.TEMPORARY, "network busy")
NEVER = Failure(Kind.PERMANENT, "no such number")
NO_WAY = Failure(Kind.PERMANENT, "cannot route", scope=Scope.GATEWAY)
ILL = Failure(Kind.TEMPORARY, "connection refused", scope=Scope.GATEWAY)
UNKNOWN = Failure(Kind.UNKNOWN, "no answer")
FAST = Failure(Kind.TEMPORARY, "too fast", scope=Scope.SPEED, retry_after=30)
OUT = Parameters(gateway="out")


class GroupCase(SynchronousTestCase):
    groups: tuple[Group, ...] = (Group("out", (("a", "b"), ("c",))),)

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.end)
        self.live()

    def end(self) -> None:
        for gateway in self.gateways.values():
            gateway.manual = False
            while gateway.pending:
                gateway.release()
                self.house.settle()
        self.house.close()

    def live(self, slots: int = 1, first: str = "a") -> None:
        self.house.queue.group({group.id: group for group in self.groups})
        self.gateways = {name: self.house.gateway(name, MODEM) for name in "abc"}
        self.house.wait(self.house.store.recover({}))
        self.house.wait(self.house.queue.start())
        for name in sorted("abc", key=lambda name: name != first):
            self.house.outlet(name).opened(slots)
        self.house.outlet("mail").opened(1)
        self.house.settle()

    def answers(self, **answers: Failure | None) -> None:
        for name, answer in answers.items():
            self.gateways[name].answer = lambda piece, answer=answer: answer or Accepted("1")

    def send(self, count: int = 1, first: int = 0, parameters: Parameters = OUT, **options: Any) -> None:
        for n in range(first, first + count):
            self.house.send(f"+1555{n:07}", options.get("text", f"{n}"), parameters=parameters)
        self.house.settle()

    def carried(self) -> str:
        """How many pieces each of them got."""
        return " ".join(f"{name}{len(gateway.pieces)}" for name, gateway in self.gateways.items())

    def last(self) -> dict[str, Any]:
        row: dict[str, Any] = self.house.wait(self.house.store.ask(operating.explain, self.newest()))
        return row

    def newest(self) -> int:
        return int(next(row["id"] for row in reversed(self.house.rows()) if row["door"] == "http"))


class Sharing(GroupCase):
    def test_the_first_tier_shares_and_the_spare_gets_nothing(self) -> None:
        self.send(10)
        self.assertEqual(self.carried(), "a5 b5 c0")

    def test_the_spare_gets_nothing_while_they_are_only_busy(self) -> None:
        for name in "ab":
            self.gateways[name].manual = True
        self.send(10)
        self.assertEqual(self.carried(), "a1 b1 c0")
        while self.gateways["a"].pending:
            self.gateways["a"].release()
            self.house.settle()
        self.assertEqual(self.carried(), "a9 b1 c0")

    def test_the_spare_carries_while_nobody_else_is_open(self) -> None:
        self.house.outlet("a").closed("gone")
        self.send(2)
        self.assertEqual(self.carried(), "a0 b2 c0")
        self.house.outlet("b").closed("gone")
        self.send(2, 10)
        self.assertEqual(self.carried(), "a0 b2 c2")
        self.house.outlet("a").opened(1)
        self.send(2, 20)
        self.assertEqual(self.carried(), "a2 b2 c2")

    def test_what_waits_goes_to_the_spare_when_the_last_one_closes(self) -> None:
        for name in "ab":
            self.gateways[name].manual = True
        self.send(6)
        self.house.outlet("a").closed("gone")
        self.house.settle()
        self.assertEqual(self.carried(), "a1 b1 c0")
        self.house.outlet("b").closed("gone")
        self.house.settle()
        self.assertEqual(self.carried(), "a1 b1 c4")

    def test_the_spare_waits_for_those_that_are_just_starting(self) -> None:
        self.house = self.house.crash()
        self.house.queue.group({group.id: group for group in self.groups})
        self.gateways = {name: self.house.gateway(name, MODEM) for name in "abc"}
        self.house.wait(self.house.queue.start())
        self.house.outlet("c").opened(5)
        self.send(2)
        self.assertEqual(self.carried(), "a0 b0 c0")
        self.house.outlet("a").opened(1)
        self.house.settle()
        self.assertEqual(self.carried(), "a2 b0 c0")
        self.house.outlet("a").closed("gone")
        self.send(2, 10)
        self.house.advance(29)
        self.assertEqual(self.carried(), "a2 b0 c0")
        self.house.advance(1)
        self.assertEqual(self.carried(), "a2 b0 c2")

    def test_but_not_for_one_that_says_it_cannot(self) -> None:
        self.house = self.house.crash()
        self.house.queue.group({group.id: group for group in self.groups})
        self.gateways = {name: self.house.gateway(name, MODEM) for name in "abc"}
        self.house.wait(self.house.queue.start())
        self.house.outlet("c").opened(5)
        self.send(2)
        for name in "ab":
            self.house.outlet(name).closed("no SIM")
        self.house.settle()
        self.assertEqual(self.carried(), "a0 b0 c2")

    def test_binary_goes_to_members_that_carry_it(self) -> None:
        self.house.wait(self.house.queue.remove("b"))
        self.house.gateway("b", Abilities(frozenset({"sms"}), parts=True))
        self.house.outlet("b").opened(9)
        self.house.send(content=Binary(b"\1"), parameters=OUT)
        self.assertEqual(self.carried(), "a1 b0 c0")
        self.assertEqual(self.last()["route"], "group:out/sms+binary")

    def test_without_a_group_all_share(self) -> None:
        self.send(9, parameters=Parameters())
        self.assertEqual(self.carried(), "a3 b3 c3")

    def test_a_group_that_a_reload_takes_away(self) -> None:
        for name in "abc":
            self.house.outlet(name).closed("gone")
        self.send()
        self.house.queue.group({})
        for name in "abc":
            self.house.outlet(name).opened(1)
        self.house.settle()
        self.assertEqual(self.carried(), "a0 b0 c0")
        self.house.queue.group({"out": self.groups[0]})
        self.house.settle()
        self.assertEqual(self.carried(), "a1 b0 c0")


class Refusals(GroupCase):
    def test_refused_for_now_goes_to_everybody_at_once_and_only_then_waits(self) -> None:
        self.answers(a=BUSY, b=BUSY, c=BUSY)
        self.send()
        self.assertEqual(self.carried(), "a1 b1 c1")
        row = self.last()
        self.assertEqual(
            (row["state"], row["tries"], row["tried"], row["route"]), ("ready", 1, None, "group:out")
        )
        self.assertEqual([attempt["gateway"] for attempt in row["attempts"]], ["a", "b", "c"])
        self.house.advance(59)
        self.assertEqual(self.carried(), "a1 b1 c1")
        self.answers(a=None, b=None)
        self.house.advance(2)
        self.assertEqual(self.last()["state"], "sent")

    def test_the_spare_takes_what_both_refused(self) -> None:
        self.answers(a=BUSY, b=UNKNOWN)
        self.send()
        row = self.last()
        self.assertEqual(
            (self.carried(), row["state"], row["gateway"], row["tried"]), ("a1 b1 c1", "sent", "c", "a,b")
        )
        self.assertEqual((row["maybe_twice"], row["tries"]), (1, 0))

    def test_a_permanent_refusal_is_final(self) -> None:
        self.answers(a=NEVER)
        self.send()
        self.assertEqual((self.carried(), self.last()["state"]), ("a1 b0 c0", "failed"))

    def test_unless_it_is_about_the_route(self) -> None:
        self.answers(a=NO_WAY, b=NO_WAY)
        self.send()
        self.assertEqual((self.carried(), self.last()["state"]), ("a1 b1 c1", "sent"))
        self.assertTrue(self.house.outlet("a").well(self.house.queue.now()))
        self.answers(c=NO_WAY)
        self.send(1, 10)
        self.assertEqual((self.last()["state"], self.last()["reason"]), ("failed", "cannot route"))

    def test_about_the_route_waits_for_a_member_that_may_know_one(self) -> None:
        self.answers(a=NO_WAY, b=NO_WAY)
        self.house.outlet("c").closed("gone")
        self.send()
        self.assertEqual((self.last()["state"], self.last()["tried"]), ("ready", "a,b"))
        self.house.outlet("c").opened(1)
        self.house.advance(61)
        self.assertEqual((self.last()["state"], self.last()["gateway"]), ("sent", "c"))

    def test_trouble_with_a_gateway_costs_nothing(self) -> None:
        self.answers(a=ILL)
        self.send(4)
        self.assertEqual(self.carried(), "a1 b4 c0")
        self.assertEqual({row["tries"] for row in self.house.rows()}, {0})

    def test_too_fast_is_not_a_refusal(self) -> None:
        self.answers(a=FAST)
        self.send()
        self.assertEqual((self.carried(), self.last()["tried"]), ("a1 b1 c0", None))

    def test_what_was_begun_stays(self) -> None:
        self.gateways["a"].answer = lambda piece: BUSY if piece.seq == 2 else Accepted("1")
        self.send(text="x" * 300)
        self.assertEqual((self.carried(), self.last()["route"]), ("a2 b0 c0", "gw:a"))
        self.answers(a=None)
        self.house.advance(61)
        self.assertEqual((self.carried(), self.last()["state"]), ("a3 b0 c0", "sent"))

    def test_what_was_begun_and_has_no_way_on_has_failed(self) -> None:
        self.gateways["a"].answer = lambda piece: NO_WAY if piece.seq == 2 else Accepted("1")
        self.send(text="x" * 300)
        self.assertEqual((self.carried(), self.last()["state"]), ("a2 b0 c0", "failed"))

    def test_pinned_stays(self) -> None:
        self.answers(a=BUSY)
        self.send(parameters=Parameters(gateway="a"))
        self.assertEqual((self.carried(), self.last()["state"]), ("a1 b0 c0", "ready"))

    def test_the_pool_asks_somebody_else_too(self) -> None:
        self.answers(a=BUSY)
        self.send(parameters=Parameters())
        self.assertEqual(
            (self.carried(), self.last()["state"], self.last()["tried"]), ("a1 b1 c0", "sent", "a")
        )

    def test_who_was_asked_is_asked_again_when_nobody_else_is_left(self) -> None:
        self.answers(a=BUSY)
        self.gateways["b"].manual = self.gateways["c"].manual = True
        self.send(3, 10, Parameters(gateway="b"))
        self.house.outlet("c").closed("gone")
        self.send()
        self.assertEqual((self.carried(), self.last()["tried"]), ("a1 b1 c0", "a"))
        self.house.outlet("b").closed("gone")
        self.house.settle()
        self.assertEqual((self.carried(), self.last()["tried"], self.last()["tries"]), ("a2 b1 c0", None, 1))

    def test_in_doubt_hold_is_held(self) -> None:
        self.house.outlet("a").in_doubt = "hold"
        self.answers(a=UNKNOWN)
        self.send()
        self.assertEqual((self.carried(), self.last()["state"]), ("a1 b0 c0", "held"))

    def test_who_was_asked_survives_a_crash(self) -> None:
        self.answers(a=BUSY)
        self.gateways["b"].manual = True
        self.send()
        self.house = self.house.crash()
        self.live(first="b")
        self.house.settle()
        row = self.last()
        self.assertEqual((self.carried(), row["tried"], row["maybe_twice"]), ("a0 b1 c0", "a", 1))


class Limited(GroupCase):
    def live(self, slots: int = 1, first: str = "a") -> None:
        super().live(slots)
        self.house.wait(self.house.queue.remove("a"))
        self.gateways["a"] = self.house.gateway("a", MODEM, limits=Limits(per_minute=2))
        self.house.outlet("b").closed("gone")
        self.house.outlet("a").opened(slots)

    def test_the_spare_carries_what_a_limit_leaves(self) -> None:
        self.send(5)
        self.assertEqual(self.carried(), "a2 b0 c3")
        self.house.advance(61)
        self.send(1, 10)
        self.assertEqual(self.carried(), "a3 b0 c3")

    def test_also_what_waits_when_it_is_reached(self) -> None:
        self.gateways["a"].manual = True
        self.send(3)
        self.assertEqual(self.carried(), "a1 b0 c0")
        self.gateways["a"].release()
        self.house.settle()
        self.assertEqual(self.carried(), "a2 b0 c1")


class Nested(GroupCase):
    groups = (
        Group("out", (("a", Group("in", (("b",), ("c",)))),)),
        Group("in", (("b",), ("c",))),
    )

    def test_the_spare_of_a_member_stands_in_for_it_alone(self) -> None:
        self.send(4)
        self.assertEqual(self.carried(), "a2 b2 c0")
        self.house.outlet("b").closed("gone")
        self.send(4, 10)
        self.assertEqual(self.carried(), "a4 b2 c2")
        self.assertEqual(self.house.queue.carriers("out"), ["a", "c"])

    def test_a_refusal_goes_through_all(self) -> None:
        self.answers(a=BUSY, b=BUSY, c=BUSY)
        self.send()
        self.assertEqual((self.carried(), self.last()["tries"]), ("a1 b1 c1", 1))


class Tiers(GroupCase):
    groups = (Group("out", (("a",), ("b",), ("c",))),)

    def test_each_only_when_none_before_it_is_open(self) -> None:
        for closed, expected in (("", "a1 b0 c0"), ("a", "a1 b1 c0"), ("b", "a1 b1 c1")):
            if closed:
                self.house.outlet(closed).closed("gone")
            self.send(1, ord(closed or "0"))
            self.assertEqual(self.carried(), expected)

    def test_a_resting_gateway_is_tried_by_one_message_while_the_next_carries(self) -> None:
        self.answers(a=ILL)
        self.send()
        self.house.advance(1)
        self.send(5, 10)
        self.assertEqual(self.carried(), "a1 b6 c0")
        self.house.advance(5)
        self.gateways["a"].manual = True
        self.send(5, 20)
        self.assertEqual(self.carried(), "a2 b10 c0")
        self.gateways["a"].manual = False
        self.answers(a=None)
        self.gateways["a"].release()
        self.send(5, 30)
        self.assertEqual(self.carried(), "a7 b10 c0")
