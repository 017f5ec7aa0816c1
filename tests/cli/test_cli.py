"""The smsd command: what it says, to whom, and with which exit code. The server is a script of answers."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.cli.main import main, parser
from smsd.cli.output import printable


class Script:
    """A control socket that gives one answer and keeps the question."""

    def __init__(self, path: str, answer: bytes) -> None:
        self.question: Any = None
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen()
        self._socket.settimeout(120)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as questions:
            self.question = json.loads(questions.readline())
            connection.sendall(self._answer)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(20)


class Command(SynchronousTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="smsd-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "control.sock")
        self.out, self.err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)

    def run_command(self, *words: str) -> int:
        return main(["--control", self.path, *words])

    def ask(self, *words: str, result: Any = None, error: str = "") -> tuple[int, Any]:
        """The exit code of a command that the server answers, and what the server was asked."""
        answer = {"ok": False, "error": error} if error else {"ok": True, "result": result}
        script = Script(self.path, json.dumps(answer).encode() + b"\n")
        try:
            code = self.run_command(*words)
        finally:
            script.close()
            os.unlink(self.path)
        return code, script.question


QUEUED = {"number": "+15551234567", "delivery": 7, "parts": 2, "encoding": "UCS-2", "notes": ["cut"]}
REFUSED = {"number": "12x", "reason": "bad_number", "error": "12x is no number"}


class Send(Command):
    def test_words_after_the_numbers_are_the_text(self) -> None:
        code, question = self.ask(
            "send",
            "+15551234567,5550000",
            "911",
            "Hello",
            "you 2",
            result={"message": 8, "recipients": [QUEUED]},
        )
        self.assertEqual(code, 0)
        self.assertEqual(question["verb"], "send")
        self.assertEqual(question["args"]["to"], ["+15551234567", "5550000"])
        self.assertEqual(question["args"]["text"], "911 Hello you 2")
        self.assertEqual(self.out.getvalue(), "+15551234567: queued as 7, 2 SMS UCS-2 (cut)\n")

    def test_the_text_may_come_from_the_input(self) -> None:
        self.patch(sys, "stdin", io.StringIO("two\nlines\n"))
        _, question = self.ask("send", "+15551234567", result={"message": 8, "recipients": [QUEUED]})
        self.assertEqual(question["args"]["text"], "two\nlines")

    def test_options(self) -> None:
        _, question = self.ask(
            *("send", "--gateway", "gsm1", "--sender", "ACME", "--expire", "60", "--max-parts", "2"),
            *("--urgent", "+15551234567", "Hi"),
            result={"message": 8, "recipients": [QUEUED]},
        )
        self.assertEqual(
            question["args"],
            {
                "to": ["+15551234567"], "text": "Hi", "gateway": "gsm1", "sender": "ACME", "expire_minutes": 60,
                "max_parts": 2, "priority": "urgent",
            },
        )  # fmt: skip

    def test_in_the_name_of_an_account(self) -> None:
        answer = {"message": 8, "recipients": [QUEUED]}
        _, question = self.ask("send", "--account", "ann", "+15551234567", "Hi", result=answer)
        self.assertEqual(question["args"]["account"], "ann")

    def test_who_only_wants_to_check_sends_nothing(self) -> None:
        for words in (("--check-only",), ("--duplicates", "drop"), ("--yes",), ("--text-column", "2")):
            self.assertEqual(self.run_command("send", *words, "+15551234567", "Hi"), 1, words)
            self.assertIn(f"{words[0]} is for a list", self.err.getvalue())

    def test_one_refused_recipient_is_told_and_counts(self) -> None:
        code, _ = self.ask("send", "12x", "Hi", result={"message": 8, "recipients": [QUEUED, REFUSED]})
        self.assertEqual(code, 1)
        self.assertEqual(self.err.getvalue(), "12x: refused: 12x is no number\n")


class Queue(Command):
    ROW: dict[str, Any] = {  # noqa: RUF012 (never changed)
        "id": 7, "arrived": 1_800_000_000_000, "target": "sms:+15551234567", "state": "sent", "maybe_twice": 1, "sent": 1,
        "pieces": 2, "gateway": None, "route": "any:sms", "account": "ann", "door": "http", "reason": None, "text": "a\nb",
    }  # fmt: skip

    def test_list_and_log_differ_in_what_they_ask_for(self) -> None:
        for words, states in (
            (("queue", "list"), "waiting"),
            (("log",), "all"),
            (("log", "--state", "failed", "--state", "expired"), ["failed", "expired"]),
        ):
            with self.subTest(words=words):
                code, question = self.ask(*words, result=[])
                self.assertEqual((code, question["verb"], question["args"]["states"]), (0, "list", states))

    def test_a_row(self) -> None:
        self.ask("log", "--to", "4567", result=[self.ROW])
        head, row = self.out.getvalue().splitlines()
        self.assertEqual(head.split()[0], "DELIVERY")
        self.assertRegex(row, r"^7 .* sms:\+15551234567  sent\?  1/2   any:sms  ann   a\\nb$")

    def test_json_before_and_after_the_verb(self) -> None:
        for words in (("--json", "log"), ("log", "--json")):
            with self.subTest(words=words):
                self.out.truncate(0)
                self.out.seek(0)
                self.ask(*words, result=[self.ROW])
                self.assertEqual(json.loads(self.out.getvalue()), [self.ROW])

    def test_cancel(self) -> None:
        code, question = self.ask("queue", "cancel", "7")
        self.assertEqual((code, question), (0, {"verb": "cancel", "args": {"delivery": 7}}))
        self.assertEqual(self.out.getvalue(), "7: cancelled\n")

    def test_refusals_are_shown(self) -> None:
        code, _ = self.ask("queue", "retry", "7", error="there is no delivery 7")
        self.assertEqual((code, self.err.getvalue()), (1, "smsd queue: there is no delivery 7\n"))


class Settings(Command):
    ROWS = ({"name": "expire_minutes", "value": 60, "file": 7200, "overridden": True},)

    def test_set(self) -> None:
        code, question = self.ask("set", "expire_minutes", "60", result=self.ROWS)
        self.assertEqual((code, question["args"]), (0, {"name": "expire_minutes", "value": "60"}))
        self.assertEqual(self.out.getvalue(), "expire_minutes  60  set here; the file says 7200\n")

    def test_default(self) -> None:
        _, question = self.ask("set", "expire_minutes", "--default", result=self.ROWS)
        self.assertEqual(question["args"], {"name": "expire_minutes", "value": None})

    def test_a_name_alone_is_refused_here(self) -> None:
        self.assertEqual(self.run_command("set", "expire_minutes"), 1)
        self.assertIn("a value is needed", self.err.getvalue())

    def test_reload_with_a_doubt_is_done(self) -> None:
        doubt = "warning: account ann of the store names the gateway 'x', which there is not"
        code, _ = self.ask("reload", result=[doubt])
        self.assertEqual((code, self.err.getvalue()), (0, f"{doubt}\n"))
        self.assertEqual(self.out.getvalue(), "the configuration is in force\n")
        code, _ = self.ask("reload", result=[doubt, "smsd.yaml:1:2: x: wrong"])
        self.assertEqual(code, 1)

    def test_reload_shows_what_is_wrong(self) -> None:
        code, _ = self.ask("reload", result=["smsd.yaml:1:2: x: wrong"])
        self.assertEqual((code, self.err.getvalue()), (1, "smsd.yaml:1:2: x: wrong\n"))


class NoServer(Command):
    def test_nobody_listens(self) -> None:
        self.assertEqual(self.run_command("status"), 3)
        self.assertIn(f"no server runs here ({self.path}: No such file or directory)", self.err.getvalue())

    def test_somebody_who_hangs_up(self) -> None:
        script = Script(self.path, b"")
        self.addCleanup(script.close)
        self.assertEqual(self.run_command("status"), 3)
        self.assertIn("closed the connection without an answer", self.err.getvalue())

    def test_the_socket_is_found_through_the_configuration(self) -> None:
        for text, expected in (
            ("server: {folder: ../var}\n", "var/control.sock"),
            ("control: {path: c}\n", "etc/var/c"),
            ("control: {path: /nonexistent/c}\n", "/nonexistent/c"),
            ("store: {}\n", "etc/var/control.sock"),
        ):
            with self.subTest(text=text):
                os.makedirs(os.path.join(self.folder, "etc"), exist_ok=True)
                file = os.path.join(self.folder, "etc", "smsd.yaml")
                with open(file, "w") as stream:
                    stream.write(text)
                self.err.truncate(0)
                self.assertEqual(main(["-c", file, "status"]), 3)
                self.assertIn(os.path.join(self.folder, expected), self.err.getvalue())

    def test_no_configuration_either(self) -> None:
        self.assertEqual(main(["-c", "/nonexistent/smsd.yaml", "status"]), 3)
        self.assertIn("/nonexistent/smsd.yaml", self.err.getvalue())
        self.assertIn("--control", self.err.getvalue())


class Small(Command):
    def test_help_and_misspelt_words(self) -> None:
        self.assertEqual(main([]), 0)
        self.assertIn("first steps:", self.out.getvalue())
        for words in (["sned"], ["queue"], ["queue", "show", "x"], ["status", "--colour"]):
            with self.subTest(words=words):
                error = self.assertRaises(SystemExit, main, words)
                self.assertEqual(error.code, 2)

    def test_check(self) -> None:
        file = os.path.join(self.folder, "smsd.yaml")
        with open(file, "w") as stream:
            stream.write("server: {nmae: x}\nqueue: {expire_minutes: 0}\n")
        self.assertEqual(main(["check", file]), 1)
        lines = self.err.getvalue().splitlines()
        self.assertEqual([line.split(": ")[0] for line in lines], [f"{file}:1:10", f"{file}:2:25"])

    def test_password(self) -> None:
        self.patch(sys, "stdin", io.StringIO("pässwörd\n"))
        self.assertEqual(main(["password"]), 0)
        from smsd.core.passwords import is_hash

        self.assertTrue(is_hash(self.out.getvalue().strip()))

    def test_a_message_cannot_steer_the_terminal(self) -> None:
        self.assertEqual(printable("\x1b]0;x\x07é😀\r\n\u202e"), "\\x1b]0;x\\x07é😀\\r\\n\\u202e")


DOCS = Path(__file__).parents[2] / "docs"
EVERYWHERE = {"--help", "--config", "--control", "--json"}


def commands(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Each command with its long options."""
    verbs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for verb in verbs:
        for name, under in verb.choices.items():
            yield from commands(under, (*words, name))
    if not verbs:
        options = {option for action in parser._actions for option in action.option_strings}
        yield " ".join(words), {option for option in options if option.startswith("--")} - EVERYWHERE


