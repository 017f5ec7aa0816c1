"""A stream is cut into the same messages however its octets arrive, and holds no more than the limits say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import PING, Framer, Limits, Malformed
from tests.codec.sip.messages import request

BODIES = st.lists(st.binary(max_size=40) | st.sampled_from([b"\r\n\r\n", b"\r\n", request()]), max_size=5)


class FramerTests(SynchronousTestCase):
    """Feeding."""

    @given(BODIES, st.lists(st.integers(1, 60), min_size=1, max_size=30))
    @settings(deadline=None)
    def test_however_it_is_cut(self, bodies: list[bytes], cuts: list[int]) -> None:
        """With keep-alives between, and bodies that look like them."""
        wanted = [request(body=body) for body in bodies]
        stream = b"".join(b"\r\n" * (number % 4) + octets for number, octets in enumerate(wanted))
        framer, found, start, number = Framer(), [], 0, 0
        while start < len(stream):
            cut = cuts[number % len(cuts)]
            found += framer.feed(stream[start : start + cut])
            start, number = start + cut, number + 1
        self.assertEqual([item for item in found if item != PING], wanted)
        self.assertEqual(framer.waiting, 0)

    def test_octet_by_octet(self) -> None:
        """Nothing comes before it is whole."""
        framer, octets = Framer(), request(body=b"\0\r\n\r\nx")
        for number in range(len(octets) - 1):
            self.assertEqual(framer.feed(octets[number : number + 1]), [])
        self.assertEqual(framer.waiting, len(octets) - 1)
        self.assertEqual(framer.feed(octets[-1:]), [octets])

    def test_pings(self) -> None:
        """Two line ends are a ping (RFC 5626), one is an answer to ours; many are answered once."""
        framer = Framer()
        self.assertEqual(framer.feed(b"\r\n"), [])
        self.assertEqual(framer.feed(b"\r"), [])
        self.assertEqual(framer.feed(b"\n"), [PING])
        self.assertEqual(framer.feed(PING * 1_000), [PING])
        self.assertEqual(framer.feed(PING + request() + PING), [PING, request(), PING])
        self.assertEqual(framer.feed(b"\r\n" + request() + b"\r\n"), [request()])
        self.assertEqual(framer.feed(b"\r\n"), [PING])

    def test_folded_and_compact_length(self) -> None:
        """Content-Length in every way it may be written."""
        for line in (b"l:5", b"CONTENT-LENGTH \t: 5", b"Content-Length:\r\n  5"):
            octets = request(body=b"hello").replace(b"Content-Length: 5", line)
            self.assertEqual(Framer().feed(octets), [octets])

    def test_lost(self) -> None:
        """Without a length that makes sense nothing behind it can be followed."""
        for line, status in (
            (b"X: 5", 400), (b"Content-Length: -1", 400), (b"Content-Length: x", 400), (b"Content-Length: ", 400),
            (b"Content-Length: 5\r\nl: 5", 400), (b"Content-Length: 1048577", 413), (b"Content-Length: " + b"9" * 5_000, 400),
        ):  # fmt: skip
            framer = Framer()
            (error,) = framer.feed(request(body=b"hello").replace(b"Content-Length: 5", line) + request())
            assert isinstance(error, Malformed)
            self.assertEqual(error.status, status)
            self.assertIsNotNone(error.request)
            self.assertEqual((framer.feed(request()), framer.waiting), ([], 0))

    def test_bounded(self) -> None:
        """Headers without end are refused, also when they come slowly."""
        for size in (1, 7, 100_000):
            framer, found = Framer(Limits(header=1_000)), []
            octets = request(headers=(("Subject", "x" * 2_000),))
            for start in range(0, len(octets), size):
                found += framer.feed(octets[start : start + size])
                self.assertLess(framer.waiting, 2_000)
            self.assertEqual([error.status for error in found if isinstance(error, Malformed)], [513])
            self.assertEqual(len(found), 1)

    def test_largest(self) -> None:
        """Headers and a body of exactly the limits are taken."""
        octets = request(body=b"x" * 500)
        head = octets.index(b"\r\n\r\n")
        self.assertEqual(Framer(Limits(header=head, body=500)).feed(octets), [octets])
        self.assertIsInstance(Framer(Limits(header=head - 1, body=500)).feed(octets)[0], Malformed)
        self.assertIsInstance(Framer(Limits(header=head, body=499)).feed(octets)[0], Malformed)
