"""An account: who may send, and what holds for what he sends. Made by the directory of accounts, read everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timezone, tzinfo


@dataclass(frozen=True, slots=True)
class Account:
    """`monthly_limit` 0 is none; `expires` is its last day, in `zone`. `group` is the group it belongs to, `senders` patterns
    of what it may call itself (none: what gateways allow), `text` what is done to its texts, `prepaid` whether it pays
    before it sends. `group_limit` is for all members of the group together. `off` says why it cannot be used, "" when it can.
    `payer` is whose balance a prepaid one pays from (its group's), its own when "". A text of more than `max_parts_refuse` SMS is
    refused, and none is cut (0: as the sender and the door say). One that `may_surge` is not held when it suddenly sends far
    more than usual. `callback` is the subscriber that hears of its messages, unless they name another one."""

    name: str
    gateway: str | None = None
    email: str | None = None
    phone: str | None = None
    country: str | None = None
    monthly_limit: int = 0
    expires: date | None = None
    active: bool = True
    group: str | None = None
    senders: tuple[str, ...] = ()
    text: str = "as_is"
    prepaid: bool = False
    zone: tzinfo = timezone.utc
    group_limit: int = 0
    off: str = ""
    payer: str = ""
    max_parts_refuse: int = 0
    may_surge: bool = False
    callback: str | None = None

    @property
    def sender(self) -> str | None:
        """What it calls itself where nothing is said: the first of `senders` that is no pattern."""
        return next((one for one in self.senders if not one.endswith("*")), None)

    def closed(self, now: float) -> str | None:
        """Why it cannot be used at `now` (seconds UTC), for its owner; None when it can."""
        if self.off:
            return self.off
        if not self.active:
            return "this account is switched off: ask the administrator"
        if self.expires is not None and datetime.fromtimestamp(now, self.zone).date() > self.expires:
            return f"this account expired after {self.expires}: ask the administrator"
        return None
