"""Kannel and Postfix beside smsd, where they are installed: private folders, ports of the loopback, their own processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.bench.measure import Contender
from tests.rig.processes import Process, RigError, free_port, listening, until


class Kannel:
    """bearerbox and smsbox with a spool store, one HTTP SMSC: a provider that listens on the port `provider`."""

    def __init__(self, folder: Path, provider: int) -> None:
        folder.mkdir(parents=True)
        (folder / "spool").mkdir()
        admin, box, send = (free_port() for _ in range(3))
        self._file = folder / "kannel.conf"
        self._file.write_text(
            f"""group = core
admin-port = {admin}
admin-interface = "127.0.0.1"
admin-password = demo
smsbox-port = {box}
smsbox-interface = "127.0.0.1"
log-file = "{folder}/bearerbox.log"
log-level = 2
box-allow-ip = "127.0.0.1"
store-type = spool
store-location = "{folder}/spool"

group = smsc
smsc = http
smsc-id = sink
system-type = kannel
smsc-username = demo
smsc-password = demo
port = {free_port()}
send-url = "http://127.0.0.1:{provider}/"
max-pending-submits = 100

group = smsbox
bearerbox-host = "127.0.0.1"
sendsms-port = {send}
sendsms-interface = "127.0.0.1"
global-sender = 12345
log-file = "{folder}/smsbox.log"
log-level = 2

group = sendsms-user
username = demo
password = demo
"""
        )
        self._processes = [
            Process("bearerbox", ["bearerbox", str(self._file)], folder / "bearerbox.out", cwd=folder)
        ]
        until(lambda: listening(box), 20, "bearerbox", self._processes[-1])
        self._processes.append(
            Process("smsbox", ["smsbox", str(self._file)], folder / "smsbox.out", cwd=folder)
        )
        until(lambda: listening(send), 20, "smsbox", self._processes[-1])
        time.sleep(1)
        self.contender = Contender("Kannel with spool", ("kannel", str(send)))

    def stop(self) -> None:
        """End its processes."""
        for process in reversed(self._processes):
            process.kill()

    @staticmethod
    def missing() -> str:
        """Why it cannot run here; "" when it can."""
        return (
            ""
            if shutil.which("bearerbox") and shutil.which("smsbox")
            else "Kannel is not installed (package kannel)"
        )


class Postfix:
    """smtpd to the discard transport in a private instance. `more` are lines for main.cf."""

    def __init__(self, folder: Path, name: str, more: str = "") -> None:
        folder.mkdir(parents=True)
        os.chmod(folder, 0o755)
        port = free_port()
        for sub in ("etc", "queue", "data"):
            (folder / sub).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "etc" / "main.cf").write_text(
            f"""compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = postfix.example.org
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
default_transport = discard:
relay_transport = discard:
local_transport = discard:
smtpd_client_connection_count_limit = 0
smtpd_recipient_restrictions = permit_mynetworks, reject
alias_maps =
alias_database =
multi_instance_name =
{more}
"""
        )
        (folder / "etc" / "master.cf").write_text(
            f"""127.0.0.1:{port} inet n - n - 100 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
discard unix - - n - - discard
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
tlsmgr unix - - n 1000? 1 tlsmgr
pickup unix n - n 60 1 pickup
flush unix n - n 1000? 0 flush
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
        )
        self._folder = folder
        self._command("start")
        try:
            until(lambda: listening(port), 20, "Postfix")
        except RigError:
            self.stop()
            raise
        self.contender = Contender(name, ("smtp", str(port)))

    def _command(self, verb: str) -> None:
        done = subprocess.run(
            ["postfix", "-c", str(self._folder / "etc"), verb], capture_output=True, text=True, check=False
        )
        if done.returncode:
            log = self._folder / "postfix.log"
            more = log.read_text()[-500:] if log.exists() else ""
            raise RigError(f"postfix {verb}: {done.stderr.strip()[-500:]} {more}")

    def stop(self) -> None:
        """End its processes."""
        with contextlib.suppress(RigError):
            self._command("stop")

    @staticmethod
    def missing() -> str:
        """Why it cannot run here; "" when it can."""
        if shutil.which("postfix") is None:
            return "Postfix is not installed (package postfix)"
        return "" if os.geteuid() == 0 else "Postfix needs root to start"
