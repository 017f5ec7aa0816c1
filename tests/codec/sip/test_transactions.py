"""Transactions: the figures of RFC 3261 section 17 with their timers at exact times, matching, and the way answers go."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import sip
from smsd.codec.sip import (
    Answered,
    Asked,
    Cancelled,
    Output,
    Peer,
    Request,
    Response,
    Send,
    Timers,
    Transactions,
    Unanswered,
)
from smsd.codec.sip.tables import INVITE_SERVER, NON_INVITE_CLIENT, NON_INVITE_SERVER, Event, State
from tests.codec.sip.messages import ANN, BY_TCP, ours, request, response


def status(output: Output) -> int:
    """The status of an answer that is sent."""
    assert isinstance(output, Send), output
    read = sip.parse(output.octets)
    assert isinstance(read, Response), read
    return read.status


class Layered(SynchronousTestCase):
    """With transactions to look at."""

    def setUp(self) -> None:
        """Half a second of T1, as in the RFC."""
        self.layer = Transactions(b"secret")

    def run_until(self, end: float) -> list[tuple[float, Output]]:
        """Every output of timers up to `end`, with its time."""
        found = []
        while (due := self.layer.wake()) is not None and due <= end:
            found += [(round(due, 6), output) for output in self.layer.tick(due)]
        return found

    def asked(self, octets: bytes, now: float = 0.0, peer: Peer = ANN) -> Asked:
        """The one new request."""
        (output,) = self.layer.heard(octets, peer, now)
        assert isinstance(output, Asked), output
        return output

    def answer(self, asked: Asked, code: int, now: float = 0.0) -> list[Output]:
        """What answering does."""
        return self.layer.answer(
            asked.key, sip.respond(asked.request, code, tag=self.layer.tag(asked.request)), now
        )

    def statuses(self, outputs: list[Output]) -> list[int]:
        """All of them answers."""
        return [status(output) for output in outputs]


class ServerTests(Layered):
    """Section 17.2.2: requests but INVITE."""

    def test_trying_absorbs(self) -> None:
        """A retransmission before the answer reaches nobody."""
        self.asked(request())
        self.assertEqual(self.layer.heard(request(), ANN, 0.5), [])
        self.assertEqual(len(self.layer), 1)

    def test_answer_is_repeated_for_64_t1(self) -> None:
        """The last answer is sent again for every retransmission until timer J; then the request would be a new one."""
        asked = self.asked(request())
        (sent,) = self.answer(asked, 202, 1.0)
        self.assertEqual(status(sent), 202)
        for now in (1.5, 5.0, 32.9):
            self.assertEqual(self.layer.heard(request(), ANN, now), [sent])
        self.assertEqual(self.layer.wake(), 33.0)
        self.assertEqual(self.layer.tick(32.999), [])
        self.assertEqual(len(self.layer), 1)
        self.assertEqual(self.layer.tick(33.0), [])
        self.assertEqual(len(self.layer), 0)
        self.asked(request(), 33.0)

    def test_one_final_answer(self) -> None:
        """The first one counts."""
        asked = self.asked(request())
        (sent,) = self.answer(asked, 202)
        self.assertEqual(self.answer(asked, 500), [])
        self.assertEqual(self.answer(asked, 100), [])
        self.assertEqual(self.layer.heard(request(), ANN, 1.0), [sent])

    def test_provisional(self) -> None:
        """A provisional answer is repeated too, and leaves the final one possible."""
        asked = self.asked(request())
        (trying,) = self.answer(asked, 100, 1.0)
        self.assertEqual(self.layer.heard(request(), ANN, 1.5), [trying])
        self.assertEqual(self.statuses(self.answer(asked, 202, 2.0)), [202])
        self.assertEqual(self.layer.wake(), 34.0)

    def test_too_late(self) -> None:
        """Nobody waits after 64*T1: nothing is sent, nothing is kept (RFC 4320)."""
        asked = self.asked(request())
        self.assertEqual(self.run_until(100.0), [])
        self.assertEqual(len(self.layer), 0)
        self.assertEqual(self.answer(asked, 202, 40.0), [])

    def test_streams_have_no_timer_j(self) -> None:
        """By TCP nothing is repeated, and nothing kept."""
        asked = self.asked(request(via="SIP/2.0/TCP 192.0.2.4;branch=z9hG4bKtcp"), peer=BY_TCP)
        (sent,) = self.answer(asked, 202)
        assert isinstance(sent, Send)
        self.assertEqual((sent.to, len(self.layer), self.layer.wake()), (BY_TCP, 0, None))

    def test_unsendable_answer(self) -> None:
        """An answer with a line end in a value is refused; another one may be given."""
        asked = self.asked(request())
        bad = sip.respond(asked.request, 202, headers=(("Subject", "a\r\nVia: x"),))
        self.assertRaises(sip.Malformed, self.layer.answer, asked.key, bad, 0.0)
        self.assertEqual(self.statuses(self.answer(asked, 500)), [500])

    def test_failed_answer_is_kept(self) -> None:
        """An answer that could not be sent is asked for again by the next retransmission."""
        asked = self.asked(request())
        sent = self.answer(asked, 202)
        self.assertEqual(self.layer.failed(asked.key, 0.1), [])
        self.assertEqual(self.layer.heard(request(), ANN, 0.5), sent)

    def test_matching(self) -> None:
        """Branch, sent-by, method and source make a transaction; everything else may differ (17.2.3)."""
        self.asked(request())
        self.assertEqual(self.layer.heard(request(call_id="other"), ANN, 0.0), [])
        self.assertEqual(self.layer.heard(request(branch="ONE"), ANN, 0.0), [])
        self.asked(request(branch="two", call_id="2"))
        self.asked(request("OPTIONS"))
        self.asked(request(via="SIP/2.0/UDP 192.0.2.4:5062;branch=z9hG4bKone", call_id="3"))
        self.asked(request(call_id="4"), peer=Peer("UDP", "192.0.2.66", 5060))

    def test_matching_of_rfc_2543(self) -> None:
        """Without the cookie, address, tags, Call-ID, CSeq and Via make it."""
        old = "SIP/2.0/UDP 192.0.2.4:5060"
        asked = self.asked(request(via=old))
        sent = self.answer(asked, 202)
        self.assertEqual(self.layer.heard(request(via=old), ANN, 1.0), sent)
        self.asked(request(via=old, cseq=2))

    def test_merged(self) -> None:
        """A copy that comes by another way is answered 482 (8.2.2.2), as long as the first is at work or was taken."""
        asked = self.asked(request())
        (merged,) = self.layer.heard(request(branch="two"), ANN, 0.0)
        self.assertEqual(status(merged), 482)
        self.assertEqual(self.layer.heard(request(branch="two"), ANN, 0.5), [merged])
        self.answer(asked, 202, 1.0)
        self.assertEqual(self.statuses(self.layer.heard(request(branch="three"), ANN, 2.0)), [482])
        self.run_until(40.0)
        self.asked(request(branch="four"), 40.0)

    def test_refused_is_not_merged(self) -> None:
        """After a refusal the same request by another way is a new try: some count CSeq up with credentials, some do not."""
        asked = self.asked(request())
        self.answer(asked, 401)
        self.asked(request(branch="two"), 1.0)

    def test_inside_a_dialog_nothing_is_merged(self) -> None:
        """A To tag says that it is meant for one of several."""
        self.asked(request(to_tag="x"))
        self.asked(request(to_tag="x", branch="two"))


class CancelTests(Layered):
    """Section 9.2."""

    def test_message(self) -> None:
        """A MESSAGE cannot be called back: the CANCEL is understood, and nothing happens."""
        asked = self.asked(request())
        (sent,) = self.layer.heard(request("CANCEL"), ANN, 0.1)
        self.assertEqual(status(sent), 200)
        self.assertEqual(self.layer.heard(request("CANCEL"), ANN, 0.6), [sent])
        self.assertEqual(self.statuses(self.answer(asked, 202, 1.0)), [202])

    def test_invite(self) -> None:
        """An INVITE is answered 487."""
        asked = self.asked(request("INVITE"))
        sent, cancelled, refused = self.layer.heard(request("CANCEL"), ANN, 0.1)
        self.assertEqual((status(sent), status(refused)), (200, 487))
        self.assertEqual(cancelled, Cancelled(asked.key))
        self.assertEqual(self.answer(asked, 200, 0.2), [])

    def test_answered_invite(self) -> None:
        """What was answered stays answered."""
        self.answer(self.asked(request("INVITE")), 405)
        self.assertEqual(self.statuses(self.layer.heard(request("CANCEL"), ANN, 0.1)), [200])

    def test_unknown(self) -> None:
        """481 for what is not here; from elsewhere nothing can be cancelled."""
        self.asked(request("INVITE"))
        for octets, peer in (
            (request("CANCEL", "two"), ANN),
            (request("CANCEL"), Peer("UDP", "192.0.2.66", 5060)),
        ):
            self.assertEqual(self.statuses(self.layer.heard(octets, peer, 0.1)), [481])


class InviteTests(Layered):
    """Section 17.2.1, as far as a refusal needs it."""

    def test_refused_at_once(self) -> None:
        """405 is repeated for every INVITE, and never unasked: a stranger's address in a datagram makes us send one answer."""
        asked = self.asked(request("INVITE"))
        (sent,) = self.answer(asked, 405, 0.0)
        self.assertEqual(self.run_until(8.0), [])
        self.assertEqual(self.layer.heard(request("INVITE"), ANN, 8.0), [sent])
        self.assertEqual(self.layer.heard(request("ACK"), ANN, 8.5), [])
        self.assertEqual(self.layer.heard(request("INVITE"), ANN, 9.0), [])
        self.assertEqual(self.layer.heard(request("ACK"), ANN, 9.0), [])
        self.assertEqual(self.layer.wake(), 13.5)
        self.assertEqual(self.run_until(100.0), [])
        self.assertEqual(len(self.layer), 0)

    def test_refusal_until_ack(self) -> None:
        """After a 100, 405 is repeated at T1, 2*T1, 4*T1 … at most T2 apart (timer G) until the ACK."""
        asked = self.asked(request("INVITE"))
        self.assertEqual(self.statuses([output for _, output in self.run_until(1.0)]), [100])
        (sent,) = self.answer(asked, 405, 1.0)
        self.assertEqual(self.run_until(9.0), [(1.5, sent), (2.5, sent), (4.5, sent), (8.5, sent)])
        self.assertEqual(self.layer.heard(request("INVITE"), ANN, 9.0), [sent])
        self.assertEqual(self.layer.heard(request("ACK"), ANN, 9.5), [])
        self.assertEqual(self.layer.wake(), 14.5)
        self.assertEqual(self.run_until(100.0), [])
        self.assertEqual(len(self.layer), 0)

    def test_no_ack(self) -> None:
        """Without an ACK it ends at 64*T1 (timer H)."""
        asked = self.asked(request("INVITE"))
        self.answer(asked, 180, 0.0)
        self.answer(asked, 405, 0.0)
        times = [time for time, _ in self.run_until(100.0)]
        self.assertEqual(times, [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5])
        self.assertEqual(len(self.layer), 0)
        self.answer(self.asked(request("INVITE"), 100.0), 405, 100.0)
        self.assertEqual(self.layer.wake(), 132.0)

    def test_by_stream(self) -> None:
        """By TCP nothing is repeated, and the ACK ends it."""
        octets = request("INVITE", via="SIP/2.0/TCP 192.0.2.4;branch=z9hG4bKtcp")
        self.answer(self.asked(octets, peer=BY_TCP), 405)
        self.assertEqual(self.layer.wake(), 32.0)
        self.layer.heard(request("ACK", via="SIP/2.0/TCP 192.0.2.4;branch=z9hG4bKtcp"), BY_TCP, 1.0)
        self.assertEqual(len(self.layer), 0)

    def test_slow(self) -> None:
        """100 after 200 ms, and 500 when nobody says anything."""
        self.asked(request("INVITE"))
        (trying,) = self.run_until(1.0)
        self.assertEqual((trying[0], status(trying[1])), (0.2, 100))
        self.assertEqual(self.layer.heard(request("INVITE"), ANN, 1.0), [trying[1]])
        refused = self.run_until(32.0)
        self.assertEqual([(time, status(output)) for time, output in refused], [(32.0, 500)])
        self.run_until(100.0)
        self.assertEqual(len(self.layer), 0)

    def test_taken(self) -> None:
        """A 2xx ends it: its retransmissions are not the transaction's."""
        self.answer(self.asked(request("INVITE")), 200)
        self.assertEqual(len(self.layer), 0)

    def test_stray_ack(self) -> None:
        """An ACK of nothing is dropped, and never answered, not even when it is broken."""
        self.assertEqual(self.layer.heard(request("ACK"), ANN, 0.0), [])
        self.assertEqual(self.layer.heard(request("ACK").replace(b"CSeq: 1", b"CSeq: x"), ANN, 0.0), [])

    def test_old_ack(self) -> None:
        """RFC 2543: the ACK has a To tag that the INVITE had not."""
        old = "SIP/2.0/UDP 192.0.2.4:5060"
        self.answer(self.asked(request("INVITE", via=old)), 405)
        self.layer.heard(request("ACK", via=old, to_tag="ours"), ANN, 0.1)
        self.assertEqual(self.run_until(5.0), [])


