"""Log files, one for each service (feature Q6): main, each gateway by its id, smtp, http, api. Rotated by size, bounded
in number.

Which file an event goes to follows from its namespace and its `gateway` field; warnings and errors also go to main. As
a net under the rule that only debug shows numbers and texts, anything that looks like an international number is masked
above debug, and a password in a URL or a token of the API at every level, in tracebacks too. Control characters never
reach a file as they are, so that nobody can forge a line.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from typing import IO, Any

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from twisted.python.logfile import LogFile
from zope.interface import implementer

from smsd.config.settings import LogSettings
from smsd.values.address import masked

_NUMBER = re.compile(r"\+\d{8,15}(?!\d)")  # also in the name of a file, before an underscore
_SECRET = re.compile(
    r"(?i)(?<![A-Za-z0-9])(pass(?:w(?:or)?d)?|pin|pwd|secret|token|api_?key)=([^&\s'\"]+)"
)  # auth_token, too
_LOGIN = re.compile(r"://([^\s/:@'\"]*):[^\s/@'\"]+@")
_TOKEN = re.compile(r"\bsmsd_[\w-]{20,}")  # of the API
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAMES = {"control": "api"}
_FIELDS = ("gateway", "door", "account", "message", "delivery")
LEVELS = {name: LogLevel.lookupByName(name) for name in ("debug", "info", "warn", "error", "critical")}


def service_of(event: LogEvent) -> str:
    """The name of the file an event belongs to."""
    parts = str(event.get("log_namespace", "")).split(".")
    if len(parts) < 3 or parts[0] != "smsd":
        return "main"
    if parts[1] in ("gateways", "links"):
        name = str(event.get("gateway") or parts[2])
        return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else "main"
    if parts[1] == "frontends":
        return _NAMES.get(parts[2], parts[2])
    return "main"


def as_text(event: LogEvent) -> str:
    """One line (a traceback adds more, indented): time, level, service and text; of a batch a line for each."""
    stamp = _time(event).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    start = f"{stamp} {event.get('log_level', LogLevel.info).name:5} [{service_of(event)}] "
    lines = "".join([f"{start}{safe_text(one)}\n" for one in _each(event)])
    return lines + "".join(f"    {_escaped(line)}\n" for line in _traceback(event))


def as_json(event: LogEvent) -> str:
    """One JSON object in one line; of a batch one for each."""
    return "".join([json.dumps(_record(one), ensure_ascii=True) + "\n" for one in _each(event)])


def _record(event: LogEvent) -> dict[str, Any]:
    record: dict[str, Any] = {
        "time": _time(event).isoformat(timespec="milliseconds"),
        "level": event.get("log_level", LogLevel.info).name,
        "logger": event.get("log_namespace", ""),
        "service": service_of(event),
        "text": safe_text(event),
    }
    record |= {name: event[name] for name in _FIELDS if isinstance(event.get(name), (str, int))}
    if traceback := _traceback(event):
        record["traceback"] = traceback
    return record


def _each(event: LogEvent) -> list[LogEvent]:
    """The event, or, when a busy door has put several into one (`batch`, the fields of each), those: most of what a
    line costs it costs before it comes here."""
    batch = event.get("batch")
    return [event] if batch is None else [{**event, **fields} for fields in batch]


def safe_text(event: LogEvent) -> str:
    """The event's text without secrets, whole numbers (above debug) and control characters."""
    return _escaped(_masked(_formatted(event), event))


def _masked(text: str, event: LogEvent) -> str:
    if "=" in text:  # this and the next ones save two thirds of the time of a line
        text = _SECRET.sub(r"\1=***", text)
    if "://" in text:
        text = _LOGIN.sub(r"://\1:***@", text)
    if "smsd_" in text:
        text = _TOKEN.sub("smsd_***", text)
    if event.get("log_level", LogLevel.info) > LogLevel.debug:
        text = _NUMBER.sub(lambda match: masked(match.group()), text)
    return text


def _formatted(event: LogEvent) -> str:
    """The text; Twisted's own formatting, which can call functions, takes ten times as long and is the exception."""
    layout = event.get("log_format")
    if isinstance(layout, str) and "(" not in layout:
        try:
            return layout.format_map(event)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError):
            pass  # Twisted says in words what is wrong with the event
    return formatEvent(event)


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return _CONTROL.sub(
        lambda match: match.group().encode("unicode_escape", "surrogatepass").decode("ascii"), text
    )


def _time(event: LogEvent) -> datetime:
    return datetime.fromtimestamp(event.get("log_time", 0.0), timezone.utc)


def _traceback(event: LogEvent) -> list[str]:
    failure = event.get("log_failure")
    return _masked(failure.getTraceback(), event).splitlines() if failure is not None else []


@implementer(ILogObserver)
class Logs:
    """An observer that writes every service's file, and, in the foreground, everything to `console` as well.

    `own` is called with the path of every file made, so that root can give it away. A file that cannot be written (the disk
    is full) loses its lines and nothing else: the console still has them, and is told once.
    """

    def __init__(
        self,
        settings: LogSettings,
        console: IO[str] | None = None,
        own: Callable[[str], None] = lambda path: None,
    ) -> None:
        self._console = console
        self._own = own
        self._files: dict[str, LogFile] = {}
        self._failing: set[str] = set()
        self.use(settings)

    def use(self, settings: LogSettings) -> None:
        """Take new settings (levels, size, format); files are opened anew, also after somebody else renamed them."""
        self.close()
        self._settings = settings
        self._format = as_json if settings.format == "json" else as_text
        self._default = LEVELS[settings.level]
        self._levels = {name: LEVELS[level] for name, level in settings.levels.items()}

    def close(self) -> None:
        """Close the files; the next event opens its own again."""
        for file in self._files.values():
            with suppress(OSError):  # it is closed all the same
                file.close()
        self._files.clear()

    def say(self, text: str) -> None:
        """Show `text` to whoever started the server in the foreground; no file gets it."""
        if self._console is not None:
            with suppress(OSError):
                self._console.write(text)
                self._console.flush()

    def __call__(self, event: LogEvent) -> None:
        level = event.get("log_level", LogLevel.info)
        if level is LogLevel.info and event.get("log_namespace") == "log_legacy":
            # Twisted tells of each socket for datagrams: a look-up in DNS would be four lines.
            level = LogLevel.debug
        service = service_of(event)
        wanted = level >= self._levels.get(service, self._default)
        if not wanted:
            return
        line = self._format(event)
        if self._console is not None:
            self.say(line if self._format is as_text else as_text(event))
        self._write(service, line)
        if service != "main" and level >= LogLevel.warn:
            self._write("main", line)

    def _write(self, service: str, line: str) -> None:
        try:
            self._append(service, line)
            self._failing.discard(service)
        except OSError as error:
            file = self._files.pop(service, None)
            if file is not None:
                with suppress(OSError):
                    file.close()
            if service not in self._failing:
                self._failing.add(service)
                self.say(f"{service}.log cannot be written ({error.strerror}): its lines are lost\n")

    def _append(self, service: str, line: str) -> None:
        file = self._files.get(service)
        if file is None:
            os.makedirs(self._settings.folder, mode=0o750, exist_ok=True)
            file = self._files[service] = LogFile(
                f"{service}.log",
                self._settings.folder,
                rotateLength=self._settings.rotate_bytes,
                defaultMode=0o640,
                maxRotatedFiles=self._settings.keep,
            )
            self._own(file.path)
        file.write(f"\n{line}" if service in self._failing else line)  # half a line may be there
