"""The connection of one domain: handshake, coming back, giving up, finding a dead server, the truth about what was written."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.words.xish.domish import Element

from smsd.links.xmpp import component as module
from smsd.links.xmpp.component import PINGS, Component, Lost
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.stanzas import stanza
from tests.links.xmpp.chatserver import ChatServer

DOMAIN = "sms.example.org"


class Life(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.server = ChatServer(self.clock, {DOMAIN: "s3cret"})
        self.told: list[str] = []
        self.came: list[Element] = []
        self.component = self.make("s3cret")

    def make(self, secret: str) -> Component:
        """One whose waits are exact."""
        return Component("chat", Domain(DOMAIN), secret, self.server, self.clock, self, lambda: 0.5)

    def opened(self, component: Component) -> None:
        self.told.append("opened")

    def closed(self, component: Component) -> None:
        self.told.append(component.trouble)

    def stanza(self, component: Component, element: Element) -> None:
        if element.getAttribute("id", "").startswith(PINGS):
            component.pinged(element["id"])
        else:
            self.came.append(element)

    def turn(self, seconds: float = 0) -> None:
        """Time passes; then everything that waits is answered."""
        self.clock.advance(seconds)
        for _ in range(6):
            self.clock.advance(0)

    def start(self) -> None:
        """Connected."""
        self.component.start()
        self.turn()
        self.assertEqual(self.told, ["opened"])

    def outcome(self, waiting: Deferred[None]) -> list[Any]:
        """Where what it became is put."""
        results: list[Any] = []
        waiting.addBoth(results.append)
        return results

    # -- coming and going

    def test_it_says_who_it_is_and_proves_it(self) -> None:
        self.start()
        self.assertEqual(
            (self.server.wire.domain, self.server.wire.up, self.component.up), (DOMAIN, True, True)
        )
        self.assertNotIn(b"s3cret", self.server.wire.octets)

    def test_it_comes_back_after_longer_and_longer_waits(self) -> None:
        self.server.down = True
        self.component.start()
        tries = []
        for second in range(1200):
            if self.server.tries > len(tries):
                tries.append(second)
            self.clock.advance(1)
        self.assertEqual(tries, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111])
        self.assertEqual(len(self.told), 12)
        self.server.down = False
        self.turn(300)
        self.assertEqual(self.told[-1], "opened")

    def test_after_a_good_connection_it_is_back_within_a_second(self) -> None:
        self.server.down = True
        self.component.start()
        self.turn(1), self.turn(2), self.turn(4)
        self.server.down = False
        self.turn(8)
        self.assertEqual(self.told[-1], "opened")
        self.turn(70)
        self.server.wire.end()
        self.assertFalse(self.component.up)
        self.turn(1)
        self.assertTrue(self.component.up)

    def test_a_server_that_throws_it_out_at_once_is_not_asked_every_second(self) -> None:
        self.component.start()
        for _ in range(300):
            self.turn(1)
            if self.component.up:
                self.server.wire.end()
        self.assertEqual(self.server.tries, 9)

    def test_a_wrong_secret_is_tried_once(self) -> None:
        self.component = self.make("wrong")
        self.component.start()
        self.turn()
        self.turn(100_000)
        self.assertEqual(self.server.tries, 1)
        self.assertEqual(len(self.told), 1)
        self.assertIn("`secret`", self.component.trouble)
        self.assertNotIn("wrong", self.component.trouble)
        self.server.secrets[DOMAIN] = "wrong"
        self.component.again()
        self.turn()
        self.assertTrue(self.component.up)

    def test_a_domain_that_is_another_s_or_unknown_is_tried_now_and_then(self) -> None:
        for complaint in ("conflict", "host-unknown"):
            self.server.complaint, self.server.tries = complaint, 0
            self.component = self.make("s3cret")
            self.component.start()
            self.turn()
            for _ in range(60):
                self.turn(60)
            self.assertEqual(self.server.tries, 5, complaint)
            self.component.stop()
            self.turn()

    def test_who_is_thrown_out_later_gives_up_too(self) -> None:
        self.start()
        self.server.wire.refuse("conflict")
        self.turn(800)
        self.assertEqual(self.server.tries, 1)
        self.assertIn("another program", self.component.trouble)

    def test_a_server_that_has_not_noticed_that_we_were_gone(self) -> None:
        """The network was away: our connection is given up, and the server keeps its own for a while."""
        self.start()
        self.server.wire.end()
        self.server.complaint, self.server.tries = "conflict", 0
        for _ in range(60):
            self.turn(10)
        self.assertGreater(self.server.tries, 5)
        self.assertIn("still has our last connection", self.component.trouble)
        self.server.complaint = ""
        for _ in range(4):
            self.turn(100)
        self.assertTrue(self.component.up)

    def test_a_restart_of_the_server(self) -> None:
        self.start()
        self.server.wire.refuse("system-shutdown")
        self.turn()
        self.assertEqual(self.told[1:], ["system-shutdown so it is"])
        self.turn(2)
        self.assertTrue(self.component.up)

    def test_a_server_that_says_nothing(self) -> None:
        self.server.silent = True
        self.component.start()
        self.turn(module.PATIENCE)
        self.assertTrue(self.server.wire.ended)
        self.assertEqual(self.told, ["the server says nothing"])

    def test_what_is_no_chat_server(self) -> None:
        self.server.silent = True
        self.component.start()
        self.turn()
        self.server.wire.say("HTTP/1.1 400 Bad Request\r\n\r\n")
        self.turn()
        self.assertEqual(self.server.wire.problem, "not-well-formed")
        self.assertTrue(self.server.wire.ended)
        self.assertIn("no XML", self.told[0])

    def test_a_stanza_before_the_handshake(self) -> None:
        self.server.silent = True
        self.component.start()
        self.turn()
        self.server.wire.say(
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept'><message/>"
        )
        self.turn()
        self.assertEqual((self.server.wire.problem, self.came), ("not-authorized", []))

    def test_garbage_and_stanzas_without_end(self) -> None:
        for octets, problem in (
            ("<message></body>", "not-well-formed"),
            ("<message><body>" + "x" * 5_000_000, "policy-violation"),
        ):
            self.told.clear()
            self.component = self.make("s3cret")
            self.start()
            self.server.wire.say("<message id='whole'/>" + octets)
            self.turn()
            self.assertEqual(self.server.wire.problem, problem)
            self.assertEqual([element["id"] for element in self.came], ["whole"])
            self.came.clear()
            self.turn(2)
            self.assertTrue(self.component.up)
            self.component.stop()
            self.turn()

    def test_a_server_that_reads_nothing_is_given_up(self) -> None:
        self.start()
        stream = self.server.wire.client
        stream.pauseProducing()
        text = stanza("message", sender=DOMAIN, to="a@b", id="x" * 100_000)
        for _ in range(80):
            self.component.send(text)
        stream.resumeProducing()
        stream.pauseProducing()
        for _ in range(80):
            self.component.send(text)
        self.assertFalse(self.server.wire.ended)
        for _ in range(10):
            self.component.send(text)
        self.turn()
        self.assertTrue(self.server.wires[0].ended)
        self.assertIn("does not read", self.told[1])

    # -- the end

    def test_it_takes_leave_and_hears_what_was_said_before(self) -> None:
        self.start()
        self.server.echoes = False
        done = self.component.stop()
        self.turn()
        self.assertNoResult(done)  # what the server has for us comes before the ping, and would be lost
        self.assertFalse(self.server.wire.closing)
        self.server.wire.say("<message id='late'/>")
        self.component.pinged(self.component._ping)
        self.assertFalse(self.component.send(stanza("message", sender=DOMAIN, to="a@b")))
        self.turn()
        self.successResultOf(done)
        self.assertEqual([element["id"] for element in self.came], ["late"])
        self.assertTrue(self.server.wire.closing)
        self.turn(1000)
        self.assertEqual(self.server.tries, 1)

    def test_a_server_that_does_not_close(self) -> None:
        self.start()
        self.server.wire._read = lambda: None  # type: ignore[method-assign]
        self.server.echoes = False
        done = self.component.stop()
        self.turn(module.LEAVE)
        self.turn(module.LEAVE - 1)
        self.assertNoResult(done)
        self.turn(1)
        self.successResultOf(done)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped_while_it_waits(self) -> None:
        self.server.down = True
        self.component.start()
        self.successResultOf(self.component.stop())
        self.turn(1000)
        self.assertEqual(self.server.tries, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    # -- what was written

    def test_what_was_written_is_confirmed_by_a_round_trip(self) -> None:
        self.start()
        self.server.echoes = False
        self.component.send(stanza("message", sender=DOMAIN, to="a@b", id="1"))
        done = self.outcome(self.component.confirmed())
        self.turn()
        self.assertEqual(done, [])
        self.component.pinged(PINGS + "1")
        self.assertEqual(done, [None])

    def test_many_share_a_ping_but_none_an_earlier_one(self) -> None:
        self.start()
        self.server.echoes = False
        outcomes = [self.outcome(self.component.confirmed()) for _ in range(5)]
        self.component.pinged(PINGS + "1")
        self.assertEqual([len(one) for one in outcomes], [1, 0, 0, 0, 0])
        self.component.pinged(PINGS + "1")
        self.assertEqual([len(one) for one in outcomes], [1, 0, 0, 0, 0])
        self.component.pinged(PINGS + "2")
        self.assertEqual([len(one) for one in outcomes], [1, 1, 1, 1, 1])

    def test_pings_of_another_smsd_that_is_connected_as_the_same_domain(self) -> None:
        """ejabberd lets both in, and shares out what comes."""
        self.start()
        self.component.confirmed()
        self.turn()
        with capturedLogs() as events:
            for name in ("1", "1", "x", "", "99999999999999999999999", "1"):
                self.component.pinged(PINGS + name)
        said = [formatEvent(event) for event in events]
        self.assertEqual(["another smsd is connected" in one for one in said], [True], said)

    def test_when_the_connection_ends_nobody_knows(self) -> None:
        self.start()
        self.server.echoes = False
        outcomes = [self.outcome(self.component.confirmed()) for _ in range(2)]
        self.server.wire.end()
        for (failure,) in outcomes:
            assert isinstance(failure, Failure)
            self.assertIsInstance(failure.value, Lost)
        self.failureResultOf(self.component.confirmed(), Lost)

    def test_a_dead_server_is_found_within_a_minute(self) -> None:
        self.start()
        self.server.echoes = False
        for _ in range(60):
            self.turn(1)
        self.assertTrue(self.server.wires[0].ended)
        self.assertIn("silent", self.told[1])

    def test_a_quiet_one_is_left_alone(self) -> None:
        self.start()
        for _ in range(100):
            self.turn(30)
        self.assertEqual(self.server.tries, 1)

    def test_one_that_talks_but_returns_no_ping(self) -> None:
        self.start()
        self.server.echoes = False
        self.component.confirmed().addErrback(lambda failure: failure.trap(Lost) and None)
        for _ in range(100):
            self.turn(1)
            self.server.wire.say("<presence/>")
        self.assertEqual(self.told, ["opened"])
        for _ in range(60):
            self.turn(1)
            self.server.wires[0].say("<presence/>")
        self.assertIn("does not return pings", self.told[1])

    def test_a_backlog_that_is_read_slowly_is_no_reason_to_leave(self) -> None:
        self.start()
        self.server.echoes = False
        self.component.confirmed().addErrback(lambda failure: failure.trap(Lost) and None)
        for _ in range(1000):
            self.turn(1)
            self.server.wire.say("<presence/>")
            self.component.pause()
            self.component.resume()
        self.assertEqual(self.told, ["opened"])

    def test_while_nothing_is_read_silence_means_nothing(self) -> None:
        self.start()
        self.server.echoes = False
        self.component.pause()
        self.assertEqual(self.server.wire.producerState, "paused")
        for _ in range(100):
            self.turn(10)
        self.assertEqual(self.told, ["opened"])
        self.component.resume()
        self.assertEqual(self.server.wire.producerState, "producing")
