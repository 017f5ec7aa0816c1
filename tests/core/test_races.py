"""What happens between a claim, an answer and their commits: nobody is forgotten, nobody gets two at a time."""

from __future__ import annotations

from sqlite3 import OperationalError

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.queue import BREATH
from smsd.policy.limits import Limits
from smsd.values.account import Account
from smsd.values.delivery import Accepted, Failure, Kind, Scope
from smsd.values.errors import Refused
from smsd.values.message import Parameters
from tests.house import MODEM, FakeGateway, House, submission

GATEWAY = Failure(Kind.TEMPORARY, "modem silent", scope=Scope.GATEWAY)
ANN, BOB = "+15550000001", "+15550000002"


class RaceCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.end)
        self.gsm, self.second = self.house.gsm, self.house.gateway("gsm2", MODEM)
        self.gsm.manual = self.second.manual = True

    def end(self) -> None:
        for gateway in (self.gsm, self.second):
            gateway.manual = False
            while gateway.pending:
                gateway.release()
        self.house.close()

    def start(self, **slots: int) -> None:
        self.house.wait(self.house.queue.start())
        for name, most in slots.items():
            self.house.outlet(name).opened(most)
        self.house.settle()

    def texts(self, gateway: FakeGateway) -> list[str]:
        return [piece.content.text for piece in gateway.pieces]


class HeldUp(RaceCase):
    """What is due goes to somebody who is on the wire."""

    def test_its_gateway_fails_while_another_claims(self) -> None:
        self.start(gsm1=1)
        self.house.send(ANN, "one")
        self.house.send(ANN, "two")
        self.house.outlet("gsm2").opened(1)  # its claim is under way, and knows that Ann is on the wire
        self.house.outlet("gsm1").closed("gone")
        self.gsm.release(GATEWAY)
        self.house.settle()
        self.assertEqual(len(self.second.pieces), 1)
        self.second.release()
        self.house.settle()
        self.assertEqual(sorted(self.texts(self.second)), ["one", "two"])

    def test_its_gateway_comes_back_with_nothing_else_to_say(self) -> None:
        self.start(gsm1=1, gsm2=1)
        self.house.send(ANN, "one")
        self.house.send(ANN, "two")
        self.house.settle()
        self.assertEqual(self.texts(self.gsm) + self.texts(self.second), ["one"])
        self.house.outlet("gsm1").closed("gone")
        self.gsm.release()
        self.house.settle()
        self.assertEqual(self.texts(self.second), ["two"])

    def test_the_acceptance_that_reserved_it_is_refused(self) -> None:
        self.house.accounts["ann"] = Account("ann", monthly_limit=1)
        self.start(gsm1=2)
        self.house.send(ANN, "one", account="ann")
        self.gsm.release()
        self.house.settle()
        refused = self.house.dispatcher.submit(submission(ANN, "over the limit", account="ann"))
        retried = self.house.rows()[0]["id"]
        self.assertRaises(Refused, self.house.wait, refused)
        self.assertEqual((self.house.outlet("gsm1").free, self.house.queue.lanes.busy), (2, {}))
        self.assertEqual(retried, self.gsm.pieces[0].delivery)

    def test_the_gateway_that_reserved_it_closes_before_the_commit(self) -> None:
        self.start(gsm1=1)
        first = self.house.dispatcher.submit(submission(ANN, "one"))
        self.house.outlet("gsm1").closed("gone")
        self.house.wait(first)
        self.house.outlet("gsm2").opened(1)
        self.house.settle()
        self.assertEqual((self.texts(self.gsm), self.texts(self.second)), ([], ["one"]))

    def test_is_asked_again_after_a_while_in_any_case(self) -> None:
        self.start(gsm1=2)
        for text in ("one", "two", "three"):
            self.house.send(ANN, text)
        self.house.settle()
        (lane,) = [lane for lane in self.house.queue.lanes.ready.values() if lane.route == "any:sms"]
        self.assertTrue(lane.held_up)
        self.assertEqual(lane.next_due, self.house.queue.now() + BREATH * 1000)

    def test_one_phone_keeps_nobody_waiting_behind_it(self) -> None:
        for n in range(20):
            self.house.send(ANN, f"ann {n}")
        self.house.send(BOB, "bob")
        self.start(gsm1=2)
        self.assertEqual(self.texts(self.gsm), ["ann 0", "bob"])

    def test_two_gateways_never_have_the_same_phone(self) -> None:
        self.house.send(ANN, "one")
        self.house.send(ANN, "two")
        self.start()
        self.house.outlet("gsm1").opened(1)
        self.house.outlet("gsm2").opened(1)  # both claims are in one group
        self.house.settle()
        self.assertEqual(self.texts(self.gsm) + self.texts(self.second), ["one"])


