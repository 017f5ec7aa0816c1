"""A house without doors: a real store, planner, queue and dispatcher on a clock that stands still until it is told to run.

The commit thread is real, so `settle()` waits for what it has under way; no test sleeps.
"""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
from typing import Any

from twisted.internet import defer
from twisted.internet.task import Clock
from twisted.python.failure import Failure as Failure_
from zope.interface import implementer

from smsd.core.backlog import Backlog
from smsd.core.dispatcher import Dispatcher
from smsd.core.inbound import Arrivals, Inbound
from smsd.core.judging import Judge
from smsd.core.outlet import Outlet
from smsd.core.planning import Planner
from smsd.core.queue import Queue
from smsd.core.timers import Sweeper
from smsd.interfaces import Abilities, IGateway
from smsd.policy.limits import Limits
from smsd.store import operating
from smsd.store.sqlite import SqliteStore
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Piece
from smsd.values.message import Recipient, Submission, Text, Ticket, Wants

MODEM = Abilities(frozenset({"sms"}), parts=True, binary=True, reports=True)
RELAY = Abilities(frozenset({"mailto"}))
START = 1_800_000_000.0


class ThreadedClock(Clock):
    """A Clock whose callFromThread works, and that can wait for threads."""

    def __init__(self) -> None:
        super().__init__()
        self.advance(START)
        self._calls: queue.Queue[Any] = queue.Queue()

    def callFromThread(self, f: Any, *args: Any, **options: Any) -> None:
        self._calls.put((f, args, options))

    def wait(self, done: defer.Deferred[Any]) -> Any:
        """Run until `done` fires; gives its result or raises its failure."""
        results: list[Any] = []
        done.addBoth(results.append)
        self.advance(0)
        while not results:
            f, args, options = self._calls.get(timeout=120)
            f(*args, **options)
            self.advance(0)
        if isinstance(results[0], Failure_):
            results[0].raiseException()
        return results[0]


@implementer(IGateway)
class FakeGateway:
    """Records pieces; answers at once with what `answer(piece)` says, or when told to (`manual`)."""

    def __init__(self, name: str, abilities: Abilities) -> None:
        self.name = name
        self.abilities = abilities
        self.status = "fake"
        self.pieces: list[Piece] = []
        self.manual = False
        self.pending: list[tuple[Piece, defer.Deferred[Accepted]]] = []
        self.answer: Any = lambda piece: Accepted(str(len(self.pieces)))

    def send(self, piece: Piece) -> defer.Deferred[Accepted]:
        self.pieces.append(piece)
        if self.manual:
            done: defer.Deferred[Accepted] = defer.Deferred()
            self.pending.append((piece, done))
            return done
        answer = self.answer(piece)
        return defer.fail(answer) if isinstance(answer, Exception) else defer.succeed(answer)

    def release(self, answer: Accepted | Failure | None = None) -> None:
        """Answer the oldest piece that waits."""
        _, done = self.pending.pop(0)
        if isinstance(answer, Failure):
            done.errback(answer)
        else:
            done.callback(answer or Accepted("1"))


