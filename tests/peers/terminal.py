"""A program of text mode as a person has it before him: a terminal of its own (tmux), what is typed, what stands on the screen."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.rig.processes import RigError

PROGRAM = shutil.which("tmux")
WIDTH, HEIGHT = 110, 150
"""Columns and lines: high, so that nothing of a session scrolls away."""


def missing() -> str | None:
    """Why there is none here, or None."""
    return None if PROGRAM else "tmux is not installed"


class Terminal:
    """Runs `command` with `folder` as its home. `type` gives it a line, `screen` is what it shows."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self._socket = folder / "tmux"
        environment = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "TERM": "screen-256color",
            "LANG": "C.UTF-8",
        }
        words = ["env", "-i", *(f"{key}={value}" for key, value in environment.items()), *command]
        self._tmux("new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), *words)

    def _tmux(self, *words: str) -> str:
        assert PROGRAM is not None
        done = subprocess.run(
            [PROGRAM, "-S", str(self._socket), "-f", "/dev/null", *words],
            capture_output=True, timeout=120, check=False, env={**os.environ, "LANG": "C.UTF-8"},
        )  # fmt: skip
        if done.returncode:
            raise RigError(f"tmux {words[0]}: {done.stderr.decode('utf-8', 'replace').strip()}")
        return done.stdout.decode("utf-8")

    def type(self, line: str) -> None:
        """Type a line, and the key that ends it."""
        self._tmux("send-keys", "-l", "--", line)
        self._tmux("send-keys", "Enter")

    def screen(self, colours: bool = False) -> list[str]:
        """The lines of the screen, with the escape sequences of their colours if that is wanted."""
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else [])).split("\n")

    def stop(self) -> None:
        """Close it, which ends the program."""
        self._tmux("kill-server")
