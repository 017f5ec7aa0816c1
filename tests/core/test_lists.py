"""List files: what a line means, when a file is read again, and what stays in force when it cannot be."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smsd.config.lists import MOST_LINES, parse_list, read_list
from smsd.core.lists import Lists
from smsd.values.errors import InvalidValue


class Parsing(SynchronousTestCase):
    def test_lines(self) -> None:
        for content, items in (
            (b"", ()),
            (b"one\ntwo", ("one", "two")),
            (b"one\r\ntwo\r\n", ("one", "two")),
            (b"# a comment\n\n  \t\n  # another\none\n", ("one",)),
            (b"  one two \t\n", ("one two",)),
            (b"a # b\n#email#\nC#\n", ("a # b", "C#")),
            ("\ufeffünü\n".encode(), ("ünü",)),
            (b"one\none\n", ("one", "one")),
            ("a\u2028b\x0cc\n".encode(), ("a\u2028b\x0cc",)),
        ):
            with self.subTest(content=content):
                self.assertEqual(parse_list(content), items)

    @given(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="#"), min_size=1)
        )
    )
    def test_what_is_written_is_read(self, items: list[str]) -> None:
        for end in ("\n", "\r\n"):
            self.assertEqual(
                parse_list("".join(item + end for item in items).encode("utf-8-sig")), tuple(items)
            )

    def test_limits(self) -> None:
        self.assertEqual(len(parse_list(b"x\n" * MOST_LINES)), MOST_LINES)
        self.assertRaises(InvalidValue, parse_list, b"x\n" * MOST_LINES + b"x")
        self.assertRaises(InvalidValue, parse_list, b"a\0b")
        error = self.assertRaises(InvalidValue, parse_list, b"a\n\xff\n")
        self.assertIn("line 2 is not UTF-8", str(error))


class Pool(Clock):
    """A reactor whose threads run when they are told to, so that a test sees what is meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], None]] = []

    def getThreadPool(self) -> Pool:
        return self

    def callFromThread(self, f: Any, *args: Any) -> None:
        f(*args)

    def callInThreadWithCallback(self, done: Any, f: Any, *args: Any) -> None:
        def run() -> None:
            try:
                result = f(*args)
            except Exception as error:
                done(False, Failure(error))
            else:
                done(True, result)

        self.waiting.append(run)

    def run(self) -> int:
        """Let the threads run; gives how many there were."""
        waiting, self.waiting = self.waiting, []
        for work in waiting:
            work()
        return len(waiting)


