"""The count at the end: what the clients were told against what came out at the modem and in the mailbox.

Lost: accepted, and not (wholly) in the modem's journal. A duplicate is allowed only for a delivery that was on the wire at
a kill, and only when the store says so (`maybe_twice`, and an attempt of unknown outcome). A mail may come twice only
under one Message-ID.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.ledger import ID, Ledger
from tests.rig.mailbox import Letter
from tests.rig.server import Server

SENT = (2, 10)
CRASHED = "smsd stopped while it was on the wire"


@dataclass(slots=True)
class Fate:
    """What the store says of one delivery."""

    state: int
    marked: bool
    crashed: bool


@dataclass(slots=True)
class Verdict:
    """Figures for people, and violations; good when there are none."""

    figures: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


def fates(server: Server) -> dict[tuple[str, str], list[Fate]]:
    """(id, number or mailbox) → its deliveries in the store."""
    found: dict[tuple[str, str], list[Fate]] = defaultdict(list)
    rows = server.rows(
        "select d.target, d.state, d.maybe_twice, m.body, exists(select 1 from attempt a where a.delivery=d.id"
        " and a.outcome='unknown' and a.reason like ?) from delivery d join message m on m.id=d.message",
        f"%{CRASHED}%",
    )
    for target, state, marked, body, crashed in rows:
        match = ID.search(body if isinstance(body, str) else body.decode("utf-8", "replace"))
        if match:
            found[match[0], target.partition(":")[2]].append(Fate(state, bool(marked), bool(crashed)))
    return found


def heard(journal: Path) -> Counter[tuple[str, str, int]]:
    """(id, number, part) → how often the network accepted it."""
    found: Counter[tuple[str, str, int]] = Counter()
    for line in journal.read_text("utf-8").splitlines():
        facts = json.loads(line)
        match = ID.search(facts.get("text") or "")
        if match:
            found[match[0], facts["number"], facts["part"][2] if facts.get("part") else 1] += 1
    return found


def outgoing(ledger: Ledger, server: Server, journal: Path | None) -> Verdict:
    """Accepted messages against the modem's journal (None: a gateway that leads nowhere; then the store is all there is)."""
    verdict = Verdict()
    stored = fates(server)
    network = heard(journal) if journal is not None else None
    accepted = lost = duplicates = 0
    for offer in ledger.offers.values():
        for number in offer.numbers:
            rows = stored.get((offer.id, number), [])
            if len(rows) > 1:
                verdict.violations.append(f"{offer.id} to {number}: {len(rows)} deliveries in the store")
            counts = (
                [network[offer.id, number, part] for part in range(1, offer.parts + 1)]
                if network is not None
                else []
            )
            if number in offer.accepted:
                accepted += 1
                missing = [part for part, count in enumerate(counts, 1) if not count]
                if missing or not rows or rows[0].state not in SENT:
                    lost += 1
                    state = rows[0].state if rows else "no row"
                    verdict.violations.append(
                        f"LOST: {offer.id} to {number} by {offer.door}, parts {missing} of {offer.parts}, state {state}"
                    )
            twice = sum(count - 1 for count in counts if count > 1)
            if twice:
                duplicates += twice
                if not (rows and rows[0].marked and rows[0].crashed):
                    verdict.violations.append(f"unmarked duplicate: {offer.id} to {number}, {counts}, {rows}")
    if network is not None:
        numbers = {(offer.id, number) for offer in ledger.offers.values() for number in offer.numbers}
        strangers = [key for key in network if key[:2] not in numbers]
        if strangers:
            verdict.violations.append(f"nobody offered these: {strangers[:5]}")
    marked = sum(row.marked for key, rows in stored.items() for row in rows if key[0].startswith("k"))
    verdict.figures = {
        "offered": sum(len(offer.numbers) for offer in ledger.offers.values()),
        "accepted": accepted,
        "at the modem": sum(network.values()) if network is not None else 0,
        "lost": lost,
        "duplicates": duplicates,
        "marked": marked,
    }
    return verdict


def incoming(ledger: Ledger, server: Server, letters: list[Letter]) -> Verdict:
    """Incoming SMS against the mailbox."""
    verdict = Verdict()
    stored = fates(server)
    by_id: dict[str, list[Letter]] = defaultdict(list)
    for letter in letters:
        match = ID.search(letter.text)
        if match:
            by_id[match[0]].append(letter)
    lost = repeated = 0
    for name, size in ledger.incoming.items():
        mails = by_id.get(name, [])
        if not mails:
            lost += 1
            verdict.violations.append(f"LOST: incoming {name} never reached the mailbox")
            continue
        if any(letter.text.split() != [name] * size for letter in mails):
            verdict.violations.append(f"incoming {name} arrived mutilated: {mails[0].text[:80]!r}")
        if len(mails) > 1:
            repeated += len(mails) - 1
            rows = [row for key, found in stored.items() if key[0] == name for row in found]
            if len({letter.message_id for letter in mails}) != 1:
                verdict.violations.append(f"incoming {name} arrived as {len(mails)} different mails")
            elif not all(row.marked and row.crashed for row in rows):
                verdict.violations.append(f"incoming {name} arrived twice, unmarked: {rows}")
    verdict.figures = {
        "incoming": len(ledger.incoming),
        "mails": len(letters),
        "lost": lost,
        "repeated": repeated,
    }
    return verdict
