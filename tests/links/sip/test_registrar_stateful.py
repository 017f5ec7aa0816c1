"""The registrar against a model: whatever phones do in whatever order, also over restarts."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import Peer
from smsd.links.sip.refusals import Rejected
from smsd.links.sip.registrar import Registrar
from tests.links.sip.rig import register
from tests.links.sip.test_hostile import Memory

PORTS = st.integers(6000, 6004)
WHO = st.sampled_from(["ann@sip.example.org", "bob@sip.example.org"])
SOURCE = Peer("UDP", "192.0.2.8", 5070, 1)
MOST = 3


def now_of(coroutine: Any) -> Any:
    """The result of what waits for nothing."""
    results: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    if isinstance(results[0], BaseException) or hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]


async def as_coroutine(done: Any) -> Any:
    return await done


class Phones(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.clock, self.memory = Clock(), Memory()
        self.clock.advance(1_000)
        self.model: dict[str, dict[int, float]] = {}  # until when
        self.came: dict[str, dict[int, float]] = {}
        self.start()

    def start(self) -> None:
        """What is over is not remembered any more."""
        self.registrar = Registrar(self.memory, self.clock, (60, 3600), MOST)
        now_of(self.registrar.load())
        assert len(self.memory.facts) == sum(bool(self.there(who)) for who in self.model)

    def there(self, who: str) -> dict[int, float]:
        return {port: end for port, end in self.model.get(who, {}).items() if end > self.clock.seconds()}

    def ask(self, who: str, contact: str, expires: int) -> bool:
        user = who.partition("@")[0]
        asked = register(contact, str(expires), user)
        try:
            now_of(self.registrar.register(who, asked, SOURCE))
        except Rejected:
            return False
        return True

    @rule(who=WHO, port=PORTS, expires=st.sampled_from([30, 60, 300, 7200]))
    def come(self, who: str, port: int, expires: int) -> None:
        before = self.there(who)
        taken = self.ask(who, f"<sip:x@192.0.2.8:{port}>", expires)
        assert taken is (expires >= 60)
        if not taken:
            return
        came = self.came.setdefault(who, {})
        if port not in before and len(before) == MOST:
            oldest = min(came[one] for one in before)
            gone = [one for one in before if came[one] == oldest and one not in self.found(who)]
            assert len(gone) == 1, (before, came, self.found(who))
            del before[gone[0]]
        came[port] = self.clock.seconds()
        self.model[who] = {**before, port: self.clock.seconds() + min(expires, 3600)}

    def found(self, who: str) -> dict[int, float]:
        return {int(one.uri.rpartition(":")[2]): one.expires for one in self.registrar.contacts(who)}

    @rule(who=WHO, port=PORTS)
    def leave(self, who: str, port: int) -> None:
        assert self.ask(who, f"<sip:x@192.0.2.8:{port}>", 0)
        self.model[who] = {known: end for known, end in self.there(who).items() if known != port}

    @rule(who=WHO)
    def leave_all(self, who: str) -> None:
        assert self.ask(who, "*", 0)
        self.model[who] = {}

    @rule(who=WHO, port=PORTS, by_name=st.booleans())
    def unlinked_by_the_operator(self, who: str, port: int, by_name: bool) -> None:
        account = who if by_name else who.partition("@")[0].upper()
        there = port in self.there(who)
        assert now_of(as_coroutine(self.registrar.unlink(account, f"sip:x@192.0.2.8:{port}"))) is there
        self.model[who] = {known: end for known, end in self.there(who).items() if known != port}

    @rule(who=WHO)
    def all_unlinked(self, who: str) -> None:
        there = bool(self.there(who))
        self.registrar.contacts(who)
        found = now_of(as_coroutine(self.registrar.unlink(who, who)))
        assert found or not there
        self.model[who] = {}

    @rule(seconds=st.sampled_from([1, 59, 61, 301, 3601]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.start()

    @invariant()
    def exactly_those(self) -> None:
        if not hasattr(self, "registrar"):
            return
        for who in ("ann@sip.example.org", "bob@sip.example.org"):
            found = self.found(who)
            assert found == self.there(who), (found, self.there(who))
            told = self.registrar.linked(who.partition("@")[0])
            assert {int(uri.rpartition(":")[2]): end for uri, end in told} == found
        people = sum(bool(self.there(who)) for who in self.model)
        assert len(self.registrar) == people


class Registrations(SynchronousTestCase):
    def test_exactly_those_phones_are_there(self) -> None:
        run_state_machine_as_test(
            Phones, settings=settings(max_examples=60, stateful_step_count=30, deadline=None)
        )  # type: ignore[no-untyped-call]

    def test_a_phone_that_leaves_while_others_of_its_account_are_forgotten(self) -> None:
        memory = Memory()
        registrar = Registrar(memory, Clock(), (60, 3600), MOST)
        here, there = "ann@sip.example.org", "ann@example.org"
        for address in (here, there):
            now_of(registrar.register(address, register("<sip:x@192.0.2.8:6000>"), SOURCE))
        kept: Deferred[None] = Deferred()
        self.patch(memory, "remember", lambda name, value: kept)
        unlinking = registrar.unlink("ann", "sip:x@192.0.2.8:6000")
        leaving = Deferred.fromCoroutine(registrar.register(there, register("*", "0"), SOURCE))
        kept.callback(None)
        self.assertEqual((self.successResultOf(unlinking), self.successResultOf(leaving)), (True, []))
