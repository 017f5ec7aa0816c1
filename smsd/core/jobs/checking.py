"""A file is read: what each of its lines will become, what is wrong with it, and what is kept of it. Nothing is sent.

Octets come in any bites. Each line is planned as it will be when its turn comes (but for the rules, which may ask the outside),
and goes to the store with a hundred others, so that the size of a file costs no memory; others have their turns in between.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from twisted.internet.task import deferLater

from smsd.codec.table.columns import Layout, layout, number_of, stray_brace
from smsd.codec.table.decoding import SHOWN, Decoder
from smsd.codec.table.records import NONE, Record, Records
from smsd.codec.table.seen import Seen
from smsd.core.jobs.found import Found
from smsd.core.jobs.making import kept, submission
from smsd.core.jobs.settings import DROP, DROP_SAME, Cost, JobSettings
from smsd.store.jobs import CHUNK, Read
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Declined

MOST_ROWS = 1_000_000
TURN = 50
"""Lines after which others have a turn, and"""
HEAVY = 100_000
"""characters of texts after which they have one too."""
_NAMES = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "|", NONE: "one column"}


class Gone(Exception):
    """The job is not being checked any more."""


class Checking:
    """One file on its way in: `feed` its octets one after the other, then `end`; coroutines that fail with InvalidValue."""

    def __init__(
        self, job: int, account: str | None, settings: JobSettings, store: Any, planner: Any, reactor: Any, cost: Cost
    ) -> None:  # fmt: skip
        self.job = job
        self.account = account
        self.settings = settings
        self.at = store.now()
        self._store = store
        self._planner = planner
        self._reactor = reactor
        self._cost = cost
        self._decoder = Decoder()
        self._records = Records(settings.separator)
        self._layout: Layout | None = None
        self._first: list[Record] = []
        self._numbers, self._messages = Seen(), Seen()
        self._rows: list[list[Any]] = []
        self._chunks = 0
        self._found = Found()
        self._octets = 0
        self._weight = 0
        self._busy = False

    async def feed(self, octets: bytes, final: bool = False) -> None:
        """Read on."""
        if self._busy:
            raise InvalidValue("one bite after the other: the one before is still being read")
        self._busy = True
        try:
            self.at = self._store.now()
            self._octets += len(octets)
            text = self._decoder.feed(octets, final)
            for done, record in enumerate(self._records.feed(text, final), 1):
                for one in self._begun(record):
                    self._line(one)
                if len(self._rows) >= CHUNK:
                    await self._keep()
                elif done % TURN == 0 or self._weight > HEAVY:
                    self._weight = 0
                    await deferLater(self._reactor, 0)
        finally:
            self._busy = False

    async def end(self) -> None:
        """All was fed: what was found is kept with the job, which is ready."""
        await self.feed(b"", True)
        if self._layout is None:
            self._settle(None)
        found = self._found
        if not found.good and not found.wrong:
            raise InvalidValue("there are no lines with numbers in this file")
        await self._keep(True)

    # -- lines

    def _begun(self, record: Record) -> Iterator[Record]:
        """The lines to look at; the first two wait for each other, because they tell what the columns are."""
        if self._layout is not None:
            yield record
            return
        self._first.append(record)
        if len(self._first) == 2:
            yield from self._settle(record)

    def _settle(self, second: Record | None) -> list[Record]:
        first, self._first = self._first, []
        if not first:
            raise InvalidValue("the file is empty")
        self._layout = layout(first[0][1], None if second is None else second[1], self.settings.wanted)
        found = self._found
        found.columns = list(self._layout.names)
        found.to, found.text = self._layout.to, self._layout.text
        found.header = self._layout.header
        lines = first[1:] if self._layout.header else first
        if second is None:
            for one in lines:
                self._line(one)
            return []
        return lines

    def _line(self, record: Record) -> None:
        line, cells = record
        assert self._layout is not None
        found = self._found
        found.rows += 1
        if found.rows > MOST_ROWS:
            raise InvalidValue(f"more than {MOST_ROWS} lines: cut the file into several")
        typed = cells[self._layout.to].strip() if self._layout.to < len(cells) else ""
        for column in self._layout.filled:
            if column >= len(cells) or not cells[column].strip():
                found.empty[self._layout.names[column]] += 1
        try:
            text = self._layout.message(cells)
            self._weight += len(text)
            number = number_of(typed)
            target, parts, encoding, price, notes = self._planned(number, text)
        except (InvalidValue, Refused) as error:
            found.refuse(line, typed, str(error))
            return
        again = self._numbers.add(target)
        same = self._messages.add(f"{target}\0{text}")
        if again:
            found.again(line, target, same)
            if self.settings.duplicates == DROP or (same and self.settings.duplicates == DROP_SAME):
                found.dropped += 1
                return
        if not target.startswith("+") and len(target) > 6:
            found.national += 1
        found.take(line, target, text, parts, encoding, price, notes)
        self._rows.append([line, number, None if self._layout.constant is not None else text])

    def _planned(self, number: str, text: str) -> tuple[str, int, str, int | None, tuple[str, ...]]:
        """What becomes of it: number, parts, encoding, price, notes. Refused when nothing does."""
        one = submission(self.job, self.account, self.settings, number, text)
        acceptance = self._planner.plan(one, reserve=False)
        (entry,) = acceptance.order
        if isinstance(entry, Declined):
            if entry.refusal.reason is Reason.BAD_NUMBER and not number:
                raise InvalidValue("there is no number in this line")
            raise entry.refusal
        return (
            entry.target.target, entry.parts, entry.encoding, self._cost(self.account, acceptance), entry.notes,
        )  # fmt: skip

    # -- what is kept

    async def _keep(self, last: bool = False) -> None:
        chunks = []
        while len(self._rows) >= CHUNK or (last and self._rows):
            rows, self._rows = self._rows[:CHUNK], self._rows[CHUNK:]
            chunks.append(json.dumps(rows, ensure_ascii=False, separators=(",", ":")))
        read = Read(self.job, self._chunks, tuple(chunks))
        self._chunks += len(chunks)
        if last:
            assert self._layout is not None
            read = Read(
                self.job, read.first, read.chunks, self._found.good, json.dumps(self._checked(), ensure_ascii=False),
                kept(self.settings, self._layout.constant),
            )  # fmt: skip
        if not await self._store.read_job(read):
            raise Gone

    def _checked(self) -> dict[str, Any]:
        checked = dict(vars(self._found))
        checked["charset"] = SHOWN[self._decoder.charset]
        checked["separator"] = _NAMES.get(self._records.separator, self._records.separator)
        checked["octets"] = self._octets
        checked["warnings"] = list(self._warnings(checked))
        return checked

    def _warnings(self, checked: dict[str, Any]) -> Iterator[str]:
        found = self._found
        if checked["charset"] == "Windows-1252":
            yield (
                "the file is not UTF-8: it was read as Windows-1252, which Excel writes in Western Europe; look at the accents,"
                " and save it as CSV UTF-8 if they are wrong"
            )
        if stray_brace(self.settings.wanted.text or ""):
            yield "a brace stands alone in the text and is sent as it is: a column is written {name}, and a brace {{"
        for name, n in found.empty.items():
            yield f"{n} {'line has' if n == 1 else 'lines have'} nothing in the column {name!r}"
        if found.national:
            yield (
                f"{found.national} numbers have neither a + nor a known country: they are sent as they are; better is +15551234567,"
                " or the country of the account"
            )
        if found.again_same and self.settings.duplicates == "send":
            yield (
                f"{found.again_same} {'line repeats' if found.again_same == 1 else 'lines repeat'} a number and its text:"
                " duplicates drop-same leaves that out"
            )
        for note, n in found.notes.items():
            yield f"{n} {'message' if n == 1 else 'messages'}: {note}"
