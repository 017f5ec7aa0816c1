"""Alerts that went to a SIP phone: "OK" from there ends them."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import Request
from smsd.store import operating
from tests.house import submission
from tests.links.sip.rig import NUMBER, REALM, Rig, ok, register, request
from tests.store.caring import escalation


class Alerted(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.addCleanup(lambda: self.rig.close())
        self.rig.asked(self.rig.logged_in(register(expires="3600")))
        self.rig.house.sweeper.start()
        made = submission(NUMBER, "fire")
        care = escalation(f"sip:ann@{REALM}", "+15550000003")
        given = replace(made, recipients=tuple(replace(one, gather=(care,)) for one in made.recipients))
        self.first = self.rig.house.wait(self.rig.house.dispatcher.submit(given)).recipients[0].delivery
        self.rig.house.advance(301)
        ((to, asked),) = self.rig.wires.take()
        assert isinstance(asked, Request)
        self.rig.hear(ok(asked), to)
        self.asked = asked

    def state(self) -> str:
        ((alert,),) = (
            self.rig.house.wait(self.rig.house.store.ask(operating.explain, self.first))["alerts"],
        )
        return str(alert["state"])

    def test_to_the_address_that_it_came_from(self) -> None:
        self.assertEqual(self.asked.sender.uri, f"sip:smsd@{REALM}")
        for text, status, state in (("no", 404, "open"), ("ok", 202, "answered"), ("ok", 404, "answered")):
            answer = self.rig.asked(self.rig.logged_in(request(to=self.asked.sender.uri, text=text)))
            self.assertEqual((answer.status, self.state()), (status, state))

    def test_another_phones_ok_is_none(self) -> None:
        signed = self.rig.logged_in(request(to=self.asked.sender.uri, text="ok", user="bob"), "bob")
        self.assertEqual((self.rig.asked(signed).status, self.state()), (404, "open"))

    def test_without_a_password_nobody_answers(self) -> None:
        self.assertEqual(self.rig.asked(request(to=self.asked.sender.uri, text="ok")).status, 401)
        self.assertEqual(self.state(), "open")
