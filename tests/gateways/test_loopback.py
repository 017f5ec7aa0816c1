"""The gateway that leads nowhere."""

from __future__ import annotations

from pydantic import ValidationError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from smsd.gateways.loopback import Loopback, Settings, make
from smsd.interfaces import IGateway
from smsd.values.delivery import Accepted
from tests.gateways.helpers import context, piece


class LoopbackTests(SynchronousTestCase):
    """It opens with its slots and says yes, at once or after its delay."""

    def gateway(self, **settings: object) -> tuple[Loopback, Clock]:
        clock = Clock()
        return make(Settings.model_validate({"id": "null", **settings}), context(clock)), clock

    def test_provides_the_interface(self) -> None:
        gateway, _ = self.gateway()
        self.assertTrue(verifyObject(IGateway, gateway))

    def test_opens_with_its_slots(self) -> None:
        gateway, _ = self.gateway(slots="7")
        gateway.startService()
        self.assertEqual(gateway.context.outlet.told, [("opened", 7)])

    def test_accepts_at_once(self) -> None:
        gateway, clock = self.gateway()
        gateway.startService()
        self.assertEqual(self.successResultOf(gateway.send(piece())), Accepted())
        self.assertEqual(clock.getDelayedCalls(), [])
        self.assertIn("1 accepted", gateway.status)

    def test_accepts_after_the_delay_and_stops_after_that(self) -> None:
        gateway, clock = self.gateway(delay="2.5")
        gateway.startService()
        sent = gateway.send(piece())
        stopped = gateway.stopService()
        clock.advance(2.4)
        self.assertNoResult(sent)
        self.assertNoResult(stopped)
        clock.advance(0.2)
        self.assertEqual(self.successResultOf(sent), Accepted())
        self.assertIsNone(self.successResultOf(stopped))

    def test_stops_at_once_when_nothing_is_on_its_way(self) -> None:
        gateway, _ = self.gateway()
        gateway.startService()
        self.assertIsNone(self.successResultOf(gateway.stopService()))

    def test_parts_is_an_ability(self) -> None:
        self.assertTrue(self.gateway(parts="true")[0].abilities.parts)
        self.assertFalse(self.gateway()[0].abilities.parts)

    def test_refuses_a_negative_delay(self) -> None:
        self.assertRaises(ValidationError, Settings.model_validate, {"id": "null", "delay": "-1"})
