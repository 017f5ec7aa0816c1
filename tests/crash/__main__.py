"""`python -m tests.crash [--kills N] [--seed N] [--only modem|loopback] [--keep]`

Load by HTTP and SMTP together while the server is killed again and again; a simulated modem in its own process keeps a
journal of what the network took, and people answer through it. In the end the queue runs empty and everything is counted.
Exit status 1 on any violation.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.crash import money
from tests.crash.clients import People, crowd
from tests.crash.killing import Reaper, tracing
from tests.crash.ledger import Ledger
from tests.crash.verdict import incoming, outgoing
from tests.rig.mailbox import Mailbox
from tests.rig.modems import Modems
from tests.rig.processes import Folder, RigError, until
from tests.rig.server import Server, mail_gateway, modem_gateway

DRAIN = 300.0
"""Seconds within which everything must have left at the end."""


class Trial:
    """One variant: `modem` (with journal, incoming messages and a mailbox) or `loopback`."""

    def __init__(self, variant: str, kills: int, seed: int, folder: Path, say: Callable[[str], None]) -> None:
        self._variant, self._kills, self._say = variant, kills, say
        self._rng = random.Random(f"{seed} {variant}")
        self._ledger = Ledger()
        self._folder = folder
        self._modems: Modems | None = None
        self._mailbox: Mailbox | None = None
        self._server: Server | None = None

    def run(self) -> list[str]:
        """All of it; the violations."""
        try:
            return self._run()
        finally:
            if self._server is not None and self._server.process is not None:
                self._server.process.kill_group()
            for part in (self._modems, self._mailbox):
                if part is not None:
                    part.stop()

    def _build(self) -> Server:
        if self._variant == "loopback":
            self._server = Server(
                self._folder / "smsd", [{"id": "null", "type": "loopback", "delay": "0.02", "slots": "8"}]
            )
            return self._server
        self._mailbox = Mailbox(self._folder / "mailbox")
        self._modems = Modems(self._folder / "modem", latency=0.0, latency_to=0.008)
        # A phase 2+ network offers again what was not acknowledged; not after 15 s here, but soon.
        self._modems.ask('{"do": "acknowledge_within", "seconds": 1.5, "again": 0.3}')
        self._server = Server(
            self._folder / "smsd",
            [
                modem_gateway(
                    "gsm1",
                    self._modems.link(),
                    deliver_to="ann@example.org",
                    check_interval="2",
                    poll="2",
                    conversation="debug",
                ),
                mail_gateway(self._mailbox.port),
            ],
            extra=money.EXTRA,
        )
        money.fund(self._server)
        return self._server

    def _run(self) -> list[str]:
        server, ledger, rng = self._build(), self._ledger, self._rng
        clients = crowd(ledger, server, rng, http_clients=4, mail_clients=2, pause=0.06)
        people = People(ledger, self._modems, rng, pause=0.4) if self._modems else None
        prepaid = self._variant == "modem"
        reaper = Reaper(server, rng, self._say, (lambda: money.wrong(server)) if prepaid else list)
        for client in clients:
            client.start()
        if people is not None:
            people.start()
        began = time.monotonic()
        reaper.run(self._kills, self._progress)
        self._say(f"     killed in all ways: {dict(reaper.kills)}; now the rest has to leave")
        if people is not None:
            people.stopping.set()
        for client in clients:
            client.stopping.set()
        server.start()
        server.ready()
        for client in clients:
            client.join(60)
            client.giving_up.set()
        undrained = self._drain(server)
        took = time.monotonic() - began
        server.stop()
        return self._judge(server, reaper, undrained, took)

    def _progress(self) -> str:
        counts = self._ledger.counts()
        text = f"accepted {counts.get('web', 0)} by HTTP, {counts.get('mail', 0)} by SMTP"
        if self._modems is not None and self._mailbox is not None:
            text += f"; modem {self._modems.sent()}; incoming {len(self._ledger.incoming)}, mails {self._mailbox.count()}"
        return text

    def _drain(self, server: Server) -> list[str]:
        def empty() -> bool:
            if server.waiting():
                return False
            return self._modems is None or not self._modems.ask('{"do": "status"}')["answer"]["waiting"]

        try:
            until(empty, DRAIN, "an empty queue", server.process, every=0.2)
            if self._mailbox is not None:
                wanted, mailbox = len(self._ledger.incoming), self._mailbox
                until(lambda: mailbox.count() >= wanted, 30, "all mails", server.process, every=0.2)
        except RigError as error:
            return [str(error).splitlines()[0]]
        return []

    def _judge(self, server: Server, reaper: Reaper, undrained: list[str], took: float) -> list[str]:
        out = outgoing(self._ledger, server, self._modems.journal if self._modems else None)
        violations = [*undrained, *self._ledger.problems, *reaper.problems, *out.violations]
        killed = sum(n for way, n in reaper.kills.items() if way != "terminated")
        unanswered = self._ledger.counts()["unanswered"]
        print(
            f"\n{self._variant}: {killed} kills {dict(reaper.kills)} in {took:.0f} s, {unanswered} never answered"
        )
        print("  outgoing  " + ", ".join(f"{name} {n}" for name, n in out.figures.items()))
        if self._mailbox is not None:
            back = incoming(self._ledger, server, self._mailbox.letters())
            violations += back.violations
            print("  incoming  " + ", ".join(f"{name} {n}" for name, n in back.figures.items()))
            figures, wrong = money.paid(server)
            violations += wrong
            print("  books     " + ", ".join(f"{name} {n}" for name, n in figures.items()))
        startups = sorted(reaper.startups)
        if startups:
            print(
                f"  starts    median {startups[len(startups) // 2]:.2f} s, longest {startups[-1]:.2f} s, recovery included"
            )
        for violation in violations[:40]:
            print(f"  VIOLATION {violation}")
        print(f"  {'OK' if not violations else f'{len(violations)} violations'}")
        return violations


def main(arguments: list[str] | None = None) -> int:
    """See the module; the exit status."""
    read = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    read.add_argument("--kills", type=int, default=100)
    read.add_argument("--seed", type=int, default=None)
    read.add_argument("--only", choices=("modem", "loopback"))
    read.add_argument("--keep", action="store_true", help="keep the folder with store, journal and logs")
    read.add_argument("--quiet", action="store_true", help="no line per kill")
    options = read.parse_args(arguments)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 30)
    print(
        f"seed {seed}; kills inside commits: {'yes' if tracing() else 'no, strace is missing or may not trace'}",
        flush=True,
    )

    def say(text: str) -> None:
        if not options.quiet:
            print(text, flush=True)

    violations: list[str] = []
    plan = [("modem", options.kills), ("loopback", max(options.kills // 5, 1))]
    for variant, kills in plan:
        if options.only in (None, variant):
            folder = Folder(options.keep)
            try:
                violations += Trial(variant, kills, seed, folder.path, say).run()
            finally:
                folder.close()
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
