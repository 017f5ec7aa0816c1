"""Figures, targets and the table; and the load processes that give them."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.rig.processes import RigError, environment, python


@dataclass
class Line:
    """One line of the table. `reference` is measured in the same run; `ratio` is figure/reference. `target` in words;
    `met` None where nothing was promised."""

    what: str
    figure: str
    reference: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None


@dataclass
class Results:
    """All lines, printed as they come."""

    quick: bool
    lines: list[Line] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def add(
        self,
        what: str,
        figure: str,
        reference: str = "",
        ratio: float | None = None,
        target: str = "",
        met: bool | None = None,
    ) -> None:
        """A line for the table."""
        shown = "" if ratio is None else f"{ratio:.2f}"
        self.lines.append(Line(what, figure, reference, shown, target, met))
        verdict = {True: "met", False: "NOT MET", None: ""}[met]
        print(
            f"  {what}: {figure} {f'({reference})' if reference else ''} {shown} {target} {verdict}".rstrip(),
            flush=True,
        )

    def keep(self, name: str, value: Any) -> None:
        """A raw figure for the JSON file."""
        self.raw[name] = value

    def table(self) -> str:
        """what | figure | reference in the same run | ratio | target | met"""
        rows = [("what", "figure", "reference in the same run", "ratio", "target", "met")]
        said = {True: "yes", False: "NO", None: ""}
        rows += [(x.what, x.figure, x.reference, x.ratio, x.target, said[x.met]) for x in self.lines]
        widths = [max(len(row[column]) for row in rows) for column in range(6)]
        out = [
            " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        out.insert(1, "-|-".join("-" * width for width in widths))
        return "\n".join(out)

    def missed(self) -> list[Line]:
        """Targets that were not met."""
        return [line for line in self.lines if line.met is False]

    def json(self) -> str:
        """Everything."""
        return json.dumps(
            {"quick": self.quick, "lines": [asdict(x) for x in self.lines], "raw": self.raw}, indent=1
        )


@dataclass(frozen=True)
class Contender:
    """Something that takes messages: its load's arguments without the number of connections."""

    name: str
    load: tuple[str, ...]


_offset = 0


def put_load(
    contender: Contender, connections: int, seconds: float, warmup: float = 0.3, count: int = 0
) -> dict[str, Any]:
    """One load process from start to end; what it says (see `load`). RigError for refusals: those are no figures."""
    global _offset
    _offset += 1_000_000
    timing = [f"--count={count}"] if count else [f"--seconds={seconds}", f"--warmup={warmup}"]
    command = python(
        "tests.bench.load", *contender.load, f"--connections={connections}", f"--offset={_offset}", *timing
    )
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=seconds + 600, check=False
    )
    if done.returncode:
        raise RigError(f"load on {contender.name}: {done.stderr.strip()[-500:]}")
    said: dict[str, Any] = json.loads(done.stdout)
    if said["refused"] or not said["accepted"]:
        raise RigError(f"{contender.name} refused {said['refused']}: {said['said']!r}")
    return said


def interleaved(
    contenders: list[Contender],
    connections: int,
    rounds: int,
    seconds: float,
    between: Callable[[], None] = lambda: None,
    peers: frozenset[str] = frozenset(),
) -> dict[str, dict[str, float]]:
    """Every contender in turn, `rounds` times, so that all see the same minutes; medians of rate, p50 and p99. A round
    that one of `peers` did not stand is said and left out, and so is a peer that stood none."""
    said: dict[str, list[dict[str, Any]]] = {contender.name: [] for contender in contenders}
    for round_ in range(rounds):
        order = contenders if round_ % 2 == 0 else contenders[::-1]
        for contender in order:
            try:
                said[contender.name].append(put_load(contender, connections, seconds))
            except RigError as error:
                if contender.name not in peers:
                    raise
                print(f"  left out, a round of {contender.name}: {error}")
            between()
    return {
        name: {
            key: statistics.median(one[key] for one in found) for key in ("rate", "p50", "p99", "processor")
        }
        for name, found in said.items()
        if found
    }