class Watching(SynchronousTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="smsd-")
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "vip.txt")
        self.reads = 0
        self.reactor = Pool()
        self.lists = Lists(self.reactor, self.read)
        self.events: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)

    def observe(self, event: Any) -> None:
        if event.get("log_namespace") == "smsd.core.lists.Lists":
            self.events.append(event["log_level"].name)

    def read(self, path: str) -> Any:
        self.reads += 1
        return read_list(path)

    def write(self, text: str) -> None:
        with open(self.path, "w", encoding="utf-8") as stream:
            stream.write(text)

    def later(self, seconds: float = 1.0) -> tuple[str, ...]:
        """What is known after a time, once a look that this sets off has ended."""
        self.reactor.advance(seconds)
        self.lists.lines(self.path)
        self.reactor.run()
        return self.lists.lines(self.path)

    def test_read_at_once_and_from_memory(self) -> None:
        self.write("a\nb\n")
        self.lists.use([self.path, self.path])
        first = self.lists.lines(self.path)
        self.assertEqual(first, ("a", "b"))
        self.assertIs(self.later(), first)
        self.assertEqual(self.reads, 1)
        self.assertEqual(dict(self.lists), {self.path: ("a", "b")})
        self.assertEqual(self.lists.lines("/nonexistent"), ())
        self.assertNotIn("/nonexistent", self.lists)

    def test_a_changed_file_is_read_in_a_thread(self) -> None:
        self.write("a\n")
        self.lists.use([self.path])
        self.write("a\nb\n")
        self.assertEqual(self.lists.lines(self.path), ("a",), "it is not looked at twice within a second")
        self.assertEqual(self.reactor.run(), 0)
        self.reactor.advance(1)
        self.assertEqual(self.lists.lines(self.path), ("a",), "nobody waits for the thread")
        self.lists.lines(self.path)
        self.assertEqual(self.reactor.run(), 1, "one look at a time")
        self.assertEqual(self.lists.lines(self.path), ("a", "b"))
        self.assertEqual(self.events, ["info"])

    def test_the_first_message_after_a_change_meets_what_the_file_says(self) -> None:
        """Nobody has asked for the list since it was read, an hour ago."""
        self.write("a\n")
        self.lists.use([self.path])
        for _ in range(3600):
            self.reactor.advance(1)
            self.reactor.run()
        self.write("a\nb\n")
        self.reactor.advance(1)
        self.reactor.run()
        self.assertEqual(self.lists.lines(self.path), ("a", "b"))
        self.assertEqual(self.reads, 2)
        self.lists.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_each_way_to_change_is_seen(self) -> None:
        self.write("a\n")
        self.lists.use([self.path])
        status = os.stat(self.path)
        self.write("b\n")
        os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        self.assertEqual(self.later(), ("b",), "a nanosecond later, as long")
        os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns))
        self.later()
        self.write("longer\n")
        os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns))
        self.assertEqual(self.later(), ("longer",), "of the same time, longer")
        new = self.path + ".new"
        with open(new, "w") as stream:
            stream.write("other\n\n")
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
        self.assertEqual(os.stat(new).st_size, os.stat(self.path).st_size)
        os.replace(new, self.path)
        self.assertEqual(self.later(), ("other",), "put in its place, as old and as long")

    def test_a_file_that_vanishes_keeps_its_content(self) -> None:
        self.write("a\n")
        self.lists.use([self.path])
        os.rename(self.path, self.path + ".old")
        for _ in range(5):
            self.assertEqual(self.later(10), ("a",))
        self.assertEqual(self.events, ["warn"], "it is told once")
        os.rename(self.path + ".old", self.path)
        self.assertEqual(self.later(10), ("a",))
        self.assertEqual(self.events, ["warn", "info"])
        self.write("b\n")
        self.assertEqual(self.later(), ("b",))

    def test_what_is_no_list_changes_nothing(self) -> None:
        self.write("a\n")
        self.lists.use([self.path])
        with open(self.path, "wb") as stream:
            stream.write(b"\xff\n")
        self.assertEqual(self.later(), ("a",))
        reads = self.reads
        for _ in range(9):
            self.assertEqual(self.later(), ("a",))
        self.assertEqual(self.reads, reads, "a bad file is not read every second")
        self.write("c\n")
        self.assertEqual(self.later(10), ("c",))
        self.assertEqual(self.events, ["warn", "info"])

    def test_other_files_after_a_reload(self) -> None:
        other = self.path + "2"
        self.write("a\n")
        with open(other, "w") as stream:
            stream.write("x\n")
        self.lists.use([self.path])
        first = self.lists.lines(self.path)
        self.lists.use([other, self.path])
        self.assertIs(self.lists.lines(self.path), first)
        self.assertEqual(self.lists.lines(other), ("x",))
        self.reactor.advance(1)
        self.lists.lines(self.path)
        self.lists.use([other])
        self.reactor.run()
        self.assertEqual(self.lists.lines(self.path), ())
        self.assertEqual(list(self.lists), [other])

    def test_one_that_is_gone_already_when_it_is_first_used(self) -> None:
        self.lists.use([self.path])
        self.assertEqual(self.lists.lines(self.path), ())
        self.assertEqual(self.events, ["warn"])
        self.write("a\n")
        self.assertEqual(self.later(10), ("a",))
