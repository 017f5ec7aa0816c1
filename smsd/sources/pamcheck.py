"""The process that asks PAM: `python -m smsd.sources.pamcheck` with service, smallest uid, user and password on its standard input,
NUL between them. Its exit status is the answer; a reason goes to the standard error, never a password.
"""

from __future__ import annotations

import importlib
import pwd
import sys

RIGHT, WRONG, UNKNOWN, BROKEN = 10, 11, 12, 13

# pam_appl.h of Linux-PAM: what is about the user, and not about PAM.
_WRONG = (6, 7, 10, 11, 12, 13, 16, 27)


def main() -> int:
    """Ask, and tell."""
    try:
        service, least, user, password = sys.stdin.buffer.read(16_384).decode().split("\0")
    except ValueError:
        return _said("what came in is no question", BROKEN)
    try:
        pam = importlib.import_module("pam")
    except ImportError:
        return _said("the Python package python-pam is not installed", BROKEN)
    try:
        if pwd.getpwnam(user).pw_uid < int(least):
            return WRONG
    except KeyError:
        pass  # PAM says no, and takes as long as for others
    asked = pam.pam()
    if asked.authenticate(user, password, service=service, resetcreds=False, print_failure_messages=False):
        return RIGHT
    return WRONG if asked.code in _WRONG else _said(str(asked.reason), UNKNOWN)


def _said(why: str, code: int) -> int:
    print(why, file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
