"""`twistd smsd`: the options and the service. The only module that imports the global reactor.

The configuration is read here, before twistd turns into a daemon, so that a mistake is shown to whoever started it.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress
from typing import Any, ClassVar

from twisted.application.service import IService
from twisted.python import usage

from smsd.config.load import load
from smsd.config.places import find_configuration
from smsd.config.positions import ConfigError
from smsd.config.settings import Configuration
from smsd.core import zone
from smsd.logs import Logs
from smsd.notify import Notifier
from smsd.privileges import Privileges
from smsd.service import Server
from smsd.steady import Steady
from smsd.values.errors import InvalidValue

GARBAGE = (20_000, 20, 20)
"""How often the collector looks, far less than Python's own (700, 10, 10): 7 % of an accept, and half the time that reading ten
thousand rules takes."""


class Options(usage.Options):
    """Options of `twistd smsd`."""

    synopsis = "[-c FILE]"
    longdesc = (
        "The SMS gateway. The manual of the configuration is etc/smsd.yaml; `smsd --help` shows the commands."
    )
    optParameters: ClassVar[list[Any]] = [
        ["config", "c", None, "the configuration; default: etc/smsd.yaml, smsd.yaml or /etc/smsd/smsd.yaml"],
    ]
    optFlags: ClassVar[list[Any]] = [
        ["check", None, "only check the configuration: print every problem, or that there is none"]
    ]

    configuration: Configuration
    logs: Logs | None = None
    observer: Any = None
    """What twistd calls to get the log observer; it wants the name of a function, so this hangs on the class."""

    def postOptions(self) -> None:
        """Read the configuration; give twistd better defaults for its pid file and its log."""
        gc.set_threshold(*GARBAGE)
        try:
            path = find_configuration(self["config"], os.environ)
            self.configuration = load(path, starting=not self["check"])
            zone.use(self.configuration.server.time_zone)
            self.privileges = Privileges(self.configuration.server.user, self.configuration.server.group)
        except (ConfigError, InvalidValue, LookupError) as error:
            raise SystemExit(str(error)) from None
        if self["check"]:
            for warning in self.configuration.warnings:
                print(f"warning: {warning}")
            print(f"{path}: no problem found")
            raise SystemExit(0)
        parent = getattr(self, "parent", None)
        if parent is not None:
            self._defaults(parent)

    def _defaults(self, parent: Any) -> None:
        make_folders(self.configuration, self.privileges)
        if parent.get("pidfile") == "twistd.pid":
            parent["pidfile"] = os.path.join(self.configuration.folder, "smsd.pid")
        if not (parent.get("logger") or parent.get("logfile") or parent.get("syslog")):
            console = sys.stdout if parent.get("nodaemon") else None
            self.logs = Logs(self.configuration.log, console, self.privileges.own)
            type(self).observer = staticmethod(lambda: self.logs)
            parent["logger"] = "smsd.tap.Options.observer"


def make_folders(configuration: Configuration, privileges: Privileges) -> None:
    """Make the folders that smsd writes to; SystemExit with the reason when that fails."""
    folders = [
        configuration.folder,
        configuration.log.folder,
        os.path.dirname(configuration.store.path),
        os.path.dirname(configuration.control.path),
    ]
    for folder in folders:
        try:
            if not os.path.isdir(folder):
                os.makedirs(folder, mode=0o750)
                privileges.own(folder)
        except OSError as error:
            raise SystemExit(
                f"{folder} cannot be made ({error.strerror}): set server.folder to a folder that "
                "smsd may write to, or make this one"
            ) from None


def makeService(options: Options) -> IService:
    """The service for twistd: the whole house, ready to be started."""
    from twisted.internet import reactor

    server = TwistdServer(
        options.configuration,
        reactor,
        notifier=Notifier(os.environ),
        privileges=options.privileges,
        logs=options.logs,
        failed=_exit_with_failure,
    )
    server.twistd = getattr(options, "parent", None)
    Steady(reactor, server.clock_was_set).start()
    server.started.addCallback(lambda _: _settle())
    service: IService = server
    return service


class TwistdServer(Server):
    """A server whose daemon is up when it takes messages, not before: who types `twistd smsd` is told why it does not.

    twistd's first process waits at a pipe (`statusPipe` in its options) for "0", or for "1 " and up to 97 octets. twistd
    itself would write "0" when startService returns, which is before the first port is open.
    """

    twistd: Any = None

    def startService(self) -> None:
        """Take the pipe over, then begin."""
        pipe = None if self.twistd is None else self.twistd.pop("statusPipe", None)
        if pipe is not None:
            self.started.addCallbacks(
                lambda _: _tell(pipe, b"0"),
                lambda failure: _tell(
                    pipe, b"1 " + failure.getErrorMessage().encode("ascii", "replace")[:97]
                ),
            )
        super().startService()


def _tell(pipe: int, word: bytes) -> None:
    with suppress(OSError):  # nobody waits any more
        os.write(pipe, word)
    os.close(pipe)


def _settle() -> None:
    """What is in memory after the start stays: the garbage collector need not look at it again and again. And a message
    leaves no garbage in circles, so looking less often costs nothing (see GARBAGE)."""
    gc.collect()
    gc.freeze()


def _exit_with_failure() -> None:
    # twistd ends with status 0 whatever happened. This runs last, after twistd has removed its pid file.
    def end() -> None:
        sys.stdout.flush()
        os._exit(1)

    atexit.register(end)
