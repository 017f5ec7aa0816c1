"""A private Kamailio on loopback as a SIP proxy: no registrar, everything for sms.example.org goes to smsd, all else to where its
Request-URI says.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from pathlib import Path

from tests.rig.processes import Process, free_port, until

PROGRAM = shutil.which("kamailio", path="/usr/sbin:/usr/bin")
MODULES = Path("/usr/lib")


def _modules() -> str:
    found = sorted(MODULES.glob("**/kamailio/modules/tm.so"))
    return str(found[0].parent) if found else ""


def missing() -> str | None:
    """Why it cannot run here, or None."""
    return None if PROGRAM and _modules() else "kamailio is not installed"


CONFIG = """\
#!KAMAILIO
debug = 1
log_stderror = yes
log_name = "proxy"
fork = yes
children = 2
tcp_children = 2
auto_aliases = no
dns_cache_init = off
listen = udp:127.0.0.1:{port}
listen = tcp:127.0.0.1:{port}
{listen_tls}
mpath = "{modules}/"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "xlog.so"
{load_tls}

request_route {{
    xlog("L_ALERT", "CAME $rm $ci $proto $si:$sp\\n$mb\\n");
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    loose_route();
    {more}
    if ($rd == "{domain}") {{
        $du = "sip:127.0.0.1:{server};transport={transport}";
    }}
    if (!t_relay()) {{
        sl_reply_error();
    }}
    exit;
}}

onsend_route {{
    xlog("L_ALERT", "LEFT $rm $ci $snd(proto) $snd(ip):$snd(port)\\n$snd(buf)\\n");
}}
"""
LISTEN_TLS = """\
enable_tls = yes
listen = tls:127.0.0.1:{port}
"""
LOAD_TLS = """\
loadmodule "tls.so"
modparam("tls", "certificate", "{cert}")
modparam("tls", "private_key", "{key}")
modparam("tls", "tls_method", "TLSv1.2+")
"""
PROBE = """\
OPTIONS sip:127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP {here};branch=z9hG4bKprobe
From: <sip:a@{here}>;tag=1
To: <sip:b@{here}>
Call-ID: probe
CSeq: 1 OPTIONS
Max-Forwards: 0
Content-Length: 0

"""


class Kamailio:
    """Start, use `port` (UDP and TCP), stop. `server` is smsd's SIP port; `more` are lines of the request route. With `tls`, the
    files of a certificate and its key, `secure` is a port for TLS."""

    def __init__(
        self,
        server: int,
        domain: str = "sms.example.org",
        transport: str = "udp",
        more: str = "",
        tls: tuple[str, str] | None = None,
    ) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="smsd-kamailio-"))
        self.port, self.secure = free_port(), free_port()
        self._process: Process | None = None
        self._file = self.base / "kamailio.cfg"
        self._file.write_text(
            CONFIG.format(
                port=self.port,
                modules=_modules(),
                domain=domain,
                server=server,
                transport=transport,
                more=more,
                listen_tls=LISTEN_TLS.format(port=self.secure) if tls else "",
                load_tls=LOAD_TLS.format(cert=tls[0], key=tls[1]) if tls else "",
            )
        )

    def start(self) -> None:
        """Returns when it takes messages."""
        assert PROGRAM is not None
        command = [
            PROGRAM,
            "-DD",
            "-E",
            "-f",
            str(self._file),
            "-Y",
            str(self.base),
            "-w",
            str(self.base),
            "-m",
            "32",
            "-M",
            "8",
        ]
        process = self._process = Process("kamailio", command, self.base / "log", cwd=self.base)
        until(self._answers, 30, "kamailio", process)

    def _answers(self) -> bool:
        """Whether it answers a request that may go no further."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            probe.settimeout(0.2)
            here = f"127.0.0.1:{probe.getsockname()[1]}"
            try:
                probe.sendto(PROBE.format(here=here).replace("\n", "\r\n").encode(), ("127.0.0.1", self.port))
                return b"483" in probe.recv(4096)
            except OSError:
                return False

    def log(self) -> str:
        """What came and left, whole."""
        return (self.base / "log").read_text("utf-8", "replace")

    def stop(self) -> None:
        """Ends the processes and removes the folder."""
        if self._process is not None:
            self._process.terminate()
        shutil.rmtree(self.base, ignore_errors=True)