class ClientTests(Layered):
    """Section 17.1.2: our own requests."""

    def ask(self, peer: Peer = ANN) -> tuple[object, Send, Request]:
        """One request."""
        made = ours()
        key, (sent,) = self.layer.ask(made, peer, 0.0)
        assert isinstance(sent, Send)
        return key, sent, made

    def test_retransmissions(self) -> None:
        """Timer E: at T1, doubled to T2; timer F ends it at 64*T1 with 408."""
        key, sent, _ = self.ask()
        self.assertEqual((sent.to, sent.key), (ANN, key))
        found = self.run_until(100.0)
        self.assertEqual(found.pop(), (32.0, Unanswered(key, 408)))
        self.assertEqual(
            [time for time, _ in found], [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        )
        self.assertEqual({output for _, output in found}, {sent})
        self.assertEqual(len(self.layer), 0)

    def test_final(self) -> None:
        """The answer is passed on once; its copies are absorbed for T4 (timer K)."""
        key, _, made = self.ask()
        (answered,) = self.layer.heard(response(made, 202), ANN, 0.3)
        assert isinstance(answered, Answered)
        self.assertEqual((answered.key, answered.response.status), (key, 202))
        self.assertEqual(self.layer.heard(response(made, 202), ANN, 0.4), [])
        self.assertEqual(self.layer.heard(response(made, 500), ANN, 0.4), [])
        self.assertEqual(self.layer.failed(key, 0.5), [])
        self.assertEqual(self.layer.wake(), 5.3)
        self.assertEqual(self.run_until(100.0), [])
        self.assertEqual(len(self.layer), 0)

    def test_provisional(self) -> None:
        """After 100 it is repeated every T2, and 64*T1 still holds."""
        key, _, made = self.ask()
        (trying,) = self.layer.heard(response(made, 100), ANN, 0.3)
        assert isinstance(trying, Answered)
        self.assertEqual(trying.response.status, 100)
        found = self.run_until(100.0)
        self.assertEqual([time for time, _ in found], [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5, 32.0])
        self.assertEqual(found[-1][1], Unanswered(key, 408))

    def test_by_stream(self) -> None:
        """By TCP it is sent once, waited for 64*T1, and nothing is kept after the answer."""
        key, _, made = self.ask(BY_TCP)
        self.assertEqual(self.layer.wake(), 32.0)
        self.layer.heard(response(made, 200), BY_TCP, 1.0)
        self.assertEqual((len(self.layer), self.layer.wake()), (0, None))
        self.assertEqual(self.layer.failed(key, 2.0), [])

    def test_unsendable(self) -> None:
        """What the network does not take is told at once, once."""
        key, _, _ = self.ask()
        self.assertEqual(self.layer.failed(key, 0.1), [Unanswered(key, 503)])
        self.assertEqual(self.run_until(100.0), [])

    def test_foreign_responses(self) -> None:
        """Answers to nothing of ours are dropped: another branch, another method."""
        _, _, made = self.ask()
        self.assertEqual(self.layer.heard(response(ours("t1"), 200), ANN, 0.1), [])
        other = response(made, 200).replace(b"1 MESSAGE", b"1 OPTIONS")
        self.assertEqual(self.layer.heard(other, ANN, 0.1), [])

    def test_misuse(self) -> None:
        """INVITE is not ours to send, and a branch is used once."""
        made = ours()
        for method in ("INVITE", "ACK", "CANCEL"):
            self.assertRaises(
                sip.Malformed, self.layer.ask, Request(method, made.uri, made.headers), ANN, 0.0
            )
        self.layer.ask(made, ANN, 0.0)
        self.assertRaises(sip.Malformed, self.layer.ask, made, ANN, 0.0)


class WayBackTests(Layered):
    """Sections 18.2.1 and 18.2.2, RFC 3581: where answers go."""

    def sent(self, via: str, peer: Peer) -> tuple[Peer, str]:
        """Where the answer goes, and its top Via."""
        asked = self.asked(request(via=via), peer=peer)
        (sent,) = self.answer(asked, 200)
        assert isinstance(sent, Send)
        return sent.to, sip.parse(sent.octets).get("Via")

    def test_plain(self) -> None:
        """To the port in Via; nothing is added where Via says the truth."""
        via = "SIP/2.0/UDP 192.0.2.4:5062;branch=z9hG4bKa"
        self.assertEqual(
            self.sent(via, Peer("UDP", "192.0.2.4", 40_000)), (Peer("UDP", "192.0.2.4", 5062), via)
        )

    def test_received(self) -> None:
        """The address it came from is added, and used, with the usual port."""
        to, via = self.sent("SIP/2.0/UDP ann.example.org;branch=z9hG4bKa", Peer("UDP", "192.0.2.4", 40_000))
        self.assertEqual(to, Peer("UDP", "192.0.2.4", 5060))
        self.assertEqual(via, "SIP/2.0/UDP ann.example.org;branch=z9hG4bKa;received=192.0.2.4")

    def test_rport(self) -> None:
        """With rport both are added, and the port it came from is used: what a router between needs."""
        to, via = self.sent(
            "SIP/2.0/UDP 192.168.0.2:5060;rport;branch=z9hG4bKa", Peer("UDP", "198.51.100.7", 40_000)
        )
        self.assertEqual(to, Peer("UDP", "198.51.100.7", 40_000))
        self.assertEqual(
            via, "SIP/2.0/UDP 192.168.0.2:5060;branch=z9hG4bKa;received=198.51.100.7;rport=40000"
        )

    def test_no_answers_to_strangers(self) -> None:
        """Neither maddr nor a received of the sender's own, nor a host name in Via sends octets elsewhere."""
        via = "SIP/2.0/UDP victim.example.org:53;maddr=203.0.113.9;ttl=255;received=203.0.113.9;rport=1;branch=z9hG4bKa"
        to, said = self.sent(via, Peer("UDP", "192.0.2.4", 40_000))
        self.assertEqual(to, Peer("UDP", "192.0.2.4", 40_000))
        self.assertIn(";received=192.0.2.4;rport=40000", said)
        self.assertNotIn("received=203", said)

    def test_same_socket(self) -> None:
        """Out of the listening socket that it came in by."""
        to, _ = self.sent(
            "SIP/2.0/UDP 192.0.2.4;branch=z9hG4bKa;rport", Peer("UDP", "192.0.2.4", 40_000, "second socket")
        )
        self.assertEqual(to, Peer("UDP", "192.0.2.4", 40_000, "second socket"))

    def test_stream(self) -> None:
        """By the connection it came by."""
        to, _ = self.sent("SIP/2.0/TCP 192.0.2.4:5060;branch=z9hG4bKa", BY_TCP)
        self.assertEqual(to, BY_TCP)

    def test_ipv6(self) -> None:
        """An IPv6 source."""
        to, via = self.sent(
            "SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bKa;rport", Peer("UDP", "2001:db8::4", 5071)
        )
        self.assertEqual(to, Peer("UDP", "2001:db8::4", 5071))
        self.assertEqual(
            via, "SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bKa;received=2001:db8::4;rport=5071"
        )

    def test_other_vias_stay(self) -> None:
        """The Vias below are copied as they came."""
        octets = request().replace(
            b"Max-Forwards", b"Via: SIP/2.0/TCP  10.0.0.1;branch=z9hG4bKb;rport\r\nMax-Forwards"
        )
        (sent,) = self.answer(self.asked(octets), 200)
        assert isinstance(sent, Send)
        self.assertEqual(sip.parse(sent.octets).all("Via")[1], "SIP/2.0/TCP  10.0.0.1;branch=z9hG4bKb;rport")


class TableTests(SynchronousTestCase):
    """What the tables promise, whatever the timers are."""

    def test_every_state_ends_by_time_alone(self) -> None:
        """From each state that can be reached a timer that runs there leads on, and at last to the end."""
        for table, first in (
            (NON_INVITE_CLIENT, State.TRYING),
            (NON_INVITE_SERVER, State.TRYING),
            (INVITE_SERVER, State.TRYING),
        ):
            reached, new = set[State](), {first}
            while new:
                reached |= new
                new = {after for (state, _), (after, _) in table.items() if state in reached} - reached
            for state in reached - {State.TERMINATED}:
                seen = set[State]()
                while state is not State.TERMINATED:
                    self.assertNotIn(state, seen)
                    seen.add(state)
                    event = Event.GIVE_UP if (state, Event.GIVE_UP) in table else Event.FORGET
                    state = table[state, event][0]

    def test_quick_timers(self) -> None:
        """With a T1 of a millisecond an INVITE is over before its 100 is due."""
        layer = Transactions(b"k", Timers(t1=0.001))
        layer.heard(request("INVITE"), ANN, 0.0)
        (refused,) = layer.tick(0.064)
        self.assertEqual(status(refused), 500)
        layer.tick(0.128)
        self.assertEqual((len(layer), layer.wake()), (0, None))


class BoundTests(SynchronousTestCase):
    """Never more than `most`."""

    def test_oldest_completed_goes(self) -> None:
        """It makes room for a new one."""
        layer = Transactions(b"k", most=3)
        keys = []
        for number in range(3):
            (asked,) = layer.heard(request(branch=str(number), call_id=str(number)), ANN, number)
            assert isinstance(asked, Asked)
            keys.append(asked)
        for asked in (keys[1], keys[0]):
            layer.answer(asked.key, sip.respond(asked.request, 202), 3.0)
        self.assertIsInstance(layer.heard(request(branch="3", call_id="3"), ANN, 4.0)[0], Asked)
        self.assertEqual(len(layer), 3)
        self.assertEqual(status(layer.heard(request(branch="0", call_id="0"), ANN, 4.0)[0]), 202)
        self.assertIsInstance(layer.heard(request(branch="1", call_id="1"), ANN, 4.0)[0], Asked)

    def test_full(self) -> None:
        """Where nothing is completed, new requests are asked to come later, without a memory of them; ours fail at once."""
        layer = Transactions(b"k", most=1)
        layer.heard(request(), ANN, 0.0)
        (sent,) = layer.heard(request(branch="two", call_id="2"), ANN, 0.0)
        self.assertEqual(status(sent), 503)
        assert isinstance(sent, Send)
        self.assertEqual((sent.key, sip.parse(sent.octets).get("Retry-After")), (None, "10"))
        self.assertEqual(layer.heard(request("ACK", "three"), ANN, 0.0), [])
        key, outputs = layer.ask(ours(), ANN, 0.0)
        self.assertEqual(outputs, [Unanswered(key, 503)])
        self.assertEqual(len(layer), 1)

    def test_stopped_timers_are_swept_out(self) -> None:
        """A flood leaves no heap of stopped timers behind."""
        layer = Transactions(b"k", most=10)
        for number in range(20_000):
            (asked,) = layer.heard(request(branch=str(number), call_id=str(number)), ANN, 0.0)
            assert isinstance(asked, Asked)
            layer.answer(asked.key, sip.respond(asked.request, 202), 0.0)
        self.assertEqual(len(layer), 10)
        self.assertLess(len(layer._clockwork._heap), 2_000)

    def test_timers_make_sense(self) -> None:
        """A T1 of nothing would never end."""
        for t1 in (0.0, -1.0, 5.0):
            self.assertRaises(ValueError, Timers, t1=t1)

    def test_tags(self) -> None:
        """The same request gets the same tag, others others, and other secrets other tags."""
        layer = Transactions(b"k")
        first, second = sip.parse(request()), sip.parse(request(branch="two"))
        assert isinstance(first, Request)
        assert isinstance(second, Request)
        tags = {layer.tag(first), layer.tag(first), layer.tag(second), Transactions(b"l").tag(first)}
        self.assertEqual(len(tags), 3)
        self.assertEqual({len(tag) for tag in tags}, {16})
