"""Messages, URIs and values of headers: read, written, bounded, and never more than they should be."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import sip
from smsd.codec.sip import (
    Limits,
    Malformed,
    Party,
    Request,
    Response,
    Uri,
    Via,
    parse,
    read_party,
    read_uri,
    read_vias,
    write,
)
from smsd.codec.sip.grammar import long_name
from tests.codec.sip.messages import ours, request

TOKENS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30).map(
    lambda text: text.strip(" \t")
)
PARAMETERS = st.lists(
    st.tuples(TOKENS.map(str.lower), TEXTS), max_size=4, unique_by=lambda pair: pair[0]
).map(tuple)
HOSTS = st.sampled_from(["example.org", "192.0.2.4", "2001:db8::4", "a-b.example", "localhost"])
PORTS = st.none() | st.integers(1, 65_535)
# A URI may hold any character, escaped.
ANY = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
URIS = st.builds(
    Uri,
    st.sampled_from(["sip", "sips"]),
    ANY,
    HOSTS,
    PORTS,
    st.lists(st.tuples(ANY.map(str.lower), st.just("") | ANY), max_size=3).map(tuple),
    st.lists(st.tuples(ANY, st.just("") | ANY), max_size=3).map(tuple),
    st.just("") | ANY,
)
VIAS = st.builds(Via, st.sampled_from(["UDP", "TCP", "TLS"]), HOSTS, PORTS, PARAMETERS)
PARTIES = st.builds(
    Party, st.sampled_from(["sip:ann@example.org", "tel:+1555", "sip:a,b;c@d"]), TEXTS, PARAMETERS
)
NAMES = st.sampled_from(["Subject", "Date", "X-Some", "User-Agent", "Require"])


@st.composite
def messages(draw: st.DrawFn) -> Request | Response:
    """Any message that makes sense."""
    method = draw(TOKENS)
    headers = (
        *(("Via", str(via)) for via in draw(st.lists(VIAS, min_size=1, max_size=3))),
        ("From", str(draw(PARTIES))),
        ("To", str(draw(PARTIES))),
        ("Call-ID", draw(TOKENS)),
        ("CSeq", f"{draw(st.integers(0, (1 << 31) - 1))} {method}"),
        *draw(st.lists(st.tuples(NAMES, TEXTS), max_size=5)),
    )
    body = draw(st.binary(max_size=100))
    if draw(st.booleans()):
        return Request(method, str(draw(URIS)), headers, body)
    return Response(draw(st.integers(100, 699)), draw(TEXTS), headers, body)


class PropertyTests(SynchronousTestCase):
    """What holds for all of them."""

    @given(messages())
    @settings(deadline=None)
    def test_written_and_read(self, message: Request | Response) -> None:
        """A message survives the wire, and its values can be had."""
        read = parse(write(message))
        self.assertEqual(read, message)
        self.assertEqual(read.via, message.via)
        self.assertEqual((read.cseq, read.method), (message.cseq, message.method))

    @given(URIS)
    @settings(deadline=None)
    def test_uris(self, uri: Uri) -> None:
        """Whatever characters are in it."""
        self.assertEqual(read_uri(str(uri)), uri)

    @given(VIAS)
    @settings(deadline=None)
    def test_vias(self, via: Via) -> None:
        """Also two of them in one value."""
        self.assertEqual(read_vias(f"{via},{via}"), (via, via))

    @given(PARTIES)
    @settings(deadline=None)
    def test_parties(self, party: Party) -> None:
        """Also in a list."""
        self.assertEqual(read_party(str(party)), party)
        self.assertEqual(sip.read_parties(f"{party} , {party}"), (party, party))

    @given(
        st.binary(max_size=300)
        | st.text(max_size=200).map(lambda text: f"SIP/2.0 200 OK\r\n{text}\r\n\r\n".encode())
    )
    @settings(deadline=None, max_examples=300)
    def test_noise(self, octets: bytes) -> None:
        """Noise is Malformed, and nothing else is raised."""
        try:
            parse(octets)
        except Malformed:
            return

    @given(
        messages(),
        st.text(max_size=5),
        st.sampled_from(["\r\n", "\r", "\n", "\r\n X: y", "\r\n\r\n"]),
        st.text(max_size=5),
    )
    @settings(deadline=None)
    def test_nothing_is_injected(
        self, message: Request | Response, before: str, end: str, after: str
    ) -> None:
        """A line end in any value is refused, wherever it stands."""
        value = before + end + after
        for broken in (
            Request("MESSAGE", "sip:a@b" + value, message.headers),
            Request("MESSAGE" + value, "sip:a@b", message.headers),
            Response(200, value, message.headers),
            Request("MESSAGE", "sip:a@b", (*message.headers, ("Subject", value))),
            Request("MESSAGE", "sip:a@b", (*message.headers, ("Subject" + value, "x"))),
        ):
            self.assertRaises(Malformed, write, broken)


class ParseTests(SynchronousTestCase):
    """What is read, and how much."""

    def test_rfc_3428(self) -> None:
        """The example of section 10, F1."""
        octets = (
            b"MESSAGE sip:user2@domain.com SIP/2.0\r\nVia: SIP/2.0/TCP user1pc.domain.com;branch=z9hG4bK776sgdkse\r\n"
            b"Max-Forwards: 70\r\nFrom: sip:user1@domain.com;tag=49583\r\nTo: sip:user2@domain.com\r\n"
            b"Call-ID: asd88asd77a@1.2.3.4\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\n"
            b"Watson, come here."
        )
        read = parse(octets)
        assert isinstance(read, Request)
        self.assertEqual(
            (read.method, read.uri, read.body), ("MESSAGE", "sip:user2@domain.com", b"Watson, come here.")
        )
        self.assertEqual(read.via, Via("TCP", "user1pc.domain.com", None, (("branch", "z9hG4bK776sgdkse"),)))
        self.assertEqual(
            (read.sender.uri, read.sender.tag, read.to.tag), ("sip:user1@domain.com", "49583", "")
        )
        self.assertEqual(
            (read.call_id, read.cseq, read.content_type), ("asd88asd77a@1.2.3.4", 1, "text/plain")
        )
        self.assertEqual(write(read), octets)

    def test_names(self) -> None:
        """Compact forms and any case become the usual long form."""
        for name, expected in (
            ("v", "Via"), ("F", "From"), ("t", "To"), ("i", "Call-ID"), ("CALL-id", "Call-ID"), ("cseq", "CSeq"), ("M", "Contact"),
            ("l", "Content-Length"), ("c", "Content-Type"), ("s", "Subject"), ("k", "Supported"), ("e", "Content-Encoding"),
            ("www-authenticate", "WWW-Authenticate"), ("x-FOO-bar", "X-Foo-Bar"), ("Via \t", "Via"), ("d", "Request-Disposition"),
        ):  # fmt: skip
            self.assertEqual(long_name(name), expected)
        for bad in ("", " Via", "Vi a", "Via\x0b", "Grüße", "a:b"):
            self.assertRaises(Malformed, long_name, bad)

    def test_without_length(self) -> None:
        """In a datagram the body goes to its end; with Content-Length no further than that."""
        octets = request(body=b"hello").replace(b"Content-Length: 5\r\n", b"")
        self.assertEqual(parse(octets + b"\0\r\n").body, b"hello\0\r\n")
        self.assertEqual(parse(request(body=b"hello") + b"more").body, b"hello")

    def test_empty_lines_before(self) -> None:
        """Section 7.5."""
        self.assertEqual(parse(b"\r\n\r\n\r\n" + request()), parse(request()))

    def test_limits(self) -> None:
        """Too much is refused, with what can be answered."""
        limits = Limits(header=1_000, body=10, headers=20)
        octets = request(body=b"x" * 11)
        self.assertEqual(self.assertRaises(Malformed, parse, octets, limits).status, 413)
        octets = request(headers=(("Subject", "x" * 1_000),))
        error = self.assertRaises(Malformed, parse, octets, limits)
        self.assertEqual(error.status, 513)
        assert error.request is not None
        self.assertEqual(error.request.get("Call-ID"), "call")
        parse(request(headers=(("X-A", ""),) * 13), limits)
        many = request(headers=(("X-A", ""),) * 20)
        error = self.assertRaises(Malformed, parse, many, limits)
        self.assertEqual(error.status, 400)
        self.assertIsNotNone(error.request)

    def test_hostile_lengths_of_time(self) -> None:
        """64 KB of what regular expressions could stumble over take milliseconds: a quadratic one would take minutes."""
        for evil in (
            " ",
            '\\"',
            "<",
            '"',
            "a,",
            ";",
            ";a=",
            '"\\',
            "\r\n ",
            "\t",
            "%",
            ":",
            "@",
            'a="',
            "[",
            "<>",
            ";a ",
        ):
            for name in ("Via", "From", "To", "Contact", "CSeq", "Authorization", "Subject", "Route"):
                value = evil * (60_000 // len(evil))
                octets = request().replace(b"Max-Forwards: 70", f"{name}: Digest {value}x".encode())
                try:
                    read = parse(octets.replace(b"From: <sip", b"From: " + evil.encode() + b"<sip"))
                    assert isinstance(read, Request)
                    read.contacts  # noqa: B018
                    sip.Challenger("r", b"k").judge(read, 0.0, lambda user, algorithm: None)
                except Malformed:
                    continue

    def test_octets_that_are_no_utf8(self) -> None:
        """They are answered as they came, and can be shown."""
        octets = request().replace(b"Call-ID: call", b"Call-ID: caf\xe9").replace(b"To: <", b'To: "\xff" <')
        read = parse(octets)
        assert isinstance(read, Request)
        self.assertEqual((sip.readable(read.call_id), read.to.name), ("caf\ufffd", "\ufffd"))
        answer = write(sip.respond(read, 202, tag="t"))
        self.assertIn(b"Call-ID: caf\xe9\r\n", answer)
        self.assertIn(b'To: "\xff" <sip:+15551234567@example.org>;tag=t\r\n', answer)
        bad = parse(request().replace(b"sip:+15551234567@", b"sip:\xe9@"))
        assert isinstance(bad, Request)
        self.assertRaises(Malformed, lambda: bad.target)

    def test_half_line_ends(self) -> None:
        """A lone CR or LF is no line end, and hides no header."""
        for end in (b"\r", b"\n", b"\n\r"):
            error = self.assertRaises(
                Malformed, parse, request().replace(b"70\r\n", b"70" + end + b"Via: x\r\n")
            )
            self.assertEqual(error.status, 400)

    def test_dropped(self) -> None:
        """What nobody waits for an answer to: responses, ACK, and what lacks a way back."""
        for octets in (
            b"", b"\r\n\r\n", b"\0" * 40, b"hello", request("ACK").replace(b"CSeq: 1", b"CSeq: x"),
            request().replace(b"Via: SIP", b"Via: SOP"), b"SIP/2.0 999 x\r\n\r\n",
        ):  # fmt: skip
            self.assertIsNone(self.assertRaises(Malformed, parse, octets).request, octets)


class ValueTests(SynchronousTestCase):
    """Lists, parameters, hosts."""

    def test_lists(self) -> None:
        """Commas in quotes and brackets do not count; what does not end, and too many values, are refused."""
        self.assertEqual(
            [party.name for party in sip.read_parties('"a, \\", b" <sip:a,b@c>;x="," , d <sip:e>')],
            ['a, ", b', "d"],
        )
        for value in (
            '"a, <sip:b>',
            "<sip:a, <sip:b",
            "<sip:a>, " * 300 + "<sip:b>",
            "<sip:a>,",
            ",<sip:a>",
            "*;x=<y>",
        ):
            self.assertRaises(Malformed, sip.read_parties, value)
        self.assertEqual(sip.read_parties("*"), (Party("*"),))
        self.assertEqual(str(Party("*")), "*")

    def test_parameters(self) -> None:
        """Values that are no tokens are quoted; addresses of IPv6 are none, and yet stand bare (RFC 3261 section 25.1)."""
        for value, expected in (
            ("a.b-c", ";x=a.b-c"), ("", ";x"), ("2001:db8::4", ";x=2001:db8::4"), ("[::1]", ";x=[::1]"),
            ("a:", ';x="a:"'), ("[", ';x="["'),
            ('a"\\', ';x="a\\"\\\\"'), ("ü", ';x="ü"'), ("a b", ';x="a b"'),
        ):  # fmt: skip
            via = Via("UDP", "b", None, (("x", value),))
            self.assertEqual(str(via), f"SIP/2.0/UDP b{expected}")
            self.assertEqual(read_vias(str(via)), (via,))
        self.assertRaises(Malformed, read_party, "<sip:a>" + ";x" * 300)

    def test_parties(self) -> None:
        """What is no name and no address."""
        for value in (
            "",
            "<>",
            "<sip:a",
            "sip:a>",
            "<sip:a>x",
            '"a" sip:b',
            '"a"x<sip:b>',
            'a"b <sip:c>',
            "<sip:a b>",
            "<sip:a>;=x",
            "sip:a;x=<sip:b>",
        ):
            self.assertRaises(Malformed, read_party, value)

    def test_vias(self) -> None:
        """Hosts and ports that are none."""
        for value in (
            "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0 a", "SIP/2.0/UDP a:0", "SIP/2.0/UDP a:99999", "SIP/2.0/UDP [::g]",
            "SIP/2.0/UDP a b", "SIP/2.0/UDP [1.2.3.4]", "SIP/2.0/UDP -a", "HTTP/2.0/UDP a",
        ):  # fmt: skip
            self.assertRaises(Malformed, read_vias, value)


class UriTests(SynchronousTestCase):
    """URIs of RFC 3261 section 19.1.3, RFC 3966, and those that are none."""

    def test_examples(self) -> None:
        """Parts, decoded."""
        for text, expected in (
            ("sip:alice@atlanta.com", Uri("sip", "alice", "atlanta.com")),
            ("sip:alice:secretword@atlanta.com;transport=tcp",
             Uri("sip", "alice", "atlanta.com", None, (("transport", "tcp"),), (), "secretword")),
            ("sips:alice@atlanta.com?subject=project%20x&priority=urgent",
             Uri("sips", "alice", "atlanta.com", None, (), (("subject", "project x"), ("priority", "urgent")))),
            ("sip:+1-212-555-1212:1234@gateway.com;user=phone",
             Uri("sip", "+1-212-555-1212", "gateway.com", None, (("user", "phone"),), (), "1234")),
            ("sips:1212@gateway.com", Uri("sips", "1212", "gateway.com")),
            ("sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
             Uri("sip", "", "atlanta.com", None, (("method", "REGISTER"),), (("to", "alice@atlanta.com"),))),
            ("sip:alice;day=tuesday@atlanta.com", Uri("sip", "alice;day=tuesday", "atlanta.com")),
            ("SIP:a@EXAMPLE.org:5061;LR", Uri("sip", "a", "example.org", 5061, (("lr", ""),))),
            ("sip:a@[2001:DB8:0::1]:5061", Uri("sip", "a", "2001:db8::1", 5061)),
            ("tel:+1-201-555-0123", Uri("tel", "+12015550123", "")),
            ("tel:7042;phone-context=example.com", Uri("tel", "7042", "", None, (("phone-context", "example.com"),))),
        ):  # fmt: skip
            self.assertEqual(read_uri(text), expected)
            self.assertEqual(read_uri(str(expected)), expected)

    def test_addresses(self) -> None:
        """What people would say."""
        for text, expected in (
            ("sip:ann@example.org:5060;x=y", "ann@example.org"), ("sip:example.org", "example.org"), ("tel:+1-555", "+1555"),
            ("sip:a@[::1]", "a@[::1]"),
        ):  # fmt: skip
            self.assertEqual(read_uri(text).address, expected)

    def test_none(self) -> None:
        """400 for what is no URI, 416 for other schemes."""
        for text in (
            "", "sip:", "sip:@a", "a@b", "sip:a@b@c", "sip:a@", "sip:a b@c", "sip:a@b:0", "sip:a@b:65536", "sip:a@b:",
            "sip:a@[::g]", "sip:a@[1.2.3.4]", "sip:a@b;;x", "sip:a@b?x&", "sip:a%4@b", "sip:a%ff@b", "tel:", "tel:abc-xyz", "tel:+",
            "sip:<a>@b",
            "sip:a@b\r\nX: y", 'sip:"@b', "sip:a@" + "b" * 9_000, "tel:" + "1" * 201, "sip:a@b;" + ";".join("x" * 70),
        ):  # fmt: skip
            self.assertEqual(self.assertRaises(Malformed, read_uri, text).status, 400, text)
        for text in ("mailto:a@b", "urn:service:sos", "http://a", "sms:+1555"):
            self.assertEqual(self.assertRaises(Malformed, read_uri, text).status, 416, text)

    def test_unwritable(self) -> None:
        """Values that are no URI are not written either."""
        for uri in (
            Uri("sip", "a", "b c"), Uri("sip", "a", "b\r\nX: y"), Uri("sip", "a", "b", 0), Uri("tel", "+1;x", ""),
            Uri("sip", "\ud800", "b"), Uri("sip", "a", ""),
        ):  # fmt: skip
            self.assertRaises(Malformed, str, uri)
        self.assertRaises(Malformed, str, Party("sip:a@b>\r\nX: <y"))


class AnswerTests(SynchronousTestCase):
    """`respond` and its helpers."""

    def test_copied(self) -> None:
        """Section 8.2.6.2."""
        asked = parse(request(headers=(("Via", "SIP/2.0/TCP 10.0.0.1;branch=z9hG4bKb"), ("Subject", "x"))))
        assert isinstance(asked, Request)
        answer = sip.respond(asked, 202, tag="t", headers=(("Allow", "MESSAGE"),))
        self.assertEqual((answer.status, answer.reason), (202, "Accepted"))
        self.assertEqual(
            [name for name, _ in answer.headers], ["Via", "From", "To", "Call-ID", "CSeq", "Via", "Allow"]
        )
        self.assertEqual(answer.to.tag, "t")
        self.assertEqual(
            (answer.call_id, answer.cseq, answer.sender), (asked.call_id, asked.cseq, asked.sender)
        )

    def test_tag(self) -> None:
        """A tag that is there stays; 100 gets none."""
        inside = parse(request(to_tag="theirs"))
        outside = parse(request())
        assert isinstance(inside, Request)
        assert isinstance(outside, Request)
        self.assertEqual(sip.respond(inside, 481, tag="t").to.tag, "theirs")
        self.assertEqual(sip.respond(outside, 100, tag="t").to.tag, "")

    def test_words(self) -> None:
        """Texts for people are made harmless."""
        asked = parse(request())
        assert isinstance(asked, Request)
        answer = sip.respond(
            asked, 488, "bad\r\nX: y", headers=(sip.warning("example.org", 'a "b"\r\n\\ c' + "x" * 999),)
        )
        read = parse(write(answer))
        assert isinstance(read, Response)
        self.assertEqual(read.reason, "bad  X: y")
        self.assertTrue(read.get("Warning").startswith('399 example.org "a \\"b\\"  \\\\ cxxx'))
        self.assertLess(len(read.get("Warning")), 400)
        self.assertEqual(sip.date(0.0), ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"))


class AskTests(SynchronousTestCase):
    """Requests of our own."""

    def test_ask(self) -> None:
        """Section 8.1.1."""
        made = ours(routes=("sip:proxy.example.org;lr",), headers=(("Subject", "x"),), body=b"hello")
        read = parse(write(made))
        self.assertEqual(read, made)
        self.assertEqual(read.via, Via("UDP", "192.0.2.1", 5060, (("branch", "z9hG4bKt0"), ("rport", ""))))
        self.assertEqual((read.get("Max-Forwards"), read.get("Route")), ("70", "<sip:proxy.example.org;lr>"))
        self.assertEqual((read.sender.tag, read.to.tag, read.cseq, read.method), ("t0", "", 1, "MESSAGE"))

    def test_again(self) -> None:
        """CSeq one up, a new branch, the same Call-ID and tags; headers are replaced by name."""
        first = ours(headers=(("Authorization", "old"), ("Subject", "x")), body=b"hello")
        second = sip.again(first, "t1", (("Authorization", "new"),), Via("TCP", "192.0.2.1", 5062))
        self.assertEqual(
            (second.cseq, second.call_id, second.sender, second.body),
            (2, first.call_id, first.sender, b"hello"),
        )
        self.assertEqual((second.via.transport, second.via.branch), ("TCP", "z9hG4bKt1"))
        self.assertEqual((second.all("Authorization"), second.all("Via")[1:]), (("new",), ()))
        self.assertEqual(sip.again(first, "t1").via.transport, "UDP")
        parse(write(second))

    def test_contacts_are_cleaned(self) -> None:
        """Table 1 of section 19.1.1: a Request-URI has neither headers nor a method, whatever a phone registered."""
        made = sip.ask(
            "MESSAGE", "sip:ann@192.0.2.4;ob;method=INVITE?Route=%3Csip:evil%3E", sender=Party("sip:a@b"), to=Party("sip:c@d"),
            via=Via("UDP", "b"), token="t", call_id="i",
        )  # fmt: skip
        self.assertEqual(made.uri, "sip:ann@192.0.2.4;ob")

    def test_refused(self) -> None:
        """What would break the message."""
        self.assertRaises(Malformed, ours, "bad token")
        self.assertRaises(Malformed, ours, routes=("sip:strict.example.org",))
        self.assertRaises(Malformed, write, ours(headers=(("Subject", "a\nb"),)))

    def test_size(self) -> None:
        """RFC 3261 section 18.1.1."""
        self.assertFalse(sip.is_too_large(b"x" * 1300))
        self.assertTrue(sip.is_too_large(b"x" * 1301))
