"""The list files that rules name, in memory: looked at every second, in a thread, without anybody waiting for it, so that also
the first message after a change meets what the file says now.

A file that cannot be read any more, or holds what no list can, keeps its last content: a rule that blocks numbers must not
stop blocking because an editor was interrupted. That is logged once, and once more when the file is good again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsd.config.bounded import Mark, mark_of
from smsd.config.lists import read_list
from smsd.values.errors import InvalidValue

INTERVAL = 1.0
"""Seconds between looks at a file."""
PATIENCE = 10.0
"""Seconds until the next look at one that was no good."""

Content = tuple[tuple[str, ...], Mark]
Read = Callable[[str], Content]


@dataclass(slots=True)
class _List:
    lines: tuple[str, ...] = ()
    mark: Mark | None = None
    look_again: float = 0.0
    looking: bool = False
    trouble: str = ""


class Lists(Mapping[str, tuple[str, ...]]):
    """The lines by path, for `Facts.lists`: the same tuple again and again until the file has changed."""

    log = Logger()

    def __init__(self, reactor: Any, read: Read = read_list) -> None:
        self._reactor = reactor
        self._read = read
        self._lists: dict[str, _List] = {}
        self._timer: Any = None

    def use(self, paths: Iterable[str]) -> None:
        """Have these files and no others. New ones are read at once: rules without their lists would judge wrongly."""
        self._lists = {path: self._lists.get(path) or self._first(path) for path in dict.fromkeys(paths)}
        if self._lists and self._timer is None:
            self._timer = self._reactor.callLater(INTERVAL, self._round)

    def stop(self) -> None:
        """Look at them no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _round(self) -> None:
        for path in self._lists:
            self.lines(path)
        self._timer = self._reactor.callLater(INTERVAL, self._round) if self._lists else None

    def lines(self, path: str) -> tuple[str, ...]:
        """What the file holds, as far as it is known; () for a path that is not in use."""
        known = self._lists.get(path)
        if known is None:
            return ()
        left = known.look_again - self._reactor.seconds()
        if (
            not known.looking and not 0 < left <= PATIENCE
        ):  # more than that is left when the clock was set back
            self._look(path, known)
        return known.lines

    def __getitem__(self, path: str) -> tuple[str, ...]:
        if path not in self._lists:
            raise KeyError(path)
        return self.lines(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lists)

    def __len__(self) -> int:
        return len(self._lists)

    def _first(self, path: str) -> _List:
        known = _List()
        try:
            self._take(path, known, self._read(path))
        except InvalidValue as error:
            self._complain(path, known, str(error))
        return known

    def _look(self, path: str, known: _List) -> None:
        known.looking = True
        looking: Deferred[Content | None] = deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), _changed, path, known.mark, self._read
        )
        looking.addCallbacks(self._looked, self._failed, (path, known), errbackArgs=(path, known))
        looking.addErrback(lambda failure: self.log.failure("{path}", failure, path=path))

    def _looked(self, found: Content | None, path: str, known: _List) -> None:
        known.looking = False
        if found is not None:
            self.log.info("{path} has changed: {n} items", path=path, n=len(found[0]))
        elif known.trouble:
            self.log.info("{path} can be read again", path=path)
        self._take(path, known, found)

    def _take(self, path: str, known: _List, found: Content | None) -> None:
        known.look_again = self._reactor.seconds() + INTERVAL
        known.trouble = ""
        if found is not None:
            known.lines, known.mark = found

    def _failed(self, failure: Failure, path: str, known: _List) -> None:
        known.looking = False
        failure.trap(InvalidValue)
        self._complain(path, known, failure.getErrorMessage())

    def _complain(self, path: str, known: _List, trouble: str) -> None:
        known.look_again = self._reactor.seconds() + PATIENCE
        if trouble != known.trouble:
            known.trouble = trouble
            self.log.warn(
                "{trouble}; its last content of {n} items stays in force", trouble=trouble, n=len(known.lines)
            )


def _changed(path: str, mark: Mark | None, read: Read) -> Content | None:
    """In a thread: what the file holds, None when it is the one with this mark."""
    try:
        if mark is not None and mark_of(os.stat(path)) == mark:
            return None
    except OSError:
        pass  # reading it says what is wrong
    return read(path)
