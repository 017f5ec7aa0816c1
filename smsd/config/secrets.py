"""Secrets: any secret setting (password, PIN, …) may say where it is kept instead of what it is.

`env:NAME` reads the environment, `file:PATH` the first line of a file (a relative path starts at the configuration file),
`text:…` is the rest literally (for a password that begins with one of these words); anything else is the secret itself.
What was read is never shown: not in an error, not in a log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

LONGEST = 4096
"""Characters; a device or the wrong file must not be read without end."""


class SecretError(ValueError):
    """A secret that is not where the configuration says; the text says which place and what to do."""


def resolve(value: str, base: str, environ: Mapping[str, str]) -> str:
    """The secret that `value` stands for; `base` is the folder of the configuration file."""
    how, colon, rest = value.partition(":")
    if not colon or how not in ("env", "file", "text"):
        return value
    if how == "text":
        return rest
    if how == "env":
        if rest not in environ:
            raise SecretError(f"the environment has no {rest!r}")
        return environ[rest]
    path = os.path.join(base, rest)
    try:
        with open(path, encoding="utf-8") as stream:
            secret = stream.readline(LONGEST + 1).rstrip("\r\n")
    except OSError as error:
        raise SecretError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SecretError(f"{path} is not UTF-8 text") from None
    if len(secret) > LONGEST or "\0" in secret:
        raise SecretError(f"the first line of {path} is no secret: at most {LONGEST} characters, without NUL")
    return secret
