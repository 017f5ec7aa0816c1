"""Trials: what would become of an incoming message that does not exist. Nothing is kept, sent or noted."""

from __future__ import annotations

from typing import Any

from smsd.core.explaining import trace_lines
from smsd.policy.reply import Link
from smsd.store.receiving import Desk
from smsd.values.delivery import State
from smsd.values.errors import Refused
from smsd.values.message import Content, Text
from smsd.values.plan import Acceptance


class TrialDesk(Desk):
    """Where nothing is written: the links are as they are, and everything may be said."""

    def __init__(self, links: list[Link]) -> None:
        self._links = links

    def links(self, peer: str, now: int) -> list[Link]:
        """As they were read."""
        return self._links

    def hush(self, peer: str, what: str, now: int, most: int = 1) -> bool:
        """As if the phone had been told nothing yet."""
        return True

    def charge(self, accepted: Acceptance) -> Refused | None:
        """As if the account had sent nothing yet."""
        return None

    def answers_alert(self, peer: str, text: str, now: int) -> bool:
        """No alert is closed by a trial."""
        return False


def told(acceptance: Acceptance) -> dict[str, Any]:
    """An acceptance in the words of `smsd explain --dry-run`; `trace` is how rules came to it."""
    (planned,) = acceptance.planned
    content = acceptance.submission.content if planned.content is None else planned.content
    return {
        "rules": trace_lines(planned.trace),
        "trace": planned.trace,
        "fate": "sent" if planned.state is State.READY else planned.state.name.lower(),
        "why": planned.reason or "",
        "to": str(planned.target),
        "route": planned.route,
        "parts": planned.parts,
        "encoding": planned.encoding,
        "text": _what(content),
        "notes": list(planned.notes),
        "sends": [
            {
                "to": str(one.target),
                "what": _what(child.submission.content if one.content is None else one.content),
            }
            for child in acceptance.children
            for one in child.planned
        ],
    }


def _what(content: Content) -> str:
    return content.text if isinstance(content, Text) else type(content).__name__.lower()
