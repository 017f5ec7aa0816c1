"""Write files that others may be reading."""

from __future__ import annotations

import contextlib
import os
import tempfile

from smsd.cli.client import Refusal


def replace(path: str, data: bytes, like: str) -> None:
    """Put a file in the place of another at once, with its owner and mode (those of `like` when there was none)."""
    path = os.path.realpath(path)
    model = os.stat(path if os.path.exists(path) else like)
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), prefix=".smsd-", delete=False) as stream:
            temporary = stream.name
            stream.write(data)
            with contextlib.suppress(PermissionError):  # only root can give files away
                os.fchown(stream.fileno(), model.st_uid, model.st_gid)
            os.fchmod(stream.fileno(), model.st_mode & 0o777)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise Refusal(f"{path} cannot be written ({error.strerror})") from None
