"""Jobs: what a check finds, that each row becomes one message, pause and cancel, limits, and a crash at any moment."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.jobs import Jobs, checking
from smsd.core.jobs import jobs as jobs_module
from smsd.core.jobs import running as running_module
from smsd.core.jobs import settings as jobsettings
from smsd.store import jobs as rows
from smsd.values.account import Account
from smsd.values.delivery import Failure, Kind, State
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import IdempotencyKey
from tests.house import House

LIST = b"number;name\n" + b"".join(b"+1555000%04d;N%d\n" % (n, n) for n in range(250))


class JobsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.begin(House())
        self.house.open(slots=10)
        self.addCleanup(lambda: self.end())

    def begin(self, house: House) -> None:
        self.house = house
        self.jobs = Jobs(
            house.store, house.dispatcher, house.queue, house.planner, house.clock, house.accounts.get
        )
        self.do(self.jobs.load())
        self.jobs.begin()

    def end(self) -> None:
        self.house.gsm.manual = False
        while self.house.gsm.pending:
            self.house.gsm.release()
        self.do(self.jobs.stop())
        self.house.close()

    def do(self, coroutine: Any) -> Any:
        return self.house.wait(Deferred.fromCoroutine(coroutine))

    def check(self, octets: bytes = LIST, account: str | None = None, **said: Any) -> dict[str, Any]:
        said.setdefault("text", "Dear {name}")
        told: dict[str, Any] = self.do(self.jobs.check(account, jobsettings.read(said), octets))
        return told

    def run_on(self, rounds: int = 8) -> None:
        for _ in range(rounds):
            self.house.advance(0.5)

    def numbers(self) -> list[str]:
        return sorted(piece.target.target for piece in self.house.gsm.pieces)

    def test_each_row_once(self) -> None:
        told = self.check()
        self.assertEqual((told["state"], told["total"], told["checked"]["sms"]), ("ready", 250, 250))
        self.assertEqual(told["checked"]["first"][0][:5], [2, "+15550000000", "Dear N0", 1, "GSM-7"])
        self.run_on(2)
        self.assertEqual(self.house.gsm.pieces, [])
        self.assertEqual(self.do(self.jobs.start(told["id"]))["state"], "running")
        self.run_on()
        self.assertEqual(self.numbers(), [f"+1555000{n:04}" for n in range(250)])
        texts = {piece.target.target: piece.content.text for piece in self.house.gsm.pieces}
        self.assertEqual(texts["+15550000249"], "Dear N249")
        told = self.do(self.jobs.state(told["id"]))
        self.assertEqual((told["state"], told["done"], told["messages"]), ("done", 250, {"sent": 250}))
        self.assertEqual(self.house.wait(self.house.store.ask(rows.chunk, told["id"], 0)), [])

    def test_why_nobody_carries_it(self) -> None:
        self.house.gsm.manual = True
        job = self.check(b"+15551230001;x\n+15551230002;y\n", text=None, gateway="gsm1")["id"]
        self.do(self.jobs.start(job))
        self.house.outlet("gsm1").opened(1)
        self.run_on(2)
        self.assertEqual(
            self.do(self.jobs.state(job))["reason"], ""
        )  # one is on the wire, one waits behind it
        self.house.gsm.release()
        self.house.outlet("gsm1").closed("no SIM")
        self.house.gsm.manual = False
        self.run_on(1)
        self.assertEqual(self.do(self.jobs.state(job))["reason"], "gsm1: no SIM")
        self.house.wait(self.house.queue.remove("gsm1"))
        self.assertEqual(self.do(self.jobs.listed())[0]["reason"], "there is no gateway gsm1 any more")

    def test_a_brace_that_stands_alone(self) -> None:
        for text, said in (
            ("Dear {name", True),
            ("{name}} x", True),
            ("{{name}} {name}", False),
            ("}}", False),
        ):
            warnings = self.check(text=text)["checked"]["warnings"]
            self.assertEqual([one for one in warnings if "a brace stands alone" in one] != [], said, text)

    def test_what_is_wrong_with_a_file(self) -> None:
        octets = (
            b"number;text\n+15551234567;hi\n4,2E+11;hi\n+15551234567;hi\n+15551234567;ho\nnobody;x\n;x\n+15551234568;\n"
            b"+15551234569;" + b"x" * 161 + b"\n+15551234560;\xe9\n"
        )
        checked = self.check(octets, text=None)["checked"]
        self.assertEqual((checked["good"], checked["wrong"], checked["sms"]), (5, 4, 6))
        self.assertEqual([line for line, _, _ in checked["wrongs"]], [3, 6, 7, 8])
        self.assertEqual(checked["agains"], [[4, "+15551234567", True], [5, "+15551234567", False]])
        self.assertEqual((checked["by_parts"], checked["charset"]), ({"1": 4, "2": 1}, "Windows-1252"))
        self.assertEqual(self.check(octets, text=None, duplicates="drop")["total"], 3)
        self.assertEqual(self.check(octets, text=None, duplicates="drop-same")["total"], 4)

    def test_a_file_that_cannot_be_read_leaves_nothing(self) -> None:
        for octets, said in (
            (b"", {}),
            (b"\n\n", {}),
            (b"a;b\nc;d\n", {}),
            (LIST, {"text": "{nobody}"}),
        ):
            with self.assertRaises(InvalidValue):
                self.check(octets, **said)
        self.assertEqual(self.do(self.jobs.listed()), [])
        with self.assertRaises(Refused):
            self.check(gateway="nowhere")
        with self.assertRaises(InvalidValue):
            self.check(account="nobody")

    def test_pause_resume(self) -> None:
        self.house.gsm.manual = True
        job = self.check()["id"]
        self.do(self.jobs.start(job))
        self.run_on(2)
        self.assertEqual(len(self.house.gsm.pieces), 10)
        self.do(self.jobs.pause(job))
        for _ in range(10):
            self.house.gsm.release(Failure(Kind.TEMPORARY, "busy") if _ == 0 else None)
        self.run_on(700)
        self.assertEqual(len(self.house.gsm.pieces), 10)
        self.assertEqual(self.do(self.jobs.state(job))["messages"], {"ready": 241, "sent": 9})
        self.house.gsm.manual = False
        self.do(self.jobs.resume(job))
        self.run_on(150)
        self.assertEqual(len(set(self.numbers())), 250)
        self.assertEqual(self.do(self.jobs.state(job))["state"], "done")

    def test_paused_messages_do_not_expire(self) -> None:
        self.house.outlet("gsm1").closed("away")
        job = self.check(expire_minutes=60)["id"]
        self.do(self.jobs.start(job))
        self.run_on(2)
        self.do(self.jobs.pause(job))
        self.house.sweeper.start()
        self.house.advance(7200)
        self.assertEqual(self.do(self.jobs.state(job))["messages"], {"ready": 250})
        self.do(self.jobs.resume(job))
        self.house.outlet("gsm1").opened(10)
        self.run_on()
        self.assertEqual(self.do(self.jobs.state(job))["messages"], {"sent": 250})

    def test_cancel(self) -> None:
        self.house.gsm.manual = True
        job = self.check()["id"]
        self.do(self.jobs.start(job))
        self.run_on(2)
        self.do(self.jobs.cancel(job))
        self.run_on(2)
        told = self.do(self.jobs.state(job))
        self.assertEqual((told["messages"], told["ended"]), ({"sending": 10, "cancelled": 240}, 0))
        for _ in range(10):
            self.house.gsm.release(Failure(Kind.TEMPORARY, "busy") if _ == 0 else None)
        self.run_on(3)
        told = self.do(self.jobs.state(job))
        self.assertEqual(told["messages"], {"sent": 9, "cancelled": 241})
        self.assertTrue(told["ended"])
        self.assertEqual(len(self.house.gsm.pieces), 10)
        for verb in (self.jobs.start, self.jobs.resume, self.jobs.cancel, self.jobs.pause):
            with self.assertRaises(Refused):
                self.do(verb(job))

    def test_what_comes_back_while_it_is_cancelled_is_cancelled_too(self) -> None:
        """A gateway gives a message back just between the question what waits and the question what is on the wire."""
        self.house.gsm.manual = True
        job = self.check(b"+15551230001;x\n", text=None)["id"]
        self.do(self.jobs.start(job))
        self.run_on(2)
        store, ask = self.house.store, self.house.store.ask

        def asked(question: Any, *given: Any, **options: Any) -> Any:
            def back(found: Any) -> Any:
                if found or not self.house.gsm.pending:
                    return found
                self.house.gsm.release(Failure(Kind.TEMPORARY, "busy"))
                return store.remember("test", "settled", None).addCallback(lambda _: found)

            done = ask(question, *given, **options)
            waiting = question is rows.unfinished and State.READY in given[1]
            return done.addCallback(back) if waiting else done

        self.patch(store, "ask", asked)
        self.do(self.jobs.cancel(job))
        self.run_on()
        told = self.do(self.jobs.state(job))
        self.assertEqual((told["messages"], len(self.house.gsm.pieces)), ({"cancelled": 1}, 1))
        self.assertTrue(told["ended"])

    def test_others_are_not_kept_waiting(self) -> None:
        self.house.gsm.manual = True
        self.do(self.jobs.start(self.check()["id"]))
        self.run_on(2)
        self.house.send("+15559999999")
        self.house.gsm.release()
        self.house.settle()
        self.assertEqual(self.house.gsm.pieces[-1].target.target, "+15559999999")

    def test_only_so_many_wait_at_once(self) -> None:
        self.patch(running_module, "AHEAD", 150)
        self.house.outlet("gsm1").closed("away")
        job = self.check()["id"]
        self.do(self.jobs.start(job))
        self.run_on()
        self.assertEqual(self.do(self.jobs.state(job))["messages"], {"ready": 200})
        self.house.outlet("gsm1").opened(10)
        self.run_on()
        self.assertEqual(self.do(self.jobs.state(job))["messages"], {"sent": 250})

    def test_the_limit_of_its_account_counts_each_message(self) -> None:
        self.house.accounts["demo"] = Account("demo", monthly_limit=120)
        job = self.check(account="demo")["id"]
        self.do(self.jobs.start(job, "demo"))
        self.run_on()
        told = self.do(self.jobs.state(job))
        self.assertEqual((told["state"], told["done"], told["messages"]), ("paused", 120, {"sent": 120}))
        self.assertIn("may send 120 messages a month", told["reason"])
        self.house.accounts["demo"] = Account("demo", monthly_limit=1000)
        self.do(self.jobs.resume(job, "demo"))
        self.run_on()
        self.assertEqual(len(set(self.numbers())), 250)
        del self.house.accounts["demo"]

    def test_an_account_that_is_gone_pauses_it(self) -> None:
        self.house.accounts["demo"] = Account("demo")
        job = self.check(account="demo")["id"]
        del self.house.accounts["demo"]
        self.do(self.jobs.start(job))
        self.run_on()
        told = self.do(self.jobs.state(job))
        self.assertEqual((told["state"], told["messages"]), ("paused", {}))
        self.assertIn("no account", told["reason"])

    def test_jobs_of_others_are_not_there(self) -> None:
        self.house.accounts.update(ann=Account("ann"), bob=Account("bob"))
        job = self.check(account="ann")["id"]
        for verb in (self.jobs.start, self.jobs.state, self.jobs.cancel, self.jobs.pause, self.jobs.resume):
            with self.assertRaises(InvalidValue):
                self.do(verb(job, "bob"))
        self.assertEqual(self.do(self.jobs.listed("bob")), [])
        self.assertEqual([one["id"] for one in self.do(self.jobs.listed("ann"))], [job])

    def test_a_few_columns_make_no_enormous_text(self) -> None:
        octets = b"to,a\n+15551234567," + b"x" * 19_000 + b"\n+15551234568,short\n"
        checked = self.check(octets, text="{a}" * 1000)["checked"]
        self.assertEqual((checked["good"], [line for line, _, _ in checked["wrongs"]]), (1, [2]))
        self.assertIn("more than 40000 characters", checked["wrongs"][0][2])

    def test_long_texts_keep_nobody_waiting(self) -> None:
        self.patch(checking, "HEAVY", 100)
        octets = b"to,a\n" + b"".join(b"+1555123456%d,%s\n" % (n, b"x" * 60) for n in range(8))
        turns = []
        self.patch(checking, "deferLater", lambda *_: turns.append(1) or succeed(None))
        self.check(octets, text="{a}")
        self.assertEqual(len(turns), 4)

    def test_an_account_keeps_only_so_many_files_unstarted(self) -> None:
        self.patch(jobs_module, "MOST_READY", 2)
        self.house.accounts.update(ann=Account("ann"), bob=Account("bob"))
        first, _ = self.check(account="ann")["id"], self.check(account="ann")
        with self.assertRaises(Refused):
            self.check(account="ann")
        self.check(account="bob")
        self.check()
        self.do(self.jobs.cancel(first, "ann"))
        self.check(account="ann")

    def test_crashes(self) -> None:
        """After each chunk the machine is switched off; every row is sent all the same, and none is made twice."""
        self.patch(running_module, "AHEAD", 1)
        job = self.check()["id"]
        self.do(self.jobs.start(job))
        carried: list[str] = []
        for _ in range(5):
            self.house.settle()
            carried += self.numbers()
            self.do(self.jobs.stop())
            self.begin(self.house.crash())
            self.house.open(slots=10)
            self.run_on(1)
        self.run_on()
        told = self.do(self.jobs.state(job))
        self.assertEqual((told["state"], told["messages"]), ("done", {"sent": 250}))
        rows_ = self.house.rows(limit=1000)
        self.assertEqual(sorted(row["target"] for row in rows_), [f"sms:+1555000{n:04}" for n in range(250)])

    def test_a_paused_job_is_paused_after_a_restart(self) -> None:
        self.house.outlet("gsm1").closed("away")
        job = self.check()["id"]
        self.do(self.jobs.start(job))
        self.run_on(2)
        self.do(self.jobs.pause(job))
        self.do(self.jobs.stop())
        self.begin(self.house.crash())
        self.house.open(slots=10)
        self.run_on()
        self.assertEqual(self.house.gsm.pieces, [])
        self.do(self.jobs.resume(job))
        self.run_on()
        self.assertEqual(len(self.house.gsm.pieces), 250)

    def test_a_file_that_was_being_read_at_the_crash_is_forgotten(self) -> None:
        job = self.do(self.jobs.open(None, jobsettings.read({"text": "x"})))
        self.do(self.jobs.feed(job, LIST))
        self.do(self.jobs.stop())
        self.begin(self.house.crash())
        self.house.open()
        self.assertEqual(self.do(self.jobs.listed()), [])

    def test_the_same_file_twice_in_the_same_moment(self) -> None:
        """Both look for an earlier request before either is written: the store decides, and one job comes of it."""
        key, settings = IdempotencyKey("account:", "k", b"x"), jobsettings.read({"text": "x"})
        asked = [Deferred.fromCoroutine(self.jobs.check(None, settings, LIST, key)) for _ in range(2)]
        told = self.house.wait(DeferredList(asked, consumeErrors=True))
        self.assertEqual([good for good, _ in told], [True, False])
        self.assertEqual(told[1][1].value.reason, Reason.UNAVAILABLE)
        self.assertEqual(len(self.do(self.jobs.listed())), 1)

    def test_its_key_is_free_after_a_crash_and_kept_of_one_that_was_checked(self) -> None:
        key, settings = IdempotencyKey("account:", "k", b"x"), jobsettings.read({"text": "x"})
        self.do(self.jobs.feed(self.do(self.jobs.open(None, settings, key)), LIST))
        told = []
        for _ in range(2):
            self.do(self.jobs.stop())
            self.begin(self.house.crash())
            told.append(self.do(self.jobs.check(None, settings, LIST, key)))
        self.assertEqual(
            [(one["total"], one.get("replayed", False)) for one in told], [(250, False), (250, True)]
        )
        self.assertEqual([one["id"] for one in self.do(self.jobs.listed())], [told[0]["id"]])

    def test_old_jobs_are_forgotten(self) -> None:
        job = self.check()["id"]
        self.do(self.jobs.start(job))
        self.run_on()
        self.check()
        self.jobs.keep_days = 20
        self.house.advance(8 * 86_400)
        self.assertEqual([one["id"] for one in self.do(self.jobs.listed())], [job])
        self.house.advance(13 * 86_400)
        self.assertEqual(self.do(self.jobs.listed()), [])