class Told(SynchronousTestCase):
    """Every command and every option stands in the manual page, every command in docs/cli.rst."""

    def test_in_the_manual_page(self) -> None:
        page = re.sub(r"\\f[BIR]|\"", "", (DOCS / "man" / "smsd.1").read_text()).replace("\\-", "-")
        told: dict[str, str] = {}
        for paragraph in page.partition(".SH COMMANDS\n")[2].partition(".SH SIGNALS")[0].split(".TP\n")[1:]:
            headline, _, _ = paragraph.partition("\n")
            for name in headline.removeprefix(".BI").removeprefix(".B").split(","):
                words = [word for word in name.split() if re.fullmatch("[a-z-]+", word) and word[0] != "-"]
                told[" ".join(words)] = told.get(" ".join(words), "") + paragraph
        for command, options in commands(parser()):
            with self.subTest(command=command):
                if command == "simulate":  # it has a parser of its own
                    command = "simulate modem"
                self.assertIn(command, told)
                for option in options:
                    self.assertRegex(told[command], rf"{option}(?![a-z-])")

    def test_in_the_page_of_the_command(self) -> None:
        page = (DOCS / "cli.rst").read_text()
        for command, _ in commands(parser()):
            verb, _, under = command.partition(" ")
            self.assertIn(f"smsd {verb}", page)
            if under:
                self.assertTrue(f"smsd {command}" in page or f"``{under}``" in page, command)
