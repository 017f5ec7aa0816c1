"""Trials: what would become of an incoming message that does not exist. Nothing is kept, sent or noted."""

from __future__ import annotations

from typing import Any

from smsd.core.trying import what
from smsd.policy.reply import Link
from smsd.store.receiving import Desk
from smsd.values.delivery import State
from smsd.values.errors import Refused
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
    """An acceptance in the words of `smsd explain --dry-run`; `trace` is how rules came to it. Where it goes is only said when it
    goes there."""
    (planned,) = acceptance.planned
    content = acceptance.submission.content if planned.content is None else planned.content
    goes = planned.state in (State.READY, State.HELD)
    return {
        "trace": planned.trace,
        "fate": "sent" if planned.state is State.READY else planned.state.name.lower(),
        "why": planned.reason or "",
        **({"to": str(planned.target), "route": planned.route} if goes else {}),
        "parts": planned.parts,
        "encoding": planned.encoding,
        "text": what(content),
        "notes": list(planned.notes),
        "sends": [
            {
                "to": str(one.target),
                "what": what(child.submission.content if one.content is None else one.content),
            }
            for child in acceptance.children
            for one in child.planned
        ],
    }
