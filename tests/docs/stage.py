"""Where the promises of a page are kept: a house with the configuration of an example, whose gateways only take notes.

Configuration, store, rules, reply log, digests and databases are the real ones; the clock stands still until a promise says
what time it is. What became of a message is told in the words of the page.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from datetime import datetime, timedelta, timezone
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, succeed

from smsd.config.load import load_text
from smsd.config.settings import Configuration
from smsd.core.accounts import Accounts
from smsd.core.arriving import Arrivals
from smsd.core.explaining import Explainer
from smsd.interfaces import Abilities, MessageIn
from smsd.policy.rules.addresses import bracketless
from smsd.rulework import Rulework
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Piece
from smsd.values.errors import Refused
from smsd.values.message import (
    Binary,
    Call,
    Declined,
    Parameters,
    Priority,
    Recipient,
    Report,
    Submission,
    Text,
    Ticket,
    Wants,
)
from tests.docs.page import Example, Page, Promise
from tests.house import FakeGateway, House

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ERRANDS = "errands"
_RULE = {
    "if": "  - title: the example\n{}    do: [delete]\n",
    "do": "  - title: the example\n{}",
}


def configuration_text(server: str, example: str) -> str:
    """The example with the sections of the page's server that it does not have itself."""
    fragment = re.match(r"(if|do):", example)
    if fragment:
        rule = _RULE[fragment[1]].format(_indented(example, "    "))
        example = f"outgoing:\n{rule}incoming:\n{rule}"
    own = set(re.findall(r"^(\w+):", example, re.M))
    sections = re.split(r"^(?=\w+:)", server, flags=re.M)
    kept = [section for section in sections if section.partition(":")[0] not in own]
    return "".join(kept) + example


def _indented(text: str, by: str) -> str:
    return "".join(f"{by}{line}\n" if line else "\n" for line in text.splitlines())


class Errands(FakeGateway):
    """Carries what rules do outside: SQL for real, of programs and URLs only a note. They answer what the page says."""

    said = ""
    databases: Any = None

    def send(self, piece: Piece) -> Deferred[Accepted]:
        self.pieces.append(piece)
        call = piece.content
        assert isinstance(call, Call)
        if call.kind != "sql":
            return succeed(Accepted(output=self.said))
        rows = self.databases.run(call.what, call.text, call.arguments, 10.0)
        done: Deferred[Accepted] = rows.addCallback(lambda found: Accepted(output=found.text))
        return done


class Underway:
    """What databases are doing now, be it a question of a rule or a statement."""

    def __init__(self, databases: Any) -> None:
        self._do = databases._do
        self.running: list[Deferred[None]] = []
        databases._do = self._count

    def _count(self, *arguments: Any, **options: Any) -> Any:
        ended: Deferred[None] = Deferred()
        self.running.append(ended)
        return self._do(*arguments, **options).addBoth(self._ended, ended)

    def _ended(self, result: Any, ended: Deferred[None]) -> Any:
        self.running.remove(ended)
        ended.callback(None)
        return result


