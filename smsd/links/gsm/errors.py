"""What can go wrong with a modem, in the four sorts that the supervisor treats differently."""

from __future__ import annotations


class Silent(Exception):
    """The modem did not answer in time. `written`: the payload and its Ctrl-Z had left."""

    def __init__(self, command: str, written: bool = False) -> None:
        super().__init__(f"no answer to {command}")
        self.written = written


class Lost(Exception):
    """The line ended before the answer. `written` as in `Silent`."""

    def __init__(self, reason: str, written: bool = False) -> None:
        super().__init__(reason)
        self.written = written


class NotUsable(Exception):
    """The modem answers, and cannot be used as it is; trying again soon may help."""


class SimTrouble(NotUsable):
    """The SIM needs a person. The text says what to do; it is looked at again once in a while."""
