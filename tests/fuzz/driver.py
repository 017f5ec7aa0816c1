"""The fuzzer's engine: targets, corpus, mutation, the loop and its figures.

A target is a function of octets that checks whatever must hold and lets any exception out that must not happen. Inputs
come from mutating the kept corpus (`corpus/<name>.txt`: one input per line in hexadecimal, then a comment) and from
nothing at all. The same seed gives the same inputs. A failing input is appended to the corpus, so that it is tried in
every later run and in the normal tests.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

Check = Callable[[bytes], None]

CORPUS = Path(__file__).parent / "corpus"
SLOW = 2.0
"""Seconds: a longer look at one input counts as a failure (command line only)."""


@dataclass(frozen=True)
class Target:
    """`check` raises for an input that is handled wrongly; `corpus` names the file of its seeds."""

    name: str
    check: Check
    corpus: str


TARGETS: dict[str, Target] = {}


def target(name: str, corpus: str | None = None) -> Callable[[Check], Check]:
    """Register the decorated function as target `name`, fed from `corpus/<corpus or name>.txt`."""

    def register(check: Check) -> Check:
        TARGETS[name] = Target(name, check, corpus or name)
        return check

    return register


def text_of(octets: bytes) -> str:
    """A text of octets: UTF-8 where they are, and lone surrogates where they are not."""
    return octets.decode("utf-8", "surrogateescape")


def load_targets() -> None:
    """Import every `fuzz_*` module beside this one."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("fuzz_"):
            importlib.import_module(f"tests.fuzz.{module.name}")


def seeds(corpus: str) -> list[bytes]:
    """The inputs kept in one file of the corpus; one empty input when there is none."""
    path = CORPUS / f"{corpus}.txt"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    found = [bytes.fromhex(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]
    return found or [b""]


def keep(corpus: str, octets: bytes, comment: str) -> None:
    """Append an input to the corpus unless it is there already."""
    if octets not in seeds(corpus):
        CORPUS.mkdir(exist_ok=True)
        with (CORPUS / f"{corpus}.txt").open("a", encoding="utf-8") as file:
            file.write(f"{octets.hex().upper()}  # {comment}\n")


_TELLING = bytes(
    (0x00, 0x01, 0x0A, 0x1B, 0x20, 0x2B, 0x40, 0x7F, 0x80, 0x8C, 0xA0, 0xC8, 0xD8, 0xDC, 0xF0, 0xFF)
)


def _mutated(source: random.Random, octets: bytes, others: list[bytes]) -> bytes:
    """One change to `octets`."""
    changed = bytearray(octets)
    at = source.randrange(len(changed) + 1)
    kind = source.randrange(9)
    if kind == 0 and at < len(changed):
        changed[at] ^= 1 << source.randrange(8)
    elif kind == 1 and at < len(changed):
        changed[at] = source.choice(_TELLING)
    elif kind == 2 and at < len(changed):
        changed[at] = changed[at] + source.choice((-1, 1)) & 0xFF
    elif kind == 3:
        changed[at:at] = source.randbytes(source.randrange(1, 5))
    elif kind == 4:
        del changed[at : at + source.randrange(1, 5)]
    elif kind == 5:
        del changed[at:]
    elif kind == 6:
        end = source.randrange(len(changed) + 1)
        changed[at:at] = changed[min(at, end) : max(at, end)][:200]
    elif kind == 7:
        changed[at:] = source.choice(others)[at:]
    else:
        changed[at:at] = bytes((source.choice(_TELLING),)) * source.randrange(1, 20)
    return bytes(changed)


def inputs(source: random.Random, corpus: list[bytes]) -> Iterator[bytes]:
    """Inputs for ever: four fifths are mutated seeds, one fifth is random."""
    while True:
        if source.random() < 0.2:
            yield source.randbytes(source.randrange(180))
            continue
        octets = source.choice(corpus)
        for _ in range(source.randrange(1, 5)):
            octets = _mutated(source, octets, corpus)
        yield octets


@dataclass
class Figures:
    """What a run found: `failures` are (target, input, traceback), each kind once."""

    runs: int = 0
    failed: int = 0
    failures: list[tuple[Target, bytes, str]] = field(default_factory=list)
    _kinds: set[tuple[str, str, int]] = field(default_factory=set)

    def add(self, subject: Target, octets: bytes, error: BaseException) -> None:
        """Count a failure, and note it when it is the first of its kind."""
        self.failed += 1
        last = traceback.extract_tb(error.__traceback__)[-1]
        kind = (subject.name, last.filename, last.lineno or 0)
        if kind not in self._kinds:
            self._kinds.add(kind)
            text = "".join(traceback.format_exception(error))
            self.failures.append((subject, octets, text))


class TooSlow(Exception):
    """An input took longer than `SLOW`."""


def _look(subject: Target, octets: bytes, figures: Figures, slow: float | None) -> None:
    figures.runs += 1
    begun = time.perf_counter()
    try:
        subject.check(octets)
        if slow is not None and time.perf_counter() - begun > slow:
            raise TooSlow(f"{time.perf_counter() - begun:.1f} s")
    except Exception as error:  # the fuzzer's whole purpose
        figures.add(subject, octets, error)


def run(
    runs: int,
    seed: int,
    names: list[str] | None = None,
    slow: float | None = None,
    progress: Callable[[Figures], None] | None = None,
) -> Figures:
    """Look at the whole corpus, then at `runs` made inputs, targets in turn; `progress` is called now and then."""
    load_targets()
    chosen = [TARGETS[name] for name in names or sorted(TARGETS)]
    figures = Figures()
    streams = []
    for subject in chosen:
        corpus = seeds(subject.corpus)
        for octets in corpus:
            _look(subject, octets, figures, slow)
        streams.append(inputs(random.Random(f"{seed} {subject.name}"), corpus))
    for turn in range(runs):
        which = turn % len(chosen)
        _look(chosen[which], next(streams[which]), figures, slow)
        if progress is not None and turn % 10_000 == 9_999:
            progress(figures)
    return figures


def main(arguments: list[str]) -> int:
    """The command: prints progress and figures, keeps failing inputs; 1 when there were any."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz smsd's codecs.")
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs to make (default: 1000000)")
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed makes the same inputs (default: 1)"
    )
    parser.add_argument("--only", action="append", metavar="TARGET", help="this target, may be repeated")
    options = parser.parse_args(arguments)
    load_targets()
    unknown = sorted(set(options.only or ()) - set(TARGETS))
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(sorted(TARGETS))}")
    begun = shown = time.monotonic()

    def progress(figures: Figures) -> None:
        nonlocal shown
        if (now := time.monotonic()) - shown >= 10:
            shown = now
            rate = figures.runs / (now - begun)
            print(f"{figures.runs} runs, {rate:.0f} per second, {figures.failed} failures", flush=True)

    figures = run(options.runs, options.seed, options.only, SLOW, progress)
    for subject, octets, text in figures.failures:
        print(f"\n{subject.name}: {octets.hex().upper()}\n{text}", file=sys.stderr)
        keep(subject.corpus, octets, f"failed {subject.name}: {text.splitlines()[-1][:80]}")
    took = time.monotonic() - begun
    names = ", ".join(options.only or sorted(TARGETS))
    print(f"seed {options.seed}, targets {names}")
    print(
        f"{figures.runs} runs in {took:.0f} s, {figures.runs / took:.0f} per second, {figures.failed} failures"
    )
    return 1 if figures.failed else 0