class Stage:
    """One example at work. `folder` is `server.folder`, with the page's list files and databases."""

    def __init__(self, page: Page, example: Example) -> None:
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="smsd-page-"))
        self.path = os.path.join(self.folder, "smsd.yaml")
        self._asks = example.yaml.startswith("if:")
        text = configuration_text(page.server, example.yaml)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        os.makedirs(os.path.join(self.folder, "var"))
        for name, content in page.files.items():
            with open(os.path.join(self.folder, "var", name), "w", encoding="utf-8") as file:
                file.write(content)
        for name, statements in page.databases.items():
            with sqlite3.connect(os.path.join(self.folder, "var", name)) as connection:
                connection.executescript(statements)
            connection.close()
        try:
            self.configuration = load_text(text, self.path, {})
            self.house = House()
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        self._build(self.configuration)

    def _build(self, configuration: Configuration) -> None:
        house, server = self.house, configuration.server
        house.judge.zone = timezone.utc
        accounts = Accounts(configuration.accounts, house.clock, server.percent_logins)
        for account in configuration.accounts:
            house.accounts[account.user] = accounts.find(account.user)
        house.planner.policies = type(house.planner.policies)(
            configuration.queue.expire_minutes, configuration.queue.warn_minutes, server.country, "wanted"
        )
        self.gateways: dict[str, FakeGateway] = {}
        for gateway in configuration.gateways:
            abilities = Abilities(gateway.schemes, binary=True, reports=True)
            self.gateways[gateway.id] = house.gateway(gateway.id, abilities)
        self.errands = Errands(ERRANDS, Abilities(frozenset({"program", "url", "sql"})))
        house.queue.outlet(ERRANDS, self.errands.abilities).gateway = self.errands
        arriving = house.inbound.arriving
        arriving.server_name, arriving.postmaster = server.name, server.postmaster
        arriving.arrivals = {
            gateway.id: Arrivals(gateway.deliver_to or "", gateway.mail_from, gateway.country)
            for gateway in configuration.gateways
        }
        self.rulework = Rulework(house.store, house.judge, house.inbound, house.clock, configuration.folder)
        self.rulework.mailboxes = accounts.directory.mailboxes
        self.rulework.use(configuration)
        self.errands.databases = self.rulework.databases
        self.underway = Underway(self.rulework.databases)
        self.explainer = Explainer(
            house.store, house.planner, house.judge,
            lambda *given: Deferred.fromCoroutine(house.inbound.trial(*given)),
        )  # fmt: skip
        house.open()
        for name in (*self.gateways, ERRANDS):
            house.outlet(name).opened(1)
        house.settle()
        house.sweeper.start()
        self.last = 0
        self._seen = 0
        self._carried: set[int] = set()

    def close(self) -> None:
        """An orderly end."""
        self.house.close()
        self.house.clock.wait(self.rulework.stop())
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def warnings(self) -> list[str]:
        """What the server doubts about the rules, once."""
        doubts = [doubt for doubt in self.configuration.warnings if doubt.startswith("rule ")]
        return list(dict.fromkeys(f"warning: {doubt.partition('): ')[2]}" for doubt in doubts))

    # -- what happens

    def keep(self, promise: Promise) -> list[str]:
        """Let it happen; what became of it, in the words of the page."""
        facts = dict(promise.facts)
        if "after" in facts:
            self._let_pass(facts["after"])
            self._new_rows()
            return [self._sent(piece) for piece in self._new_pieces()] or ["nothing"]
        self._wait_for(facts.get("on"), facts.get("at"))
        self.errands.said = facts.get("printing", "")
        told: list[str] = []
        fates: list[str] = []
        for _ in range(int(facts.get("times", 1))):
            fates += self._outgoing(promise, facts) if "to" in facts else self._incoming(promise, facts)
        for fate in dict.fromkeys(fates):
            many = fates.count(fate)
            if self._asks:
                fate = (
                    "yes" if fate == "deleted" else "no" if fate.startswith(("as it is", "through")) else fate
                )
            told.append(fate if many == 1 else f"{many} times {fate}")
        return told

    def _let_pass(self, time: str) -> None:
        number, unit = time.split()
        seconds = int(number) * {"minute": 60, "hour": 3600, "second": 1}[unit.rstrip("s")]
        while seconds > 0:
            self.house.advance(min(seconds, 60))
            seconds -= 60
        self.house.advance(2)

    def _wait_for(self, day: str | None, time: str | None) -> None:
        if day is None and time is None:
            return
        now = datetime.fromtimestamp(self.house.clock.seconds(), timezone.utc)
        hour, minute = (int(part) for part in (time or "12:00").split(":"))
        then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        while then < now or (day is not None and DAYS[then.weekday()] != day):
            then += timedelta(days=1)
        self.house.advance((then - now).total_seconds())

    def _settle(self) -> None:
        """Nothing is under way any more, in the databases neither."""
        self.house.settle()
        while self.underway.running:
            self.house.wait(DeferredList(list(self.underway.running)))
            self.house.settle()

    def _new_rows(self) -> list[dict[str, Any]]:
        """Deliveries that came about since the last promise."""
        self._settle()
        new = [row for row in self.house.rows(limit=1000) if row["id"] > self._seen]
        self._seen = max([self._seen, *(row["id"] for row in new)])
        return new

    def _new_pieces(self) -> list[Piece]:
        """What gateways got since the last promise, in the order of the deliveries."""
        self._settle()
        every = [piece for gateway in (*self.gateways.values(), self.errands) for piece in gateway.pieces]
        new = [piece for piece in every if piece.delivery not in self._carried]
        self._carried.update(piece.delivery for piece in new)
        return sorted(new, key=lambda piece: piece.delivery)

    # -- out

    def _outgoing(self, promise: Promise, facts: dict[str, str]) -> list[str]:
        submission = self._submission(promise.text, facts)
        try:
            receipt = self.house.wait(self.house.dispatcher.submit(submission))
        except Refused as refusal:
            return [f"refused: {refusal.text}"]
        (entry,) = receipt.recipients
        rows = self._new_rows()
        pieces = {piece.delivery: piece for piece in self._new_pieces()}
        if isinstance(entry, Declined):
            return [f"refused: {entry.refusal.text}", *self._besides(rows, pieces, 0)]
        (main,) = [row for row in rows if row["id"] == entry.delivery]
        self.last = entry.delivery
        fate = self._waits(main) or self._left(pieces[entry.delivery], main, promise, facts)
        return [fate, *self._besides(rows, pieces, entry.delivery)]

    def _submission(self, text: str, facts: dict[str, str]) -> Submission:
        """As the doors would make it: a mail when it says from whom, else a request by HTTP."""
        number, _, gateway = facts["to"].partition("@")
        priority = Priority[facts.get("priority", "normal").upper()]
        parameters = Parameters(gateway=gateway or None, priority=priority)
        account = self.house.accounts.get(facts.get("account", ""))
        assert account or "account" not in facts, f"there is no account {facts['account']}"
        headers = tuple((name, facts[name]) for name in ("subject", "from") if name in facts)
        head = [f"{name}: {value}" for name, value in headers]
        head += [f"Cc: {facts['cc']}"] if "cc" in facts else []
        head += facts["header"].split(" | ") if "header" in facts else []
        mailbox = facts.get("from") or (account and account.email)
        origin = Address("account", facts["account"]) if account else Address("door", "http")
        if mailbox:
            origin = Address("mailto", bracketless(mailbox))
        return Submission(
            door="smtp" if "from" in facts else "http", origin=origin,
            recipients=(Recipient(Address("sms", number), number, parameters),),
            content=Binary(bytes.fromhex(text)) if facts.get("with") == "octets" else Text(text),
            account=account and account.name, ticket=Ticket(origin) if mailbox else None, wants=Wants.FAILURE,
            headers=headers, peer=facts.get("ip", "127.0.0.1"), host=facts.get("host", ""), head="\r\n".join(head).encode(),
            attachments=int(facts.get("with") == "attachment"),
        )  # fmt: skip

    # -- in

    def _incoming(self, promise: Promise, facts: dict[str, str]) -> list[str]:
        gateway = facts.get("by", "gsm1")
        content = Binary(bytes.fromhex(promise.text)) if facts.get("with") == "octets" else Text(promise.text)
        self.house.wait(self.house.inbound.message(MessageIn(gateway, facts["from"], content)))
        rows = self._new_rows()
        pieces = {piece.delivery: piece for piece in self._new_pieces()}
        (main,) = [row for row in rows if row["door"] == gateway]
        self.last = main["id"]
        fate = self._waits(main) or self._arrived(pieces[main["id"]], promise, gateway)
        return [fate, *self._besides(rows, pieces, main["id"])]

    def _arrived(self, piece: Piece, promise: Promise, gateway: str) -> str:
        """The mail that it became."""
        settings = next(one for one in self.configuration.gateways if one.id == gateway)
        about = dict(piece.headers)
        said = [f"goes to {piece.target.target}"] if piece.target.target != settings.deliver_to else []
        if about["mail_from"] != settings.mail_from:
            said.append(f"from {about['mail_from']}")
        return self._changed(said, piece, promise, Priority.NORMAL)

    # -- in words

    def _waits(self, row: dict[str, Any]) -> str:
        """Why it has not left, "" when it has."""
        reason, state = row["reason"] or "", row["state"]
        if state in ("ready", "gathered", "scheduled") and row["due"] > self.house.store.now():
            due = datetime.fromtimestamp(row["due"] / 1000, timezone.utc)
            return f"{'waits' if state == 'gathered' else 'held'} until {DAYS[due.weekday()]} {due:%H:%M}"
        if state == "cancelled":
            return "deleted" if reason.startswith("deleted by") else reason
        if state == "rejected":
            return "rejected" if reason.startswith("rejected by") else f"not sent: {reason}"
        if state == "delivered" and reason.startswith(("handed on", "it answered")):
            return "handed on" if reason.startswith("handed on") else reason
        return f"on record: {reason}" if state == "held" else ""

    def _left(self, piece: Piece, row: dict[str, Any], promise: Promise, facts: dict[str, str]) -> str:
        """How it left."""
        number, _, pin = facts["to"].partition("@")
        pinned = row["route"].partition(":")[2] if row["route"].startswith("gw:") else ""
        said = [f"through {pinned}"] if pinned != pin else []
        if piece.target.scheme == "mailto":
            said = [f"by mail to {piece.target.target}"]
        elif piece.target.target != number:
            said.append(f"goes to {piece.target.target}")
        parameters = piece.parameters
        if parameters.sender:
            said.append(f"sender {parameters.sender}")
        if parameters.max_parts:
            said.append(f"at most {parameters.max_parts} SMS")
        if parameters.expire_minutes:
            said.append(f"for {parameters.expire_minutes} minutes")
        return self._changed(said, piece, promise, Priority[facts.get("priority", "normal").upper()])

    def _changed(self, said: list[str], piece: Piece, promise: Promise, priority: Priority) -> str:
        if piece.parameters.priority is not priority:
            said.append(f"priority {piece.parameters.priority.name.lower()}")
        about = dict(piece.headers)
        if about.get("subject", "") != promise.facts.get("subject", ""):
            said.append(f'subject "{about.get("subject", "")}"')
        said += [f'{name[7:]} "{value}"' for name, value in piece.headers if name.startswith("header:")]
        if isinstance(piece.content, Text) and piece.content.text != promise.text:
            said.append(f'reads "{_line(piece.content.text)}"')
        return ", ".join(said) or "as it is"

    def _besides(self, rows: list[dict[str, Any]], pieces: dict[int, Piece], main: int) -> list[str]:
        """Everything that came about with it."""
        told = []
        for row in sorted(rows, key=lambda row: row["id"]):
            if row["id"] == main:
                continue
            waits = self._waits(row)
            if waits:
                told.append(f"{waits}: {row['target']}: {_line(row['text'])}")
            else:
                told.append(self._sent(pieces[row["id"]], row["door"] == "rules"))
        late = [piece for number, piece in pieces.items() if number not in {row["id"] for row in rows}]
        return [*told, *map(self._sent, late)]

    def _sent(self, piece: Piece, by_rule: bool = False) -> str:
        """What a gateway got; with its subject and headers if it is the mail of a rule."""
        content, to, mail = piece.content, piece.target.target, piece.target.scheme == "mailto"
        if isinstance(content, Call):
            return _call(content)
        if isinstance(content, Report):
            return f"tells {to}: {content.event}, {content.reason}"
        text = _line(content.text) if isinstance(content, Text) else content.data.hex()
        about = dict(piece.headers)
        if about.get("folder"):
            return f"puts into {to}/{about['folder']}: {text}"
        kind, _, name = self.house.wait(self.house.store.lane(piece.lane))[0].partition(":")
        through = f" through {name}" if kind == "gw" else ""
        shown = [("subject", about["subject"])] if about.get("subject") else []
        shown += [(name[7:], value) for name, value in piece.headers if name.startswith("header:")]
        told = "".join(f', {name} "{value}"' for name, value in shown if by_rule and mail)
        return f"sends {to}{through}{told}: {text}"


def _line(text: str) -> str:
    return text.replace("\n", "\\n")


def _call(call: Call) -> str:
    if call.kind == "program":
        return f"runs {' '.join((call.what, *call.arguments))}, which reads: {_line(call.text)}"
    if call.kind == "url":
        body = f" with {_line(call.text)}" if call.text else ""
        return f"requests {call.arguments[0]} {call.what}{body}"
    return f"writes to {call.what}: {', '.join(call.arguments)}"
