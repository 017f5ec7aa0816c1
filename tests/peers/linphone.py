"""A SIP phone for tests: Debian's linphonec (package linphone-cli) in a folder of its own, without sound.

Unlike baresip it logs in by SHA-256, writes several texts at once, wraps them in CPIM and asks to be told (IMDN).
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from tests.rig.processes import Process, environment, free_port, until

PROGRAM = shutil.which("linphonec")


def missing() -> str | None:
    """Why it cannot run here, or None."""
    return None if PROGRAM else "linphonec is not installed (package linphone-cli)"


CONFIG = """\
[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port=-1
default_proxy=0
guess_hostname=0
ipv6=0
bind_address=127.0.0.1
register_only_when_network_is_up=0
media_encryption=none
verify_server_certs=1
verify_server_cn=0
root_ca={ca}

[proxy_0]
reg_proxy=<{server}>
reg_identity=sip:{user}@{domain}
reg_route=<{server};lr>
reg_expires=600
reg_sendregister=1
publish=0
cpim_in_basic_chat_room_enabled=1
cpim_in_basic_chat_rooms_enabled=1
conference_factory_uri=sip:conference@{domain}

[auth_info_0]
username={user}
passwd={password}
realm={domain}
domain={domain}

[misc]
chat_rooms_enabled=1

[proxy_default_values]
cpim_in_basic_chat_room_enabled=1
cpim_in_basic_chat_rooms_enabled=1

[storage]
uri={base}/linphone.db
"""


class Linphone:
    """Somebody's phone; `server` is a URI with its transport, `ca` the certificate that it trusts."""

    def __init__(self, user: str, password: str, server: str, domain: str, ca: str = "") -> None:
        self.base = Path(tempfile.mkdtemp(prefix="smsd-linphone-"))
        (self.base / ".local/share/linphone").mkdir(parents=True)
        port = free_port()
        ports = {
            "udp": port if "transport=udp" in server else -1,
            "tcp": port if "transport=tcp" in server else -1,
        }
        (self.base / "rc").write_text(
            CONFIG.format(
                user=user, password=password, server=server, domain=domain, base=self.base, ca=ca, **ports
            )
        )
        os.mkfifo(self.base / "in")
        self._process: Process | None = None
        self._keys = -1

    def start(self) -> None:
        """Returns when its registration was taken."""
        assert PROGRAM is not None
        self._keys = os.open(self.base / "in", os.O_RDWR)  # else it would find its end
        command = ["sh", "-c", f'exec "{PROGRAM}" -c rc -d 6 -l log <in']
        env = {**environment(), "HOME": str(self.base), "TERM": "dumb"}
        process = self._process = Process("linphonec", command, self.base / "out", cwd=self.base, env=env)
        until(lambda: "LinphoneRegistrationOk" in self.trace(), 60, "a registration", process)

    def write(self, uri: str, *texts: str) -> None:
        """One after the other, without waiting."""
        os.write(self._keys, "".join(f"chat {uri} {text}\n" for text in texts).encode())

    def shown(self) -> str:
        """Everything on its screen."""
        return (self.base / "out").read_text("utf-8", "replace")

    def trace(self) -> str:
        """All SIP messages that it sent and got, and what it thought."""
        log = self.base / "log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def became(self, state: str) -> int:
        """How many texts became that: Delivered (the server has it), DeliveredToUser (a notification said so), NotDelivered."""
        return len(re.findall(rf": moving from \w+ to {state}\n", self.trace()))

    def stop(self) -> None:
        """Ends the process and removes the folder."""
        if self._process is not None:
            self._process.kill()
        if self._keys >= 0:
            os.close(self._keys)
        shutil.rmtree(self.base, ignore_errors=True)
