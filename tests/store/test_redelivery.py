"""An SMS that the network sends again because its first acknowledgement died with the process."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.store.sweeping import Tick
from smsd.values.plan import Incoming
from tests.house import House


class Redelivery(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())

    def receive(self, identity: str) -> bool:
        incoming = Incoming("gsm1", b"octets", identity, "+15550000001", self.house.store.now())
        return not self.house.wait(self.house.store.receive(incoming)).repeated

    def test_handed_over_and_then_found_in_a_memory(self) -> None:
        self.assertTrue(self.receive("|abc"))
        self.assertFalse(self.receive("SM:3|abc"))

    def test_found_again_in_its_slot(self) -> None:
        self.assertTrue(self.receive("SM:3|abc"))
        self.assertFalse(self.receive("SM:3|abc"))

    def test_two_slots_are_two_messages(self) -> None:
        self.assertTrue(self.receive("SM:3|abc"))
        self.assertTrue(self.receive("SM:4|abc"))

    def test_other_octets_are_another_message(self) -> None:
        self.assertTrue(self.receive("|abc"))
        self.assertTrue(self.receive("SM:3|abd"))

    def test_what_stays_in_its_slot_stays_known(self) -> None:
        """A modem that does not delete is read again and again."""
        self.assertTrue(self.receive("SM:3|abc"))
        for _ in range(10):
            self.house.clock.advance(5 * 86_400)
            self.assertFalse(self.receive("SM:3|abc"))
            self.house.wait(self.house.store.tick(Tick(self.house.store.now(), 86_400_000)))
