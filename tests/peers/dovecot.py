"""A private Dovecot on loopback, in a folder of its own: an LMTP server that keeps the mail of ann@example.org in a Maildir.

Needs root and Debian's dovecot-lmtpd (and dovecot-sieve for `sieve`); nothing of the system's own Dovecot is touched.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from subprocess import DEVNULL, Popen, run

from tests.rig.processes import free_port, greets, until

PROGRAM = shutil.which("dovecot", path="/usr/sbin:/usr/bin")
DOVEADM = shutil.which("doveadm", path="/usr/sbin:/usr/bin")
PARTS = Path("/usr/lib/dovecot")


def missing() -> str | None:
    """Why it cannot run here, or None."""
    if PROGRAM is None or DOVEADM is None or not (PARTS / "lmtp").exists():
        return "dovecot-lmtpd is not installed"
    return None if os.geteuid() == 0 else "dovecot needs root"


def missing_sieve() -> str | None:
    """The same for the `sieve` of a Dovecot."""
    return missing() or (
        None if list(PARTS.glob("**/*sieve_plugin.so")) else "dovecot-sieve is not installed"
    )


MAIN = """\
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
instance_name = {base.name}
protocols = lmtp
ssl = no
default_internal_user = nobody
default_internal_group = {group}
default_login_user = nobody
first_valid_uid = 1
mail_location = maildir:{base}/mail/%d/%n
recipient_delimiter = +
lmtp_save_to_detail_mailbox = yes
lda_mailbox_autocreate = yes
namespace inbox {{
  inbox = yes
  separator = {separator}
}}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {base}/users
}}
service lmtp {{
  unix_listener {base}/lmtp {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
{sieve}
"""
SIEVE = """\
protocol lmtp {{
  mail_plugins = sieve
}}
plugin {{
  sieve = file:{base}/sieve/script.sieve
}}
"""


def started(main: Path, port: int, greeting: bytes) -> Popen[bytes]:
    """A Dovecot with this configuration, when it greets at its port; else AssertionError with its `log`."""
    assert PROGRAM is not None
    command = [PROGRAM, "-F", "-c", str(main)]
    process = Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
    until(lambda: process.poll() is not None or greets(port, greeting), 60, "dovecot")
    if process.poll() is None:
        return process
    log = main.parent / "log"
    raise AssertionError(f"dovecot did not start: {log.read_text() if log.exists() else 'no log'}")


def ended(process: Popen[bytes]) -> None:
    """End it and its children at once; in order it takes a second."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Dovecot:
    """Start, use `socket` or `port` and `text`, stop. `separator` stands between folders; `sieve` is a script for all mail."""

    def __init__(self, separator: str = "/", sieve: str = "") -> None:
        self.base = Path(tempfile.mkdtemp(prefix="smsd-dovecot-"))
        self.base.chmod(0o755)
        self.socket = str(self.base / "lmtp")
        self.mail = self.base / "mail"
        self.port = free_port()
        nobody = pwd.getpwnam("nobody")
        for name in ("mail", "sieve"):
            (self.base / name).mkdir(mode=0o755)
            os.chown(self.base / name, nobody.pw_uid, nobody.pw_gid)
        (self.base / "sieve" / "script.sieve").write_text(sieve)
        (self.base / "users").write_text(
            f"ann@example.org::{nobody.pw_uid}:{nobody.pw_gid}::{self.base}/mail::\n"
        )
        self._main = self.base / "dovecot.conf"
        self._main.write_text(
            MAIN.format(
                base=self.base,
                group=grp.getgrgid(nobody.pw_gid).gr_name,
                separator=separator,
                port=self.port,
                sieve=SIEVE.format(base=self.base) if sieve else "",
            )
        )

    def start(self) -> None:
        """Returns when it answers; what went wrong is in the folder's `log`."""
        self._process = started(self._main, self.port, b"220")

    def stop(self) -> None:
        """Ends the processes and removes the folder."""
        ended(self._process)
        shutil.rmtree(self.base, ignore_errors=True)

    def own(self) -> None:
        """Give all mail to the user that Dovecot reads it as, where somebody else has written it."""
        nobody = pwd.getpwnam("nobody")
        for path in [self.mail, *self.mail.rglob("*")]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)

    def _doveadm(self, *words: str) -> str:
        assert DOVEADM is not None
        command = [DOVEADM, "-c", str(self._main), *words]
        return run(command, stdin=DEVNULL, capture_output=True, check=True, timeout=120).stdout.decode()

    def folders(self) -> list[str]:
        """The folders of ann@example.org."""
        return sorted(self._doveadm("mailbox", "list", "-u", "ann@example.org").splitlines())

    def mails(self, folder: str) -> list[str]:
        """The mails in a folder as text."""
        shown = self._doveadm("-f", "json", "fetch", "-u", "ann@example.org", "text", "mailbox", folder)
        return [mail["text"] for mail in json.loads(shown)]
