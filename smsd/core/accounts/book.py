"""The book of accounts: the operator's verbs on accounts, account groups and policies, and on what they have sent.

What the configuration has is shown, and changed only in its file; what the store has is checked by the same models, written, and
holds from the commit on. Several changes (an import) are one transaction. No answer has a password, nor its hash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from smsd.config.validate import words
from smsd.core.accounts.directory import MODELS, NAMES, Directory
from smsd.core.passwords import is_hash
from smsd.store import accounts as rows
from smsd.store import watching
from smsd.store.accepting import group_counter
from smsd.values.account import Account
from smsd.values.errors import InvalidValue
from smsd.values.message import storable

MOST = 1000
"""Entries of one list."""
MOST_NUMBER = 10**15
FILE_ONLY = ("callback", "demo", "outgoing_rules", "incoming_rules", "may_execute")
"""What only the configuration can say: it belongs to its rules and subscribers."""
FIELDS = {
    kind: tuple(name for name in model.model_fields if name != NAMES[kind] and name not in FILE_ONLY)
    for kind, model in MODELS.items()
}
_LISTS = ("senders", "networks", "jids")
_SECRETS = {"password", "sip_secret"}
_MOST_SAID = 20
"""Changes of one import that the log names."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One change: `settings` by field, where None takes a field back to its default; None altogether removes it. `new`: it is
    added, and what is not said has its default."""

    kind: str
    name: str
    settings: Mapping[str, Any] | None
    new: bool = False


class Book:
    """`period` gives the month of a moment (ms), `gateways` the ids that an account may be bound to; `changed` is called after
    every change."""

    log = Logger()

    def __init__(
        self,
        store: Any,
        directory: Directory,
        period: Callable[[int], str],
        gateways: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._store = store
        self._directory = directory
        self._period = period
        self._gateways = gateways
        self._lock = DeferredLock()
        self.changed: Callable[[], None] = lambda: None

    async def load(self) -> None:
        """Take what the store has; InvalidValue when that does not go with the configuration."""
        self._directory.load(await self._store.ask(rows.kept))
        clashes = self._directory.clashes()
        if clashes:
            raise InvalidValue("; ".join(clashes))

    def verbs(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        """Those of the operator, by name."""
        return {
            "accounts": self.find,
            "account": self.show,
            "account_add": self.add,
            "account_set": self.set,
            "account_remove": self.remove,
            "account_reset": self.reset,
        }

    # -- looking

    async def find(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """kind (account, group, policy), after (a name), limit → what there is, by name, with what it has sent."""
        kind = _kind(arguments)
        after, limit = _text(arguments, "after"), arguments.get("limit")
        if limit is None:
            limit = MOST
        if not isinstance(limit, int) or not 1 <= limit <= MOST:
            raise InvalidValue(f"limit: {limit!r} is not possible; allowed: 1 to {MOST}")
        names = [name for name in self._directory.names(kind) if name > after][:limit]
        told = [self._told(kind, name) for name in names]
        await self._count(kind, told)
        return told

    async def show(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """name, kind → everything known of it; a mail user who may send by policy is found too."""
        kind, name = _kind(arguments), _name(arguments)
        if not self._directory.source(kind, name) and not (
            kind == "account" and self._directory.get(name) is not None
        ):
            raise _unknown(kind, name)
        told = self._told(kind, name)
        await self._count(kind, [told])
        group = told.get("group")
        if kind == "account" and group:
            of_group = {"name": group}
            await self._count("group", [of_group])
            told["group_sent_this_month"] = of_group["sent_this_month"]
        if kind == "account":
            why, waiting = await self._store.ask(watching.hold, told["name"])
            if why:
                told |= {"held": why, "held_messages": waiting}
        return told

    def gateways(self) -> list[str]:
        """The ids that an account may be bound to."""
        return list(self._gateways())

    def shown(self, kind: str, name: str) -> dict[str, Any] | None:
        """Its settings as `show` tells them, without counters; None when there is none in the configuration or the store."""
        return self._told(kind, name) if self._directory.source(kind, name) else None

    def _told(self, kind: str, name: str) -> dict[str, Any]:
        source = self._directory.source(kind, name)
        settings = self._directory.settings(kind, name)
        if settings is None and not source:
            entry = self._directory.get(name)
            assert entry is not None
            account = entry.account
            shown = {field: getattr(account, field) for field in FIELDS["account"] if hasattr(account, field)}
            told = {"name": account.name, "kind": kind, "source": "policy", **shown}
            told["expires"] = None if account.expires is None else str(account.expires)
            told["senders"] = list(account.senders)
            return {**told, "closed": self._closed(account)}
        told = {"name": name, "kind": kind, "source": source}
        if settings is None:
            return {**told, "closed": "its settings in the store are broken: the log says why"}
        said = settings.model_dump(mode="json", include=set(FIELDS[kind]))
        if "password" in said:
            password = settings.password.get_secret_value()
            said["password"] = "set" if is_hash(password) else "in clear" if password else ""
            said["sip_secret"] = "set" if settings.sip_secret.get_secret_value() else ""
        told.update(said)
        if kind == "account":
            found = self._directory.find(name)
            assert found is not None
            told["closed"] = self._closed(found)
        return told

    def _closed(self, account: Account) -> str:
        return account.closed(self._store.now() / 1000) or ""

    async def _count(self, kind: str, told: list[dict[str, Any]]) -> None:
        if kind == "policy" or not told:
            return
        counters = {one["name"]: counter_of(kind, one["name"]) for one in told}
        period = self._period(self._store.now())
        counted = await self._store.ask(rows.counted, list(counters.values()), period, before(period))
        for one in told:
            one.update(counted[counters[one["name"]]])

    # -- changing

    async def add(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """name, kind, settings → it, as `show` tells it."""
        return await self._alone(arguments, _settings(arguments), new=True)

    async def set(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """name, kind, settings (null: back to the default) → it, as `show` tells it."""
        return await self._alone(arguments, _settings(arguments))

    async def remove(self, arguments: Mapping[str, Any]) -> None:
        """name, kind: there is none any more. What it has sent stays counted, in case there is one again."""
        await self.change([Wish(_kind(arguments), _name(arguments), None)])

    async def reset(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """name, kind (account, group); sent (this month), sent_before (last month), last_sent (ms, 0: never): set what is given
        → it, as `show` tells it."""
        told = await self.show(arguments)
        if told["kind"] == "policy":
            raise InvalidValue("policies send nothing: name a user")
        given = {name: _number(arguments, name) for name in ("sent", "sent_before", "last_sent")}
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
        kind, name = _kind(arguments), _name(arguments)
        if kind == "policy":
            name = name.lower()
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
        finally:
            self._lock.release()

    def mistakes(self, wishes: Sequence[Wish]) -> dict[int, str]:
        """What is wrong with new ones that come together, by their place."""
        coming = {(one.kind, one.name) for one in wishes}
        found = {}
        for number, wish in enumerate(wishes):
            try:
                self._written(wish, coming)
            except InvalidValue as error:
                found[number] = str(error)
        return found

    def checked(self, wishes: Sequence[Wish]) -> tuple[rows.Change, ...]:
        """What would be written; InvalidValue when one of them cannot be."""
        coming = {(one.kind, one.name) for one in wishes if one.settings is not None}
        leaving = {(one.kind, one.name) for one in wishes if one.settings is None}
        now = self._store.now()
        changes = []
        jids: dict[str, str] = {}
        for wish in wishes:
            text = None
            if wish.settings is None:
                self._may_go(wish, leaving)
            else:
                text = self._written(wish, coming)
                for jid in json.loads(text).get("jids", ()):
                    if jids.setdefault(jid, wish.name) != wish.name:
                        raise InvalidValue(
                            f"{jid} is a chat address of {jids[jid]} and {wish.name}: say whose"
                        )
            changes.append(rows.Change(wish.kind, wish.name, text, now, wish.new))
        return tuple(changes)

    def _may_go(self, wish: Wish, leaving: Collection[tuple[str, str]]) -> None:
        self._there(wish)
        if wish.kind != "group":
            return
        for kind in ("account", "policy"):
            for name in self._directory.names(kind):
                member = self._directory.settings(kind, name)
                if member is not None and member.group == wish.name and (kind, name) not in leaving:
                    raise InvalidValue(
                        f"{kind} {name} belongs to the group {wish.name}: take it out first (group=)"
                    )

    def _there(self, wish: Wish) -> None:
        source = self._directory.source(wish.kind, wish.name)
        if source == "configuration":
            raise InvalidValue(
                f"{wish.kind} {wish.name} is in the configuration: change it in its file, then smsd reload"
            )
        if wish.new and source:
            raise InvalidValue(f"there is already {_an(wish.kind)} {wish.name}")
        if not wish.new and not source:
            raise _unknown(wish.kind, wish.name)

    def _written(self, wish: Wish, coming: Collection[tuple[str, str]]) -> str:
        assert wish.settings is not None
        self._there(wish)
        fields = {} if wish.new else self._directory.kept(wish.kind, wish.name)
        for name, value in wish.settings.items():
            if name not in FIELDS[wish.kind]:
                where = "; only the configuration can say that" if name in FILE_ONLY else ""
                raise InvalidValue(
                    f"there is no setting {name!r} of {_an(wish.kind)}{where}; allowed: {', '.join(FIELDS[wish.kind])}"
                )
            if value is None or value == "":
                fields.pop(name, None)
            else:
                fields[name] = _split(value) if name in _LISTS and isinstance(value, str) else value
        settings = _validated(wish.kind, wish.name, fields)
        self._fits(wish, settings, coming)
        written = settings.model_dump(mode="json", include=fields.keys())
        for secret in _SECRETS & written.keys():
            written[secret] = getattr(settings, secret).get_secret_value()
        return json.dumps(written, ensure_ascii=False, separators=(",", ":"))

    def _fits(self, wish: Wish, settings: Any, coming: Collection[tuple[str, str]]) -> None:
        """It names what there is, and has a name of its own."""
        if settings.gateway is not None and settings.gateway not in self._gateways():
            raise InvalidValue(
                f"there is no gateway {settings.gateway!r}; allowed: {', '.join(self._gateways()) or 'none'}"
            )
        group = getattr(settings, "group", None)
        if (
            group is not None
            and not self._directory.source("group", group)
            and ("group", group) not in coming
        ):
            groups = ", ".join(self._directory.names("group"))
            raise InvalidValue(f"there is no account group {group!r}; allowed: {groups or 'none'}")
        for jid in getattr(settings, "jids", ()):
            owner = self._directory.of_jid(jid)
            if owner not in (None, wish.name):
                raise InvalidValue(f"{jid} belongs to the account {owner}: take it away there first")
        other = {"account": "policy", "policy": "account"}.get(wish.kind)
        if other is not None:
            name = wish.name.lower() if other == "policy" else self._directory.folded(wish.name)
            if self._directory.source(other, name) or (other, name) in coming:
                raise InvalidValue(
                    f"there is already {_an(other)} {name}, and a name has one meaning: remove that first"
                )


def before(period: str) -> str:
    """The month before one: "2025-12" for "2026-01"."""
    year, month = int(period[:4]), int(period[5:7])
    return f"{year - 1:04}-12" if month == 1 else f"{year:04}-{month - 1:02}"


def counter_of(kind: str, name: str) -> str:
    """What its messages are counted under."""
    return group_counter(name) if kind == "group" else name


def _validated(kind: str, name: str, fields: Mapping[str, Any]) -> Any:
    model = MODELS[kind]
    try:
        return model.model_validate({**fields, NAMES[kind]: name})
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
    if not wrong["loc"]:
        raise InvalidValue(wrong["msg"].removeprefix("Value error, "))
    field, given = str(wrong["loc"][0]), wrong["input"]
    shown = repr(given) if isinstance(given, str) and len(given) < 80 and field not in _SECRETS else "this"
    told, rule = words(wrong["type"], wrong, shown)
    described = model.model_fields[field].description
    rule = f"allowed: {described}" if described else rule
    raise InvalidValue(f"{'name' if field == NAMES[kind] else field}: {told}" + (f"; {rule}" if rule else ""))


def _split(text: str) -> list[str]:
    return [part for part in (piece.strip() for piece in text.split(",")) if part]


def _an(kind: str) -> str:
    return {"account": "an account", "group": "an account group", "policy": "a policy"}[kind]


def _unknown(kind: str, name: str) -> InvalidValue:
    return InvalidValue(f"there is no {kind} {name!r}: smsd account list shows those there are")


def _kind(arguments: Mapping[str, Any]) -> str:
    kind = arguments.get("kind") or "account"
    if kind not in MODELS:
        raise InvalidValue(f"kind: {kind!r} is not possible; allowed: {', '.join(MODELS)}")
    return str(kind)


def _name(arguments: Mapping[str, Any]) -> str:
    name = _text(arguments, "name")
    if not name:
        raise InvalidValue("name: a name is needed")
    return name


def _text(arguments: Mapping[str, Any], field: str) -> str:
    value = arguments.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidValue(f"{field}: a text is needed")
    return storable(value)


def _number(arguments: Mapping[str, Any], field: str) -> int | None:
    value = arguments.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_NUMBER:
        raise InvalidValue(f"{field}: {value!r} is not possible; allowed: 0 or more")
    return value


def _settings(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    settings = arguments.get("settings") or {}
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise InvalidValue("settings: an object with names and values is needed")
    for value in settings.values():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                storable(text)
    return settings
