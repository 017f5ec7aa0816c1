"""A target that comes back, or a gateway that closes, while the store is being asked: no lane may wait for nothing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.values.delivery import Failure, Kind, Scope
from tests.house import House, submission

GATEWAY = Failure(Kind.TEMPORARY, "line lost", scope=Scope.GATEWAY)


class Stall(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.leave)

    def leave(self) -> None:
        self.house.gsm.manual = False
        while self.house.gsm.pending:
            self.house.gsm.release()
            self.house.settle()
        self.house.close()

    def test_back_while_the_store_is_asked(self) -> None:
        house = self.house
        house.gsm.manual = True
        house.open(slots=2)
        house.send(text="one")
        self.assertEqual(len(house.gsm.pieces), 1)
        done = house.dispatcher.submit(submission(text="two"))
        house.wait(done)  # committed: now the queue asks the store, with the target busy
        outlet = house.outlet("gsm1")
        self.assertTrue(outlet.taking, "the test needs the take under way")
        house.gsm.release()  # and now the target is free
        house.settle()
        house.advance(3600)
        self.assertEqual([p.content.text for p in house.gsm.pieces], ["one", "two"])

    def test_returned_when_the_gateway_closed(self) -> None:
        house = self.house
        house.gsm.manual = True
        house.open(slots=2)
        outlet = house.outlet("gsm1")
        outlet.closed("x")
        for t in ("one", "two", "three"):
            house.send(text=t)
        outlet.opened(2)  # takes "one"
        self.assertTrue(outlet.taking)
        outlet.closed("lost")  # so it is returned untried
        house.settle()
        outlet.opened(2)
        house.settle()
        house.advance(3600)
        self.assertEqual([p.content.text for p in house.gsm.pieces], ["one"])
        house.gsm.release()
        house.settle()
        house.gsm.release()
        house.settle()
        self.assertEqual([p.content.text for p in house.gsm.pieces], ["one", "two", "three"])

    def test_gateway_failure_with_two_waiting(self) -> None:
        house = self.house
        house.gsm.manual = True
        house.open(slots=2)
        for t in ("one", "two", "three"):
            house.send(text=t)
        outlet = house.outlet("gsm1")

        outlet.closed("lost")
        house.gsm.release(GATEWAY)
        outlet.opened(2)
        house.settle()
        house.advance(3600)
        for _ in range(3):
            if house.gsm.pending:
                house.gsm.release()
            house.settle()
        self.assertEqual(sorted({p.content.text for p in house.gsm.pieces}), ["one", "three", "two"])