class Turns(RaceCase):
    def test_a_lane_that_was_served_stands_behind_the_others(self) -> None:
        for n in range(3):
            for account in ("a", "b", "c"):
                self.house.send(f"+155500{n}{ord(account)}00", account, account=account)
        self.start(gsm1=1)
        while self.gsm.pending:
            self.gsm.release()
            self.house.settle()
        turns = self.texts(self.gsm)
        self.assertEqual(
            [set(turns[at : at + 3]) for at in (0, 3, 6)], [{"a", "b", "c"}] * 3, "each once in three"
        )


class Leaving(RaceCase):
    def test_who_leaves_does_not_open_again(self) -> None:
        self.start(gsm1=2)
        self.house.send(ANN, "one")
        gone = self.house.queue.remove("gsm1")
        self.house.outlet("gsm1").opened(2)
        self.house.send(BOB, "two")
        self.house.settle()
        self.assertEqual(self.texts(self.gsm), ["one"])
        self.gsm.release()
        self.house.wait(gone)

    def test_nobody_waits_for_it_any_more_and_another_takes_its_name(self) -> None:
        """A reload has patience, a disk that hangs has more: what was reserved with the old one leaves by the new one."""
        self.assertEqual(self.replaced(), ["one"])

    def test_nor_was_it_kept(self) -> None:
        self.assertEqual(self.replaced(full=True), [])

    def replaced(self, full: bool = False) -> list[str]:
        """What leaves by a gateway that takes the place of another before a commit is over, which perhaps fails."""
        self.start(gsm1=2)
        if full:
            self.house.store._group._commit = self.fail_once
        first = self.house.dispatcher.submit(submission(ANN, "one"))
        gone = self.house.queue.remove("gsm1")
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        new = self.house.gateway("gsm1", MODEM, limits=Limits(per_hour=10))
        self.house.outlet("gsm1").opened(2)
        self.house.wait(first.addErrback(lambda failure: failure.trap(Refused) and None))
        self.house.settle()
        self.assertEqual((self.house.outlet("gsm1").reserved, self.house.queue.lanes.busy), (0, {}))
        return self.texts(new) + self.texts(self.gsm)

    def fail_once(self) -> None:
        self.house.store._group._commit = self.house.store._writer.commit
        raise OperationalError("database or disk is full")

    def test_who_is_given_up_is_forgotten(self) -> None:
        self.start(gsm1=1)
        self.house.send(ANN, "one")
        gone = self.house.queue.remove("gsm1")
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertNotIn("gsm1", [outlet.name for outlet in self.house.queue.outlets()])
        self.gsm.release()
        self.house.settle()
        self.assertEqual(self.house.rows()[0]["state"], "sent")


class Late(RaceCase):
    def test_what_expired_meanwhile_is_not_sent(self) -> None:
        self.house.send(ANN, "old", parameters=Parameters(expire_minutes=5))
        self.house.send(ANN, "new")
        self.house.clock.advance(3600)
        self.start(gsm1=1)
        self.assertEqual(self.texts(self.gsm), ["new"])
        self.house.sweeper.start()
        self.house.settle()
        self.assertEqual([row["state"] for row in self.house.rows(target=ANN)], ["expired", "sending"])


class Told(RaceCase):
    def test_an_account_with_a_gateway_is_told_by_mail_all_the_same(self) -> None:
        self.house.accounts["ann"] = Account("ann", gateway="gsm1")
        self.gsm.manual = False
        self.gsm.answer = lambda piece: Failure(Kind.PERMANENT, "no such number")
        self.start(gsm1=1, mail=1)
        self.house.send(account="ann")
        self.house.settle()
        self.assertEqual([piece.content.event for piece in self.house.mail.pieces], ["failed"])
        self.gsm.answer = lambda piece: Accepted("1")
