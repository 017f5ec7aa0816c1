"""A password that somebody types: never in the process list, never on the screen, and twice where there is one."""

from __future__ import annotations

import getpass
import sys

from smsd.cli.client import Refusal


def typed() -> str:
    """What was typed twice at a terminal, else the first line of standard input; Refusal for two different ones."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("password: ")
    if getpass.getpass("once more: ") != first:
        raise Refusal("these were two different passwords")
    return first
