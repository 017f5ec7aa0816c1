"""smsd itself as a process of the rig: a folder, a configuration on free ports, and the life of `twistd -n smsd`."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.rig.processes import Process, ask, environment, free_port, listening, until

RUN = ("-c", "from twisted.scripts.twistd import run; run()")
# What nobody can configure: the store without its fsync, to see that the tests notice.
RUN_UNSAFE = (
    "-c",
    "from smsd.store.sqlite import SqliteStore as S; S.__init__.__kwdefaults__['synchronous'] = '{}';"
    "from twisted.scripts.twistd import run; run()",
)

USER, PASSWORD = "demo", "demo"


def month() -> dict[str, str]:
    """Tests count what was sent this month: when it is about to turn here, a zone where it turns at another time."""
    now = datetime.now().astimezone()
    return {} if now.month == (now + timedelta(hours=1)).month else {"time_zone": "Etc/GMT+12"}


class Server:
    """A configuration in a folder, and at most one process that runs it at a time.

    `gateways` are mappings as in the file. Ports stay the same over restarts. `start` returns before it is ready.
    """

    def __init__(
        self,
        folder: Path,
        gateways: Sequence[dict[str, Any]],
        *,
        extra: dict[str, Any] | None = None,
        synchronous: str | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.http, self.smtp = free_port(), free_port()
        self.process: Process | None = None
        self.database = folder / "var" / "smsd.db"
        self._log = folder / "smsd.out"
        self._program = RUN if synchronous is None else (RUN_UNSAFE[0], RUN_UNSAFE[1].format(synchronous))
        configuration: dict[str, Any] = {
            "server": {"name": "sms.example.org", "folder": "var", "domains": ["sms.example.org"], **month()},
            "listeners": [
                {"id": "web", "type": "http", "listen": [f"tcp:{self.http}:interface=127.0.0.1"]},
                {
                    "id": "mail", "type": "smtp", "listen": [f"tcp:{self.smtp}:interface=127.0.0.1"],
                    "clear_auth_networks": ["127.0.0.0/8"],
                },
            ],
            "accounts": [{"user": USER, "password": PASSWORD, "demo": True}],
            "gateways": list(gateways),
            **(extra or {}),
        }  # fmt: skip
        self.file = folder / "smsd.yaml"
        # JSON is YAML.
        self.file.write_text(json.dumps(configuration, indent=1))

    def start(self, prefix: Sequence[str] = ()) -> Process:
        """Start it, under `prefix` (strace …) if there is one."""
        assert self.process is None or self.process.code is not None, "it still runs"
        command = [*prefix, sys.executable, *self._program, "-n", "--pidfile=", "smsd", "-c", str(self.file)]
        self.process = Process("smsd", command, self._log, cwd=self.folder, env=environment())
        return self.process

    def ready(self, within: float = 60.0) -> float:
        """Wait until both doors are open; seconds since `start`."""
        assert self.process is not None
        until(
            lambda: listening(self.http) and listening(self.smtp) and self._takes_verbs(),
            within,
            "smsd's doors",
            self.process,
        )
        return time.monotonic() - self.process.started

    def _takes_verbs(self) -> bool:
        with socket.socket(socket.AF_UNIX) as control:
            return control.connect_ex(str(self.folder / "var" / "control.sock")) == 0

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        assert self.process is not None
        return self.process.terminate(90)

    def ask(self, verb: str, **arguments: Any) -> Any:
        """A verb to its control socket."""
        answer = ask(self.folder / "var" / "control.sock", json.dumps({"verb": verb, "args": arguments}))
        return answer["result"]

    def in_service(self, gateway: str, within: float = 60.0) -> None:
        """Wait until a gateway takes messages."""

        def open_() -> bool:
            with contextlib.suppress(OSError):
                return any(g["slots"] for g in self.ask("status")["gateways"] if g["id"] == gateway)
            return False

        until(open_, within, f"gateway {gateway} in service", self.process)

    def rows(self, query: str, *arguments: Any) -> list[Any]:
        """A question to the store file; no transaction is left open."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=120)
        try:
            return connection.execute(query, arguments).fetchall()
        finally:
            connection.close()

    def waiting(self) -> int:
        """Deliveries that are ready or on the wire."""
        (ready,) = self.rows("select count(*) from delivery where state=0")[0]
        (sending,) = self.rows("select count(*) from delivery where state=1")[0]
        return int(ready + sending)


def modem_gateway(name: str, device: str, **more: Any) -> dict[str, Any]:
    """A gateway of type gsm."""
    return {"id": name, "type": "gsm", "device": device, **more}


def mail_gateway(port: int) -> dict[str, Any]:
    """A mail relay."""
    return {"id": "relay", "type": "smtp", "host": "127.0.0.1", "port": str(port), "security": "none"}
