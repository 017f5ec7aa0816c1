"""One run of a timed rule: its statement is asked, its messages are written down, then handed in, each with its own key.

What a statement gave is durable before the first message is sent, and is forgotten when the run is: a run that was interrupted
goes on with the same messages, whatever its database says by then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import Logger

from smsd.config.timed import TimedSettings
from smsd.core.effects import read_address
from smsd.policy.timedtext import Made, Row, compose, fill
from smsd.policy.timetable import MINUTE
from smsd.values.address import Address
from smsd.values.delivery import Failure, Kind
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.frozen import frozen
from smsd.values.message import Declined, IdempotencyKey, Recipient, Submission, Text, Ticket, Wants

SCOPE = "timed run"
AT_ONCE = 50
"""Messages that are handed in together: they share a commit."""
_PASSING = (Reason.UNAVAILABLE, Reason.SLOW_DOWN)


class Found(Protocol):
    """What a statement gave. `more`: rows were dropped."""

    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    more: bool


Query = Callable[[str, str, "tuple[str, ...]", float], "Deferred[Any]"]
"""`Databases.run`: database, statement, values, seconds → Found; fails with Failure."""


class Later(Exception):
    """It cannot be done now; nothing is lost by trying again."""


class GivenUp(Exception):
    """It would be the same next time."""


@frozen
class Kept:
    """The messages of a run that has begun."""

    slot: int
    made: tuple[Made, ...]

    def json(self) -> str:
        """As it is remembered."""
        return json.dumps(
            [self.slot, [[one.to, one.subject, one.text, one.wrong] for one in self.made]],
            ensure_ascii=False, separators=(",", ":"),
        )  # fmt: skip


def read_kept(text: str) -> Kept | None:
    """What `Kept.json` wrote."""
    try:
        slot, made = json.loads(text)
        return Kept(int(slot), tuple(Made(tuple(to), *rest) for to, *rest in made))
    except (ValueError, TypeError):
        return None


class Runner:
    """`label` writes a slot in local time. A rule has one run at a time; its caller sees to that."""

    log = Logger()

    def __init__(
        self,
        store: Any,
        dispatcher: Any,
        find_account: Callable[[str], Any],
        query: Query,
        label: Callable[[int], str],
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._find_account = find_account
        self._query = query
        self._label = label
        self._kept: dict[str, Kept] = {}
        self._asking: dict[str, Deferred[Any]] = {}
        self.stopping = False

    # -- what was begun

    def recall(self, facts: Mapping[str, str]) -> None:
        """The runs that were under way when the last process ended, by title."""
        self._kept = {title: kept for title, text in facts.items() if (kept := read_kept(text))}
        for title in facts.keys() - self._kept.keys():
            self._erase(title)

    def begun(self, title: str) -> int | None:
        """The slot of a run that has not ended."""
        kept = self._kept.get(title)
        return None if kept is None else kept.slot

    def drop(self, title: str) -> None:
        """Forget it."""
        if self._kept.pop(title, None) is not None:
            self._erase(title)

    def _erase(self, title: str) -> None:
        self._store.remember(SCOPE, title, None).addErrback(
            lambda failure: self.log.failure(
                "a run of {title!r} could not be forgotten", failure, title=title
            )
        )

    def stop(self) -> None:
        """Nothing more is asked or handed in; what is half done fails with Later."""
        self.stopping = True
        for question in list(self._asking.values()):
            question.cancel()

    # -- a run

    async def run(self, rule: TimedSettings, slot: int) -> str:
        """Send what a slot has to send; gives what came of it. Later or GivenUp. Call `drop` when that is remembered."""
        account = self._find_account(rule.account) if rule.account else None
        if rule.account:
            closed = account.closed(slot / 1000) if account else f"there is no account {rule.account!r}"
            if closed:
                raise GivenUp(closed)
        try:
            made = await self._messages(rule, slot)
        except InvalidValue as error:
            raise GivenUp(str(error)) from None
        ticket = (
            Ticket(Address("mailto", account.email), subject=rule.subject)
            if account and account.email
            else None
        )
        sent = refused = 0
        for at in range(0, len(made), AT_ONCE):
            if self.stopping:
                raise Later("the server stops")
            bite = [
                Deferred.fromCoroutine(self._submit(rule, slot, at + n, one, ticket))
                for n, one in enumerate(made[at : at + AT_ONCE], 1)
            ]
            for good, bad in await gatherResults(bite, consumeErrors=True):
                if good < 0:
                    raise Later("no messages are taken now")
                sent, refused = sent + good, refused + bad
        told = f"{sent} sent" + (f", {refused} refused" if refused else "") if made else "no rows"
        self.log.info(
            "the timed rule {title!r} ran for {slot}: {told}",
            title=rule.title,
            slot=self._label(slot),
            told=told,
        )
        return told

    async def _messages(self, rule: TimedSettings, slot: int) -> tuple[Made, ...]:
        kept = self._kept.get(rule.title)
        if kept is not None and kept.slot == slot:
            return kept.made
        day, _, time = self._label(slot)[:16].partition("T")
        own = {"date": day, "time": time, "title": rule.title}
        if rule.sql is None:
            return tuple(compose(rule.shape(), own))
        found = await self._ask(rule, own)
        if found.more or len(found.rows) > rule.most:
            self.log.error(
                "the statement of the timed rule {title!r} gives more than {most} rows: only those are sent; let it give fewer,"
                " or raise most (up to 1000)", title=rule.title, most=min(rule.most, len(found.rows)),
            )  # fmt: skip
        made = tuple(compose(rule.shape(), own, found.columns, found.rows))
        if made:
            kept = Kept(slot, made)
            try:
                await self._store.remember(SCOPE, rule.title, kept.json())
            except Exception as error:  # nothing was sent: whatever it is, it can be tried again
                raise Later(f"the store failed: {error!r}") from error
            self._kept[rule.title] = kept
        return made

    async def _ask(self, rule: TimedSettings, own: Mapping[str, str]) -> Found:
        sql = rule.sql
        assert sql is not None
        values = tuple(fill(value, own) for value in sql.values)
        question = self._query(sql.database, sql.statement, values, sql.seconds)
        self._asking[rule.title] = question
        try:
            found: Found = await question
        except Failure as failure:
            if failure.kind is Kind.PERMANENT:
                raise GivenUp(failure.reason) from None
            raise Later(failure.reason) from None
        except CancelledError:
            raise Later("the server stops") from None
        finally:
            del self._asking[rule.title]
        return found

    async def _submit(
        self, rule: TimedSettings, slot: int, number: int, made: Made, ticket: Ticket | None
    ) -> tuple[int, int]:
        """How many recipients were taken and how many refused; a negative number when it has to be tried again."""
        try:
            if made.wrong:
                raise InvalidValue(made.wrong)
            receipt = await self._dispatcher.submit(_submission(rule, slot, number, made, ticket))
        except (Refused, InvalidValue) as error:
            if isinstance(error, Refused) and error.reason in _PASSING:
                return -1, 0
            self._say_refused(rule, slot, number, [str(error)])
            return 0, max(len(made.to), 1)
        except Exception:  # one message must not keep the others
            self.log.failure("message {n} of the timed rule {title!r} failed", n=number, title=rule.title)
            return 0, max(len(made.to), 1)
        declined = [entry.refusal.text for entry in receipt.recipients if isinstance(entry, Declined)]
        self._say_refused(rule, slot, number, declined)
        return len(receipt.recipients) - len(declined), len(declined)

    def _say_refused(self, rule: TimedSettings, slot: int, number: int, reasons: Iterable[str]) -> None:
        for why in reasons:
            self.log.warn(
                "message {number} of the timed rule {title!r} for {slot} was refused: {why}",
                number=number, title=rule.title, slot=self._label(slot), why=why,
            )  # fmt: skip


def _submission(rule: TimedSettings, slot: int, number: int, made: Made, ticket: Ticket | None) -> Submission:
    return Submission(
        door="timed",
        origin=Address("account", rule.account or "smsd"),
        recipients=tuple(_recipient(address) for address in made.to),
        content=Text(made.text),
        account=rule.account,
        ticket=ticket,
        wants=Wants.FAILURE if ticket else Wants.NOTHING,
        headers=(("subject", made.subject),) if made.subject else (),
        # The moment itself, so that it is the same when the machine's time zone is changed meanwhile.
        key=IdempotencyKey(f"timed:{rule.title}", f"{slot // MINUTE}|{number}"),
    )


def _recipient(text: str) -> Recipient:
    address, parameters = read_address(text)
    if address.scheme not in ("sms", "mailto"):
        raise InvalidValue(f"{text[:80]!r} is neither a number nor a mail address")
    return Recipient(address, address.target, parameters, named_by_rule=True)
