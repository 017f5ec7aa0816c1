"""Give up root: `server.user` owns the files and does the work, root only opens the ports.

`Privileges.lower` takes the user's effective identity before files are made, `raised` lends root back while ports are
bound, `drop` gives it up for good. All of it does nothing unless started as root with a user set.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from collections.abc import Iterator


class Privileges:
    """The identity a configuration asks for; LookupError when there is no such user or group."""

    def __init__(self, user: str | None, group: str | None) -> None:
        self._wanted = user is not None and os.getuid() == 0
        if user is None:
            return
        try:
            entry = pwd.getpwnam(user)
            self._gid = grp.getgrnam(group).gr_gid if group else entry.pw_gid
        except KeyError as error:
            raise LookupError(
                f"server.user or server.group: {error.args[0]}; create it, or leave both out"
            ) from None
        self._name, self._uid = entry.pw_name, entry.pw_uid

    def own(self, path: str) -> None:
        """Give a folder that root has just made to the user."""
        if self._wanted:
            os.chown(path, self._uid, self._gid)

    def lower(self) -> None:
        """Work as the user (with its groups: dialout for modems), still able to come back."""
        if self._wanted:
            os.initgroups(self._name, self._gid)
            os.setegid(self._gid)
            os.seteuid(self._uid)

    @contextlib.contextmanager
    def raised(self) -> Iterator[None]:
        """Be root for a moment: to bind a port below 1024, to read a TLS key."""
        if not self._wanted:
            yield
            return
        os.seteuid(0)
        try:
            yield
        finally:
            os.seteuid(self._uid)

    def drop(self) -> None:
        """Be the user and nobody else, for good."""
        if self._wanted:
            os.seteuid(0)
            os.setresgid(self._gid, self._gid, self._gid)
            os.setresuid(self._uid, self._uid, self._uid)
            self._wanted = False
