"""What a provider's answer means: the one place that decides between yes, no for now, no for ever, and nobody knows.

An answer that the provider's description knows is what it says. Any other is judged by its status: 5xx, 408, 425 and 429 are
temporary, 401, 402, 403 and 407 stop the gateway (bad login, no credit), the other 4xx are permanent. A 2xx that is no yes,
although it came whole or is longer than we read, is a no for ever: it may have been sent, and doing it again for days would
cost money each time. Half an answer is as good as none, unless that half says yes: half a number is another number, also of an
error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from smsd.codec.provider.matching import charset, read_json
from smsd.codec.provider.model import Answers, Condition, Source
from smsd.values.delivery import Accepted, Failure, Kind, Scope

NOT_NOW: Final = frozenset({408, 425, 429})
CLOSED: Final = frozenset({401, 402, 403, 407})
_WORDS: Final = 160
"""Characters of an answer that are shown in a reason."""
_LONGEST_ID: Final = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came. `headers` have names in lower case; `whole`: its body came to its end and was not cut; `cut`: it was
    longer than we read. `wait`: the seconds of its Retry-After."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    whole: bool = True
    cut: bool = False
    wait: float | None = None
    phrase: str = ""


class _Read:
    """A reply with its body decoded when somebody asks."""

    def __init__(self, reply: Reply, answers: Answers, hide: Callable[[str], str] = str) -> None:
        self.reply = reply
        self._hide = hide
        octets = reply.body
        name = (
            answers.charset
            or charset(_parameter(reply.headers.get("content-type", ""), "charset"))
            or "utf-8"
        )
        self.text = octets.decode(name, "replace").removeprefix("\ufeff").replace("\0", "")
        self._json: Any = None
        self._parsed = False

    @property
    def json(self) -> Any:
        """What its body says in JSON, None when it says nothing."""
        if not self._parsed:
            self._parsed = True
            self._json = read_json(self.text)
        return self._json

    def fits(self, condition: Condition, *, every: bool = False) -> bool:
        """Whether the reply is like this; `every`: all that a path leads to must be."""
        if condition.status and not any(self.reply.status in each for each in condition.status):
            return False
        if condition.match is not None and not condition.match.search(self.text):
            return False
        for path, values in condition.json:
            found = path.find(self.json)
            if not found or (values and not (all if every else any)(each in values for each in found)):
                return False
        return True

    def partly(self, condition: Condition) -> bool:
        """Whether some of what paths lead to is as the condition says: a part of the message was taken."""
        return any(
            values and any(each in values for each in path.find(self.json)) for path, values in condition.json
        )

    def find(self, sources: tuple[Source, ...], own: str = "") -> tuple[str, ...]:
        """What the first source that has anything gives; `own` is what we call the message."""
        for source in sources:
            found: tuple[str, ...] = ()
            if source.own:
                return (own,) if own else ()
            if source.header:
                value = self.reply.headers.get(source.header, "")
                found = source.match.find(value) if source.match else (value,) if value else ()
            elif source.match is not None:
                found = source.match.find(self.text)
            elif source.json is not None:
                found = source.json.find(self.json)
            found = tuple(dict.fromkeys(shown for each in found if (shown := _storable(each))))
            if found:
                return found
        return ()

    def names(self, sources: tuple[Source, ...], own: str) -> tuple[str, ...]:
        """What the provider calls the message. What stands at the end of half an answer may go on: it is no name."""
        found = self.find(sources, own)
        if self.reply.whole:
            return found
        end = self.text.rstrip()
        return tuple(name for name in found if name == own or not end.endswith(name))

    def words(self, answers: Answers, condition: Condition | None = None) -> str:
        """The reason in the network's words, with ours in front where there are some."""
        # What nobody may see is hidden before it is cut: half a password is a good part of it.
        said = " ".join(self._hide("; ".join(self.find(answers.reason)[:3]) or self.text).split())
        said = said if len(said) <= _WORDS else said[: _WORDS - 1] + "…"
        ours = condition.reason if condition else ""
        return ": ".join(each for each in (ours, said) if each)


def _storable(text: str) -> str:
    """What a provider said, as any store can hold it."""
    text = text.strip()[:_LONGEST_ID]
    return text if text.isprintable() else "".join(sign for sign in text if sign.isprintable())


def asks_for_second(answers: Answers, reply: Reply) -> bool:
    """Whether the message is to be handed to the provider's second server."""
    read = _Read(reply, answers)
    return any(read.fits(condition) for condition in answers.second)


def judge(
    answers: Answers, reply: Reply, rest: float, own: str = "", hide: Callable[[str], str] = str
) -> Accepted | Failure:
    """What the reply means for the piece it answers, which we call `own`. `rest`: seconds that a gateway is left alone when its
    account is closed. `hide` takes out of the provider's words what nobody may see."""
    read = _Read(reply, answers, hide)
    if any(read.fits(condition, every=True) for condition in answers.success):
        first, *more = read.names(answers.id, own) or ("",)
        return Accepted(first or None, more=tuple(more))
    if not reply.whole and not reply.cut and 200 <= reply.status < 300:
        return Failure(Kind.UNKNOWN, f"half an answer: {_said(answers, read)}", status="4.4.2")
    for name in ("stop", "speed", "elsewhere", "temporary", "permanent"):
        conditions: tuple[Condition, ...] = getattr(answers, name)
        found = next((each for each in conditions if read.fits(each)), None)
        if found is not None:
            partly = any(read.partly(each) for each in answers.success)
            if partly and name == "elsewhere":
                name = "permanent"  # a part of it has left from here
            failure = _failure(name, read.words(answers, found), reply, rest)
            failure.maybe_sent = partly
            return failure
    return _by_status(answers, read, rest)


def _failure(name: str, words: str, reply: Reply, rest: float) -> Failure:
    words = words or f"it answered {reply.status}"
    if name == "stop":
        wait = rest if reply.wait is None else max(rest, reply.wait)
        return Failure(Kind.TEMPORARY, words, scope=Scope.GATEWAY, retry_after=wait, status="4.7.0")
    if name == "speed":
        return Failure(Kind.TEMPORARY, words, scope=Scope.SPEED, retry_after=reply.wait, status="4.4.5")
    if name == "temporary":
        return Failure(Kind.TEMPORARY, words, retry_after=reply.wait, status="4.4.0")
    if name == "elsewhere":
        return Failure(Kind.PERMANENT, words, scope=Scope.GATEWAY, status="5.4.4")
    return Failure(Kind.PERMANENT, words, status="5.0.0")


def _said(answers: Answers, read: _Read) -> str:
    status = f"it answered {read.reply.status} {read.reply.phrase}".rstrip()
    said = read.words(answers)
    return f"{status}: {said}" if said else status


def _by_status(answers: Answers, read: _Read, rest: float) -> Failure:
    reply, words = read.reply, _said(answers, read)
    if reply.status == 429:
        return _failure("speed", words, reply, rest)
    if reply.status >= 500 or reply.status in NOT_NOW:
        return _failure("temporary", words, reply, rest)
    if reply.status in CLOSED:
        return _failure("stop", words, reply, rest)
    if 200 <= reply.status < 300:
        return Failure(
            Kind.PERMANENT, f"an answer that nobody expects: {words}", maybe_sent=True, status="5.5.0"
        )
    return _failure("permanent", words, reply, rest)


def _parameter(value: str, name: str) -> str:
    for part in value.split(";")[1:]:
        key, _, given = part.partition("=")
        if key.strip().lower() == name:
            return given
    return ""
