"""The files of a spool folder on disk. Everything here blocks, and runs in a thread.

A file that was taken lies in `checked` under its name and a mark of its identity (name, inode, time, size): so what becomes of it
finds it, also when another of the same name came meanwhile, and also when it has not been moved yet.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterable

from smsd.values.frozen import frozen

LONGEST_NAME = 200
"""Octets of a name: there must be room for the mark."""


@frozen
class Stamp:
    """What tells whether a file is still the same."""

    inode: int
    modified: int
    size: int


@frozen
class Found:
    """A file in the outgoing folder. `octets` None: it cannot be read, or is too large; `trouble` says why."""

    name: str
    stamp: Stamp
    octets: bytes | None
    trouble: str = ""

    @property
    def mark(self) -> str:
        """16 letters that no other file has."""
        return mark(self.name, self.stamp)


def mark(name: str, stamp: Stamp) -> str:
    """See `Found`."""
    text = f"{name}|{stamp.inode}|{stamp.modified}|{stamp.size}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def make(places: Iterable[str]) -> None:
    """Make the folders that are missing."""
    for place in places:
        os.makedirs(place, mode=0o770, exist_ok=True)


def stamps(folder: str, is_order: Callable[[str], bool]) -> dict[str, Stamp]:
    """The files that are there: not those that programs hide, lock, or have not written anything to."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(".") or name.endswith((".LOCK", "~", ".tmp")) or not is_order(name):
                continue
            with contextlib.suppress(FileNotFoundError):
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(about.st_mode) and about.st_size:
                    found[name] = _stamp(about)
    return found


def _stamp(about: os.stat_result) -> Stamp:
    return Stamp(about.st_ino, about.st_mtime_ns, about.st_size)


def read(folder: str, names: Iterable[str], max_size: int) -> list[Found]:
    """These files, as they are now; those that are gone are left out."""
    found = []
    for name in names:
        try:
            descriptor = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            continue
        except OSError as error:
            with contextlib.suppress(OSError):
                stamp = _stamp(os.lstat(os.path.join(folder, name)))
                found.append(Found(name, stamp, None, f"the file cannot be read: {error.strerror}"))
            continue
        with open(descriptor, "rb") as stream:
            stamp = _stamp(os.fstat(descriptor))
            octets = stream.read(max_size + 1)
        if len(octets) > max_size:
            found.append(Found(name, stamp, None, f"the file is larger than {max_size} octets"))
        else:
            found.append(Found(name, stamp, octets))
    return found


def take(outgoing: str, checked: str, taken: Iterable[Found]) -> None:
    """These were committed: move them to `checked`. One that was changed meanwhile stays: it is another message now."""
    moved = False
    for one in taken:
        path = os.path.join(outgoing, one.name)
        with contextlib.suppress(FileNotFoundError):
            if _stamp(os.lstat(path)) == one.stamp:
                os.rename(path, os.path.join(checked, f"{one.name}.{one.mark}"))
                moved = True
    if moved:
        sync(checked)
        sync(outgoing)


def source(outgoing: str, checked: str, name: str) -> str | None:
    """Where a file is that was taken as `name` (with its mark): in `checked`, or not moved yet."""
    path = os.path.join(checked, name)
    if os.path.exists(path):
        return path
    first, _, its = name.rpartition(".")
    path = os.path.join(outgoing, first)
    with contextlib.suppress(FileNotFoundError):
        if mark(first, _stamp(os.lstat(path))) == its:
            return path
    return None


def finish(path: str, folder: str, name: str, change: Callable[[bytes], bytes], its: str) -> str:
    """Put a file into another folder, changed; where another of this name is there already, under its name with its mark. Gives
    where it is; done again after a crash, it is the same."""
    with open(path, "rb") as stream:
        octets = change(stream.read())
        mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
    target = os.path.join(folder, name)
    if os.path.exists(target) and _content(target) != octets:
        target = os.path.join(folder, f"{name}.{its}")
    write(target, octets, mode)
    os.unlink(path)
    sync(os.path.dirname(path))
    return target


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None


def write(path: str, octets: bytes, mode: int = 0o660) -> None:
    """Write a file so that nobody sees half of it, and it is on disk."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.tmp")
    with open(temporary, "wb") as stream:
        stream.write(octets)
        os.fchmod(stream.fileno(), mode)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, path)
    sync(folder)


def sync(folder: str) -> None:
    """What was renamed there is on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