class House:
    """`gsm1` is a fake modem and `mail` a fake relay; neither is open until `open()`."""

    def __init__(
        self,
        path: str | None = None,
        clock: ThreadedClock | None = None,
        folder: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self._folder = folder or tempfile.TemporaryDirectory(prefix="smsd-test-", ignore_cleanup_errors=True)
        self.path = path or os.path.join(self._folder.name, "queue.db")
        self.clock = clock or ThreadedClock()
        self.store = SqliteStore(self.path, self.clock)
        self.store.open()
        self.queue = Queue(self.store, self.clock)
        self.accounts: dict[str, Any] = {}
        self.planner = Planner(self.store.ids, self.store.now, self.queue, self.accounts.get)
        self.judge = Judge(self.planner, self.store.now, self.accounts.get)
        self.dispatcher = Dispatcher(self.store, self.planner, self.queue, self.judge)
        self.inbound = Inbound(self.store, self.planner, self.queue, self.dispatcher.ping_pong)
        self.inbound.arriving.arrivals["gsm1"] = Arrivals("ann@example.org", "%s@sms.example.org", "IT")
        self.sweeper = Sweeper(self.store, self.queue, self.clock)
        self.backlog = Backlog(self.store, self.queue)
        self.gsm = self.gateway("gsm1", MODEM)
        self.mail = self.gateway("mail", RELAY)

    def gateway(
        self, name: str, abilities: Abilities, in_doubt: str = "resend", limits: Limits | None = None
    ) -> FakeGateway:
        """One more fake gateway."""
        gateway = FakeGateway(name, abilities)
        outlet = self.queue.outlet(name, abilities, in_doubt, limits=limits)
        outlet.gateway = gateway
        return gateway

    def outlet(self, name: str) -> Outlet:
        """The outlet of a gateway."""
        return next(outlet for outlet in self.queue.outlets() if outlet.name == name)

    def open(self, slots: int = 1) -> None:
        """Open both gateways."""
        self.wait(self.store.recover({}))
        self.wait(self.backlog.gather())
        self.wait(self.queue.start())
        for name in ("gsm1", "mail"):
            self.outlet(name).opened(slots)
        self.settle()

    def wait(self, done: defer.Deferred[Any]) -> Any:
        """Run until it fires."""
        return self.clock.wait(done)

    def settle(self) -> None:
        """Run until nothing is under way: several rounds through the store, since one commit may lead to another."""
        for _ in range(6):
            self.wait(self.store.remember("test", "nothing", None))
            self.wait(self.store.ask(lambda connection: None))

    def advance(self, seconds: float) -> None:
        """Let time pass, then settle."""
        self.clock.advance(seconds)
        self.settle()

    def send(self, number: str = "+15550000001", text: str = "hello", **options: Any) -> Any:
        """Submit a text and wait for the receipt."""
        return self.wait(self.dispatcher.submit(submission(number, text, **options)))

    def rows(self, **options: Any) -> list[dict[str, Any]]:
        """Deliveries as the operator sees them, oldest first."""
        self.settle()
        return list(reversed(self.wait(self.store.ask(operating.find, **options))))

    def states(self) -> list[str]:
        """States of all deliveries, oldest first."""
        return [row["state"] for row in self.rows()]

    def crash(self) -> House:
        """What a kill leaves: the files as they are at this moment, and a new process life over them."""
        copy = tempfile.TemporaryDirectory(prefix="smsd-test-", ignore_cleanup_errors=True)
        for name in ("queue.db", "queue.db-wal"):
            if os.path.exists(os.path.join(os.path.dirname(self.path), name)):
                shutil.copy(os.path.join(os.path.dirname(self.path), name), copy.name)
        self.queue.stop()
        self.wait(self.store.close())
        self._folder.cleanup()
        self.clock.advance(1)
        clock = ThreadedClock()
        clock.advance(self.clock.seconds() - clock.seconds())
        return House(clock=clock, folder=copy)

    def close(self) -> None:
        """An orderly end."""
        self.sweeper.stop()
        self.wait(self.queue.stop())
        self.wait(self.store.close())
        self._folder.cleanup()


def submission(number: str = "+15550000001", text: str = "hello", **options: Any) -> Submission:
    """A submission of account:demo whose reports go to bob."""
    numbers = options.pop("numbers", [number])
    parameters = options.pop("parameters", None)
    recipients = tuple(
        Recipient(Address("sms", n), n, parameters) if parameters else Recipient(Address("sms", n), n)
        for n in numbers
    )
    defaults: dict[str, Any] = {
        "door": "http",
        "origin": Address("account", "demo"),
        "recipients": recipients,
        "content": Text(text),
        "ticket": Ticket(Address("mailto", "bob@example.org")),
        "wants": Wants.FAILURE | Wants.DELAY,
    }
    return Submission(**{**defaults, **options})
