"""The fakes keep the promises of the interfaces they stand for."""

from __future__ import annotations

from twisted.cred.error import UnauthorizedLogin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from smsd.core.credentials import Login
from smsd.interfaces import IAccount, IDispatcher, IInbound, MessageIn
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Declined, Queued, Recipient, Submission, Text
from tests.frontends.fakes import FakeAccount, FakeAccounts, FakeDispatcher, FakeInbound, context, refused


class FakeTests(SynchronousTestCase):
    """Shapes, and the few behaviours."""

    def test_interfaces(self) -> None:
        verifyObject(IDispatcher, FakeDispatcher())
        verifyObject(IInbound, FakeInbound())
        verifyObject(IAccount, FakeAccount("john"))
        self.assertEqual(context().gateways, frozenset({"gw1", "HTTP"}))

    def test_dispatcher(self) -> None:
        dispatcher = FakeDispatcher()
        dispatcher.refusals["+1"] = refused(Reason.BAD_NUMBER, "too short")
        to = tuple(Recipient(Address("sms", number)) for number in ("+1", "+15551234567"))
        dispatcher.holding = True
        answer = dispatcher.submit(Submission("http", Address("account", "john"), to, Text("hi")))
        self.assertNoResult(answer)
        dispatcher.release()
        receipt = self.successResultOf(answer)
        self.assertEqual(receipt.recipients[0], Declined("+1", dispatcher.refusals["+1"]))
        self.assertEqual(receipt.recipients[1], Queued(1001, "+15551234567", 1, "gsm7"))
        dispatcher.failure = refused(Reason.UNAVAILABLE)
        self.failureResultOf(dispatcher.submit(dispatcher.submissions[0]), Refused)

    def test_inbound_knows_repeats(self) -> None:
        inbound = FakeInbound()
        for _ in range(2):
            self.assertEqual(
                self.successResultOf(inbound.message(MessageIn("gw", "+1", Text("x"), id="7"))), 1
            )
        self.assertEqual(self.successResultOf(inbound.message(MessageIn("gw", "+1", Text("x")))), 2)

    def test_logins(self) -> None:
        accounts = FakeAccounts({"john": "johnpw"})
        _, avatar, _ = self.successResultOf(accounts.login(Login("john", "johnpw", "::1"), None, IAccount))
        self.assertEqual((avatar.name, accounts.logins), ("john", [("john", "johnpw", "::1")]))
        self.failureResultOf(accounts.login(Login("john", "no"), None, IAccount), UnauthorizedLogin)
