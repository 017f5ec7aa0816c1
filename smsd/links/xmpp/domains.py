"""One of our domains on the chat server, as the link uses it."""

from __future__ import annotations

from dataclasses import dataclass

from smsd.values.message import DEFAULT_PARAMETERS, Parameters


@dataclass(frozen=True, slots=True)
class Domain:
    """`kind` is what people expect there: sms, email or fax; `only`: nothing else is taken. `parameters` are for every SMS."""

    name: str
    kind: str = "sms"
    only: bool = False
    parameters: Parameters = DEFAULT_PARAMETERS

    def __str__(self) -> str:
        return self.name
