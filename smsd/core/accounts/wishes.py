"""What the operator wishes of accounts, account groups and policies, checked before anything is written: by the same models as the
configuration, and against what there is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from smsd.config.validate import words
from smsd.core.accounts.directory import MODELS, NAMES, Directory
from smsd.store import accounts as rows
from smsd.values.errors import InvalidValue

FILE_ONLY = ("demo", "outgoing_rules", "incoming_rules", "may_execute")
"""What only the configuration can say: a password in clear, and rules, which are read, numbered and kept as one list (so that what
they did can be explained) and could start programs."""
FIELDS = {
    kind: tuple(name for name in model.model_fields if name != NAMES[kind] and name not in FILE_ONLY)
    for kind, model in MODELS.items()
}
_LISTS = ("senders", "networks", "jids")
_SECRETS = {"password", "sip_secret"}


@dataclass(frozen=True, slots=True)
class Wish:
    """One change: `settings` by field, where None takes a field back to its default; None altogether removes it. `new`: it is
    added, and what is not said has its default."""

    kind: str
    name: str
    settings: Mapping[str, Any] | None
    new: bool = False


class Wishes:
    """Checks them; `gateways` are the ids that an account may be bound to, `subscribers` those of whom hears of its messages."""

    def __init__(
        self,
        directory: Directory,
        gateways: Callable[[], Collection[str]],
        subscribers: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._directory = directory
        self._gateways = gateways
        self._subscribers = subscribers

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

    def checked(self, wishes: Sequence[Wish], now: int) -> tuple[rows.Change, ...]:
        """What would be written; InvalidValue when one of them cannot be."""
        coming = {(one.kind, one.name) for one in wishes if one.settings is not None}
        leaving = {(one.kind, one.name) for one in wishes if one.settings is None}
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
            raise unknown(wish.kind, wish.name)

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
        callback = getattr(settings, "callback", None)
        if callback is not None and callback not in self._subscribers():
            raise InvalidValue(
                f"there is no subscriber {callback!r}; allowed: {', '.join(self._subscribers()) or 'none'}"
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


def unknown(kind: str, name: str) -> InvalidValue:
    """There is none of this kind with this name."""
    listed = "smsd account list" + ("" if kind == "account" else f" --{kind}")
    return InvalidValue(f"there is no {kind} {name!r}: {listed} shows those there are")
