"""The book of accounts: the operator's verbs on accounts, account groups and policies, and on what they have sent.

What the configuration has is shown, and changed only in its file; what the store has is checked by the same models, written, and
holds from the commit on. Several changes (an import) are one transaction. No answer has a password, nor its hash.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from shlex import quote
from typing import Any

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from smsd.core.accounts.asked import kind_of, number_of, settings_of, subject_of, text_of
from smsd.core.accounts.directory import Directory
from smsd.core.accounts.linked import Linked
from smsd.core.accounts.showing import Showing, before, counter_of
from smsd.core.accounts.wishes import Wish, Wishes, unknown
from smsd.store import accounts as rows
from smsd.store import watching
from smsd.values.errors import InvalidValue

MOST = 1000
"""Entries of one list."""
_MOST_SAID = 20
"""Changes of one import that the log names."""


class Book:
    """`period` gives the month of a moment (ms), `gateways` the ids that an account may be bound to, `subscribers` those that may
    hear of its messages; `changed` is called after every change."""

    log = Logger()

    def __init__(
        self,
        store: Any,
        directory: Directory,
        period: Callable[[int], str],
        gateways: Callable[[], Collection[str]] = tuple,
        subscribers: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._store = store
        self._directory = directory
        self._period = period
        self._gateways = gateways
        self._subscribers = subscribers
        self._showing = Showing(store, directory, period)
        self._wishes = Wishes(directory, gateways, subscribers)
        self.linked = Linked()
        self._lock = DeferredLock()
        self.changed: Callable[[], None] = lambda: None

    async def load(self) -> None:
        """Take what the store has; InvalidValue when that does not go with the configuration."""
        self._directory.load(await self._store.ask(rows.kept))
        clashes = self._directory.clashes()
        if clashes:
            raise InvalidValue("; ".join(clashes))
        for doubt in self.doubts():
            self.log.warn("{doubt}", doubt=doubt)

    def verbs(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        """Those of the operator, by name."""
        return {
            "accounts": self.find,
            "account": self.show,
            "account_add": self.add,
            "account_set": self.set,
            "account_remove": self.remove,
            "account_unlink": self.unlink,
            "account_reset": self.reset,
        }

    def doubts(self) -> list[str]:
        """What the store's accounts, groups and policies name that the configuration has not got any more."""
        known = {"gateway": set(self._gateways()), "callback": set(self._subscribers())}
        words = {"gateway": "gateway", "callback": "subscriber"}
        return [
            f"{kind} {name} of the store names the {words[field]} {value!r}, which there is not:"
            f" smsd account set{'' if kind == 'account' else f' --{kind}'} {quote(name)} {field}="
            for kind, name, settings in self._directory.every_kept()
            for field, value in settings.items()
            if field in known and value not in known[field]
        ]

    # -- looking

    async def find(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """kind (account, group, policy), after (a name), limit → what there is, by name, with what it has sent."""
        kind = kind_of(arguments)
        after, limit = text_of(arguments, "after"), arguments.get("limit")
        if limit is None:
            limit = MOST
        if not isinstance(limit, int) or not 1 <= limit <= MOST:
            raise InvalidValue(f"limit: {limit!r} is not possible; allowed: 1 to {MOST}")
        names = [name for name in self._directory.names(kind) if name > after][:limit]
        told = [self._showing.told(kind, name) for name in names]
        await self._showing.count(kind, told)
        return told

    async def show(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """name, kind → everything known of it; a mail user who may send by policy is found too."""
        kind, name = subject_of(arguments)
        if not self._directory.source(kind, name) and not (
            kind == "account" and self._directory.get(name) is not None
        ):
            raise unknown(kind, name)
        told = self._showing.told(kind, name)
        await self._showing.count(kind, [told])
        group = told.get("group")
        if kind == "account" and group:
            of_group = {"name": group}
            await self._showing.count("group", [of_group])
            told["group_sent_this_month"] = of_group["sent_this_month"]
        if kind == "account":
            why, waiting = await self._store.ask(watching.hold, told["name"])
            if why:
                told |= {"held": why, "held_messages": waiting}
            if linked := self.linked.of(told["name"]):
                told["linked"] = linked
        return told

    def gateways(self) -> list[str]:
        """The ids that an account may be bound to."""
        return list(self._gateways())

    def shown(self, kind: str, name: str) -> dict[str, Any] | None:
        """Its settings as `show` tells them, without counters; None when there is none in the configuration or the store."""
        return self._showing.told(kind, name) if self._directory.source(kind, name) else None

    # -- changing

    async def add(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """name, kind, settings → it, as `show` tells it."""
        return await self._alone(arguments, settings_of(arguments), new=True)

    async def set(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """name, kind, settings (null: back to the default) → it, as `show` tells it."""
        return await self._alone(arguments, settings_of(arguments))

    async def remove(self, arguments: Mapping[str, Any]) -> None:
        """name, kind: there is none any more. What it has sent stays counted, in case there is one again."""
        await self.change([Wish(*subject_of(arguments), None)])

    async def unlink(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """name, address: a chat address or a phone that has registered with it is linked to it no more → the links that knew it."""
        try:
            return await self.linked.unlink(arguments)
        except InvalidValue:
            kind, name = subject_of({"name": arguments.get("name")})
            if self._directory.get(name) is None:
                raise unknown(kind, name) from None
            raise

    async def reset(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """name, kind (account, group); sent (this month), sent_before (last month), last_sent (ms, 0: never): set what is given
        → it, as `show` tells it."""
        told = await self.show(arguments)
        if told["kind"] == "policy":
            raise InvalidValue("policies send nothing: name a user")
        given = {name: number_of(arguments, name) for name in ("sent", "sent_before", "last_sent")}
        period = self._period(self._store.now())
        counter = counter_of(told["kind"], told["name"])
        await self._store.tally(
            rows.Tally(
                counter, period, before(period), given["sent"], given["sent_before"], given["last_sent"]
            )
        )
        return await self.show(arguments)

    async def _alone(
        self, arguments: Mapping[str, Any], settings: Mapping[str, Any], new: bool = False
    ) -> dict[str, Any]:
        kind, name = subject_of(arguments)
        await self.change([Wish(kind, name, settings, new)])
        return await self.show({"kind": kind, "name": name})

    async def change(self, wishes: Sequence[Wish], tallies: Sequence[rows.Tally] = ()) -> None:
        """All of them, with these counters, or none: InvalidValue says what is wrong with the first that cannot be. They hold from
        the commit on."""
        await self._lock.acquire()
        try:
            changes = self.checked(wishes)
            await self._store.change_accounts((*changes, *tallies))
            self._directory.put_all((one.kind, one.name, one.settings) for one in changes)
            for one in changes[:_MOST_SAID]:
                what = "removed" if one.settings is None else "added" if one.new else "changed"
                self.log.info("{kind} {name}: {what}", kind=one.kind, name=one.name, what=what)
            if len(changes) > _MOST_SAID:
                self.log.info("and {n} more", n=len(changes) - _MOST_SAID)
            self.changed()
            for one in changes:
                if one.kind == "account" and one.settings is None:
                    await self.linked.forget(one.name)
        finally:
            self._lock.release()

    def mistakes(self, wishes: Sequence[Wish]) -> dict[int, str]:
        """What is wrong with new ones that come together, by their place."""
        return self._wishes.mistakes(wishes)

    def checked(self, wishes: Sequence[Wish]) -> tuple[rows.Change, ...]:
        """What would be written; InvalidValue when one of them cannot be."""
        return self._wishes.checked(wishes, self._store.now())
