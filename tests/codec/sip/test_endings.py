"""Whatever comes, in whatever order: transactions never raise, keep their bounds, and all are over soon after the last event."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import sip
from smsd.codec.sip import Answered, Asked, Malformed, Output, Peer, Send, Transactions, Unanswered
from tests.codec.sip.messages import ANN, BY_TCP, ours, request, response

MOST = 5
PEERS = (ANN, BY_TCP, Peer("UDP", "192.0.2.9", 5060))
METHODS = ("MESSAGE", "INVITE", "ACK", "CANCEL", "OPTIONS")

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["request", "request", "answer", "ask", "response", "failed", "tick", "noise"]),
        st.integers(0, 4),
        st.integers(0, 4),
        st.sampled_from([0.0, 0.1, 0.5, 3.0, 20.0]),
    ),
    max_size=50,
)
STATUSES = (100, 180, 200, 202, 404)


class EndingTests(SynchronousTestCase):
    """A user of the layer that does everything at the wrong moment."""

    @given(EVENTS)
    @settings(deadline=None, max_examples=300)
    def test_everything_ends(self, events: list[tuple[str, int, int, float]]) -> None:
        """And what we asked is answered exactly once."""
        layer, now = Transactions(b"k", most=MOST), 0.0
        outputs: list[Output] = []
        asked: list[Asked] = []
        keys: list[object] = []
        for number, (what, first, second, pause) in enumerate(events):
            now += pause
            new: list[Output] = []
            if what == "request":
                octets = request(METHODS[first], branch=str(second), call_id=str(second))
                new = layer.heard(octets, PEERS[(first + second) % 3], now)
            elif what == "answer" and asked:
                one = asked[first % len(asked)]
                new = layer.answer(one.key, sip.respond(one.request, STATUSES[second], tag="t"), now)
            elif what == "ask":
                key, new = layer.ask(ours(f"token{number}"), PEERS[first % 3], now)
                keys.append(key)
            elif what == "response":
                new = layer.heard(response(ours(f"token{first * 5 + second}"), STATUSES[second]), ANN, now)
            elif what == "failed" and (asked or keys):
                known = [*keys, *(one.key for one in asked)]
                new = layer.failed(known[(first + second) % len(known)], now)
            elif what == "noise":
                new = layer.heard(request(branch=str(first))[second * 7 :], ANN, now)
            new += layer.tick(now)
            self.assertLessEqual(len(layer), MOST)
            asked += [output for output in new if isinstance(output, Asked)]
            outputs += new
        last = now
        while (due := layer.wake()) is not None:
            self.assertLessEqual(due, last + 32.0 + 32.0 + 5.0)
            outputs += layer.tick(due)
        self.assertEqual(len(layer), 0)
        for output in outputs:
            if isinstance(output, Send):
                self.assertIn(
                    (output.to.host, output.to.transport), {(peer.host, peer.transport) for peer in PEERS}
                )
        for key in keys:
            finals = [
                output
                for output in outputs
                if (isinstance(output, Answered) and output.key == key and output.response.status >= 200)
                or (isinstance(output, Unanswered) and output.key == key)
            ]
            self.assertEqual(len(finals), 1)

    @given(st.binary(max_size=200), st.integers(0, 400))
    @settings(deadline=None)
    def test_damaged(self, junk: bytes, where: int) -> None:
        """A request with octets pushed into it: whatever becomes of it, everything ends."""
        octets = request()
        layer = Transactions(b"k")
        for output in layer.heard(octets[:where] + junk + octets[where:], ANN, 0.0):
            if isinstance(output, Asked):
                layer.answer(output.key, sip.respond(output.request, 202), 0.0)
            else:
                assert isinstance(output, Send)
                try:
                    sip.parse(output.octets)
                except Malformed:
                    self.assertTrue(output.octets.startswith((b"SIP/2.0 4", b"SIP/2.0 5")))
        layer.tick(32.0)
        layer.tick(64.0)
        self.assertEqual(len(layer), 0)
