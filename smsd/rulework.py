"""What rules need, for one configuration after the other: the compiled lists, their list files and databases, the gateways
that do what they say outside, and the record of every text they ever had.

Part of the composition root: joins `policy.rules`, `core.judging`, `core.arriving`, `core.lists` and `core.databases`; decides
nothing.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Container
from functools import partial
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from smsd import registry
from smsd.config.settings import Configuration
from smsd.core.databases import Databases
from smsd.core.inbound import Inbound, Replying, Rulebook
from smsd.core.judging import Judge
from smsd.core.lists import Lists
from smsd.core.postoffice.members import folded, folded_domain
from smsd.core.traces import trace_json
from smsd.policy.route import pool
from smsd.policy.rules import engine, xml
from smsd.policy.rules.model import Program, Rules, Sql, Url
from smsd.policy.step import MINUTE
from smsd.store.sqlite import SqliteStore

ERRANDS = {"program": Program, "url": Url, "sql": Sql}
"""What rules do outside, by the type of the gateway that does it."""


class Ready(NamedTuple):
    """Rules and what is made of them before they can be used."""

    rules: Rules
    outgoing: engine.Ruleset
    incoming: engine.Ruleset
    text: str


def make_ready(rules: Rules) -> Ready:
    """Compile rules, and write them for the record."""
    text = xml.write(rules).decode("utf-8")
    return Ready(rules, engine.compile(rules.outgoing), engine.compile(rules.incoming), text)


class Rulework:
    """`use` puts the rules of a configuration in force; `errands` are the gateways that it needs for them. `mailboxes` are those of
    accounts."""

    log = Logger()

    def __init__(self, store: SqliteStore, judge: Judge, inbound: Inbound, reactor: Any, folder: str) -> None:
        self._store = store
        self._judge = judge
        self._inbound = inbound
        self._number: Callable[[], int] = store.ids.next
        self.mailboxes: Container[str] = frozenset()
        self.lists = Lists(reactor)
        self.databases = Databases(reactor, store.path, folder)
        judge.lists = lambda: self.lists
        judge.ask = inbound.ask = self.databases.ask
        judge.pause = lambda: deferLater(reactor, 0)
        self._rules = Rules()
        self._ready: Ready | None = None
        self._waiting: frozenset[str] = frozenset()

    def prepare(self, rules: Rules) -> None:
        """Make rules ready that will be used soon. Of ten thousand that takes seconds: it may run in a thread."""
        if rules != self._rules:
            self._ready = make_ready(rules)

    def use(self, configuration: Configuration) -> None:
        """Judge by the rules of this configuration from now on; every text they have had is kept, for `smsd explain`."""
        server, rules = configuration.server, configuration.rules
        judge, arriving = self._judge, self._inbound.arriving
        self.databases.use({one.name: one.url.get_secret_value() for one in configuration.databases})
        judge.most_hops = arriving.most_hops = configuration.effects.max_hops
        judge.domains = frozenset((*server.domains, server.name))
        gateways = (gateway for gateway in configuration.gateways if gateway.active)
        judge.gateways = frozenset(each.id for each in (*gateways, *configuration.groups))
        self._inbound.use(replying(configuration, self.mailboxes))
        if rules == self._rules:
            return
        ready, self._ready = self._ready, None
        if ready is None or ready.rules != rules:
            ready = make_ready(rules)
        incoming = ready.incoming
        self.lists.use(ready.outgoing.files | incoming.files)
        version = self._keep(ready.text)
        judge.use(ready.outgoing, version)
        arriving.rules = Rulebook(
            judge=partial(engine.judge, incoming) if rules.incoming else None,
            ruleset=incoming if rules.incoming else None,
            further=judge.rule,
            lists=judge.lists,
            trace=lambda verdict: trace_json(verdict, version),
            when=judge.when,
            number=self._number if incoming.shows_number or ready.outgoing.shows_number else lambda: 0,
        )
        self._rules = rules

    async def look(self) -> None:
        """Learn what waits for programs, URLs and SQL: what a rule has said is done, also when it says so no more."""
        self._waiting = await self._store.ask(_waiting)

    def errands(self, configuration: Configuration) -> list[Any]:
        """The settings of the gateways for programs, URLs and SQL that this configuration may use, or that messages wait for, and
        that it does not have."""
        effects, rules = configuration.effects, configuration.rules
        actions = {type(action) for rule in (*rules.outgoing, *rules.incoming) for action in rule.actions}
        limits = {"seconds": effects.seconds, "output": effects.output, "slots": effects.slots}
        wanted = []
        for name, action in ERRANDS.items():
            called = (
                action in actions or name in self._waiting or (name == "program" and configuration.programs)
            )
            if called and not any(name in gateway.schemes for gateway in configuration.gateways):
                settings = registry.find(registry.GATEWAYS, name).Settings
                wanted.append(settings(id=f"rules-{name}", type=name, **limits))
        return wanted

    def stop(self) -> Deferred[None]:
        """Fires when no database is at work any more."""
        self.lists.stop()
        return self.databases.stop()

    def _keep(self, text: str) -> int:
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
        version = int(digest[:15], 16)
        self._store.keep_ruleset(version, digest, text).addErrback(
            lambda failure: self.log.error("the rules could not be put on record: {e}", e=failure.value)
        )
        return version


def _waiting(connection: sqlite3.Connection) -> frozenset[str]:
    """The kinds of errands of which some are ready or on their way."""
    rows = connection.execute(
        "select route from lane where route in (?,?,?) and (exists"
        " (select 1 from delivery where lane=lane.id and state=0 and priority in (0,1,2))"
        " or exists (select 1 from delivery where state=1 and lane=lane.id))",
        [pool(name, ()) for name in ERRANDS],
    )
    return frozenset(row[0].partition(":")[2] for row in rows)


def replying(configuration: Configuration, mailboxes: Container[str] = frozenset()) -> Replying:
    """The settings of replies; `mailboxes` are those of accounts (in small letters). A phone's text names no list, no
    notification, and of programs only those that are open to everybody or stand in one of `tag_domains`."""
    replies, server = configuration.replies, configuration.server
    ours = [folded_domain(domain) for domain in (*server.domains, server.name)]
    named = frozenset(map(folded_domain, replies.tag_domains))
    programs = [box for box in configuration.programs if not box.open]
    closed = {
        f"{local}@{domain}"
        for box in (*configuration.notifications, *configuration.lists, *programs)
        for local, where in [folded(box.address)]
        for domain in ([where] if where else ours)
        if not (box in programs and domain in named)
    }
    return Replying(
        by_tag=replies.by_email_tag,
        keep=replies.keep_minutes * MINUTE,
        conflict=replies.conflict_text,
        at_once=replies.answers_at_once,
        domains=frozenset((*replies.tag_domains, *server.domains, server.name.lower())),
        mailboxes=mailboxes,
        phones=frozenset((*server.domains, server.name.lower())),
        closed=frozenset(closed),
    )
