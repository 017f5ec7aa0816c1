"""The files of a spool folder on disk. Everything here blocks, and runs in a thread.

A file that was taken lies in `checked` under its name and a mark of its identity (name, inode, time, size): so what becomes of it
finds it, also when another of the same name came meanwhile, and also when it has not been moved yet.

Whoever may write into these folders may not be one who may read or write what smsd may: nothing here follows a link, waits for a
pipe, or makes a file that can be executed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable

from smsd.values.frozen import frozen

LONGEST_NAME = 200
"""Octets of a name: there must be room for the mark."""
_MOST_NAME = 255
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_MOST = 2_000_000
"""Octets of a file that was taken: twice what a door can take."""


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
    with contextlib.suppress(FileNotFoundError):
        about = os.lstat(path)
        if stat.S_ISREG(about.st_mode) and about.st_size <= _MOST:
            return path
        return None  # somebody has put something else there
    first, _, its = name.rpartition(".")
    path = os.path.join(outgoing, first)
    with contextlib.suppress(FileNotFoundError):
        if mark(first, _stamp(os.lstat(path))) == its:
            return path
    return None


def beside(name: str, more: str) -> str:
    """A name with something behind it, cut where it would be too long for a file system."""
    octets = os.fsencode(name)[: _MOST_NAME - len(more)]
    return os.fsdecode(octets) + more


def finish(path: str, folder: str, name: str, change: Callable[[bytes], bytes], its: str) -> str:
    """Put a file into another folder, changed; where another of this name is there already, under its name with its mark. Gives
    where it is; done again after a crash, it is the same."""
    octets, mode = _whole(path)
    octets = change(octets)
    target = os.path.join(folder, name)
    if os.path.lexists(target) and _content(target) != octets:
        target = os.path.join(folder, beside(name, f".{its}"))
    write(target, octets, mode)
    os.unlink(path)
    sync(os.path.dirname(path))
    return target


def move(path: str, folder: str, name: str, its: str) -> str:
    """The same as it is, unread."""
    target = os.path.join(folder, name)
    if os.path.lexists(target):
        target = os.path.join(folder, beside(name, f".{its}"))
    os.rename(path, target)
    return target


def _content(path: str) -> bytes | None:
    try:
        return _whole(path)[0]
    except OSError:
        return None


def _whole(path: str) -> tuple[bytes, int]:
    """What is in a file, and who may read and write it. OSError for all that is no file, or no small one."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        about = os.fstat(stream.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "this is no file", path)
        if about.st_size > _MOST:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        # Not the bits that would run as smsd what somebody else has written.
        return stream.read(_MOST), about.st_mode & 0o666


def write(path: str, octets: bytes, mode: int = 0o660) -> None:
    """Write a file so that nobody sees half of it, and it is on disk."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".smsd-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.tmp")
    try:
        descriptor = os.open(temporary, _NEW, 0o600)
    except FileExistsError:  # of a crash, or a link that somebody has laid
        os.unlink(temporary)
        descriptor = os.open(temporary, _NEW, 0o600)
    with open(descriptor, "wb") as stream:
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
