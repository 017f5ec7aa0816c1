"""How rules came to what they decided, as it is kept with each delivery: version of the rules, what decided, lines for people,
which rule ended it."""

from __future__ import annotations

import json

from smsd.policy.rules.letter import Trace, Verdict

_MOST = 1000
_LONGEST = 2000


class Traces:
    """Writes those of one version of the rules. Where no rule matched, which is most, they are remembered."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.unmatched = _written(Trace(), version)
        """Where none could."""
        self._known: dict[bytes, str] = {}

    def of(self, verdict: Verdict) -> str:
        """That of a verdict."""
        trace = verdict.trace
        if trace.steps:
            return _written(trace, self.version)
        known = self._known.get(trace.decided)
        if known is None:
            known = _written(trace, self.version)
            if len(known) > _LONGEST:  # ten thousand rules that are all asked: a thousand take 60 MB
                return known
            if len(self._known) > _MOST:
                self._known.clear()
            self._known[trace.decided] = known
        return known


def trace_json(verdict: Verdict, version: int) -> str:
    """That of one verdict, by rules of this version."""
    return _written(verdict.trace, version)


def stopped(trace: str) -> str:
    """The title of the rule that ended it, "" for none."""
    return str(json.loads(trace)[3]) if trace else ""


def _written(trace: Trace, version: int) -> str:
    steps = ",".join(map(_quoted, trace.steps))
    return f'[{version},"{trace.decided.hex()}",[{steps}],{_quoted(trace.stopped)}]'


_quoted = json.encoder.encode_basestring
