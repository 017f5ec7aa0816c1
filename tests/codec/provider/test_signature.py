"""Signatures: the providers' own published examples, and everything that must not pass."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import webhooks
from smsd.codec.provider import signature
from smsd.codec.provider.signature import WAYS, Call, check

NOW = 1_461_605_400.0
SECRET = "secret"


def form(**fields: str) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.encode(), value.encode()) for name, value in fields.items())


def token(claims: dict[str, Any], secret: str = SECRET, head: dict[str, Any] | None = None) -> str:
    """A JSON Web Token as RFC 7515 writes it."""

    def piece(octets: bytes) -> str:
        return base64.urlsafe_b64encode(octets).decode().rstrip("=")

    signed = f"{piece(json.dumps(head or {'alg': 'HS256', 'typ': 'JWT'}).encode())}.{piece(json.dumps(claims).encode())}"
    return f"{signed}.{piece(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


class Twilio(SynchronousTestCase):
    # The example of Twilio's own libraries.
    URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
    FIELDS = form(
        CallSid="CA1234567890ABCDE",
        Digits="1234",
        From="+14158675309",
        To="+18005551212",
        Caller="+14158675309",
    )

    def call(self, **changes: Any) -> Call:
        known = {
            "url": self.URL, "query": form(foo="1", bar="2"), "form": self.FIELDS, "body": b"whatever",
            "headers": (("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),),
        }  # fmt: skip
        return Call(**{**known, **changes})

    def check(self, call: Call, secret: str = "12345") -> str:
        return check(["twilio"], [secret], call, NOW, 300)

    def test_the_published_example(self) -> None:
        self.assertEqual(self.check(self.call()), "")
        self.assertEqual(self.check(self.call(form=self.FIELDS[::-1])), "")
        for port in (":443", ":8443"):  # Twilio signs with the port or without, as its libraries allow for
            self.assertEqual(self.check(self.call(url=self.URL.replace(".com", f".com{port}"))), "")

    def test_everything_else(self) -> None:
        for changes in (
            {"url": self.URL.replace("https", "http")},
            {"url": self.URL + "0"},
            {"form": self.FIELDS[1:]},
            {"form": (*self.FIELDS, (b"x", b"y"))},
            {"headers": ()},
            {"headers": (("x-twilio-signature", ""),)},
            {"form": ()},
        ):
            self.assertNotEqual(self.check(self.call(**changes)), "", changes)
        self.assertNotEqual(self.check(self.call(), "12346"), "")

    def test_a_json_body_is_signed_by_its_hash(self) -> None:
        body = b'{"a": 1}'
        digest = hashlib.sha256(body).hexdigest()
        url = f"https://a.example/x?bodySHA256={digest}"
        sign = base64.b64encode(hmac.new(b"12345", url.encode(), hashlib.sha1).digest()).decode()
        call = Call(url, form(bodySHA256=digest), (), (), body, (("x-twilio-signature", sign),))
        self.assertEqual(self.check(call), "")
        self.assertIn("bodySHA256", self.check(Call(url, call.query, (), (), body + b" ", call.headers)))
        bare = base64.b64encode(hmac.new(b"12345", b"https://a.example/x", hashlib.sha1).digest()).decode()
        unsigned = Call("https://a.example/x", (), (), (), body, (("x-twilio-signature", bare),))
        self.assertIn("not signed", self.check(unsigned))


class Smsgate(SynchronousTestCase):
    BODY = b'{"event":"sms:received"}'

    def check(
        self, stamp: str = "1461605396", body: bytes = BODY, signed: bytes = BODY, secret: str = SECRET
    ) -> str:
        sign = hmac.new(secret.encode(), signed + stamp.encode(), hashlib.sha256).hexdigest()
        headers = (("x-signature", sign), ("x-timestamp", stamp))
        return check(["smsgate"], [SECRET], Call("", body=body, headers=headers), NOW, 300)

    def test_good(self) -> None:
        self.assertEqual(self.check(), "")

    def test_bad(self) -> None:
        self.assertNotEqual(self.check(body=self.BODY + b" "), "")
        self.assertNotEqual(self.check(secret="other"), "")
        self.assertIn("no number", self.check(stamp="yesterday"))
        self.assertIn("no number", self.check(stamp="1e9"))
        for stamp in ("1461605000", "1461605801"):
            self.assertIn("compare the clocks", self.check(stamp=stamp))
        self.assertNotEqual(check(["smsgate"], [SECRET], Call("", body=self.BODY), NOW, 300), "")

    def test_the_edge_of_the_tolerance(self) -> None:
        self.assertEqual(self.check(stamp=str(int(NOW) - 300)), "")
        self.assertEqual(self.check(stamp=str(int(NOW) + 300)), "")
        self.assertNotEqual(self.check(stamp=str(int(NOW) + 301)), "")


class Vonage(SynchronousTestCase):
    # The parameters, the secret and the five signatures are those of Vonage's Python library.
    GOOD = (
        "6af838ef94998832dbfc29020b564830",
        "c15c21ced558c93a226c305f58f902f2",
        "3e19a4e6880fdc2c1426bfd0587c98b9532f0210",
        "a321e824b9b816be7c3f28859a31749a098713d39f613c80d455bbaffae1cd24",
    )

    def call(self, sign: str, **fields: str) -> Call:
        return Call("", query=form(**{"a": "1", "b": "2", "timestamp": "1461605396", "sig": sign, **fields}))

    def test_the_published_examples(self) -> None:
        for sign in (*self.GOOD, self.GOOD[0].upper()):
            self.assertEqual(check(["vonage"], [SECRET], self.call(sign), NOW, 300), "", sign)

    def test_wherever_the_fields_are(self) -> None:
        pairs = self.call(self.GOOD[3]).query
        for call in (Call("", form=pairs), Call("", scalars=pairs)):
            self.assertEqual(check(["vonage"], [SECRET], call, NOW, 300), "")

    def test_bad(self) -> None:
        for call in (
            self.call(self.GOOD[3], a="2"),
            self.call(self.GOOD[3], c="2"),
            self.call(self.GOOD[3][:-1]),
            self.call(""),
            self.call("é" * 32),
            self.call("0" * 32),
        ):
            self.assertNotEqual(check(["vonage"], [SECRET], call, NOW, 300), "")
        self.assertNotEqual(check(["vonage"], ["other"], self.call(self.GOOD[3]), NOW, 300), "")

    def test_time(self) -> None:
        self.assertIn("clocks", check(["vonage"], [SECRET], self.call(self.GOOD[3]), NOW + 1000, 300))
        sign = hmac.new(SECRET.encode(), b"&a=1", "sha256").hexdigest()
        self.assertIn(
            "timestamp", check(["vonage"], [SECRET], Call("", query=form(a="1", sig=sign)), NOW, 300)
        )

    def test_special_characters_are_underscores(self) -> None:
        sign = hmac.new(SECRET.encode(), b"&text=a_b_c&timestamp=1461605396", "sha256").hexdigest()
        call = Call("", form=form(text="a=b&c", timestamp="1461605396", sig=sign))
        self.assertEqual(check(["vonage"], [SECRET], call, NOW, 300), "")


class Tokens(SynchronousTestCase):
    BODY = b'{"type":"message.phone.received"}'
    CLAIMS: ClassVar[dict[str, Any]] = {
        "aud": "https://a.example/x",
        "exp": NOW + 600,
        "iat": NOW,
        "iss": "api.httpsms.com",
        "nbf": NOW - 600,
    }

    def check(self, token: str, way: str = "jwt", body: bytes = BODY, scheme: str = "Bearer") -> str:
        headers = (("authorization", f"{scheme} {token}"),)
        return check([way], [SECRET], Call("", body=body, headers=headers), NOW, 300)

    def test_good(self) -> None:
        self.assertEqual(self.check(token(self.CLAIMS)), "")
        self.assertEqual(self.check(token({"iat": int(NOW)}), scheme="bearer"), "")

    def test_times(self) -> None:
        for claims in (
            {**self.CLAIMS, "exp": NOW - 301},
            {**self.CLAIMS, "nbf": NOW + 301},
            {**self.CLAIMS, "iat": NOW + 301},
            {"iat": NOW - 301},
            {},
            {"exp": True},
            {"exp": "never"},
        ):
            self.assertNotEqual(self.check(token(claims)), "", claims)

    def test_forgeries(self) -> None:
        good = token(self.CLAIMS)
        head, claims, sign = good.split(".")
        none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        for forged in (
            token(self.CLAIMS, "other"),
            token(self.CLAIMS, head={"alg": "none"}),
            token(self.CLAIMS, head={"alg": "HS512"}),
            f"{none}.{claims}.",
            f"{head}.{claims}.",
            f"{head}.{claims}",
            f"{head}..{sign}",
            f"{head}.{claims}.{sign}.x",
            "",
            "a.b.c",
        ):
            self.assertNotEqual(self.check(forged), "", forged)
        self.assertNotEqual(self.check(good, scheme="Basic"), "")

    def test_claims_that_are_none(self) -> None:
        for inner in (b"[1]", b"[" * 100_000, b"\xff", b"1"):
            piece = base64.urlsafe_b64encode(inner).decode().rstrip("=")
            signed = f"{token({}).split('.')[0]}.{piece}"
            sign = base64.urlsafe_b64encode(hmac.new(b"secret", signed.encode(), "sha256").digest()).decode()
            self.assertIn("no time", self.check(f"{signed}.{sign.rstrip('=')}"))

    def test_the_hash_of_the_body(self) -> None:
        digest = hashlib.sha256(self.BODY).hexdigest()
        good = token({"iat": NOW, "payload_hash": digest})
        self.assertEqual(self.check(good, "jwt-hash"), "")
        self.assertIn("hash", self.check(good, "jwt-hash", self.BODY + b" "))
        self.assertIn("payload_hash", self.check(token({"iat": NOW}), "jwt-hash"))


class Webhooks(SynchronousTestCase):
    # The example of the Standard Webhooks specification's reference libraries.
    SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    BODY = b'{"test": 2432232314}'
    AT = 1_614_265_330.0

    def call(self, **changes: str) -> Call:
        named = {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            **changes,
        }
        return Call("", body=self.BODY, headers=tuple(named.items()))

    def check(self, call: Call, at: float = AT, secret: str = SECRET) -> str:
        return check(["webhooks"], [secret], call, at, 300)

    def test_the_published_example(self) -> None:
        self.assertEqual(self.check(self.call()), "")
        good = self.call().header("webhook-signature")
        self.assertEqual(self.check(self.call(**{"webhook-signature": f"v1,AAAA v1a,x {good}"})), "")

    def test_others(self) -> None:
        for changes in (
            {"webhook-id": "msg_2"},
            {"webhook-timestamp": "1614265331"},
            {"webhook-signature": "v1,AAAA"},
            {"webhook-signature": ""},
            {"webhook-id": ""},
        ):
            self.assertNotEqual(self.check(self.call(**changes)), "", changes)
        self.assertIn("clocks", self.check(self.call(), self.AT + 301))
        self.assertNotEqual(self.check(self.call(), secret="whsec_MfKQ"), "")
        self.assertNotEqual(self.check(self.call(), secret="whsec_???"), "")

    def test_those_of_smsd_itself(self) -> None:
        known = webhooks.Event("911", "message.delivered", 1_614_265_330_000, {"delivery": "1"})
        said = webhooks.headers(known, [b"a key of some length"], 1_614_265_330)
        call = Call("", body=known.body, headers=tuple(said.items()))
        self.assertEqual(self.check(call, secret="a key of some length"), "")


class Secrets(SynchronousTestCase):
    def basic(self, text: str) -> Call:
        return Call("", headers=(("authorization", "Basic " + base64.b64encode(text.encode()).decode()),))

    def test_wherever_it_is(self) -> None:
        for call in (
            Call("", query=form(secret=SECRET)),
            Call("", form=form(secret=SECRET)),
            Call("", scalars=form(secret=SECRET)),
            Call("", query=form(**{"pass": SECRET}), parameter="pass"),
            self.basic("anybody:secret"),
            Call("", headers=(("authorization", "Bearer secret"),)),
        ):
            self.assertEqual(check(["secret"], [SECRET], call, NOW, 300), "")

    def test_wrong_ones(self) -> None:
        for call in (
            Call(""),
            Call("", query=form(secret="")),
            Call("", query=form(secret="secre")),
            Call("", query=form(Secret=SECRET)),
            self.basic("secret:"),
            self.basic("secret"),
            Call("", headers=(("authorization", "Basic ???"),)),
            Call("", headers=(("authorization", "Digest secret"),)),
        ):
            self.assertNotEqual(check(["secret"], [SECRET], call, NOW, 300), "")

    def test_two_at_a_time_and_none(self) -> None:
        old = Call("", query=form(secret="before"))
        self.assertEqual(check(["secret"], [SECRET, "before"], old, NOW, 300), "")
        for secrets in ([], [""]):
            self.assertNotEqual(check(["secret"], secrets, Call("", query=form(secret="")), NOW, 300), "")

    def test_one_of_several_ways(self) -> None:
        call = Call("", headers=(("authorization", "Bearer " + token({"iat": NOW})),))
        self.assertEqual(check(["vonage", "jwt"], [SECRET], call, NOW, 300), "")
        self.assertIn("sig", check(["vonage", "jwt"], ["other"], call, NOW, 300))


class Garbage(SynchronousTestCase):
    @settings(deadline=None, max_examples=200)
    @given(
        st.sampled_from(sorted(WAYS)),
        st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=40))),
        st.binary(max_size=60),
        st.lists(
            st.tuples(
                st.sampled_from(["authorization", "x-signature", "x-timestamp", "x-twilio-signature"]),
                st.one_of(st.text(max_size=60), st.text(max_size=60).map(lambda text: f"Bearer {text}")),
            )
        ),
        st.text(max_size=40),
    )
    def test_never_passes_and_never_raises(
        self,
        way: str,
        pairs: list[tuple[bytes, bytes]],
        body: bytes,
        headers: list[tuple[str, str]],
        url: str,
    ) -> None:
        call = Call(url, tuple(pairs), tuple(pairs), tuple(pairs), body, tuple(headers))
        why = check([way], ["a secret of some length"], call, NOW, 300)
        self.assertTrue(why and "a secret of some length" not in why)

    def test_ports(self) -> None:
        self.assertEqual(
            signature._ports("http://a.example/x?y=http://b:9/"),
            ("http://a.example:80/x?y=http://b:9/", "http://a.example/x?y=http://b:9/"),
        )
