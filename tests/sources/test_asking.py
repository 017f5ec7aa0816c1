"""How long a source is asked, how often at once, and when it is left in peace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionRefusedError, DNSLookupError

from smsd.sources import asking
from smsd.sources.asking import REST, Asking, Away
from smsd.sources.conversation import Unknown
from smsd.sources.imap import Imap, Settings
from smsd.sources.server import Connecting
from tests.sources.case import SourceCase
from tests.sources.scripted import Scripted, dialogue


def settings(**given: Any) -> Settings:
    return Settings.model_validate({"id": "mail", "host": "x", "security": "none", "seconds": 10, **given})


class ByHand:
    """Questions that wait until they are answered."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.waiting: list[Deferred[bool]] = []
        self.cancelled = 0

    def ask(self, login: str, password: str, peer: str) -> Deferred[bool]:
        self.asked.append(login)
        answer: Deferred[bool] = Deferred(self._cancel)
        self.waiting.append(answer)
        return answer

    def _cancel(self, answer: Deferred[bool]) -> None:
        self.cancelled += 1


class AskingCase(SourceCase):
    def setUp(self) -> None:
        super().setUp()
        self.hand = ByHand()

    def source(self, ask: Callable[..., Any] | None = None, **given: Any) -> Asking:
        return Asking(settings(**given), self.clock, ask or self.hand.ask)


