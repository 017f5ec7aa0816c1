"""A private Prosody on loopback, in a folder of its own: the chat server of example.org, with people and component domains.

Root or not, Debian's prosody package; nothing of the system's own Prosody is touched.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.rig.processes import Process, free_port, listening, until

PROGRAM = shutil.which("prosody", path="/usr/bin:/usr/sbin")


def missing() -> str | None:
    """Why it cannot run here, or None."""
    return None if PROGRAM else "prosody is not installed"


MAIN = """\
run_as_root = true
daemonize = false
pidfile = "{base}/prosody.pid"
data_path = "{base}/data"
certificates = "{base}"
interfaces = {{ "127.0.0.1" }}
local_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {c2s} }}
component_ports = {{ {component} }}
component_interfaces = {{ "127.0.0.1" }}
http_ports = {{}}
https_ports = {{}}
modules_enabled = {{
    "roster", "saslauth", "disco", "carbons", "pep", "vcard_legacy", "blocklist", "ping", "offline", "smacks", "time"{archive}
}}
modules_disabled = {{ "s2s", "tls", "http", "posix" }}
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
log = {{ {{ levels = {{ min = "info" }}, to = "file", filename = "{base}/log" }} }}

VirtualHost "example.org"
"""
COMPONENT = """
Component "{domain}"
    component_secret = "{secret}"
"""


class Prosody:
    """Start, use `component` and `c2s` (ports), stop. `secrets` are the component domains with their secrets; the people have
    their own names for passwords. Its `archive` (XEP-0313) becomes very slow beyond 10,000 messages."""

    def __init__(
        self, secrets: Mapping[str, str], people: Sequence[str] = ("ann", "bob"), archive: bool = True
    ) -> None:
        self._archive = archive
        self.base = Path(tempfile.mkdtemp(prefix="smsd-prosody-"))
        self.c2s, self.component = free_port(), free_port()
        self._file = self.base / "prosody.cfg.lua"
        self._process: Process | None = None
        accounts = self.base / "data" / "example%2eorg" / "accounts"
        accounts.mkdir(parents=True)
        for name in people:
            (accounts / f"{name}.dat").write_text(f'return {{ ["password"] = "{name}" }};\n')
        self.configure(secrets)

    def configure(self, secrets: Mapping[str, str]) -> None:
        """Other components, or other secrets; for the next start."""
        components = [COMPONENT.format(domain=domain, secret=secret) for domain, secret in secrets.items()]
        archive = ', "mam"' if self._archive else ""
        main = MAIN.format(base=self.base, c2s=self.c2s, component=self.component, archive=archive)
        self._file.write_text(main + "".join(components))

    def start(self) -> None:
        """Returns when both ports answer; what went wrong is in the folder's `log`."""
        assert PROGRAM is not None
        command = [PROGRAM, "-F", "--config", str(self._file)]
        process = self._process = Process("prosody", command, self.base / "out", cwd=self.base)
        until(lambda: listening(self.c2s) and listening(self.component), 30, "prosody", process)

    def kill(self) -> None:
        """kill -9: what it had in memory is gone."""
        assert self._process is not None
        self._process.kill()

    def stop(self) -> None:
        """Ends the process and removes the folder."""
        if self._process is not None:
            self._process.kill()
        shutil.rmtree(self.base, ignore_errors=True)
