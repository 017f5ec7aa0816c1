"""A private Dovecot that knows passwords, on loopback in a folder of its own: IMAP, IMAP in TLS, and its socket for logins, which a
Postfix may ask too (`postfix_settings`).

Needs root and Debian's dovecot-imapd; nothing of the system's own Dovecot is touched.
"""

from __future__ import annotations

import base64
import grp
import os
import pwd
import shutil
import tempfile
from pathlib import Path

from tests.frontends.smtp import certificate
from tests.peers.dovecot import PROGRAM, ended, started
from tests.rig.processes import free_port

PARTS = Path("/usr/lib/dovecot")
MAIN = """\
base_dir = {base}/run
state_dir = {base}/run
instance_name = smsd-logins
log_path = {base}/log
protocols = imap
listen = 127.0.0.1
default_login_user = nobody
default_internal_user = nobody
default_internal_group = {group}
first_valid_uid = 1
mail_location = maildir:{base}/mail/%d/%n
disable_plaintext_auth = yes
login_trusted_networks = {trusted}
auth_username_chars =
auth_mechanisms = plain login
auth_failure_delay = 0 secs
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {base}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={base}/mail
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {imaps}
  }}
}}
# Whose guesses were wrong would have to wait: seconds, then more.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {base}/auth-client {{
    mode = 0666
  }}
}}
"""
POSTFIX = """\
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {socket}
smtpd_sasl_security_options = noanonymous
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
"""
PASSWORDS = {
    "ann@example.org": "ann's {secret}: word",
    "jürgen@example.org": "pässwörd €",
    "joe@example.net": "x",
}


def missing() -> str | None:
    """Why it cannot run here, or None."""
    if PROGRAM is None or not (PARTS / "imap-login").exists() or not (PARTS / "imap").exists():
        return "dovecot-imapd is not installed"
    return None if os.geteuid() == 0 else "dovecot needs root"


class LoginServer:
    """Start, use `imap` (STARTTLS), `imaps`, `socket` and `ca`, stop or `kill`. It knows `PASSWORDS`."""

    def __init__(self, trusted: str = "") -> None:
        self.base = Path(tempfile.mkdtemp(prefix="smsd-logins-"))
        self.base.chmod(0o755)
        self.socket = str(self.base / "auth-client")
        self.ca, self.key = certificate.write(self.base / "tls")
        self.imap, self.imaps = free_port(), free_port()
        nobody = pwd.getpwnam("nobody")
        (self.base / "mail").mkdir(mode=0o755)
        os.chown(self.base / "mail", nobody.pw_uid, nobody.pw_gid)
        # A colon would end the password: in base64 it may have any letters.
        lines = (
            f"{name}:{{PLAIN.b64}}{base64.b64encode(password.encode()).decode()}\n"
            for name, password in PASSWORDS.items()
        )
        (self.base / "users").write_text("".join(lines))
        self._main = self.base / "dovecot.conf"
        self._main.write_text(
            MAIN.format(
                base=self.base, group=grp.getgrgid(nobody.pw_gid).gr_name, uid=nobody.pw_uid, gid=nobody.pw_gid,
                imap=self.imap, imaps=self.imaps, certificate=self.ca, key=self.key,
                trusted=trusted,
            )
        )  # fmt: skip

    @property
    def postfix_settings(self) -> str:
        """Lines for main.cf of a Postfix that asks this server."""
        return POSTFIX.format(socket=self.socket, certificate=self.ca, key=self.key)

    def start(self) -> None:
        """Returns when it answers; what went wrong is in the folder's `log`."""
        self._process = started(self._main, self.imap, b"* OK")

    def log(self) -> str:
        """What it has written."""
        log = self.base / "log"
        return log.read_text() if log.exists() else "no log"

    def end(self) -> None:
        """Ends the processes; what they knew stays."""
        ended(self._process)

    def stop(self) -> None:
        """Ends the processes and removes the folder."""
        if self._process.poll() is None:
            self.end()
        shutil.rmtree(self.base, ignore_errors=True)
