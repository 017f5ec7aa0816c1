"""Jobs of prepaid accounts: the price before, each message paid when it is made, and what is not sent is given back."""

from __future__ import annotations

from typing import Any

from smsd.core.jobs import Jobs, JobSettings
from smsd.core.jobs.settings import read
from tests.core.paying import PayingCase

LIST = b"number\n" + b"".join(b"+1555000%04d\n" % n for n in range(150))


class PayingJobsCase(PayingCase):
    funds = "1.00"  # a hundred messages

    def live(self, house: Any) -> None:
        super().live(house)
        self.jobs = Jobs(
            house.store, house.dispatcher, house.queue, house.planner, house.clock, house.accounts.get
        )
        self.done(self.jobs.load())
        self.jobs.begin()

    def end(self) -> None:
        self.done(self.jobs.stop())
        super().end()

    def balance(self) -> int:
        (row,) = self.house.wait(
            self.house.store.ask(
                lambda connection: connection.execute("select available from balance").fetchall()
            )
        )
        return int(row[0])

    def job(self) -> int:
        settings: JobSettings = read({"text": "hello"})
        told = self.done(self.jobs.check("shop", settings, LIST))
        self.assertEqual((told["checked"]["price"], told["checked"]["first"][0][5]), (15_000, 100))
        self.done(self.jobs.start(told["id"], "shop"))
        return int(told["id"])

    def run_on(self, rounds: int = 10) -> None:
        for _ in range(rounds):
            self.house.advance(0.5)

    def test_it_pauses_when_the_credit_is_used_up(self) -> None:
        job = self.job()
        self.run_on(40)
        told = self.done(self.jobs.state(job))
        self.assertEqual((told["state"], told["accepted"], self.balance()), ("paused", 100, 0))
        self.top_up("0.60")
        self.done(self.jobs.resume(job))
        self.run_on(40)
        told = self.done(self.jobs.state(job))
        self.assertEqual((told["state"], told["messages"], self.balance()), ("done", {"sent": 150}, 1000))

    def test_what_is_cancelled_is_given_back(self) -> None:
        self.house.outlet("gsm1").closed("away")
        job = self.job()
        self.run_on()
        self.assertEqual(self.balance(), 0)
        self.done(self.jobs.cancel(job))
        self.run_on()
        self.assertEqual(self.done(self.jobs.state(job))["messages"], {"cancelled": 100})
        self.assertEqual(self.balance(), 10_000)
