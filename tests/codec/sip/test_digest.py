"""Digest authentication: the vectors of the RFCs, both ends against each other, and what must not pass."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import sip
from smsd.codec.sip import (
    Challenger,
    Malformed,
    NonceCounts,
    Outcome,
    Request,
    Response,
    Verdict,
    again,
    credentials,
    ha1,
    is_refused,
)
from smsd.codec.sip.credentials import Digest, fields, hash_of, response_of
from smsd.codec.sip.grammar import quoted
from tests.codec.sip.messages import ours

REALM = 'smsd "ä\\"'
NOW = 1_000_000.0


def secrets(user: str, algorithm: str) -> str | None:
    """Ann has a password."""
    return ha1(algorithm, user, REALM, "secret") if user == "ann" else None


class VectorTests(SynchronousTestCase):
    """Examples of the RFCs."""

    def test_rfc_2617(self) -> None:
        """Section 3.5."""
        secret = ha1("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life")
        self.assertEqual(secret, "939e7578ed9e3c518a452acee763bce9")
        said = Digest(
            "MD5",
            "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            "GET",
            "/dir/index.html",
            "0a4f113b",
            "00000001",
            "auth",
        )
        self.assertEqual(response_of(secret, said), "6629fae49393a05397450978507c4ef1")

    def test_rfc_2069(self) -> None:
        """Section 2.4 (as corrected by its erratum): no qop."""
        secret = ha1("MD5", "Mufasa", "testrealm@host.com", "CircleOfLife")
        said = Digest("MD5", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "GET", "/dir/index.html")
        self.assertEqual(response_of(secret, said), "1949323746fe6a43ef61f9606e7febea")

    def test_rfc_7616(self) -> None:
        """Section 3.9.1, both algorithms."""
        for algorithm, expected in (
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ):
            secret = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
            said = Digest(
                algorithm, "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "GET", "/dir/index.html",
                "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "00000001", "auth",
            )  # fmt: skip
            self.assertEqual(response_of(secret, said), expected)

    def test_rfc_7616_sha_512_256(self) -> None:
        """Section 3.9.2's hash of the user's name (as corrected by its erratum)."""
        self.assertEqual(
            hash_of("SHA-512-256", "Jäsøn Doe:api@example.org"),
            "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b",
        )

    def test_rfc_3261_header(self) -> None:
        """Section 22.4's example is read."""
        read = fields(
            'Digest username="bob",\trealm="biloxi.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="sip:bob@biloxi.com", '
            'qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        )
        assert read is not None
        self.assertEqual(
            (read["username"], read["qop"], read["uri"], len(read)), ("bob", "auth", "sip:bob@biloxi.com", 9)
        )


class JudgeTests(SynchronousTestCase):
    """A server and its clients."""

    def setUp(self) -> None:
        """One realm, with a name that needs quoting."""
        self.challenger = Challenger(REALM, b"key")

    def refusal(self, request: Request, now: float = NOW, stale: bool = False) -> Response:
        """The 401, over the wire."""
        made = sip.respond(request, 401, tag="t", headers=self.challenger.challenge(now, stale))
        read = sip.parse(sip.write(made))
        assert isinstance(read, Response)
        return read

    def retried(
        self, user: str = "ann", password: str = "secret", count: int = 1, refusal: Response | None = None
    ) -> Request:
        """The request with credentials, over the wire."""
        first = ours(body=b"hello")
        pairs = credentials(refusal or self.refusal(first), first, user, password, "c0ffee", count)
        read = sip.parse(sip.write(again(first, "t1", pairs)))
        assert isinstance(read, Request)
        return read

    def edited(self, request: Request, old: str, new: str) -> Request:
        """With other words in its credentials."""
        value = request.get("Authorization")
        assert old in value, value
        headers = [
            (name, said.replace(old, new) if name == "Authorization" else said)
            for name, said in request.headers
        ]
        return replace(request, headers=tuple(headers))

    def judge(self, request: Request, now: float = NOW + 1) -> Outcome:
        """Its worth."""
        return self.challenger.judge(request, now, secrets).outcome

    def test_challenge(self) -> None:
        """The strongest first, with quotes where clients want them; each has a nonce of its own."""
        headers = self.challenger.challenge(NOW)
        self.assertEqual([name for name, _ in headers], ["WWW-Authenticate"] * 2)
        self.assertRegex(
            headers[0][1],
            r'^Digest realm="smsd \\"ä\\\\\\"", nonce="[0-9a-f-]+", algorithm=SHA-256, qop="auth"$',
        )
        self.assertIn("algorithm=MD5", headers[1][1])
        self.assertNotEqual(self.challenger.challenge(NOW), headers)
        self.assertIn("stale=true", self.challenger.challenge(NOW, True)[0][1])

    def test_right(self) -> None:
        """The client answers the strongest."""
        request = self.retried()
        self.assertIn("algorithm=SHA-256, qop=auth, nc=00000001", request.get("Authorization"))
        self.assertEqual(self.challenger.claimed(request), "ann")
        self.assertEqual(
            self.challenger.judge(request, NOW + 1, secrets), Verdict(Outcome.RIGHT, "ann", "SHA-256")
        )

    def test_md5_only(self) -> None:
        """A phone that knows nothing better; and one without qop, as RFC 2069 had it."""
        self.challenger = Challenger(REALM, b"key", ("MD5",))
        self.assertEqual(self.judge(self.retried()), Outcome.RIGHT)
        refusal = self.refusal(ours())
        nonce = fields(refusal.get("WWW-Authenticate"))
        assert nonce is not None
        said = Digest("MD5", nonce["nonce"], "MESSAGE", "sip:x@y")
        value = (
            f'Digest username="ann", realm={quoted(REALM)}, nonce="{said.nonce}", uri="{said.uri}", '
            f'response="{response_of(ha1("MD5", "ann", REALM, "secret"), said)}"'
        )
        request = ours(headers=(("Authorization", value),))
        self.assertEqual(self.judge(request), Outcome.RIGHT)
        self.assertEqual(self.judge(replace(request, body=b"another text")), Outcome.REPLAYED)

    def test_wrong(self) -> None:
        """Wrong passwords, users nobody knows, and what was changed on the way."""
        self.assertEqual(self.judge(self.retried(password="Secret")), Outcome.WRONG)
        self.assertEqual(self.judge(self.retried(user="bob")), Outcome.WRONG)
        right = self.retried()
        for old, new in (
            ("sip:ann@", "sip:bob@"), ('cnonce="c0', 'cnonce="c1'), ("nc=00000001", "nc=00000002"), ("SHA-256", "MD5"),
            ("SHA-256", "SHA-512-256"), ("qop=auth", "qop=auth-int"), ('username="ann"', 'username="ann2"'),
        ):  # fmt: skip
            self.assertEqual(self.judge(self.edited(right, old, new)), Outcome.WRONG, new)
        self.assertEqual(self.judge(replace(right, method="REGISTER")), Outcome.WRONG)
        self.assertEqual(self.judge(right), Outcome.RIGHT)

    def test_none(self) -> None:
        """No credentials, another scheme, another realm."""
        self.assertEqual(self.judge(ours()), Outcome.NONE)
        self.assertEqual(
            self.judge(ours(headers=(("Authorization", "NoOneKnowsThisScheme opaque-data=here"),))),
            Outcome.NONE,
        )
        self.assertEqual(self.judge(self.edited(self.retried(), "smsd", "other")), Outcome.NONE)
        self.assertEqual(self.challenger.claimed(ours()), "")

    def test_proxy_credentials_are_not_ours(self) -> None:
        """A proxy asks, and reads, by other headers."""
        self.challenger = Challenger(REALM, b"key", proxy=True)
        self.assertEqual(self.challenger.status, 407)
        request = self.retried()
        self.assertEqual(request.get("Authorization"), "")
        self.assertEqual(self.judge(request), Outcome.RIGHT)

    def test_replayed(self) -> None:
        """A count is good once."""
        register = replace(ours(), method="REGISTER")
        request = again(register, "t1", credentials(self.refusal(register), register, "ann", "secret", "c0"))
        self.assertEqual([self.judge(request), self.judge(request)], [Outcome.RIGHT, Outcome.REPLAYED])
        refusal = self.refusal(ours())
        counts = (3, 1, 2, 1, 3, 4)
        outcomes = [
            self.judge(self.renamed(self.retried(count=count, refusal=refusal), "Call-ID", f"{number}")).value
            for number, count in enumerate(counts)
        ]
        self.assertEqual(outcomes, ["right", "right", "right", "replayed", "replayed", "right"])

    def test_the_same_text_once_more(self) -> None:
        """By another way, because no answer was heard: it is no other one. What has another word is."""
        request = self.retried()
        other_way = replace(request, headers=(("Via", "SIP/2.0/UDP p;branch=z9hG4bK2"), *request.headers))
        self.assertEqual([self.judge(request), self.judge(other_way)], [Outcome.RIGHT, Outcome.RIGHT])
        for changed in (
            replace(request, body=b"hullo"), replace(request, uri="sip:another@example.org"),
            again(request, "t2"), self.renamed(request, "Call-ID", "another"), self.renamed(request, "To", "<sip:c@d>"),
        ):  # fmt: skip
            self.assertEqual(self.judge(changed), Outcome.REPLAYED)

    def renamed(self, request: Request, name: str, value: str) -> Request:
        """With another header, read anew."""
        headers = tuple([(key, value if key == name else said) for key, said in request.headers])
        read = sip.parse(sip.write(replace(request, headers=headers, facts=None)))
        assert isinstance(read, Request)
        return read

    def test_wrong_credentials_use_no_count(self) -> None:
        """Who does not know the password cannot use up somebody's counts."""
        refusal = self.refusal(ours())
        self.assertEqual(self.judge(self.retried(password="x", refusal=refusal)), Outcome.WRONG)
        self.assertEqual(self.judge(self.retried(refusal=refusal)), Outcome.RIGHT)

    def test_stale(self) -> None:
        """A nonce too old, from the future, sealed by another key or given to somebody else: whether the password is right does not
        show, so that nobody can try passwords for others."""
        self.assertEqual(self.judge(self.retried(), NOW + 299), Outcome.RIGHT)
        self.assertEqual(self.judge(self.retried(), NOW + 301), Outcome.STALE)
        self.assertEqual(self.judge(self.retried(), NOW - 10), Outcome.STALE)
        request = self.retried()
        self.challenger = Challenger(REALM, b"another key")
        self.assertEqual(self.judge(request), Outcome.STALE)
        self.assertEqual(self.judge(self.retried(password="x"), NOW + 301), Outcome.STALE)
        request = self.retried()
        self.assertIs(self.challenger.judge(request, NOW, secrets, "192.0.2.1").outcome, Outcome.STALE)
        self.assertEqual(self.judge(request), Outcome.RIGHT)

    def test_unreadable(self) -> None:
        """400 for credentials that lack something or are no list of fields."""
        right = self.retried()
        for old, new in (
            ("nc=00000001", "nc=1"), ("nc=", "nx="), ("cnonce=", "x="), ("uri=", "x="), ("username=", "x="),
            ("response=", "x="),
            ("nonce=", "x="), ("nc=00000001", "nc=00000001, nc=00000001"),
            ('username="ann"', 'username="ann'), ("Digest ", "Digest ,"),
            ('username="ann"', "username=" + "x" * 5_000), ('username="ann"', 'username=""'),
        ):  # fmt: skip
            edited = self.edited(right, old, new)
            self.assertEqual(self.assertRaises(Malformed, self.judge, edited).status, 400, new)
            self.assertIsInstance(self.challenger.claimed(edited), str)


class ClientTests(JudgeTests):
    """What we answer."""

    def test_refused_for_good(self) -> None:
        """Credentials that were wrong are not tried again; stale ones are."""
        first, retried = ours(), self.retried()
        self.assertFalse(is_refused(first, self.refusal(first)))
        self.assertTrue(is_refused(retried, self.refusal(retried)))
        self.assertFalse(is_refused(retried, self.refusal(retried, stale=True)))

    def test_many_realms(self) -> None:
        """A proxy's and a registrar's challenges are all answered, each realm once."""
        first = ours()
        headers = (
            *self.challenger.challenge(NOW),
            *Challenger("proxy", b"k", proxy=True).challenge(NOW),
            *Challenger("other proxy", b"k", ("MD5",), proxy=True).challenge(NOW),
            ("WWW-Authenticate", 'Bearer realm="x"'),
            ("WWW-Authenticate", 'Digest realm="broken'),
            ("WWW-Authenticate", 'Digest realm="new", nonce="n", algorithm=SHA-3'),
            ("WWW-Authenticate", 'Digest realm="new", nonce="n", qop="auth-new"'),
        )
        pairs = credentials(sip.respond(first, 401, headers=headers), first, "ann", "secret", "c")
        self.assertEqual(
            [name for name, _ in pairs], ["Authorization", "Proxy-Authorization", "Proxy-Authorization"]
        )
        self.assertEqual(["SHA-256" in value for _, value in pairs], [True, True, False])
        self.assertEqual(credentials(sip.respond(first, 401), first, "ann", "secret", "c"), ())

    def test_other_ways(self) -> None:
        """opaque is returned, auth-int hashes the body, -sess the nonces too."""
        first = ours(body=b"hello")
        asked = 'Digest realm="r", nonce="n", opaque="o\\"", algorithm=MD5-sess, qop="auth-int"'
        ((_, value),) = credentials(
            sip.respond(first, 401, headers=(("WWW-Authenticate", asked),)), first, "ann", "secret", "c", 2
        )
        said = fields(value)
        assert said is not None
        self.assertEqual(
            (said["opaque"], said["qop"], said["nc"], said["algorithm"]),
            ('o"', "auth-int", "00000002", "MD5-sess"),
        )
        secret = hash_of("MD5", f"{ha1('MD5', 'ann', 'r', 'secret')}:n:c")
        what = hash_of("MD5", f"MESSAGE:{first.uri}:{hash_of('MD5', b'hello')}")
        self.assertEqual(said["response"], hash_of("MD5", f"{secret}:n:00000002:c:auth-int:{what}"))

    def test_unknown_algorithm(self) -> None:
        """Not silently another one."""
        self.assertRaises(Malformed, ha1, "SHA-3", "ann", "r", "secret")


class NonceCountTests(SynchronousTestCase):
    """A bounded memory of what was used."""

    @given(st.lists(st.integers(1, 100), max_size=60))
    @settings(deadline=None)
    def test_nothing_is_fresh_twice(self, counts: list[int]) -> None:
        """And what is new within the window always is."""
        memory, seen = NonceCounts(), set[int]()
        for count in counts:
            highest = max(seen, default=0)
            self.assertEqual(memory.fresh("n", count), count not in seen and count > highest - 64)
            seen.add(count)

    def test_bounded(self) -> None:
        """The oldest nonce is forgotten."""
        memory = NonceCounts(most=2)
        self.assertEqual(
            [memory.fresh(nonce, 1) for nonce in "abacab"], [True, True, False, True, True, True]
        )
        self.assertFalse(memory.fresh("a", 0))

    def test_marked(self) -> None:
        """The same request with the highest count; not one of before, and not without a mark."""
        memory = NonceCounts()
        self.assertTrue(memory.fresh("n", 1, "a"))
        self.assertTrue(memory.fresh("n", 1, "a"))
        self.assertFalse(memory.fresh("n", 1, "b"))
        self.assertTrue(memory.fresh("n", 2))
        self.assertFalse(memory.fresh("n", 2))
        self.assertFalse(memory.fresh("n", 1, "a"))
