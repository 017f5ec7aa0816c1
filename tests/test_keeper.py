"""Keepers: what is equal is left alone, what changed is replaced in the right order, what fails hinders nobody."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsd.keeper import Keeper, Wanted


class Recorded:
    """A service that writes down what happens to it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.error: Exception | None = None
        self.stopping: Deferred[None] = succeed(None)

    def startService(self) -> None:
        self.log.append(f"start {self.name}")
        if self.error is not None:
            raise self.error

    def stopService(self) -> Deferred[None]:
        self.log.append(f"stop {self.name}")
        return self.stopping


class Keeping(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.log: list[str] = []
        self.made: dict[str, Recorded] = {}

    def keeper(self, retire: bool = False) -> Keeper:
        return Keeper(
            "thing",
            self.clock,
            retire=(lambda service: self.log.append(f"retire {service.name}")) if retire else None,
            removed=lambda service: self.log.append(f"remove {service.name}"),
        )

    def wanted(self, error: Exception | None = None, **facts: Any) -> dict[str, Wanted]:
        def make(name: str) -> Recorded:
            service = self.made[name] = Recorded(name, self.log)
            service.error = error
            return service

        return {key: Wanted((fact,), lambda name=f"{key}{fact}": make(name)) for key, fact in facts.items()}

    def become(self, keeper: Keeper, error: Exception | None = None, **facts: Any) -> list[str]:
        """What happened."""
        self.log.clear()
        self.troubles = self.successResultOf(
            Deferred.fromCoroutine(keeper.become(self.wanted(error, **facts)))
        )
        return list(self.log)

    def test_what_stays_hears_of_a_reload_if_it_wants_to(self) -> None:
        keeper = self.keeper()
        self.become(keeper, a=1, b=1)
        self.made["a1"].reloaded = lambda: self.log.append("reloaded a1")  # type: ignore[attr-defined]
        self.assertEqual(self.become(keeper, a=1, b=1), ["reloaded a1"])
        self.assertEqual(self.become(keeper, a=2, b=1)[-1], "start a2")

    def test_start_and_stop(self) -> None:
        keeper = self.keeper()
        self.assertEqual(self.become(keeper, a=1, b=1), ["start a1", "start b1"])
        self.assertEqual(sorted(keeper.services), ["a", "b"])
        self.log.clear()
        self.successResultOf(Deferred.fromCoroutine(keeper.stop()))
        self.assertEqual(self.log, ["remove a1", "stop a1", "remove b1", "stop b1"])
        self.assertEqual(keeper.services, {})

    def test_equal_is_untouched(self) -> None:
        keeper = self.keeper()
        self.become(keeper, a=1, b=1)
        self.assertEqual(self.become(keeper, a=1, b=2), ["remove b1", "stop b1", "start b2"])

    def test_gone_is_stopped_first(self) -> None:
        keeper = self.keeper()
        self.become(keeper, a=1)
        self.assertEqual(self.become(keeper, b=1), ["remove a1", "stop a1", "start b1"])

    def test_a_door_starts_before_the_old_one_is_retired(self) -> None:
        keeper = self.keeper(retire=True)
        self.become(keeper, a=1)
        self.assertEqual(self.become(keeper, a=2), ["start a2", "retire a1"])
        self.log.clear()
        self.clock.advance(600)
        self.assertEqual(self.log, ["remove a1", "stop a1"])
        self.assertIs(keeper.services["a"], self.made["a2"])

    def test_retired_doors_are_stopped_with_the_rest(self) -> None:
        keeper = self.keeper(retire=True)
        self.become(keeper, a=1)
        self.become(keeper, a=2)
        self.log.clear()
        self.successResultOf(Deferred.fromCoroutine(keeper.stop()))
        self.assertEqual(sorted(self.log), ["remove a1", "remove a2", "stop a1", "stop a2"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_that_cannot_start(self) -> None:
        keeper = self.keeper()
        self.assertEqual(self.become(keeper, OSError("no such port"), a=1), ["start a1", "remove a1"])
        self.assertEqual(self.troubles, ["thing a: no such port"])
        self.assertEqual(keeper.services, {})
        self.assertEqual(self.become(keeper, a=1), ["start a1"])

    def test_a_replacement_that_cannot_start_beside_the_old_one(self) -> None:
        """It is tried once more without it: a Unix socket has one listener."""
        keeper = self.keeper(retire=True)
        self.become(keeper, a=1)
        in_use = CannotListenError("unix", "/run/door", OSError("in use"))
        happened = self.become(keeper, in_use, a=2)
        self.assertEqual(happened, ["start a2", "remove a2", "remove a1", "stop a1", "start a2", "remove a2"])
        self.assertIn("in use", self.troubles[0])

    def test_the_old_one_stays_when_the_new_one_is_no_good(self) -> None:
        keeper = self.keeper(retire=True)
        self.become(keeper, a=1)
        self.assertEqual(self.become(keeper, ValueError("no such key"), a=2), ["start a2", "remove a2"])
        self.assertEqual(self.troubles, ["thing a: no such key"])
        self.assertIs(keeper.services["a"], self.made["a1"])

    def test_one_that_does_not_stop_is_given_up(self) -> None:
        keeper = self.keeper()
        self.become(keeper, a=1, b=1)
        self.made["a1"].stopping = Deferred()
        done = Deferred.fromCoroutine(keeper.stop())
        self.assertNoResult(done)
        self.assertIn("stop b1", self.log)
        self.clock.advance(20)
        self.successResultOf(done)

    def test_who_is_still_busy_when_time_is_over_is_stopped_all_the_same(self) -> None:
        keeper = self.keeper()
        self.become(keeper, a=1, b=1, c=1)
        busy: list[Deferred[None]] = []

        def removed(service: Recorded) -> Deferred[None]:
            busy.append(Deferred())
            return busy[-1] if service.name == "a1" else succeed(None)

        keeper._removed = removed
        self.made["b1"].stopping = Deferred()
        self.log.clear()
        done = Deferred.fromCoroutine(keeper.stop()).addTimeout(1.0, self.clock)
        self.assertEqual(self.log, ["stop b1", "stop c1"])
        self.clock.advance(1)
        self.successResultOf(done)
        self.assertEqual(self.log, ["stop b1", "stop c1", "stop a1"])

    def test_stopping_is_waited_for_before_the_next_starts(self) -> None:
        keeper = self.keeper()
        self.become(keeper, a=1)
        self.made["a1"].stopping = Deferred()
        self.log.clear()
        done = Deferred.fromCoroutine(keeper.become(self.wanted(a=2)))
        self.assertEqual(self.log, ["remove a1", "stop a1"])
        self.made["a1"].stopping.callback(None)
        self.successResultOf(done)
        self.assertEqual(self.log, ["remove a1", "stop a1", "start a2"])
