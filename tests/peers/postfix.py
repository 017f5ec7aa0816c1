"""A private Postfix on loopback, in a folder of its own: takes mail for ann@example.org into one mailbox file.

Needs root (Postfix does) and Debian's postfix package; nothing of the system's own Postfix is touched.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from subprocess import DEVNULL, run

from tests.rig.processes import free_port, greets, until

PROGRAM = shutil.which("postfix", path="/usr/sbin:/usr/bin:/sbin")
PARTS = Path("/usr/lib/postfix/sbin")


def missing() -> str | None:
    """Why it cannot run here, or None."""
    if PROGRAM is None or not PARTS.is_dir():
        return "postfix is not installed"
    return None if os.geteuid() == 0 else "postfix needs root"


MAIN = """\
compatibility_level = 3.6
queue_directory = {base}/spool
data_directory = {base}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {base}/log/maillog
maillog_file_prefixes = {base}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example.org
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
virtual_mailbox_domains = example.org
virtual_mailbox_maps = inline:{{ ann@example.org=mbox }}
virtual_mailbox_base = {base}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_reject_unlisted_recipient = yes
message_size_limit = 100000
{more}
"""
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"""
QUEUES = (
    "active",
    "bounce",
    "corrupt",
    "defer",
    "deferred",
    "flush",
    "hold",
    "incoming",
    "private",
    "saved",
    "trace",
)


class Postfix:
    """Start, use `port` and `mailbox`, stop. `more` are further lines of main.cf."""

    def __init__(self, more: str = "") -> None:
        self.base = Path(tempfile.mkdtemp(prefix="smsd-postfix-"))
        self.base.chmod(0o755)
        self.mailbox = self.base / "mail" / "mbox"
        self.port = free_port()
        nobody, postfix = pwd.getpwnam("nobody"), pwd.getpwnam("postfix")
        for name in ("conf", "spool", "data", "mail", "log"):
            (self.base / name).mkdir(mode=0o755)
        os.chown(self.base / "data", postfix.pw_uid, -1)
        self._make_spool(postfix.pw_uid)
        os.chown(self.base / "mail", nobody.pw_uid, nobody.pw_gid)
        main = MAIN.format(
            base=self.base, uid=nobody.pw_uid, gid=nobody.pw_gid, more=more.format(base=self.base)
        )
        (self.base / "conf" / "main.cf").write_text(main)
        os.utime(self.base / "conf" / "main.cf", (0, 0))  # each program waits until it is a second old
        (self.base / "conf" / "master.cf").write_text(MASTER.format(port=self.port))

    def _make_spool(self, uid: int) -> None:
        """What `postfix start` would make."""
        spool = self.base / "spool"
        (spool / "pid").mkdir(mode=0o755)
        for name in QUEUES:
            (spool / name).mkdir(mode=0o700)
            os.chown(spool / name, uid, -1)
        for name, mode in (("maildrop", 0o1730), ("public", 0o710)):
            (spool / name).mkdir()
            os.chown(spool / name, uid, grp.getgrnam("postdrop").gr_gid)
            (spool / name).chmod(mode)
        (spool / "quick-start").touch()

    def _postfix(self, verb: str) -> None:
        assert PROGRAM is not None
        run(
            [PROGRAM, "-c", str(self.base / "conf"), verb],
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            check=True,
        )

    def start(self) -> None:
        """Returns when the port answers."""
        self._postfix("start")
        until(lambda: greets(self.port), 60, "postfix")

    def stop(self) -> None:
        """Ends the processes and removes the folder."""
        self._postfix("stop")
        shutil.rmtree(self.base, ignore_errors=True)

    def mails(self) -> list[bytes]:
        """What the mailbox holds, in order; only what Postfix has logged as delivered, for it writes in pieces."""
        log = self.base / "log" / "maillog"
        whole = log.read_bytes().count(b"status=sent (delivered to mailbox)") if log.exists() else 0
        if not whole:
            return []
        mails = (b"\n" + self.mailbox.read_bytes()).split(b"\nFrom ")[1:]
        return [mail.partition(b"\n")[2] for mail in mails[:whole]]
