"""Claims, settlements, reports and operators' retries at their edges."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.store import operating
from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport
from smsd.values.message import Wants
from tests.house import MODEM, House

WANTED = Wants.SUCCESS | Wants.FAILURE
LONG = "x" * 300  # two parts


class EdgeCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.open()
        self.gsm, self.mail = self.house.gsm, self.house.mail

    def report(self, reference: str, status: str) -> bool:
        report = NetworkReport(reference, "+15550000001", status, "00")
        known: bool = self.house.wait(self.house.outlet("gsm1").reported(report))
        self.house.settle()
        return known

    def retry(self, delivery: int) -> None:
        now = self.house.store.now()
        for lane in self.house.wait(
            self.house.store.control(operating.Verb("retry", delivery, now, now + 10**6))
        ):
            self.house.queue.wake(lane, now)
        self.house.settle()


class Fence(EdgeCase):
    def test_a_report_and_an_answer_that_both_say_no_tell_once(self) -> None:
        self.gsm.manual = True
        delivery = self.house.send("+15550000001", LONG, wants=WANTED).recipients[0].delivery
        self.gsm.release(Accepted("9"))
        self.house.settle()
        self.report("9", "failed")
        self.gsm.release(Failure(Kind.PERMANENT, "no such number"))
        self.house.settle()
        told = [p.content for p in self.mail.pieces if p.content.delivery == delivery]
        self.assertEqual([(report.event, report.reason) for report in told],
                         [("failed", "the network reports: 00")])  # fmt: skip
        self.assertEqual(self.house.outlet("gsm1").free, 1)


class Retries(EdgeCase):
    def test_what_the_network_reported_as_failed_begins_anew(self) -> None:
        delivery = self.house.send(text=LONG, wants=WANTED).recipients[0].delivery
        self.house.settle()
        self.report("2", "failed")
        self.retry(delivery)
        self.assertEqual([piece.seq for piece in self.gsm.pieces], [1, 2, 1, 2])

    def test_a_late_report_about_the_first_time_does_not_end_the_second(self) -> None:
        delivery = self.house.send(text=LONG, wants=WANTED).recipients[0].delivery
        self.house.settle()
        self.report("2", "failed")
        self.house.outlet("gsm1").closed("gone")
        self.retry(delivery)
        self.report("1", "failed")
        self.assertEqual(self.house.rows(target="+15550000001")[0]["state"], "ready")

    def test_what_was_begun_and_failed_goes_on_with_its_gateway(self) -> None:
        self.gsm.answer = lambda piece: Failure(Kind.PERMANENT, "no") if piece.seq == 2 else Accepted("1")
        delivery = self.house.send(text=LONG).recipients[0].delivery
        self.house.settle()
        self.house.outlet("gsm1").closed("gone")
        second = self.house.gateway("gsm2", MODEM)
        self.house.outlet("gsm2").opened(1)
        self.retry(delivery)
        self.assertEqual((second.pieces, [piece.seq for piece in self.gsm.pieces]), ([], [1, 2]))
        self.gsm.answer = lambda piece: Accepted("1")
        self.house.outlet("gsm1").opened(1)
        self.house.settle()
        self.assertEqual([piece.seq for piece in self.gsm.pieces], [1, 2, 2])

    def test_after_a_gateway_without_parts_too(self) -> None:
        self.house.outlet("gsm1").closed("gone")
        whole = self.house.gateway("whole", type(MODEM)(frozenset({"sms"}), reports=True))
        self.house.outlet("whole").opened(1)
        delivery = self.house.send(text=LONG, wants=WANTED).recipients[0].delivery
        self.house.settle()
        report = NetworkReport("1", "+15550000001", "failed")
        self.house.wait(self.house.outlet("whole").reported(report))
        self.house.outlet("whole").closed("gone")
        self.house.outlet("gsm1").opened(1)
        self.retry(delivery)
        self.assertEqual((len(whole.pieces), [piece.seq for piece in self.gsm.pieces]), (1, [1, 2]))

    def test_what_was_held_in_doubt_is_marked_when_it_goes_again(self) -> None:
        careful = self.house.gateway("careful", MODEM, in_doubt="hold")
        careful.answer = lambda piece: Failure(Kind.UNKNOWN, "gone after Ctrl-Z")
        self.house.outlet("gsm1").closed("gone")
        self.house.outlet("careful").opened(1)
        delivery = self.house.send().recipients[0].delivery
        self.house.settle()
        self.retry(delivery)
        self.assertEqual([piece.maybe_twice for piece in careful.pieces], [False, True])

    def test_what_failed_but_may_be_there_is_marked_too(self) -> None:
        self.gsm.answer = lambda piece: Failure(Kind.PERMANENT, "duplicate", maybe_sent=True)
        delivery = self.house.send().recipients[0].delivery
        self.house.settle()
        self.retry(delivery)
        self.assertEqual([piece.maybe_twice for piece in self.gsm.pieces], [False, True])


class Words(EdgeCase):
    def test_a_reason_that_no_store_could_hold(self) -> None:
        self.gsm.answer = lambda piece: Failure(Kind.PERMANENT, "half \ud83d and \0")
        self.house.send()
        self.house.settle()
        row = self.house.rows(target="+15550000001")[0]
        self.assertEqual((row["state"], row["reason"]), ("failed", "half ? and \N{REPLACEMENT CHARACTER}"))
