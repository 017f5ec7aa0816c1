"""`python -m tests.bench [--only NAME …] [--quick] [--json FILE]`

Every figure stands beside what this machine can do in the same run: the disk, the pseudo-terminals, Twisted alone with the
same group commit, the modem's own line, and peers where they are installed. Only ratios travel between machines. Exit
status 1 when a target was missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import accepts, carrying, chats, clients, limits, logins, onward, queued, rules
from tests.bench.measure import Results
from tests.rig.processes import Folder, RigError


def machine(folder: Path, results: Results) -> None:
    """What there is."""
    cores = len(os.sched_getaffinity(0))
    with open("/proc/loadavg") as load:
        busy = load.read().split()[0]
    results.add(
        "machine",
        f"{cores} cores, {platform.machine()}, Python {platform.python_version()}, load {busy} before",
    )
    rate = limits.fsyncs(folder, 1.0 if results.quick else 3.0)
    results.keep("fsyncs", rate)
    results.add("fdatasync of 4 KiB", f"{rate:.0f}/s")


SECTIONS: dict[str, Callable[[Path, Results], None]] = {
    "limits": machine,
    "http": accepts.by_http,
    "smtp": accepts.by_smtp,
    "xmpp": chats.by_xmpp,
    "sip": chats.by_sip,
    "rules": rules.costs,
    "logins": logins.logins,
    "clients": clients.compare,
    "provider": onward.onward,
    "null": carrying.null_gateway,
    "modem": carrying.one_modem,
    "pace": carrying.pace,
    "single": carrying.single,
    "vanish": carrying.vanished,
    "queue": queued.long_queue,
}


def main() -> int:
    """See the module; the exit status."""
    read = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    read.add_argument("--only", action="append", choices=sorted(SECTIONS), help="may be given several times")
    read.add_argument(
        "--quick", action="store_true", help="short measurements: to see that all works, not to quote"
    )
    read.add_argument("--json", type=Path, help="write everything here")
    read.add_argument("--folder", help="where the stores lie; on the disk that is to be measured")
    read.add_argument("--keep", action="store_true", help="keep the folder")
    options = read.parse_args()
    results = Results(options.quick)
    broken = False
    for name, section in SECTIONS.items():
        if options.only and name not in options.only:
            continue
        print(f"{name}:", flush=True)
        folder = Folder(options.keep, options.folder)
        os.chmod(folder.path, 0o755)  # Postfix's own user has to reach its queue
        began = time.monotonic()
        try:
            section(folder.path, results)
        except RigError as error:
            broken = True
            print(f"  BROKEN: {error}")
        finally:
            folder.close()
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"\n{results.table()}\n")
    if options.json:
        options.json.write_text(results.json() + "\n")
    missed = results.missed()
    print(f"{len(missed)} of {sum(line.met is not None for line in results.lines)} targets missed")
    return 1 if missed or broken else 0


if __name__ == "__main__":
    sys.exit(main())
