"""Retransmissions while the disk is slow or full: everybody gets one answer, again and again if he asks; nothing is doubled."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import Request, Response, again, credentials, write
from smsd.values.errors import Reason, Refused
from tests.links.sip.rig import Rig, request, token

FULL = Refused(Reason.UNAVAILABLE, "the disk is full")


class Storms(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.addCleanup(lambda: self.rig.close())
        self.commit: Any = self.rig.house.dispatcher.submit
        self.asked = 0

    def disk(self, act: Any) -> None:
        """What becomes of each submission from now on."""

        def submit(submission: Any) -> Any:
            self.asked += 1
            return act(submission)

        self.patch(self.rig.house.dispatcher, "submit", submit)

    def answers(self, signed: Request, times: int) -> list[Response]:
        """To so many copies of it."""
        found = []
        for _ in range(times):
            for _, answer in self.rig.hear(write(signed)):
                assert isinstance(answer, Response)
                found.append(answer)
        return found

    def test_a_slow_disk(self) -> None:
        signed = self.rig.logged_in(request())
        waiting: list[tuple[Deferred[Any], Any]] = []

        def later(submission: Any) -> Deferred[Any]:
            done: Deferred[Any] = Deferred()
            waiting.append((done, submission))
            return done

        self.disk(later)
        self.assertEqual(self.answers(signed, 50), [])
        self.rig.house.advance(20)
        self.assertEqual((len(waiting), self.rig.wires.take()), (1, []))
        done, submission = waiting.pop()
        self.commit(submission).chainDeferred(done)
        self.rig.house.settle()
        ((_, answer),) = self.rig.wires.take()
        self.assertEqual(answer.status, 202)  # type: ignore[union-attr]
        self.assertEqual(self.answers(signed, 50), [answer] * 50)
        self.assertEqual((self.asked, len(self.rig.states())), (1, 1))

    def test_a_disk_that_is_slower_than_the_phone_waits(self) -> None:
        """It has given up, and its user writes once more; nobody answers what nobody waits for."""
        signed = self.rig.logged_in(request())
        done: Deferred[Any] = Deferred()
        self.disk(lambda submission: done)
        self.assertEqual(self.answers(signed, 1), [])
        self.rig.house.advance(40)
        self.assertEqual(self.rig.link.server.working, 1)
        done.errback(FULL)
        self.rig.house.settle()
        self.assertEqual((self.rig.wires.take(), self.rig.link.server.working), ([], 0))

    def test_a_full_disk(self) -> None:
        asked = request()
        challenge = self.rig.asked(asked)

        def signed(count: int) -> Request:
            pairs = credentials(challenge, asked, "ann", "ann's", "0123456789abcdef", count)
            return again(asked, token(), pairs)

        first = signed(1)
        self.disk(lambda submission: fail(FULL))
        answers = self.answers(first, 20)
        self.assertEqual({answer.status for answer in answers}, {503})
        self.assertEqual(len(answers), 20)
        self.assertEqual(answers[0].get("Retry-After"), "30")
        self.assertEqual((self.asked, self.rig.states()), (1, []))
        self.disk(self.commit)
        for count in (2, 3):  # the same text, later: taken, and known again
            self.rig.house.advance(40)
            self.assertEqual(self.rig.asked(signed(count)).status, 202)
        self.assertEqual(len(self.rig.states()), 1)
