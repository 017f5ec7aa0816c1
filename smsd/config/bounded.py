"""Read a whole file that somebody named, without waiting for a pipe, a device or more than what is sensible."""

from __future__ import annotations

import os
import stat

from smsd.values.errors import InvalidValue

Mark = tuple[int, int, int]
"""What changes when a file changes: the time of its last change in nanoseconds, its size, its inode."""


def mark_of(status: os.stat_result) -> Mark:
    """The mark of a file."""
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_bounded(path: str, most: int) -> tuple[bytes, Mark]:
    """The content, and the mark it had before it was read; InvalidValue says why not."""
    if "\0" in path:
        raise InvalidValue("a path has no NUL character; leave it out")
    try:
        # Without O_NONBLOCK opening a named pipe waits for whoever writes into it.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            status = os.fstat(stream.fileno())
            regular = stat.S_ISREG(status.st_mode)
            content = stream.read(most + 1) if regular else b""
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read ({error.strerror})") from None
    if not regular:
        raise InvalidValue(f"{path} is no file; name a file, not a folder or a device")
    if len(content) > most:
        raise InvalidValue(f"{path} is too long; allowed: {most} octets")
    return content, mark_of(status)
