"""Planning: numbers, pins, pools, segments, deadlines, and every reason to decline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.core.planning import Policies
from smsd.interfaces import Abilities
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.errors import Reason, Refused
from smsd.values.message import Binary, Declined, Parameters, Queued, Recipient, Text, Wants
from smsd.values.plan import Planned
from tests.house import MODEM, House, submission

ANN = Account("ann", gateway="gsm1", country="IT")


class PlanningCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())

    def plan(self, number: str = "+15550000001", text: str = "hello", **options: Any) -> Planned:
        (entry,) = self.house.planner.plan(submission(number, text, **options)).order
        if isinstance(entry, Declined):
            raise entry.refusal
        return entry

    def declined(self, *args: Any, **options: Any) -> Refused:
        return self.assertRaises(Refused, self.plan, *args, **options)


class Numbers(PlanningCase):
    def test_normalised_by_the_account_then_the_server(self) -> None:
        self.house.accounts["ann"] = ANN
        self.assertEqual(self.plan("333 123 4567", account="ann").target.target, "+393331234567")
        self.house.planner.policies = Policies(country="CH")
        self.assertEqual(self.plan("079 123 45 67").target.target, "+41791234567")
        self.assertEqual(self.plan("079 123 45 67").typed, "079 123 45 67")

    def test_no_number(self) -> None:
        for typed in ("+", "+1", "12a45", "+1555000000000000000000"):
            self.assertIn(self.declined(typed).reason, (Reason.BAD_NUMBER,))

    def test_a_name_gets_no_sms(self) -> None:
        self.assertIn("name", self.declined("Smith").text)

    def test_twice_the_same_number_is_one_delivery(self) -> None:
        receipt = self.house.send(numbers=["+15550000001", "+1 555 000 0001", "+15550000002"])
        first, second, third = receipt.recipients
        self.assertEqual(first.delivery, second.delivery)
        self.assertNotEqual(first.delivery, third.delivery)
        self.assertEqual(len(self.house.rows()), 2)

    def test_a_bad_one_harms_no_other(self) -> None:
        good, bad = self.house.send(numbers=["+15550000001", "nobody"]).recipients
        self.assertIsInstance(good, Queued)
        self.assertIsInstance(bad, Declined)

    def test_only_bad_ones_write_nothing(self) -> None:
        receipt = self.house.send(numbers=["nobody", "+1"])
        self.assertEqual((receipt.message, len(receipt.recipients)), (0, 2))
        self.assertEqual(self.house.rows(), [])


class Ways(PlanningCase):
    def test_pool_and_pin(self) -> None:
        self.assertEqual(self.plan().route, "any:sms")
        self.assertEqual(self.plan(parameters=Parameters(gateway="gsm1")).route, "gw:gsm1")
        self.house.accounts["ann"] = ANN
        self.assertEqual(self.plan(account="ann").route, "gw:gsm1")

    def test_the_accounts_gateway_is_for_sms(self) -> None:
        self.house.accounts["ann"] = ANN
        mail = Recipient(Address("mailto", "archive@example.org"))
        (entry,) = self.house.planner.plan(submission(recipients=(mail,), account="ann")).order
        assert isinstance(entry, Planned)
        self.assertEqual(entry.route, "any:mailto")
        self.house.planner.check(mail, Text("x"), "ann")

    def test_unknown_gateway(self) -> None:
        refusal = self.declined(parameters=Parameters(gateway="gms1"))
        self.assertIs(refusal.reason, Reason.UNKNOWN_GATEWAY)
        self.assertIn("'gms1'", refusal.text)

    def test_a_gateway_that_cannot(self) -> None:
        self.assertIs(self.declined(parameters=Parameters(gateway="mail")).reason, Reason.NO_GATEWAY)
        self.assertIs(self.declined(parameters=Parameters(sender_required=True)).reason, Reason.NO_GATEWAY)

    def test_octets_go_where_octets_can(self) -> None:
        self.assertEqual(self.plan(content=Binary(b"\1\2")).route, "any:sms+binary")

    def test_the_sender_a_modem_cannot_set(self) -> None:
        self.assertEqual(len(self.plan(parameters=Parameters(sender="Shop")).notes), 1)
        self.house.gateway("provider", Abilities(frozenset({"sms"}), sender=True))
        self.assertEqual(self.plan(parameters=Parameters(sender="Shop")).notes, ())

    def test_a_free_slot_is_reserved_and_never_twice(self) -> None:
        self.house.open()
        first, second = self.plan("+15550000001"), self.plan("+15550000002")
        self.assertEqual((first.state, first.gateway), (State.SENDING, "gsm1"))
        self.assertEqual((second.state, second.gateway), (State.READY, None))
        self.house.queue.short.unreserve("gsm1", first.route, first.flow, str(first.target))
        self.assertEqual(self.plan("+15550000002").state, State.SENDING)
        self.house.queue.short.unreserve("gsm1", first.route, first.flow, "sms:+15550000002")


class Texts(PlanningCase):
    def test_encodings_and_parts(self) -> None:
        for text, encoding, parts in (
            ("x" * 160, "GSM-7", 1),
            ("x" * 161, "GSM-7", 2),
            ("ж" * 71, "UCS-2", 2),
        ):
            planned = self.plan(text=text)
            self.assertEqual((planned.encoding, planned.parts), (encoding, parts))

    def test_references_differ(self) -> None:
        self.assertNotEqual(self.plan(text="x" * 161).reference, self.plan(text="x" * 161).reference)

    def test_cut_on_request(self) -> None:
        planned = self.plan(text="x" * 400, parameters=Parameters(max_parts=2))
        self.assertEqual((planned.parts, planned.notes), (2, ("cut to the first 2 SMS",)))

    def test_too_long(self) -> None:
        refusal = self.declined(text="x" * (153 * 255 + 1))
        self.assertIs(refusal.reason, Reason.TOO_LONG)
        self.assertIn("256", refusal.text)

    def test_empty(self) -> None:
        self.assertIs(self.declined(text="").reason, Reason.EMPTY)

    def test_forced_codings(self) -> None:
        self.assertEqual(self.plan(parameters=Parameters(coding=8)).encoding, "UCS-2")
        self.assertIs(self.declined(text="ж", parameters=Parameters(coding=0)).reason, Reason.BAD_REQUEST)
        self.assertIs(self.declined(parameters=Parameters(coding=4)).reason, Reason.BAD_REQUEST)

    def test_recipients_by_the_thousand(self) -> None:
        numbers = [f"+1555{n:07}" for n in range(501)]
        self.assertIs(self.declined(numbers=numbers).reason, Reason.TOO_MANY_RECIPIENTS)


class Deadlines(PlanningCase):
    def test_expiry_and_warning(self) -> None:
        now = self.house.store.now()
        planned = self.plan()
        self.assertEqual((planned.expires - now, planned.deadline - now), (7200 * 60_000, 240 * 60_000))
        self.assertEqual(self.plan(parameters=Parameters(expire_minutes=10)).expires - now, 600_000)

    def test_no_warning_when_nobody_wants_one(self) -> None:
        for options in ({"ticket": None}, {"wants": Wants.FAILURE}):
            planned = self.plan(**options)
            self.assertEqual(planned.deadline, planned.expires)
        self.house.planner.policies = Policies(warn_minutes=0)
        planned = self.plan()
        self.assertEqual(planned.deadline, planned.expires)

    def test_reports_are_asked_for_when_somebody_wants_them(self) -> None:
        self.assertFalse(self.plan().report)
        self.assertTrue(self.plan(wants=Wants.SUCCESS).report)
        self.house.planner.policies = Policies(reports="always")
        self.assertTrue(self.plan().report)


class Vetting(PlanningCase):
    def vet(self, recipient: Recipient) -> Refused | None:
        try:
            self.house.planner.check(recipient, Text("x"), None)
        except Refused as refusal:
            return refusal
        return None

    def test_says_what_submit_would(self) -> None:
        good = Recipient(Address("sms", "+15550000001"), "+15550000001")
        self.assertIsNone(self.vet(good))
        self.assertIs(self.vet(replace(good, address=Address("sms", "+1"))).reason, Reason.BAD_NUMBER)
        pinned = replace(good, parameters=Parameters(gateway="nowhere"))
        self.assertIs(self.vet(pinned).reason, Reason.UNKNOWN_GATEWAY)

    def test_takes_no_slot(self) -> None:
        self.house.open()
        self.vet(Recipient(Address("sms", "+15550000001"), "+15550000001"))
        self.assertEqual(self.house.outlet("gsm1").free, 1)


class NoWay(SynchronousTestCase):
    def test_no_gateway_at_all(self) -> None:
        house = House()
        self.addCleanup(lambda: house.close())
        house.wait(house.queue.remove("gsm1"))
        (entry,) = house.send().recipients
        self.assertIs(entry.refusal.reason, Reason.NO_GATEWAY)
        house.gateway("gsm9", MODEM)
        self.assertIsInstance(house.send().recipients[0], Queued)


class Waiting(PlanningCase):
    """What no gateway can carry yet."""

    def test_a_long_text_leaves_whole(self) -> None:
        self.house.wait(self.house.queue.remove("gsm1"))
        one = submission("333 0000001", "漢" * 100, account="ann", door="rules")
        self.house.accounts["ann"] = ANN
        (waiting,) = self.house.planner.unrouted(one).order
        assert isinstance(waiting, Planned)
        self.assertEqual(
            (waiting.target.target, waiting.parts, waiting.encoding), ("+393330000001", 2, "UCS-2")
        )
        self.house.wait(self.house.dispatcher.commit(self.house.planner.unrouted(one)))
        late = self.house.gateway("gsm9", MODEM)
        self.house.outlet("gsm9").opened(1)
        self.house.advance(10)
        self.assertEqual([(piece.seq, piece.total) for piece in late.pieces], [(1, 2), (2, 2)])

    def test_with_all_that_was_wished(self) -> None:
        recipient = Recipient(
            Address("sms", "+15550000001"), "one", Parameters(max_parts=1), original="rfc822;x", content=Text("y" * 200),
            headers=(("subject", "z"),), trace="[]",
        )  # fmt: skip
        (waiting,) = self.house.planner.unrouted(submission(recipients=(recipient,))).order
        assert isinstance(waiting, Planned)
        self.assertEqual(waiting.parts, 1)
        for name in ("parameters", "original", "content", "headers", "trace", "typed"):
            self.assertEqual(getattr(waiting, name), getattr(recipient, name))
        self.assertEqual(waiting.wants, Wants.FAILURE | Wants.DELAY)

    def test_octets_wait_for_who_takes_octets(self) -> None:
        (waiting,) = self.house.planner.unrouted(submission(content=Binary(b"x"))).order
        assert isinstance(waiting, Planned)
        self.assertEqual(waiting.route, "any:sms+binary")

    def test_what_is_no_number_is_kept_as_it_was_written(self) -> None:
        (waiting,) = self.house.planner.unrouted(submission("nobody")).order
        assert isinstance(waiting, Planned)
        self.assertEqual((waiting.target.target, waiting.route), ("nobody", "any:sms"))
