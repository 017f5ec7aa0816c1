"""The post office: finds what a local address is. Made once; `use` gives it each configuration in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from zope.interface import implementer

from smsd.core.postoffice.boxes import Desk, Postbox
from smsd.core.postoffice.maillist import MailList
from smsd.core.postoffice.members import Here, folded, folded_domain
from smsd.core.postoffice.notification import Notification
from smsd.core.postoffice.paying import Known, Paying
from smsd.core.postoffice.program import Program
from smsd.interfaces import IPostOffice
from smsd.values.message import Recipient, Submission


@implementer(IPostOffice)
class PostOffice:
    """See `IPostOffice`. `now` gives Unix milliseconds; `in_thread` replaces the reactor's threads in tests."""

    def __init__(
        self,
        dispatcher: Any,
        accounts: Known,
        reactor: Any,
        now: Callable[[], int],
        in_thread: Callable[..., Deferred[Any]] | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._accounts = accounts
        self._reactor = reactor
        self._now = now
        self._in_thread = in_thread or self._thread
        self._paying = Paying(accounts, lambda: now() / 1000)
        self._boxes: dict[tuple[str, str], Postbox] = {}
        self._programs: dict[tuple[str, str], Program] = {}
        self._here = Here()

    def find(self, local: str, domain: str, ours: bool) -> Postbox | None:
        """See `IPostOffice`."""
        if not self._boxes:
            return None
        name = local.lower()
        found = self._boxes.get((name, folded_domain(domain)))
        return self._boxes.get((name, "")) if found is None and ours else found

    def redirect(self, submission: Submission, recipient: Recipient) -> Recipient:
        """The recipient, or, where it is the address of a program here, that program: for messages that rules or gateways send
        to an address and that never pass a door."""
        if recipient.address.scheme != "mailto" or not self._programs:
            return recipient
        local, domain = folded(recipient.address.target)
        found = self._programs.get((local, domain))
        if found is None and self._here.ours(domain):
            found = self._programs.get((local, ""))
        return recipient if found is None else found.instead(submission, recipient)

    def forget(self) -> None:
        """Accounts have changed: credentials of members that were wrong may be right now."""
        self._paying.forget()

    def use(self, configuration: Any) -> None:
        """Take the notifications, lists and programs of a configuration; mail that is under way keeps the old ones."""
        self._paying.forget()
        server, self._here = configuration.server, here_of(configuration)
        desk = Desk(
            dispatcher=self._dispatcher, accounts=self._accounts, paying=self._paying, here=self._here,
            now=self._now, in_thread=self._in_thread, whole=lambda address: whole(address, server),
            postmaster=server.postmaster or f"postmaster@{server.name}",
        )  # fmt: skip
        boxes: list[Postbox] = [Notification(settings, desk) for settings in configuration.notifications]
        boxes += [MailList(settings, desk) for settings in configuration.lists]
        programs = [Program(settings, desk) for settings in configuration.programs]
        self._boxes = {folded(box.settings.address): box for box in (*boxes, *programs)}
        self._programs = {folded(box.settings.address): box for box in programs}

    def _thread(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), function, *arguments)


def whole(address: str, server: Any) -> str:
    """An address with its domain: our first one where none was written."""
    return address if "@" in address else f"{address}@{(server.domains or [server.name])[0]}"


def here_of(configuration: Any) -> Here:
    """What members may name, from a configuration (or what has passed of one)."""
    server = configuration.server
    boxes = (*configuration.notifications, *configuration.lists, *configuration.programs)
    return Here(
        frozenset(map(folded_domain, (*server.domains, server.name))),
        {each.id.lower(): each.id for each in (*configuration.gateways, *configuration.groups)},
        server.country,
        frozenset(folded(box.address) for box in boxes),
    )
