"""The byte level of the simulated modem: echo, line editing, several commands in one line, prompt and data, final results.

Octets in by `received`, octets out by the `write` that it is given; V.250 for the line, 27.005 for the prompt. It knows no
command itself: `run` does. Unsolicited lines wait while a prompt is open (as 27.005 has it for a reserved link).
"""

from __future__ import annotations

import re
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from smsd.simulator.answers import Later, Prompt, Refused, Reply, Result, spelt

if TYPE_CHECKING:
    from collections.abc import Callable

    from smsd.simulator.faults import Faults
    from smsd.simulator.profiles import Profile

CTRL_Z: Final = 0x1A
ESC: Final = 0x1B
_DATA_END = re.compile(rb"[\x1a\x1b]")
_EDITED = re.compile(rb"[^\x08]?\x08")
_IGNORED = bytes((0x00, 0x0A, CTRL_Z, ESC))
_BASIC = re.compile(r"D.*|S\d+(?:=\d*|\?)|&?[A-Z]\d*|\\[A-Z]\d*", re.IGNORECASE)
_LONGEST = 16384


def split_commands(line: str) -> list[str]:
    """`line` without its AT as single commands: basic ones one by one, extended ones up to a semicolon (V.250 5.2)."""
    found = []
    at = 0
    while at < len(line):
        if line[at] in " ;":
            at += 1
            continue
        if line[at].isalpha() or line[at] in "&\\":
            match = _BASIC.match(line, at)
            end = match.end() if match else len(line)
        else:
            end, quoted = at, False
            while end < len(line) and (quoted or line[end] != ";"):
                quoted ^= line[end] == '"'
                end += 1
        found.append(line[at:end].strip())
        at = end
    return found


class Session:
    """One AT dialogue. `echo`, `verbose` and `error_level` are what ATE, ATV and +CMEE set."""

    def __init__(
        self,
        clock: Any,
        profile: Profile,
        faults: Faults,
        write: Callable[[bytes], None],
        run: Callable[[str], Result],
        hit: Callable[[str, str], Reply | None],
    ) -> None:
        self._clock, self._profile, self._faults = clock, profile, faults
        self._write, self._run, self._hit = write, run, hit
        self.reset()

    def reset(self) -> None:
        """As after power-on: nothing half read, nothing half done."""
        self.echo = self._profile.echo
        self.verbose, self.quiet, self.error_level = True, False, 0
        self._buffer = bytearray()
        self._prompt: Prompt | None = None
        self._commands: deque[str] = deque()
        self._lines: list[str] = []
        self._held: list[str] = []
        self._last = ""
        self._busy: Any = None

    def stop(self) -> None:
        """Forget what is under way; nothing is answered any more."""
        if self._busy is not None and self._busy.active():
            self._busy.cancel()
        self.reset()

    @property
    def prompting(self) -> bool:
        """Whether the modem waits for data after `> `."""
        return self._prompt is not None

    def received(self, data: bytes) -> None:
        """Octets from the line; those that come while a command is at work wait for its end."""
        self._buffer += data
        if len(self._buffer) > _LONGEST:
            del self._buffer[:-_LONGEST]
        if self._busy is None:
            self._work()

    def unsolicited(self, line: str, end: str = "\r\n") -> None:
        """Write an unsolicited line, at once or after the open prompt."""
        if self._prompt is not None and not self._faults.rude:
            self._held.append(line + end)
        else:
            self._write(f"\r\n{line}{end}".encode("latin-1"))

    def _work(self) -> None:
        """Take everything out of the buffer that can be taken."""
        while self._buffer and self._busy is None:
            if self._prompt is not None:
                if not self._take_data(self._prompt):
                    return
            elif not self._take_line():
                return

    def _echoed(self, data: bytes) -> None:
        mode = self._faults.echo
        if mode == "always" or (self.echo and mode != "never"):
            self._write(data * 2 if mode == "twice" else data)

    def _take_line(self) -> bool:
        end = self._buffer.find(13)
        if end < 0:
            return False
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        self._echoed(line)
        if 8 in line:
            line = _EDITED.sub(b"", line)
        text = line.translate(None, _IGNORED).decode("latin-1").strip()
        start = text.upper().find("AT")
        if text in ("A/", "a/"):
            text, start = self._last, 0
        if start < 0 or not text:
            return True
        self._last = text[start:]
        self._commands = deque(split_commands(text[start + 2 :]))
        self._lines = []
        self._continue()
        return True

    def _take_data(self, prompt: Prompt) -> bool:
        match = _DATA_END.search(self._buffer)
        if match is None:
            return False
        end = match.start()
        data, last = bytes(self._buffer[:end]), self._buffer[end]
        del self._buffer[: end + 1]
        self._echoed(data)
        self._prompt = None
        if last == ESC:
            self._finish(Reply(final=self._profile.escape_answer or None))
        elif self._attempt(lambda: self._hit("message", "") or prompt.then(data)):
            self._continue()
        return True

    def _continue(self) -> None:
        """Run the commands that are left of this line."""
        while self._commands:
            command = self._commands.popleft()
            if not self._attempt(partial(self._command, command)):
                return
        self._finish(Reply())

    def _command(self, command: str) -> Result:
        return self._hit("command", command) or self._run(command)

    def _attempt(self, action: Callable[[], Result]) -> bool:
        """Whether `action` came to a plain OK, so that the line goes on; else its end, prompt or wait is seen to."""
        try:
            result = action()
            while isinstance(result, Later) and result.seconds <= 0:
                result = result.then()
        except Refused as refusal:
            self._finish(Reply(final=refusal.final))
            return False
        if isinstance(result, Prompt):
            self._ask(result)
            return False
        if isinstance(result, Later):
            self._busy = self._clock.callLater(result.seconds, self._resume, result.then)
            return False
        if isinstance(result, Reply):
            if result.final != "OK" or not self._commands:
                self._finish(result)
                return False
            result = list(result.lines)
        self._lines += result
        return True

    def _ask(self, prompt: Prompt) -> None:
        broken = self._hit("prompt", "")
        if broken is not None:
            self._finish(broken)
            return
        self._prompt = prompt
        # What was sent ahead of the prompt is lost, as on a real line.
        self._buffer.clear()
        self._write(self._profile.prompt)

    def _resume(self, then: Callable[[], Result]) -> None:
        self._busy = None
        if self._attempt(then):
            self._continue()
        self._work()

    def _finish(self, reply: Reply) -> None:
        """Write the lines so far and the final result, then what was held back meanwhile."""
        end = self._profile.line_end
        out = []
        lead = "\r\n" if self.verbose else ""
        for line in (*self._lines, *reply.lines):
            before = lead if reply.before is None else reply.before.decode("latin-1")
            out.append(f"{before}{line}{end}")
        if reply.final is not None and not self.quiet:
            out.append(self._final(spelt(reply.final, self.error_level)))
        self._commands.clear()
        self._lines = []
        if out:
            self._write("".join(out).encode("latin-1"))
        held, self._held = self._held, []
        for line in held:
            self._write(f"\r\n{line}".encode("latin-1"))

    def _final(self, text: str) -> str:
        if self.verbose:
            return f"\r\n{text}{self._profile.line_end}"
        return {"OK": "0\r", "ERROR": "4\r"}.get(text, f"{text}\r")
