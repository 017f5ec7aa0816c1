"""`smsd send --file` and `smsd job`, over the real core: the control socket's place is taken by the house."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.cli import jobs as command
from smsd.cli import lists
from smsd.cli.client import Refusal
from smsd.cli.main import main
from smsd.core.jobs import Jobs
from smsd.values.errors import InvalidValue, Refused
from tests.house import House


class ListsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.open(slots=5)
        house = self.house
        self.jobs = Jobs(
            house.store, house.dispatcher, house.queue, house.planner, house.clock, house.accounts.get
        )
        self.jobs.begin()
        self.patch(lists, "call", self.call)
        self.patch(command, "call", self.call)
        self.patch(command, "EVERY", 0)
        self.folder = tempfile.TemporaryDirectory(prefix="smsd-test-")
        self.addCleanup(self.folder.cleanup)

    def tearDown(self) -> None:
        self.house.wait(Deferred.fromCoroutine(self.jobs.stop()))

    def call(self, options: Any, verb: str, **arguments: Any) -> Any:
        self.house.advance(1)
        given = json.loads(json.dumps(arguments))
        try:
            told = self.jobs.verbs()[verb](given)
            return json.loads(json.dumps(self.house.wait(Deferred.fromCoroutine(told))))
        except (InvalidValue, Refused) as error:
            raise Refusal(str(error)) from None

    def run_(self, *words: str, stdin: str | None = None) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", err)
        if stdin is not None:
            answer = io.StringIO(stdin)
            answer.isatty = lambda: True  # type: ignore[method-assign]
            self.patch(sys, "stdin", answer)
        code = main(words)
        return code, out.getvalue(), err.getvalue()

    def file(self, text: str) -> str:
        path = os.path.join(self.folder.name, "list.csv")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path

    def test_a_file_that_cannot_be_read_to_its_end(self) -> None:
        bites = iter([b"number\n+15551230001\n"])

        class Broken(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                for bite in bites:
                    return bite
                raise OSError(5, "Input/output error")

        class Stdin:
            buffer = Broken()

        self.patch(sys, "stdin", Stdin())
        code, _, err = self.run_("send", "--file", "-", "--text", "x", "--yes")
        self.assertNotEqual(code, 0)
        self.assertIn("cannot be read to its end: Input/output error", err)
        (job,) = self.call(None, "job list")
        self.assertEqual(job["state"], "cancelled")
        self.assertEqual(self.house.gsm.pieces, [])

    def test_checked_asked_sent(self) -> None:
        path = self.file("number,name\n+15551230001,Ann\n4.2E+11,Bob\n+15551230001,Ann\n")
        code, out, _ = self.run_("send", "--file", path, "--text", "Dear {name}", stdin="y\n")
        self.assertEqual(code, 0)
        for said in (
            "list.csv: 3 lines (ASCII, comma, with a line of names)", "2     +15551230001  Dear Ann  1    GSM-7",
            "line 3: '4.2E+11': the spreadsheet has shortened", "line 4: +15551230001 again, with the same text: sent all the same",
            "Send 2 messages (2 SMS)? [y/N]", "job 1: done, 100 % of 2 lines, 2 sent",
        ):  # fmt: skip
            self.assertIn(said, out)
        self.assertEqual(len(self.house.gsm.pieces), 2)

    def test_what_becomes_of_numbers_that_come_again(self) -> None:
        path = self.file("+15551230001,a\n+15551230001,a\n+15551230001,b\nabc,c\n")
        for duplicates, same, other in (
            ("send", "sent all the same", "sent all the same"), ("drop-same", "left out", "sent all the same"),
            ("drop", "left out", "left out"),
        ):  # fmt: skip
            _, out, _ = self.run_("send", "--file", path, "--check-only", "--duplicates", duplicates)
            self.assertIn(f"line 2: +15551230001 again, with the same text: {same}\n", out)
            self.assertRegex(
                out, r"numbers again .*\n  line 2: .*\n  line 3: .*\ncannot be sent .*\n  line 4: "
            )
            self.assertIn(f"line 3: +15551230001 again: {other}\n", out)

    def test_no_is_no(self) -> None:
        path = self.file("+15551230001;hello\n")
        code, _, err = self.run_("send", "--file", path, stdin="\n")
        self.assertEqual((code, self.house.gsm.pieces), (1, []))
        self.assertIn("smsd job start 1", err)
        self.assertEqual(self.run_("job", "start", "1")[0], 0)
        code, out, _ = self.run_("job", "watch", "1")
        self.assertEqual((code, len(self.house.gsm.pieces)), (0, 1))
        self.assertIn("done", out)

    def test_yes_and_json(self) -> None:
        path = self.file("+15551230001;hello\n")
        code, out, _ = self.run_("send", "--file", path, "--yes", "--json")
        self.assertEqual((code, json.loads(out)["state"]), (0, "done"))
        code, out, _ = self.run_("send", "--file", path, "--check-only", "--json")
        self.assertEqual((code, json.loads(out)["state"]), (0, "ready"))

    def test_what_is_wrong_with_it(self) -> None:
        for text, words, said in (
            ("+15551230001\n", (), "give the text for all of them"),
            ("nobody;x\nno;y\n", (), "which column"),
            ("number;x\nno;y\n", (), "no line of this file can be sent"),
            ("+15551230001;x\n", ("--urgent",), "never urgent"),
            ("+15551230001;x\n", ("+15550000000",), "leave out the number"),
        ):
            code, _, err = self.run_("send", "--file", self.file(text), "--yes", *words)
            self.assertEqual(code, 1)
            self.assertIn(said, err)
        self.assertIn("cannot be read", self.run_("send", "--file", "/nowhere.csv")[2])

    def test_the_list_of_jobs(self) -> None:
        self.assertIn("there are no jobs", self.run_("job", "list")[1])
        self.run_("send", "--file", self.file("+15551230001;hello\n"), "--check-only")
        self.assertIn("list.csv  -        ready  0/1", self.run_("job", "list")[1])
        self.assertEqual(self.run_("job", "cancel", "1")[0], 0)
        self.assertIn("cancelled", self.run_("job", "show", "1")[1])
        code, _, err = self.run_("job", "resume", "1")
        self.assertEqual((code, err), (1, "smsd job: job 1 is cancelled: it cannot be resumed\n"))
