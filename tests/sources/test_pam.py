"""Users of this machine: the process that asks PAM, with a PAM of the test's own."""

from __future__ import annotations

import os
import pwd
import signal
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.process import ProcessReader
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from smsd.core.accounts import Denied
from smsd.interfaces import SourceContext
from smsd.sources import pam

PAM = """
import os, subprocess, time
class pam:
    def authenticate(self, user, password, service, resetcreds, print_failure_messages):
        self.code, self.reason = int(password.partition("-")[2] or 0), "the directory is away"
        if password == "sleep":
            time.sleep(600)
        if password == "daemon":
            child = subprocess.Popen(["sleep", "600"])
            with open(__file__ + ".child", "w") as file:
                file.write(str(child.pid))
        if password == "kill":
            os.kill(os.getpid(), 9)
        if password == "die":
            raise RuntimeError("broken")
        with open(__file__ + ".asked", "a") as log:
            log.write(f"{service} {user}\\n")
        return self.code == 0
"""


class PamTests(TestCase):
    timeout = 300

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "pam.py").write_text(PAM)
        self.asked = folder / "pam.py.asked"
        paths = [str(folder.resolve()), *(os.path.abspath(path) for path in sys.path)]
        self.patch(os, "environ", {**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
        self.user = pwd.getpwuid(os.getuid()).pw_name

    def source(self, **given: Any) -> Any:
        values = {"id": "here", "domains": ["example.org"], "min_uid": 0, "service": "sms", **given}
        return pam.make(pam.Settings.model_validate(values), SourceContext(reactor))

    def check(self, password: str, **given: Any) -> Any:
        return self.source(**given).check(f"{self.user}@example.org", password, "")

    async def test_verdicts(self) -> None:
        self.assertTrue(await self.check("pässword: €"))
        for code in (6, 7, 10, 11, 13):
            self.assertFalse(await self.check(f"code-{code}"), code)
        self.assertIn(f"sms {self.user}\n", self.asked.read_text())

    async def test_what_is_neither(self) -> None:
        for password in ("code-9", "code-4", "die", "kill"):
            await self.assertFailure(self.check(password), Denied)

    async def test_small_numbers_are_never_let_in(self) -> None:
        self.assertFalse(await self.check("right", min_uid=os.getuid() + 1))
        self.assertFalse(self.asked.exists())

    async def test_time(self) -> None:
        await self.assertFailure(self.check("sleep", seconds=1), Denied)
        await self.over()  # it has been killed

    async def over(self) -> None:
        while any(isinstance(one, ProcessReader) for one in reactor.getReaders()):
            await deferLater(reactor, 0.02, lambda: None)

    async def test_what_a_module_has_started_is_not_waited_for(self) -> None:
        self.assertTrue(await self.check("daemon", seconds=60))
        child = int((self.asked.parent / "pam.py.child").read_text())
        try:
            await self.over()
            os.kill(child, 0)  # it is still there
        finally:
            os.kill(child, signal.SIGKILL)

    async def test_without_the_package(self) -> None:
        os.environ["PYTHONPATH"] = os.environ["PYTHONPATH"].partition(os.pathsep)[2]
        (self.asked.parent / "pam.py").write_text("raise ImportError")
        await self.assertFailure(self.check("right"), Denied)
