"""Log files: which file, which level, bounded in size and number, masked, and not to be forged."""

from __future__ import annotations

import io
import json
import os
from typing import Any

from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smsd.config.settings import LogSettings
from smsd.logs import Logs


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())

    def logs(self, console: Any = None, **settings: Any) -> Logs:
        made = Logs(LogSettings(folder=self.folder, **settings), console)
        self.addCleanup(made.close)
        return made

    def logger(self, logs: Logs, namespace: str) -> Logger:
        return Logger(namespace=namespace, observer=LogPublisher(logs))

    def text(self, name: str = "main") -> str:
        path = os.path.join(self.folder, f"{name}.log")
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8") as stream:
            return stream.read()

    def test_sockets_that_open_and_close_are_for_who_looks_for_a_fault(self) -> None:
        logs = self.logs()
        for level in ("info", "debug"):
            logs.use(LogSettings(folder=self.folder, level=level))
            legacy = {"log_namespace": "log_legacy", "log_format": "{log_text}", "log_time": 0.0}
            logs({**legacy, "log_text": f"(UDP Port {level} Closed)", "log_level": LogLevel.info})
            logs({**legacy, "log_text": f"{level} is wrong", "log_level": LogLevel.critical})
        self.assertNotIn("Port info", self.text())
        for told in ("info is wrong", "Port debug Closed", "debug is wrong"):
            self.assertIn(told, self.text())

    def test_every_service_has_its_file(self) -> None:
        logs = self.logs()
        for namespace, fields, name in (
            ("smsd.core.queue", {"gateway": "gsm1"}, "main"),
            ("twisted.web", {}, "main"),
            ("smsd.links.gsm.session", {"gateway": "gsm1"}, "gsm1"),
            ("smsd.gateways.smtp.client", {"gateway": "relay"}, "relay"),
            ("smsd.gateways.smtp.client", {}, "smtp"),
            ("smsd.frontends.smtp.protocol", {}, "smtp"),
            ("smsd.frontends.http.web", {}, "http"),
            ("smsd.frontends.control", {}, "api"),
            ("smsd.links.gsm", {"gateway": "../../evil"}, "main"),
        ):
            with self.subTest(namespace=namespace, fields=fields):
                self.logger(logs, namespace).info("from {who}", who=f"{namespace} {fields}", **fields)
                self.assertIn(f"from {namespace} {fields}", self.text(name))
        self.assertNotIn("smsd.links.gsm.session", self.text("main"))

    def test_a_batch_is_a_line_each(self) -> None:
        batch = [{"line": "to +15551234567\nforged", "account": "ann"}, {"line": "second", "account": "bob"}]
        self.logger(self.logs(), "smsd.frontends.http").info("{line}", line="2 calls", batch=batch)
        first, second = self.text("http").splitlines()
        self.assertIn("[http] to +1555…67\\nforged", first)
        self.assertIn("[http] second", second)
        self.folder = os.path.abspath(self.mktemp())
        self.logger(self.logs(format="json"), "smsd.frontends.http").info(
            "{line}", line="2 calls", batch=batch
        )
        records = [json.loads(line) for line in self.text("http").splitlines()]
        self.assertEqual([record["account"] for record in records], ["ann", "bob"])

    def test_warnings_are_in_main_too(self) -> None:
        self.logger(self.logs(), "smsd.links.gsm").warn("the modem is gone", gateway="gsm1")
        self.assertIn("the modem is gone", self.text("gsm1"))
        self.assertIn("warn  [gsm1] the modem is gone", self.text("main"))

    def test_levels(self) -> None:
        logs = self.logs(level="warn", levels={"gsm1": "debug"})
        self.logger(logs, "smsd.core").info("not this")
        self.logger(logs, "smsd.links.gsm").debug("but this", gateway="gsm1")
        self.assertEqual(self.text(), "")
        self.assertIn("but this", self.text("gsm1"))

    def test_rotated_and_bounded(self) -> None:
        logger = self.logger(self.logs(rotate_bytes=10_000, keep=3), "smsd.core")
        for number in range(2_000):
            logger.info("line {number}", number=number)
        names = sorted(os.listdir(self.folder))
        self.assertEqual(names, ["main.log", "main.log.1", "main.log.2", "main.log.3"])
        for name in names:
            self.assertLess(os.path.getsize(os.path.join(self.folder, name)), 10_200)
        self.assertIn("line 1999\n", self.text())

    def test_files_that_somebody_moved_are_opened_anew(self) -> None:
        logs = self.logs()
        logger = self.logger(logs, "smsd.core")
        logger.info("one")
        os.rename(os.path.join(self.folder, "main.log"), os.path.join(self.folder, "moved"))
        logs.use(LogSettings(folder=self.folder))
        logger.info("two")
        self.assertTrue(self.text().endswith("two\n"))
        self.assertNotIn("one", self.text())

    def test_numbers_only_at_debug(self) -> None:
        logger = self.logger(self.logs(level="debug"), "smsd.core")
        logger.info("to {number}", number="+15551234567")
        logger.debug("to {number}", number="+15557654321")
        self.assertIn("to +1555…67", self.text())
        self.assertNotIn("+15551234567", self.text())
        self.assertIn("+15557654321", self.text())
        logger.info("{file}", file="sent/OUTC20261121_173659_00_+15551234567_note.txt")
        self.assertIn("_00_+1555…67_note.txt", self.text())

    def test_passwords_never(self) -> None:
        logger = self.logger(self.logs(level="debug"), "smsd.core")
        logger.debug("GET {url}", url="/sms/?user=ann&pass=hunter2&PIN=0042&password=x&number=1")
        self.assertIn("?user=ann&pass=***&PIN=***&password=***&number=1", self.text())
        logger.debug(
            "{all}", all="secret=s1&token=t1 Bearer smsd_Ptr4mAAfLpX2sw-_Ptr4mAAfLpX2swPtr4mAAfLpX2s9."
        )
        self.assertIn("secret=***&token=*** Bearer smsd_***.", self.text())
        logger.info(
            "{url}", url="https://ann:hunter4@h.example:8443/x?auth_token=a1&api_key=b2&passwd=c3&keys=d4"
        )
        self.assertIn(
            "https://ann:***@h.example:8443/x?auth_token=***&api_key=***&passwd=***&keys=d4", self.text()
        )
        logger.info("no login: {url}", url="http://h.example:80/a@b")
        self.assertIn("no login: http://h.example:80/a@b", self.text())
        logger.failure("no", Failure(ValueError("/sms/?pass=hunter3&number=+15551234567")))
        self.assertIn("ValueError: /sms/?pass=***&number=+1555…67", self.text())

    def test_braces_in_what_users_send(self) -> None:
        self.logger(self.logs(), "smsd.core").info("got {text}", text="{0} {evil!r} }{")
        self.assertIn("got {0} {evil!r} }{", self.text())

    def test_a_line_cannot_be_forged(self) -> None:
        evil = "x\n2026-01-01 critical [main] on fire\x1b[31m\u2028\ud800"
        for form in ("text", "json"):
            with self.subTest(form=form):
                self.folder = os.path.abspath(self.mktemp())
                self.logger(self.logs(format=form), "smsd.core").info("got {text}", text=evil)
                self.assertEqual(len(self.text().splitlines()), 1)
                self.assertNotIn("\x1b", self.text())

    def test_json(self) -> None:
        logger = self.logger(self.logs(format="json"), "smsd.links.gsm")
        try:
            raise ValueError("broken\nmodem")
        except ValueError:
            logger.failure("gone", gateway="gsm1", delivery=7)
        [line] = self.text("gsm1").splitlines()
        record = json.loads(line)
        shown = {key: record[key] for key in ("level", "service", "text", "gateway", "delivery")}
        self.assertEqual(
            shown, {"level": "critical", "service": "gsm1", "text": "gone", "gateway": "gsm1", "delivery": 7}
        )
        self.assertIn("ValueError", "".join(record["traceback"]))

    def test_tracebacks_are_indented(self) -> None:
        logger = self.logger(self.logs(), "smsd.core")
        try:
            raise ValueError("2026-01-01 forged")
        except ValueError:
            logger.failure("gone")
        first, *rest = self.text().splitlines()
        self.assertTrue(first.endswith("gone"))
        self.assertTrue(rest and all(line.startswith("    ") for line in rest))

    def test_a_full_disk_costs_the_file_its_lines_and_nothing_else(self) -> None:
        console = io.StringIO()
        logs = self.logs(console)
        logger = self.logger(logs, "smsd.core")
        full = os.path.join(self.folder, "main.log")
        logger.info("before")
        logs.close()
        os.rename(full, f"{full}.kept")
        os.symlink("/dev/full", full)
        logger.error("the store failed: {reason}", reason="disk full")
        logger.error("and again")
        os.unlink(full)
        os.rename(f"{full}.kept", full)
        logger.info("after")
        self.assertEqual(
            [line.rpartition("] ")[2] for line in self.text().splitlines()], ["before", "", "after"]
        )
        seen = console.getvalue().splitlines()
        self.assertEqual(len(seen), 5)
        self.assertIn("the store failed: disk full", seen[1])
        self.assertEqual(seen[2], "main.log cannot be written (No space left on device): its lines are lost")
        self.assertIn("and again", seen[3])

    def test_the_console_sees_everything(self) -> None:
        console = io.StringIO()
        logs = self.logs(console)
        self.logger(logs, "smsd.links.gsm").info("ready", gateway="gsm1")
        logs.say("paste this: +15551234567\n")
        self.assertIn("[gsm1] ready", console.getvalue())
        self.assertTrue(console.getvalue().endswith("paste this: +15551234567\n"))
        self.assertNotIn("paste", self.text())
