"""The operator's verbs, one set for the command line and, later, the console: what they take, do and answer.

Arguments and answers are JSON values. A verb that cannot be done fails with InvalidValue or Refused, whose text is for
the operator. Who may call them is decided by whoever opens this to the outside (the control socket: its permissions).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

from smsd.core.auditing import Auditor
from smsd.core.overrides import Overrides
from smsd.core.smshttp import fate, hand_in
from smsd.policy import route as routes
from smsd.store import operating, watching
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue
from smsd.values.message import Parameters, Priority, Recipient, Submission, Text, storable

WAITING = (State.READY, State.SENDING, State.SCHEDULED, State.HELD, State.GATHERED)
MOST = 1000


class Control:
    """Verbs over `store`, `dispatcher` (IDispatcher) and `queue` (`wake(lane)`); `status` and `reload` are the server's, `timed`
    lists its timed rules, `callbacks` knows events for programs, `accounts`, `tokens`, `jobs` and `billing` bring verbs of their
    own."""

    def __init__(
        self,
        *,
        store: Any,
        dispatcher: Any,
        queue: Any,
        overrides: Overrides,
        explainer: Any,
        status: Callable[[], dict[str, Any]],
        reload: Callable[[], Awaitable[list[str]]],
        timed: Callable[[], list[dict[str, Any]]] = list,
        callbacks: Any = None,
        accounts: Any = None,
        tokens: Any = None,
        billing: Any = None,
        jobs: Any = None,
        audit: Auditor | None = None,
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._queue = queue
        self._overrides = overrides
        self._explainer = explainer
        self._status = status
        self._reload = reload
        self._timed = timed
        self._callbacks = callbacks
        self._audit = audit
        self._verbs: dict[str, Callable[[Mapping[str, Any]], Awaitable[Any]]] = {
            "send": self.send,
            "list": self.find,
            "show": self.show,
            "explain": self.explain,
            "trial": self.trial,
            "retry": self.retry,
            "cancel": self.cancel,
            "status": self.status,
            "set": self.change,
            "reload": self.reload,
            "release": self.release,
            "timed": self.timed,
            "callbacks": self.callbacks,
            "replay": self.replay,
            "sms_http": partial(hand_in, dispatcher),
        }
        for more in (accounts, tokens, jobs, billing):
            if more is not None:
                self._verbs.update(more.verbs())

    def add(self, verbs: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Any]]]) -> None:
        """Take verbs that somebody else brings."""
        self._verbs.update(verbs)

    async def call(self, verb: str, arguments: Mapping[str, Any]) -> Any:
        """Do a verb; InvalidValue for one that does not exist, or for arguments that make no sense."""
        if verb not in self._verbs:
            raise InvalidValue(f"there is no verb {verb!r}; allowed: {', '.join(self._verbs)}")
        if self._audit is None:
            return await self._verbs[verb](arguments)
        return await self._audit.kept(verb, arguments, self._verbs[verb])

    async def send(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """to (list), text; gateway, sender, expire_minutes, max_parts, priority, account → message, and an entry per
        recipient."""
        to, text = arguments.get("to"), arguments.get("text")
        if not isinstance(to, list) or not to or not all(isinstance(number, str) and number for number in to):
            raise InvalidValue("to: a list of numbers is needed")
        if not isinstance(text, str):
            raise InvalidValue("text: a text is needed")
        priority = str(arguments.get("priority") or "normal").upper()
        if priority not in Priority.__members__:
            raise InvalidValue(
                f"priority: {priority.lower()!r} is not possible; allowed: urgent, normal, bulk"
            )
        parameters = Parameters(
            gateway=_text(arguments, "gateway"),
            sender=_text(arguments, "sender"),
            expire_minutes=_number(arguments, "expire_minutes", 1, 525600),
            max_parts=_number(arguments, "max_parts", 1, 128),
            priority=Priority[priority],
        )
        recipients = tuple(Recipient(Address("sms", number), number, parameters) for number in to)
        account = _text(arguments, "account")
        if account is not None:
            told = await self.call("account", {"name": account})
            account = str(told["name"])
            if told["closed"]:
                raise InvalidValue(str(told["closed"]))
        origin = Address("account", account or "operator")
        submission = Submission("control", origin, recipients, Text(text), account=account)
        receipt = await self._dispatcher.submit(submission)
        return {"message": receipt.message, "recipients": [fate(entry) for entry in receipt.recipients]}

    async def find(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Deliveries, newest first. states (names; "waiting", the default, or "all"), target, account, door, before,
        limit (at most 1000)."""
        limit = _number(arguments, "limit", 1, MOST) or 50
        found: list[dict[str, Any]] = await self._store.ask(
            operating.find,
            states=_states(arguments.get("states") or "waiting"),
            target=_text(arguments, "target") or "",
            account=_text(arguments, "account") or "",
            door=_text(arguments, "door") or "",
            before=_number(arguments, "before", 0, 2**63 - 1) or 0,
            limit=limit,
        )
        return [_named(row) for row in found]

    async def show(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """delivery → everything known of it."""
        delivery = _delivery(arguments)
        told: dict[str, Any] | None = await self._store.ask(operating.explain, delivery)
        if told is None:
            raise InvalidValue(f"there is no delivery {delivery}: smsd queue list shows those there are")
        return _named(told)

    async def explain(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """delivery → everything known of it, and how the rules came to it."""
        return _named(await self._explainer.delivery(_delivery(arguments)))

    async def trial(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """from, to, text; subject, headers (lines), account, gateway, door, ip, host, at (23:30 or 2026-12-24 23:30), incoming,
        brief (nothing of the rules) → what would become of such a message."""
        given: dict[str, Any] = {name: _text(arguments, name) or "" for name in _TRIED}
        headers = (_text({"headers": line}, "headers") for line in arguments.get("headers") or ())
        told: dict[str, Any] = await self._explainer.trial(
            {
                **given,
                "headers": [line for line in headers if line],
                "incoming": bool(arguments.get("incoming")),
                "brief": bool(arguments.get("brief")),
            }
        )
        return told

    async def retry(self, arguments: Mapping[str, Any]) -> None:
        """delivery: send it now, also when it failed, expired, was held or cancelled."""
        await self._alter("retry", arguments)

    async def cancel(self, arguments: Mapping[str, Any]) -> None:
        """delivery: do not send it."""
        await self._alter("cancel", arguments)

    async def status(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The server, its gateways and doors, and how many deliveries wait. Doors that count say how many `messages` they have
        taken."""
        waiting = await self._store.ask(operating.counts)
        taken = await self._store.ask(operating.taken)
        status = self._status()
        for door in status.get("doors", []):
            if door["counted"]:
                door |= taken.get(door["id"], {"messages": 0, "last": 0})
        held = await self._store.ask(watching.holds)
        status["held"] = {name: {"why": why, "waiting": n} for name, (_, why, n) in sorted(held.items())}
        serving = self._queue.serving
        for row in waiting:
            if row["state"] == "ready" and not serving.everybody(row["route"]):
                row["why"] = routes.nobody(row["route"])
        return {**status, "queue": [_named(row) for row in waiting]}

    async def change(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Nothing: every setting that can be set. name and value (null: back to the file's): set it, then the same."""
        name = _text(arguments, "name")
        if name is not None:
            await self._overrides.set(name, _text(arguments, "value"))
        return self._overrides.shown()

    async def release(self, arguments: Mapping[str, Any]) -> None:
        """gateway: it is well, and gets messages again at once, whatever it was given to rest for."""
        name = _text(arguments, "gateway")
        names = sorted(outlet.name for outlet in self._queue.outlets())
        if name not in names:
            raise InvalidValue(f"there is no gateway {name!r} at work; allowed: {', '.join(names) or 'none'}")
        self._queue.release(name)

    async def reload(self, arguments: Mapping[str, Any]) -> list[str]:
        """Read the configuration again → what could not be done, and what begins with "warning: " (also said in the log)."""
        return await self._reload()

    async def timed(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Every timed rule: when it runs next, when it ran last, what came of it."""
        return self._timed()

    async def callbacks(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Events for programs that wait, or with `dead` those that expired or were refused; subscriber, before, limit."""
        found: list[dict[str, Any]] = await self._callbacks.find(
            _text(arguments, "subscriber") or "",
            bool(arguments.get("dead")),
            _number(arguments, "before", 0, 2**63 - 1) or 0,
            _number(arguments, "limit", 1, MOST) or 50,
        )
        return found

    async def replay(self, arguments: Mapping[str, Any]) -> int:
        """Tell dead events again under the same ids: one delivery, those of a subscriber, or all → how many."""
        if arguments.get("delivery") is not None:
            return int(await self._callbacks.replay(_delivery(arguments)))
        subscriber = _text(arguments, "subscriber") or ""
        if not subscriber and not arguments.get("all"):
            raise InvalidValue("delivery, subscriber or all: one of them is needed")
        return int(await self._callbacks.replay_dead(subscriber))

    async def _alter(self, verb: str, arguments: Mapping[str, Any]) -> None:
        await self.alter(verb, _delivery(arguments))

    async def alter(self, verb: str, delivery: int, who: str = "the operator") -> None:
        """retry or cancel a delivery, in somebody's name."""
        now = self._store.now()
        expires = now + self._overrides.effective().queue.expire_minutes * 60_000
        with nullcontext() if self._audit is None else self._audit.deed(verb, delivery, who):
            lanes = await self._store.control(operating.Verb(verb, delivery, now, expires, who))
        for lane in lanes:
            self._queue.wake(lane, now)


_WORDS = {State.READY.name.lower(): "queued"}
"""What users call a state, where the house has another name for it."""


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """A row, and the deliveries that are told of with it, with the states as users call them."""
    for value in row.values():
        if isinstance(value, list):
            value[:] = [_named(one) if isinstance(one, dict) else one for one in value]
    return {**row, "state": _WORDS.get(row["state"], row["state"])} if "state" in row else row


def _states(given: Any) -> tuple[State, ...]:
    names = given if isinstance(given, list) else [given]
    states: tuple[State, ...] = ()
    for name in names:
        if name == "all":
            return ()
        if name == "waiting":
            states += WAITING
        elif name == "queued":
            states += (State.READY,)
        elif isinstance(name, str) and name.upper() in State.__members__:
            states += (State[name.upper()],)
        else:
            allowed = ", ".join(_WORDS.get(state.name.lower(), state.name.lower()) for state in State)
            raise InvalidValue(f"there is no state {name!r}; allowed: waiting, all, {allowed}")
    return states


_TRIED = ("from", "to", "text", "subject", "account", "gateway", "door", "ip", "host", "at")
"""What a message that is tried may have."""


def _text(arguments: Mapping[str, Any], name: str) -> str | None:
    value = arguments.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidValue(f"{name}: a text is needed")
    return None if value is None else storable(value)


def _number(arguments: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = arguments.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or not least <= value <= most:
        raise InvalidValue(f"{name}: {value!r} is not possible; allowed: {least} to {most}")
    return value


def _delivery(arguments: Mapping[str, Any]) -> int:
    number = _number(arguments, "delivery", 1, 2**63 - 1)
    if number is None:
        raise InvalidValue("delivery: its number is needed")
    return number
