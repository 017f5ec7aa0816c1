"""Users of this machine (`type: pam`): PAM is asked in a process of its own, because what stands behind it may take any time and
cannot be interrupted. Needs the package python-pam.

What the process answers is its exit status (`pamcheck`); name and password go in by its standard input.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any, Literal

from pydantic import Field
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from smsd.interfaces import SourceContext
from smsd.sources import pamcheck
from smsd.sources.asking import Asking, Away
from smsd.sources.conversation import Unknown
from smsd.sources.settings import SourceSettings

_KEPT = ("PATH", "LANG", "PYTHONPATH", "VIRTUAL_ENV")
_MOST = 4000
SERVICES = ("/etc/pam.d", "/usr/lib/pam.d")
"""Where PAM looks for a service."""


class Settings(SourceSettings):
    """`type: pam`."""

    type: Literal["pam"] = "pam"
    login: Literal["address", "local"] = Field(
        default="local", description="local (ann), as users of this machine are called, or address"
    )
    service: str = Field(
        default="smsd", pattern=r"^[a-z0-9_-]{1,64}$", description="the file in /etc/pam.d: smsd, login, …"
    )
    min_uid: int = Field(
        default=1000, ge=0, description="0 or more; users with a smaller number (root, …) are never let in"
    )
    connections: int = Field(default=4, ge=1, le=32, description="1 to 32 processes at once")


class _Check(ProcessProtocol):
    """One question, one process."""

    transport: Any

    def __init__(self, question: bytes) -> None:
        self.answer: Deferred[bool] = Deferred(lambda _: self._kill())
        self._question = question
        self._said = b""

    def connectionMade(self) -> None:
        """Ask."""
        self.transport.write(self._question)
        self.transport.closeStdin()

    def errReceived(self, data: bytes) -> None:
        """The reason of what went wrong."""
        self._said = (self._said + data)[-_MOST:]

    def _kill(self) -> None:
        if self.transport is not None and self.transport.pid:
            self.transport.signalProcess("KILL")
            self.transport.loseConnection()

    def processExited(self, reason: Failure) -> None:
        """Its status is the answer. What a module of PAM has started may keep its pipes for longer."""
        code = _status(reason)
        if code in (pamcheck.RIGHT, pamcheck.WRONG):
            if not self.answer.called:
                self.answer.callback(code == pamcheck.RIGHT)
            self.transport.loseConnection()

    def processEnded(self, reason: Failure) -> None:
        """All that it had to say of what went wrong has come."""
        if self.answer.called:
            return
        code = _status(reason)
        said = self._said.decode("utf-8", "replace").strip().rpartition("\n")[2]
        why = "".join(letter if letter.isprintable() else "?" for letter in said[:200])
        why = f"PAM: {why or ('it was killed' if code is None else f'status {code}')}"
        self.answer.errback((Unknown if code == pamcheck.UNKNOWN else Away)(why))


def _status(reason: Failure) -> Any:
    """The exit status; None when it was killed."""
    error = reason.value
    return error.exitCode if isinstance(error, ProcessTerminated) else 0


class Pam:
    """Asks for one section of the configuration."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        self._settings = settings
        self._reactor = reactor

    def ask(self, login: str, password: str, peer: str) -> Deferred[bool]:
        """Whether PAM lets the user in. From where he comes cannot be told to it."""
        words = (self._settings.service, str(self._settings.min_uid), login, password)
        check = _Check("\0".join(words).encode())
        command = [sys.executable, "-m", pamcheck.__name__]
        env = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            self._reactor.spawnProcess(check, command[0], command, env, path="/")
        except OSError as error:
            raise Away(f"PAM: no process can be started: {error.strerror}") from None
        return check.answer


def check(settings: Settings, path: Any, document: Any) -> None:
    """The package has to be there, and the service: for one that is not, PAM takes `other`, which refuses everybody."""
    if importlib.util.find_spec("pam") is None:
        document.report(
            (*path, "type"), "the type 'pam' needs the Python package 'python-pam'", "pip install 'smsd[pam]'"
        )
    if not any(os.path.exists(os.path.join(folder, settings.service)) for folder in SERVICES):
        document.report(
            (*path, "service"),
            f"PAM has no service {settings.service!r}",
            f"write {SERVICES[0]}/{settings.service}, for example with the lines of its common-auth and common-account",
        )


def make(settings: Settings, context: SourceContext) -> Asking:
    """The source for one section of the configuration."""
    return Asking(settings, context.reactor, Pam(settings, context.reactor).ask)
