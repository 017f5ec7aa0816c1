"""What can be known of a listening address (a Twisted endpoint string) without opening it."""

from __future__ import annotations

import ipaddress
import os
import re

KINDS = ("tcp", "tcp6", "ssl", "tls", "unix", "systemd", "haproxy")


def split(description: str) -> list[str]:
    r"""The fields of an endpoint string; `\:` is a colon inside one."""
    return [field.replace("\\:", ":") for field in re.split(r"(?<!\\):", description)]


def problem(description: str) -> str | None:
    """What is wrong with the shape of an endpoint string, or None."""
    fields = split(description)
    if fields[0] not in KINDS:
        return f"{fields[0]!r} is no way to listen; allowed: {', '.join(KINDS)}"
    if fields[0] in ("tcp", "tcp6", "ssl"):
        port = _named(fields).get("port") or (fields[1] if len(fields) > 1 else "")
        if not port.isdecimal() or int(port) > 65535:
            return f"{port!r} is no port; allowed: 1 to 65535, as in tcp:2525:interface=127.0.0.1"
    return None


def is_loopback(description: str) -> bool:
    """Whether only this machine can reach it, as far as the text itself tells (an inherited socket does not)."""
    fields = split(description)
    if fields[0] == "unix":
        return True
    interface = _named(fields).get("interface", "")
    try:
        return ipaddress.ip_address(interface).is_loopback
    except ValueError:
        return interface == "localhost"


def address(description: str) -> tuple[str, str] | None:
    """(interface, port) of a TCP endpoint string, "" for all interfaces; None for other kinds."""
    fields = split(description)
    if fields[0] not in ("tcp", "tcp6", "ssl") or problem(description):
        return None
    named = _named(fields)
    return named.get("interface", ""), named.get("port") or fields[1]


def files(description: str) -> list[str]:
    """The files that an endpoint reads (certificates and keys), as far as they exist; a folder counts as its files."""
    found = []
    for value in [*_named(split(description)).values(), *split(description)[1:]]:
        if os.path.isfile(value):
            found.append(value)
        elif value.startswith("/") and os.path.isdir(value):
            found += [entry.path for entry in os.scandir(value) if entry.is_file()]
    return sorted(found)


_FILES = ("privateKey", "certKey", "extraCertChain")


def at_home(description: str, folder: str) -> str:
    """An endpoint string in which the relative paths of certificates and keys start at `folder`."""
    fields = re.split(r"(?<!\\):", description)
    if fields[0] != "ssl":
        return description
    home = os.path.join(folder, "").replace("\\", "\\\\").replace(":", "\\:")
    for number, field in enumerate(fields):
        name, equals, value = field.partition("=")
        if name in _FILES and value and not value.startswith("/"):
            fields[number] = name + equals + home + value
    return ":".join(fields)


def missing(description: str) -> list[str]:
    """Certificates and keys that an endpoint names and that are not there."""
    named = _named(split(description))
    return [named[name] for name in _FILES if name in named and gone(named[name])]


def gone(path: str) -> bool:
    """Whether there is no such file. One that only root may see may be there."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False


def _named(fields: list[str]) -> dict[str, str]:
    return dict(field.split("=", 1) for field in fields[1:] if "=" in field)
