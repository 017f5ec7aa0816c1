"""SMSTools3 itself: its program and the scripts of its Debian package, which `make test` extracts and does not install.

Its program is called smsd too. It runs in folders of its own, with a simulated modem.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.rig.modems import Modems
from tests.rig.processes import Process, until

FOLDER = Path(sys.prefix, "smstools")
"""Where `.ci/prepare` has put the package and the library that its program needs."""
PROGRAM = FOLDER / "usr/sbin/smsd"
SCRIPTS = FOLDER / "usr/share/doc/smstools/examples/scripts"
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "LD_LIBRARY_PATH": ":".join(str(path.parent) for path in FOLDER.glob("usr/lib/**/libmm.so.14")),
}
PLACES = ("outgoing", "checked", "sent", "failed", "incoming", "report")
CONFIGURATION = """\
devices = GSM1
{places}
logfile = {base}/log
infofile = {base}/working
pidfile = {base}/pid
loglevel = 5
delaytime = 1
errorsleeptime = 1
blocktime = 1
autosplit = 3

[GSM1]
device = {device}
init = AT+CPMS="SM","SM","SM"
incoming = yes
report = yes
primary_memory = SM
secondary_memory = SR
secondary_memory_max = 20
"""


def missing() -> str | None:
    """Why its scripts cannot run here, or None."""
    return None if (SCRIPTS / "sendsms").is_file() else "the package smstools is not there"


def missing_program() -> str | None:
    """Why its program cannot run here, or None."""
    if not PROGRAM.is_file():
        return "the package smstools is not there"
    done = subprocess.run([PROGRAM, "-V"], env=ENVIRONMENT, capture_output=True, timeout=120)
    return None if b"Version" in done.stdout + done.stderr else "its program does not run here"


def script(name: str, spool: Path, folder: Path) -> Path:
    """One of its scripts, for another spool folder than the one that is written in it."""
    made = folder / name
    made.write_text((SCRIPTS / name).read_text().replace("/var/spool/sms", str(spool)))
    made.chmod(0o755)
    return made


def run(program: Path, *words: str) -> str:
    """What a script prints."""
    done = subprocess.run(
        [program, *words],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=True,
    )
    return done.stdout.decode("utf-8", "replace")


class SmsTools:
    """Its program at work: put files into `spool / "outgoing"`, and let `modems` receive."""

    def __init__(self, folder: Path, modems: Modems) -> None:
        self.spool = folder / "spool"
        for name in PLACES:
            (self.spool / name).mkdir(parents=True)
        places = "\n".join(f"{name} = {self.spool}/{name}" for name in PLACES)
        file = folder / "smsd.conf"
        file.write_text(CONFIGURATION.format(base=folder, places=places, device=modems.link()))
        command = [str(PROGRAM), "-t", f"-c{file}"]
        self.process = Process("smstools", command, folder / "out", env={**os.environ, **ENVIRONMENT})

    def files(self, place: str) -> list[Path]:
        """What lies in one of its folders."""
        return sorted(path for path in (self.spool / place).iterdir() if not path.name.endswith(".LOCK"))

    def wait(self, place: str, number: int) -> list[Path]:
        """The same once there are so many."""
        until(lambda: len(self.files(place)) >= number, 60, f"{number} files in {place}", self.process)
        return self.files(place)

    def stop(self) -> None:
        """End it, and its children."""
        self.process.kill_group()
