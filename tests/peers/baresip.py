"""A SIP phone for tests: Debian's baresip in a folder of its own, without sound. It registers, writes texts, and shows those it
gets."""

from __future__ import annotations

import json
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.rig.processes import Process, environment, free_port, listening, until

PROGRAM = shutil.which("baresip")
MODULES = Path("/usr/lib/baresip/modules")


def missing() -> str | None:
    """Why it cannot run here, or None."""
    return None if PROGRAM and (MODULES / "ctrl_tcp.so").exists() else "baresip is not installed"


CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:{sip}
module_path {modules}
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
module contact.so
module cons.so
ctrl_tcp_listen 127.0.0.1:{control}
cons_listen 127.0.0.1:{console}
{trust}
"""
ACCOUNT = '<sip:{user}@{domain};transport={transport}>;auth_user={user};auth_pass={password};regint={every};outbound="{outbound}"\n'


class Phone:
    """Somebody's SIP phone; it registers by itself when it starts, and says that it is gone when it is stopped in order.

    `contacts` are the URIs that it can write to. `outbound` is where everything goes; with TLS to who has a certificate of `ca`.
    """

    def __init__(
        self,
        user: str,
        password: str,
        outbound: str,
        contacts: Sequence[str],
        domain: str,
        transport: str = "udp",
        every: int = 60,
        ca: str = "",
    ) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="smsd-baresip-"))
        self.sip = free_port(2)  # it takes the next one for TLS
        self._control, self._console = free_port(), free_port()
        self._contacts = list(contacts)
        self._current = 0
        self._process: Process | None = None
        ports = {"sip": self.sip, "control": self._control, "console": self._console}
        (self.base / "config").write_text(
            CONFIG.format(modules=MODULES, trust=f"sip_cafile {ca}" if ca else "", **ports)
        )
        account = ACCOUNT.format(
            user=user, password=password, domain=domain, transport=transport, every=every, outbound=outbound
        )
        (self.base / "accounts").write_text(account)
        (self.base / "contacts").write_text("".join(f'"{n}" <{uri}>\n' for n, uri in enumerate(contacts)))
        self._shown = b""

    def start(self) -> None:
        """Returns when it takes orders; `registered` waits for more."""
        assert PROGRAM is not None
        self._shown = b""
        self._current = 0
        env = {**environment(), "HOME": str(self.base)}
        command = [PROGRAM, "-4", "-f", str(self.base), "-s"]
        self._from = self._log().count("\n")
        process = self._process = Process("baresip", command, self.base / "out", cwd=self.base, env=env)
        until(lambda: listening(self._control) and listening(self._console), 30, "baresip", process)
        self._screen = socket.create_connection(("127.0.0.1", self._console), 120)
        self._screen.settimeout(None)
        self._reader = threading.Thread(target=self._watch, daemon=True)
        self._reader.start()

    def _watch(self) -> None:
        try:
            while data := self._screen.recv(65536):
                self._shown += data
        except OSError:
            return

    def _log(self) -> str:
        log = self.base / "out"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def registered(self) -> None:
        """Wait until the server has taken its registration."""
        until(
            lambda: re.search(r"\} 200 OK", "\n".join(self._log().split("\n")[self._from :])),
            30,
            "a registration",
            self._process,
        )

    def _order(self, command: str, params: str = "") -> dict[str, Any]:
        order = json.dumps({"command": command, "params": params, "token": "x"}).encode()
        with socket.create_connection(("127.0.0.1", self._control), 120) as control:
            control.sendall(b"%d:%b," % (len(order), order))
            heard = b""
            while True:
                size, found, rest = heard.partition(b":")
                if found and len(rest) > int(size):
                    said: dict[str, Any] = json.loads(rest[: int(size)])
                    return said
                more = control.recv(65536)
                assert more, heard
                heard += more

    def write(self, text: str, to: int = 0) -> None:
        """A text to one of the contacts."""
        while self._current != to:
            self._order("contact_next")
            self._current = (self._current + 1) % len(self._contacts)
        said = self._order("message", text)
        assert said["ok"], said

    def shown(self) -> str:
        """Everything on its screen."""
        return self._shown.decode("utf-8", "replace")

    def trace(self) -> str:
        """All SIP messages that it sent and got."""
        return self._log()

    def leave(self) -> None:
        """Switched off in order: it takes its registration back."""
        assert self._process is not None
        self._process.terminate()
        self._screen.close()

    def vanish(self) -> None:
        """Gone without a word."""
        assert self._process is not None
        self._process.kill()
        self._screen.close()

    def stop(self) -> None:
        """Ends the process and removes the folder."""
        if self._process is not None:
            self.vanish()
        shutil.rmtree(self.base, ignore_errors=True)
