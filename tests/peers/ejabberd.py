"""A private ejabberd on loopback, in a folder of its own: the chat server of example.org, with people and component domains.

Debian's ejabberd package. The Erlang machine is started without distribution: no node name, no epmd, nothing of the system's
own ejabberd is touched.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.rig.processes import Process, environment, free_port, listening, until

PROGRAM = shutil.which("erl", path="/usr/bin")
LIBRARIES = Path("/usr/lib")


def _libraries() -> str:
    found = sorted(LIBRARIES.glob("*/ejabberd-*/ebin/ejabberd.beam"))
    return str(found[0].parents[2]) if found else ""


def missing() -> str | None:
    """Why it cannot run here, or None."""
    return None if PROGRAM and _libraries() else "ejabberd is not installed"


class Ejabberd:
    """Start, use `component` and `c2s` (ports), stop. `secrets` are the component domains with their secrets; the people have
    their own names for passwords."""

    def __init__(self, secrets: Mapping[str, str], people: Sequence[str] = ("ann", "bob")) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="smsd-ejabberd-"))
        self.c2s, self.component = free_port(), free_port()
        self._people = people
        self._file = self.base / "ejabberd.yml"
        self._process: Process | None = None
        self.configure(secrets)

    def configure(self, secrets: Mapping[str, str]) -> None:
        """Other components, or other secrets; for the next start."""
        listen = [
            {"port": self.c2s, "ip": "127.0.0.1", "module": "ejabberd_c2s", "starttls": False},
            {
                "port": self.component, "ip": "127.0.0.1", "module": "ejabberd_service", "access": "all", "global_routes": False,
                "hosts": {domain: {"password": secret} for domain, secret in secrets.items()},
            },
        ]  # fmt: skip
        modules = (
            "adhoc",
            "blocking",
            "carboncopy",
            "disco",
            "mam",
            "offline",
            "ping",
            "privacy",
            "roster",
            "vcard",
        )
        settings = {
            "hosts": ["example.org"],
            "loglevel": "info",
            "auth_method": "internal",
            "auth_password_format": "plain",
            "captcha_limit": "infinity",
            "listen": listen,
            "modules": {f"mod_{name}": {} for name in modules},
        }
        # JSON is YAML.
        self._file.write_text(json.dumps(settings, indent=1))

    def start(self) -> None:
        """Returns when both ports answer and the people have their accounts; what went wrong is in the folder's `log`."""
        assert PROGRAM is not None
        done = self.base / "ready"
        done.unlink(missing_ok=True)
        register = "".join(
            f'ejabberd_auth:try_register(<<"{name}">>, <<"example.org">>, <<"{name}">>), '
            for name in self._people
        )
        command = [
            PROGRAM, "-noshell", "-noinput", "-mnesia", "dir", f'"{self.base}/db"', "-s", "ejabberd",
            "-eval", f'{register}file:write_file("{done}", "").',
        ]  # fmt: skip
        env = {
            **environment(),
            "ERL_LIBS": _libraries(),
            "EJABBERD_CONFIG_PATH": str(self._file),
            "EJABBERD_LOG_PATH": str(self.base / "log"),
            "ERL_CRASH_DUMP": str(self.base / "crash"),
            "HOME": str(self.base),
        }
        process = self._process = Process("ejabberd", command, self.base / "out", cwd=self.base, env=env)
        until(
            lambda: done.exists() and listening(self.c2s) and listening(self.component),
            60,
            "ejabberd",
            process,
        )

    def kill(self) -> None:
        """kill -9: what it had in memory is gone."""
        assert self._process is not None
        self._process.kill_group()

    def stop(self) -> None:
        """Ends the process and removes the folder."""
        if self._process is not None:
            self._process.kill_group()
        shutil.rmtree(self.base, ignore_errors=True)