class Bounds(AskingCase):
    def test_time(self) -> None:
        source = self.source()
        asked = source.check("ann@example.org", "x")
        self.clock.advance(9.9)
        self.assertNoResult(asked)
        self.clock.advance(0.2)
        self.assertEqual(self.verdict(asked), "unknown")
        self.assertEqual(self.hand.cancelled, 1)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_number_at_once(self) -> None:
        source = self.source(connections=3)
        asked = [source.check(f"u{n}@example.org", "x") for n in range(10)]
        self.assertEqual(len(self.hand.asked), 3)
        self.hand.waiting[0].callback(True)
        self.clock.advance(0)
        self.assertEqual(len(self.hand.asked), 4)
        self.assertEqual(self.verdict(asked[0]), "right")

    def test_whoever_has_waited_too_long_is_not_asked_for(self) -> None:
        """He would not have enough time left, and thousands of them are told so without thousands of nested calls."""
        self.patch(asking, "MOST_WAITING", 3000)
        source = self.source(connections=1)
        asked = [source.check(f"u{n}@example.org", "x") for n in range(3000)]
        self.clock.advance(6)
        self.hand.waiting[0].callback(False)
        self.clock.pump([0] * 3000)
        self.assertEqual([self.verdict(one) for one in asked], ["wrong"] + ["unknown"] * 2999)
        self.assertEqual(self.hand.asked, ["u0@example.org"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        again = source.check("ann@example.org", "x")
        self.hand.waiting[-1].callback(True)
        self.assertEqual(self.verdict(again), "right")

    def test_number_that_waits(self) -> None:
        self.patch(asking, "MOST_WAITING", 5)
        source = self.source(connections=1)
        asked = [source.check(f"u{n}@example.org", "x") for n in range(7)]
        self.assertEqual(self.verdict(asked[6]), "unknown")
        self.assertNoResult(asked[5])

    def test_stop(self) -> None:
        source = self.source(connections=2)
        asked = [source.check(f"u{n}@example.org", "x") for n in range(5)]
        source.stop()
        self.assertEqual([self.verdict(one) for one in asked], ["unknown"] * 5)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.verdict(source.check("ann@example.org", "x")), "unknown")
        self.assertEqual(len(self.hand.asked), 2)  # nobody is shown a password who is not asked any more
        self.assertEqual((source.status, self.logged()), ("not asked yet", ""))

    def test_stop_in_the_middle_of_a_talk(self) -> None:
        server = Scripted(b"", dialogue())
        source = Asking(settings(), self.clock, Connecting(server, Imap(None).talk, self.clock, 10).ask)
        asked = source.check("ann@example.org", "x")
        source.stop()
        self.assertEqual(self.verdict(asked), "unknown")
        self.over(server)
        self.assertEqual(self.logged(), "")


class Trouble(AskingCase):
    def test_away_is_left_in_peace(self) -> None:
        source = self.source()
        self.assertEqual(source.status, "not asked yet")
        first = source.check("ann@example.org", "x")
        self.hand.waiting[0].errback(Away("is away"))
        self.assertEqual(self.verdict(first), "unknown")
        self.assertEqual(self.verdict(source.check("ann@example.org", "x")), "unknown")
        self.assertEqual(len(self.hand.asked), 1)
        self.assertEqual(source.status, "is away")
        self.clock.advance(REST)
        again = source.check("ann@example.org", "x")
        self.hand.waiting[1].callback(True)
        self.assertEqual(self.verdict(again), "right")
        self.assertEqual(source.status, "answers")

    def test_addresses_without_an_answer_are_left_out(self) -> None:
        """Dovecot lets who guesses wait, longer each time: a few addresses would take the places of all."""
        source = self.source(connections=1)

        def ask(peer: str) -> str:
            asked = source.check("ann@example.org", "x", peer)
            self.clock.advance(0)
            if not asked.called:
                self.clock.advance(10)
            self.clock.advance(0)
            return self.verdict(asked)

        for rest in (10, 20, 40, 60, 60):
            self.assertEqual(ask("192.0.2.7"), "unknown")
            questions = len(self.hand.asked)
            self.clock.advance(rest - 1)
            self.assertEqual(ask("192.0.2.7"), "unknown")
            self.assertEqual(len(self.hand.asked), questions, "it was asked again")
            self.clock.advance(1)
        other = source.check("ann@example.org", "x", "192.0.2.8")  # nobody else waits for it
        self.hand.waiting[-1].callback(True)
        self.assertEqual(self.verdict(other), "right")
        self.clock.advance(0)
        again = source.check("ann@example.org", "x", "192.0.2.7")
        self.hand.waiting[-1].callback(False)
        self.assertEqual(self.verdict(again), "wrong")  # an answer, and all is as before
        self.clock.advance(0)
        self.assertEqual(ask("192.0.2.7"), "unknown")
        self.clock.advance(10)
        questions = len(self.hand.asked)
        ask("192.0.2.7")
        self.assertEqual(len(self.hand.asked), questions + 1)

    def test_who_only_waited_for_his_turn_is_not_left_out(self) -> None:
        source = self.source(connections=1)
        source.check("eve@example.org", "x", "192.0.2.7").addErrback(lambda _: None)
        waits = source.check("ann@example.org", "x", "192.0.2.8")
        self.clock.advance(10)
        self.assertEqual(self.verdict(waits), "unknown")
        self.clock.advance(0)
        again = source.check("ann@example.org", "x", "192.0.2.8")
        self.hand.waiting[-1].callback(True)
        self.assertEqual(self.verdict(again), "right")
        self.assertEqual(self.hand.asked, ["eve@example.org", "ann@example.org"])

    def test_addresses_are_remembered_within_bounds(self) -> None:
        self.patch(asking, "MOST_ADDRESSES", 3)
        source = self.source()
        for n in range(6):
            source.check("ann@example.org", "x", f"192.0.2.{n}").addErrback(lambda _: None)
        self.clock.advance(10)
        self.clock.advance(0)
        for n in range(6):
            source.check("ann@example.org", "x", f"192.0.2.{n}").addErrback(lambda _: None)
        self.assertEqual(len(self.hand.asked), 9)

    def test_the_cause_is_shown_and_not_what_comes_of_it(self) -> None:
        source = self.source(connections=1)
        for _ in range(2):
            source.check("ann@example.org", "x").addErrback(lambda _: None)
        self.clock.advance(6)
        self.hand.waiting[0].errback(Away("is away"))
        self.clock.advance(0)
        self.assertEqual(source.status, "is away")
        self.assertIn(asking.BUSY, self.logged())

    def test_trouble_with_one_user_is_not_trouble_for_all(self) -> None:
        source = self.source()
        source.check("odd@example.org", "x").addErrback(lambda _: None)
        self.hand.waiting[0].errback(Unknown("cannot tell"))
        source.check("ann@example.org", "x")
        self.assertEqual(self.hand.asked, ["odd@example.org", "ann@example.org"])

    def test_troubles_are_logged_now_and_then(self) -> None:
        """Whoever logs in cannot fill the log, however the server words it."""
        said = ["one", "two", "one", "two", *(f"session {n}" for n in range(50))]

        def odd(login: str, password: str, peer: str) -> Deferred[bool]:
            return fail(Unknown(f"says {said.pop(0)}"))

        source = self.source(odd)
        for _ in range(54):
            self.verdict(source.check("ann@example.org", "x"))
            self.clock.advance(0)
        self.assertEqual(source.status, "not asked yet; last trouble: says session 49")
        lines = self.logged().splitlines()
        self.assertEqual(len(lines), asking.MOST_TROUBLES)
        self.assertEqual(lines[0], "password source mail says one")
        said += ["one"] * 2
        self.clock.advance(asking.QUIET + 1)
        for _ in range(2):
            self.verdict(source.check("ann@example.org", "x"))
        self.assertEqual(self.logged(), "password source mail says one")

    def test_a_source_that_is_broken_is_one_that_does_not_know(self) -> None:
        def broken(login: str, password: str, peer: str) -> Deferred[bool]:
            raise RuntimeError("a mistake")

        source = self.source(broken)
        for _ in range(3):
            self.assertEqual(self.verdict(source.check("ann@example.org", "x")), "unknown")
            self.clock.advance(0)
        self.assertEqual(source.status, "not asked yet; last trouble: is broken")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.clock.advance(0)

    def test_no_password_is_wrong_without_asking(self) -> None:
        """LDAP takes it for an anonymous wish, and says yes."""
        for password in ("", "a\0b"):
            self.assertEqual(self.verdict(self.source().check("ann@example.org", password)), "wrong")
        self.assertEqual(self.hand.asked, [])


class Names(AskingCase):
    def test_domains(self) -> None:
        source = self.source(domains=["Example.ORG."])
        self.assertTrue(source.serves("ann@example.org"))
        self.assertFalse(source.serves("ann@sub.example.org"))
        self.assertTrue(self.source().serves("ann@anything"))

    def test_as_they_are_called_there(self) -> None:
        self.source(login="local", domains=["example.org"]).check("ann@example.org", "x")
        self.source().check("ann@example.org", "x")
        self.assertEqual(self.hand.asked, ["ann", "ann@example.org"])


class _Endpoint:
    def __init__(self, connecting: Deferred[Any]) -> None:
        self.connecting = connecting

    def connect(self, factory: Any) -> Deferred[Any]:
        return self.connecting


class Connections(AskingCase):
    def source_at(self, endpoint: Any) -> Asking:
        return Asking(settings(), self.clock, Connecting(endpoint, Imap(None).talk, self.clock, 10).ask)

    def test_nobody_there(self) -> None:
        for error in (ConnectionRefusedError(), DNSLookupError(), OSError(24, "Too many open files")):
            source = self.source_at(_Endpoint(fail(error)))
            self.assertEqual(self.verdict(source.check("ann@example.org", "x")), "unknown")
            self.assertEqual(self.verdict(source.check("ann@example.org", "x")), "unknown")

    def test_nobody_answers(self) -> None:
        cancelled: list[Any] = []
        source = self.source_at(_Endpoint(Deferred(cancelled.append)))
        asked = source.check("ann@example.org", "x")
        self.clock.advance(10)
        self.assertEqual(self.verdict(asked), "unknown")
        self.assertEqual(len(cancelled), 1)

    def test_silence_at_any_point_leaves_nothing_open(self) -> None:
        ready = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n"
        for greeting, script in (
            (b"", dialogue()),
            (b"* OK", dialogue()),
            (b"* OK hi\r\n", dialogue((b"s2", b"* CAPABILITY IMAP4rev1\r\n"))),
            (ready, dialogue()),
            (ready, dialogue((b"s3", b"+ "))),
            (ready, dialogue((b"s3", b"+ \r\n"))),
        ):
            server = Scripted(greeting, script)
            source = self.source_at(server)
            asked = source.check("ann@example.org", "x")
            self.clock.advance(9)
            self.assertNoResult(asked)
            self.assertEqual(server.open, 1)
            self.clock.advance(1)
            self.assertEqual(self.verdict(asked), "unknown")
            self.over(server)

    def test_a_slow_drip_does_not_buy_time(self) -> None:
        server = Scripted(b"", dialogue())
        asked = self.source_at(server).check("ann@example.org", "x")
        for _ in range(9):
            self.clock.advance(1)
            server.wires[0].say(b"*")
        self.assertNoResult(asked)
        self.clock.advance(1)
        self.assertEqual(self.verdict(asked), "unknown")
        self.over(server)
