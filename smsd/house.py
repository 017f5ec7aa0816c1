"""The rooms of a running server and how they are joined.

Owns no order of start and stop (`smsd.service` does) and no policy. What runs in the rooms `smsd.workshop` makes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from smsd.config import groups
from smsd.config.settings import Configuration
from smsd.core.accounts import Accounts
from smsd.core.accounts.book import Book
from smsd.core.accounts.importing import Importer
from smsd.core.answering import AnswerOffice
from smsd.core.auditing import Auditor
from smsd.core.backlog import Backlog
from smsd.core.billing import Billing
from smsd.core.callbacks import Callbacks
from smsd.core.clerk import Clerk
from smsd.core.clocks import Clocks
from smsd.core.credit import Credit
from smsd.core.dispatcher import Dispatcher
from smsd.core.explaining import Explainer
from smsd.core.inbound import Arrivals, Inbound
from smsd.core.jobs import Jobs
from smsd.core.judging import Judge
from smsd.core.knowing import Knowing
from smsd.core.planning import Planner, Policies
from smsd.core.postoffice.office import PostOffice
from smsd.core.pricing import Pricing
from smsd.core.protecting import Protection
from smsd.core.queue import Queue
from smsd.core.subscribers import Subscribers
from smsd.core.timers import Sweeper
from smsd.core.tokens import Tokens
from smsd.keeper import Keeper
from smsd.policy.charge import Tariffs
from smsd.ports import Ports
from smsd.rulework import Rulework
from smsd.store.sqlite import SqliteStore
from smsd.values.address import Address
from smsd.values.message import Recipient, Submission
from smsd.workshop import Workshop, authorities, postmaster, takers

PATIENCE = 0.003
"""Seconds that the fate of a piece waits for other work to share its commit with: an accept of a busy door comes sooner."""
QUICK = 0.001
"""Seconds: while commits take less, they are made where they are wanted; a slower disk is waited for in a thread."""


class House:
    """Everything that runs, for one configuration after the other."""

    def __init__(self, configuration: Configuration, reactor: Any) -> None:
        self._reactor = reactor
        self.store = SqliteStore(configuration.store.path, reactor, patience=PATIENCE, quick=QUICK)
        self.queue = Queue(self.store, reactor)
        self.ports = Ports(reactor)
        self.accounts = Accounts((), reactor, configuration.server.percent_logins)
        self._account_settings: Any = None
        self._source_settings: Any = None
        self._folder = configuration.folder
        self.simulators = Keeper("simulator", reactor)
        self.gateways = Keeper("gateway", reactor, removed=lambda gateway: self.queue.remove(gateway.name))
        self.workshop = Workshop(self, reactor)
        self.doors = Keeper("door", reactor, retire=self.workshop.retire)

    # -- store and core

    def open_store(self) -> Callable[[], Any]:
        """Open the store and what stands on it; gives what closes it again."""
        self.store.open()
        find: Any = self.accounts.directory.find
        self.planner = Planner(self.store.ids, self.store.now, self.queue, find)
        self.planner.zone = self.accounts.directory.zone
        self.subscribers = Subscribers(find)
        self.book = Book(
            self.store,
            self.accounts.directory,
            self.planner.period,
            self._carrying,
            lambda: self.subscribers.names,
        )
        self.auditor = Auditor(self.store)
        self.protection = Protection(self.store, self.planner, self.queue, self._reactor, find)
        self.knowing = Knowing(self.store, self.accounts.guessing)
        self.importer = Importer(self.book, self.planner.period, self.store.now)
        self.judge = Judge(self.planner, self.store.now, find)
        self.dispatcher = Dispatcher(self.store, self.planner, self.queue, self.judge)
        self.inbound = Inbound(self.store, self.planner, self.queue, self.dispatcher.ping_pong)
        self.rulework = Rulework(self.store, self.judge, self.inbound, self._reactor, self._folder)
        self.rulework.mailboxes = self.accounts.directory.mailboxes
        self.explainer = Explainer(self.store, self.planner, self.judge, self._trial, self._waits)
        self.post_office = PostOffice(self.dispatcher, self.accounts, self._reactor, self.store.now)
        self.book.changed = self._accounts_changed
        self.book.linked.links = self._links
        self.callbacks = Callbacks(self.store, self.queue, self.subscribers, self._resume)
        self.credit = Credit(
            self.store, find, self._tariffs, partial(self.accounts.directory.settings, "group")
        )
        self.pricing = Pricing(self.planner)
        self.billing = Billing(self.credit, self.pricing, self._tariffs)
        self.planner.redirect = self._redirect
        self.clerk = Clerk(self.store, self.planner, self.callbacks, find)
        self.answer_office = AnswerOffice(self.post_office, self.inbound, self.dispatcher)
        self.clocks = Clocks(self.store, self.dispatcher, self._reactor, find, self.rulework.databases.run)
        self.sweeper = Sweeper(self.store, self.queue, self._reactor)
        directory = self.accounts.directory
        self.tokens = Tokens(self.store, self._reactor, lambda name: directory.get(name) is not None)
        self.backlog = Backlog(self.store, self.queue)
        self.jobs = Jobs(self.store, self.dispatcher, self.queue, self.planner, self._reactor, find)

        def close() -> Any:
            self.accounts.stop()
            return self.rulework.stop().addCallback(lambda _: self.store.close())

        return close

    def recover(self) -> Deferred[int]:
        """Decide about what the last run left on the wire."""
        return self.store.recover(self._in_doubt)

    async def start_queue(self) -> Callable[[], Any]:
        """Begin to carry; gives what stops it."""
        await self.backlog.gather()
        await self.jobs.load()
        await self.queue.start()
        self.sweeper.start()
        self.protection.start()
        self.jobs.begin()

        async def stop() -> None:
            await self.jobs.stop()
            self.protection.stop()
            await self.sweeper.stop()
            await self.queue.stop()

        return lambda: Deferred.fromCoroutine(stop())

    def use(self, configuration: Configuration) -> None:
        """Take the numbers, mailboxes and accounts of a configuration; needs the store open."""
        server, queue = configuration.server, configuration.queue
        self.planner.policies = Policies(
            queue.expire_minutes, queue.warn_minutes, server.country, queue.reports
        )
        self.planner.texts = {door.id: door.text for door in takers(configuration) if door.text != "as_is"}
        if configuration.prices is not None:
            self.planner.tariffs = configuration.prices.tariffs()
        self.sweeper.keep_days = self.jobs.keep_days = queue.keep_days
        self.protection.use(configuration.protection, postmaster(configuration))
        self.store.accepting.doors = frozenset(door.id for door in takers(configuration) if door.counted)
        self.backlog.minutes = queue.digest_after_minutes
        arriving = self.inbound.arriving
        arriving.server_name, arriving.postmaster = server.name, postmaster(configuration)
        self.store.alerts.postmaster = arriving.postmaster
        arriving.chat_of = self._chat_of
        arriving.arrivals = {
            gateway.id: Arrivals(gateway.deliver_to or "", gateway.mail_from, gateway.country)
            for gateway in configuration.gateways
        }
        self._in_doubt = {gateway.id: gateway.in_doubt for gateway in configuration.gateways}
        self.dispatcher.schemes = frozenset(
            scheme for gateway in configuration.gateways if gateway.active for scheme in gateway.schemes
        )
        self.queue.reports.use(configuration.gateways, server.country, queue.unknown_report_hours)
        self.queue.group(groups.made(configuration.groups))
        self.rulework.use(configuration)
        self.post_office.use(configuration)
        self.clocks.use(configuration.timed)
        self.subscribers.use(configuration)
        self.answer_office.use([gateway.mail_from for gateway in configuration.gateways], server.name)
        accounts = (configuration.accounts, configuration.account_groups, configuration.policies)
        if accounts != self._account_settings:
            self._account_settings = accounts
            self.accounts.replace(*accounts)
        sources = (configuration.password_sources, server.name, authorities(configuration))
        if sources != self._source_settings:
            self._source_settings = sources
            self.accounts.ask(self.workshop.sources(configuration))

    def _accounts_changed(self) -> None:
        self.post_office.forget()
        self.tokens.weed()

    def _links(self) -> list[tuple[str, Any]]:
        """What knows people who have registered."""
        return [(name, link) for name, link in self.gateways.services.items() if hasattr(link, "linked")]

    def _chat_of(self, account: str) -> Address | None:
        """Where somebody chats, as the first link knows that knows him."""
        settings = self.accounts.directory.settings("account", account)
        for gateway in self.gateways.services.values():
            chat_of = getattr(gateway, "chat_of", None)
            found: Address | None = chat_of and chat_of(account, getattr(settings, "jids", ()))
            if found is not None:
                return found
        return None

    def _carrying(self) -> list[str]:
        """What an account can be bound to."""
        return [*self._in_doubt, *self.queue.groups]

    def _waits(self, route: str) -> dict[str, str]:
        return self.queue.serving.waits(route, self.queue.now())

    def carries(self, gateway: str | None, scheme: str = "sms") -> bool:
        """Whether this gateway or group (None: any) carries SMS, or what else a scheme stands for, just now."""
        return any(
            outlet.slots and scheme in outlet.abilities.schemes
            for outlet in self.queue.outlets()
            if gateway in (None, outlet.name)
            or (gateway in self.queue.groups and outlet.name in self.queue.groups[gateway].members())
        )

    def _tariffs(self) -> Tariffs:
        return self.planner.tariffs

    def _redirect(self, submission: Submission, recipient: Recipient) -> Recipient:
        if recipient.address.scheme == "mailto":
            return self.post_office.redirect(submission, recipient)
        gateway = recipient.parameters.gateway
        if gateway and gateway not in self._in_doubt and recipient.address.scheme not in ("hook", "dlr"):
            # The link that it was to go back by is gone: any other that reaches such addresses will do.
            recipient = replace(recipient, parameters=replace(recipient.parameters, gateway=None))
        return self.subscribers.redirect(submission, recipient)

    def _resume(self, gateway: str) -> None:
        again = getattr(self.gateways.services.get(gateway), "again", None)
        if again is not None:
            again()

    # -- time

    def clock_was_set(self, step: float) -> None:
        """Look again at what waits for a time of day. A gateway that rests does so no longer than it was to."""
        for outlet in self.queue.outlets():
            if step < 0:
                outlet.not_before = max(outlet.not_before + int(step * 1000), 0)
            self.queue.pump(outlet)

    # -- for people

    def _trial(self, gateway: str, sender: str, text: str, at: int) -> Deferred[dict[str, Any]]:
        return Deferred.fromCoroutine(self.inbound.trial(gateway, sender, text, at))
