"""Who may what: tokens with their scopes, passwords, and what is said to everybody else. And the edges of the API."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from smsd.core.tokens import DAY, PREFIX, Tokens
from smsd.frontends.http.api import operations
from smsd.values.errors import InvalidValue
from tests.frontends.http.api.case import PHONE, ApiCase, basic
from tests.frontends.http.client import Connection, ask, door, request


class Tokened(ApiCase):
    """Tokens."""

    def test_scopes(self) -> None:
        sending, reading, hearing = (self.token("shop", scope) for scope in ("send", "read", "incoming"))
        message = {"to": PHONE, "text": "x"}
        for token, statuses in (
            (sending, (201, 403, 403, 403)),
            (reading, (403, 200, 403, 403)),
            (hearing, (403, 403, 200, 403)),
        ):
            replies = (
                self.ask("POST", "/messages", message, token=token), self.ask("GET", "/messages", token=token),
                self.ask("GET", "/incoming", token=token), self.ask("GET", "/events", token=token),
            )  # fmt: skip
            self.assertEqual(tuple(reply.status for reply in replies), statuses)
            self.assertEqual(self.ask("GET", "/account", token=token).json()["name"], "shop")
        reply = self.ask("GET", "/events", token=reading)
        said = self.problem(reply, 403, "insufficient-scope")
        self.assertIn("read and incoming", said["detail"])
        self.assertIn('error="insufficient_scope", scope="read incoming"', reply.headers["www-authenticate"])
        both = self.token("shop", "incoming", "read")
        self.assertEqual(self.ask("GET", "/events", token=both).status, 200)

    def test_at_the_other_pages(self) -> None:
        """What /sms/, /sms/jobs and /sms/events take, too."""
        sending, reading = self.token("shop", "send"), self.token("shop", "read", "incoming")
        nobodys = self.token("", "admin")

        def asked(method: str, path: str, token: str) -> tuple[int, str]:
            reply = self.raw(request(method, path, b"", {"Authorization": f"Bearer {token}"}))
            return reply.status, reply.text

        sms = "/sms/?number=%2B15551234567&data=hi"
        self.assertEqual(asked("GET", sms, sending)[0], 200)
        self.assertEqual(self.get("/messages", user="shop")["deliveries"][0]["account"], "shop")
        self.assertIn("has not got the scope send", asked("GET", sms, reading)[1])
        self.assertIn("401", str(asked("GET", sms, reading + "x")))
        for token, status in ((nobodys, 403), (self.token("away", "send"), 401), ("", 401), ("x" * 300, 401)):
            self.assertEqual(asked("GET", sms, token)[0], status, token)
        self.assertEqual(asked("GET", "/sms/events", reading)[0], 200)
        self.assertEqual(asked("GET", "/sms/events", sending)[0], 403)
        self.assertEqual(asked("GET", "/sms/jobs", sending)[0], 403)
        self.assertEqual(asked("POST", "/sms/jobs", reading)[0], 403)

    def test_not_in_kannel_s_way(self) -> None:
        """Whose programs know none."""
        self.door = door(self.door.context, api=True, kannel=True)
        self.door.running = 1
        token = {"Authorization": f"Bearer {self.token('shop', 'send')}"}
        reply = self.raw(request("GET", "/cgi-bin/sendsms?to=%2B15551234567&text=hi", b"", token))
        self.assertEqual((reply.status, self.house.rows()), (403, []))

    def test_strangers(self) -> None:
        token = self.token("shop", "read")
        for value in (
            "", "Bearer", "Bearer x", f"Bearer {token}x", f"Bearer {'x' * 300}", f"Bearer {PREFIX}\u00fc", "Basic !", "Digest x",
            basic("shop", "no"), basic("nobody", "x"),
        ):  # fmt: skip
            reply = self.ask("GET", "/messages", headers={"Authorization": value})
            self.assertEqual(reply.status, 401, value)
            self.assertEqual(
                reply.headers["www-authenticate"], 'Bearer realm="smsd", Basic realm="smsd", charset="UTF-8"'
            )
            self.assertEqual(reply.headers["content-type"], "application/problem+json")
        self.assertEqual(self.raw(request("GET", "/api/v1/messages")).status, 401)

    def test_what_holds_for_the_account_holds_for_its_tokens(self) -> None:
        token = self.token("away", "read")
        said = self.problem(self.ask("GET", "/messages", token=token), 401, "bad-credentials")
        self.assertIn("the token is right, but opens nothing", said["detail"])

    def test_of_an_account_that_a_reload_took_away(self) -> None:
        """The token is kept, for the case that the account comes back; whoever shows it hears what is wrong, others do not."""
        directory = self.door.context.portal.realm.directory
        token, other = self.token("other", "send", "read"), self.token("shop", "read")
        self.assertEqual(self.tokens.doubts(), [])
        accounts = [one for one in self.configuration.accounts if one.user != "other"]
        directory.use({"account": accounts})
        said = self.problem(self.ask("GET", "/messages", token=token), 401, "bad-credentials")
        self.assertIn("its account is gone", said["detail"])
        self.assertNotIn("password", said["detail"])
        sms = self.raw(request("GET", "/sms/?number=1&data=x", b"", {"Authorization": f"Bearer {token}"}))
        self.assertIn("its account is gone", sms.text)
        said = self.problem(self.ask("GET", "/messages", token=token + "x"), 401, "bad-credentials")
        self.assertNotIn("right", said["detail"])
        [doubt] = self.tokens.doubts()
        self.assertIn("token 1 belongs to the account other, which there is not", doubt)
        directory.use({"account": self.configuration.accounts})
        for one in (token, other):
            self.assertEqual(self.ask("GET", "/messages", token=one).status, 200)

    def test_expiry(self) -> None:
        token = self.token("shop", "read", days=2)
        self.house.advance(2 * DAY / 1000 - 1)
        self.assertEqual(self.ask("GET", "/messages", token=token).status, 200)
        self.house.advance(1)
        said = self.problem(self.ask("GET", "/messages", token=token), 401, "bad-credentials")
        self.assertIn("expired at 2027-01-17T08:00:00.000Z", said["detail"])

    def test_revoked_at_once(self) -> None:
        token, other = self.token("shop", "read"), self.token("shop", "read")
        [one, _] = self.verb("tokens")
        self.verb("token_revoke", token=one["id"])
        self.problem(self.ask("GET", "/messages", token=token), 401, "bad-credentials")
        self.assertEqual(self.ask("GET", "/messages", token=other).status, 200)
        error = self.assertRaises(InvalidValue, self.verb, "token_revoke", token=one["id"])
        self.assertIn("there is no token 1", str(error))

    def test_gone_with_the_account(self) -> None:
        settings = {"networks": ["127.0.0.0/8"]}
        self.verb("account_add", name="new", settings=settings)
        token, other = self.token("new", "read"), self.token("shop", "read")
        self.assertEqual(self.ask("GET", "/messages", token=token).status, 200)
        self.verb("account_remove", name="new")
        self.house.settle()
        self.assertRaises(InvalidValue, self.token, "new", "read")
        self.verb("account_add", name="new", settings=settings)
        self.problem(self.ask("GET", "/messages", token=token), 401, "bad-credentials")
        self.assertEqual(self.ask("GET", "/messages", token=other).status, 200)
        self.assertEqual([one["account"] for one in self.verb("tokens")], ["shop"])

    def test_listed_and_last_used(self) -> None:
        self.token("john", "send", note="first")
        token = self.token("shop", "read", note="the till", days=1)
        self.house.clock.advance(10)
        self.ask("GET", "/messages", token=token)
        [told] = self.verb("tokens", account="shop")
        begun = 1_800_000_000_000
        self.assertEqual(
            told,
            {"id": 2, "account": "shop", "scopes": ["read"], "note": "the till", "created": begun, "expires": begun + DAY,
             "used": begun + 10_000},
        )  # fmt: skip
        self.house.advance(61)
        self.assertEqual(len(self.verb("tokens")), 2)
        again = Tokens(self.house.store, self.house.clock, lambda name: True)
        self.house.wait(Deferred.fromCoroutine(again.load()))
        self.assertEqual(again.listed("shop"), [told])
        self.assertEqual(again.check(token).account, "shop")

    def test_written_at_the_end(self) -> None:
        token = self.token("shop", "read")
        self.ask("GET", "/messages", token=token)
        self.house.wait(Deferred.fromCoroutine(self.tokens.stop()))
        [(used,)] = self.house.wait(
            self.house.store.ask(lambda c: [tuple(row) for row in c.execute("select used from token")])
        )
        self.assertEqual(used, 1_800_000_000_000)
        self.house.wait(Deferred.fromCoroutine(self.tokens.stop()))

    def test_only_a_hash_is_kept(self) -> None:
        token = self.token("shop", "read")
        self.assertTrue(token.startswith(PREFIX))
        self.assertGreater(len(token), 40)
        with open(self.house.path, "rb") as file, open(f"{self.house.path}-wal", "rb") as log:
            self.assertNotIn(token[len(PREFIX) :].encode(), file.read() + log.read())

    def test_what_cannot_be_made(self) -> None:
        for arguments, words in (
            ({"account": "shop", "scopes": []}, "a scope is needed"), ({"account": "shop", "scopes": ["all"]}, "no scope 'all'"),
            ({"account": "nobody", "scopes": ["read"]}, "no account 'nobody'"), ({"scopes": ["read"]}, "whose token"),
            ({"scopes": ["admin", "send"]}, "whose token"), ({"account": "shop", "scopes": "read"}, "a list of words"),
            ({"account": "shop", "scopes": ["read"], "days": 0}, "days"),
            ({"account": "shop", "scopes": ["read"], "days": True}, "days"),
            ({"account": "shop", "scopes": ["read"], "note": "a\nb"}, "note"), ({"account": 5, "scopes": ["read"]}, "account"),
        ):  # fmt: skip
            self.assertIn(words, str(self.assertRaises(InvalidValue, self.verb, "token_create", **arguments)))
        for number in (None, 0, "1", 2**63):
            self.assertRaises(InvalidValue, self.verb, "token_revoke", token=number)
        self.assertEqual(self.verb("tokens"), [])

    def test_no_secret_in_the_log(self) -> None:
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        token = self.token("shop", "read", "send")
        self.ask("POST", "/messages", {"to": PHONE, "text": "the code is 4711"}, token=token)
        self.ask("GET", "/messages", token=f"{token}x")
        self.ask("GET", "/messages?msgid=s3cret", user="john")
        self.door.calls.flush()
        text = repr(events)
        self.assertIn("api send 201: 1 of 1 accepted as message", text)
        for secret in (token, "4711", "johnpw", "s3cret", PHONE):
            self.assertNotIn(secret, text.replace("StringTransport", ""))


class Edges(ApiCase):
    """Paths, methods, faults."""

    settings: ClassVar[dict[str, Any]] = {"max_body": 1000}

    def test_methods(self) -> None:
        for path, methods in (
            ("/messages", "POST, GET, HEAD"),
            ("/messages/1", "GET, DELETE, HEAD"),
            ("/price", "POST"),
            ("/openapi.json", "GET, HEAD"),
        ):
            for method in ("PUT", "PATCH", "OPTIONS", "TRACE"):
                reply = self.ask(method, path)
                self.problem(reply, 405, "method-not-allowed")
                self.assertEqual(reply.headers["allow"], methods)

    def test_head(self) -> None:
        connection = Connection(self.door, "127.0.0.1")
        connection.send(
            request("HEAD", "/api/v1/account", headers={"Authorization": basic("john", "johnpw")})
        )
        self.house.settle()
        octets = connection.transport.value()
        self.assertTrue(octets.startswith(b"HTTP/1.1 200 OK\r\n"), octets)
        self.assertTrue(octets.endswith(b"\r\n\r\n"))

    def test_paths(self) -> None:
        for path in ("", "/", "/nothing", "/messages/1/2/3", "/messages/{id}", "/%00", "/%ff", "//messages"):
            self.problem(self.ask("GET", path), 404, "not-found")
        self.assertEqual(self.ask("GET", "/m%65ssages").status, 200)

    def test_only_where_it_is_switched_on(self) -> None:
        self.assertEqual(ask(door(self.door.context), "/api/v1/openapi.json").status, 404)
        self.assertEqual(ask(self.door, "/api/v1/openapi.json").status, 200)

    def test_a_fault_is_a_number(self) -> None:
        def broken(*_: Any) -> None:
            raise RuntimeError("a bug with johnpw in it")

        self.patch(self.clerk, "find", broken)
        said = self.problem(self.ask("GET", "/messages"), 500, "internal")
        self.assertNotIn("johnpw", said["detail"])
        [_] = self.flushLoggedErrors(RuntimeError)
        self.assertEqual(self.ask("GET", "/account").status, 200)

    def test_lured_browsers(self) -> None:
        reply = self.ask("GET", "/messages", headers={"Sec-Fetch-Site": "cross-site"})
        self.problem(reply, 403, "not-allowed")
        token = self.token("john", "read")
        self.assertEqual(
            self.ask("GET", "/messages", token=token, headers={"Sec-Fetch-Site": "cross-site"}).status, 200
        )

    def test_too_large(self) -> None:
        body = b'{"to": "+15551234567", "text": "' + b"x" * 1000 + b'"}'
        reply = self.ask("POST", "/messages", body)
        self.problem(reply, 413, "too-long")

    def test_every_operation_has_its_place(self) -> None:
        named = {"{id}": "77", "{kind}": "policy", "{name}": "a/b@example.org", "{deed}": "pause"}
        for one in operations.OPERATIONS:
            steps = [named.get(step, step) for step in one.path.split("/")[1:]]
            found = operations.find(steps)
            assert found is not None
            self.assertIs(found[0][one.method], one)
            self.assertEqual(found[1], {name[1:-1]: said for name, said in named.items() if name in one.path})
        for wrong in (
            ["settings", "user", "x"],
            ["settings", "account", ""],
            ["settings", "account", "x" * 129],
            ["settings", "account"],
            ["jobs", "77", "dance"],
            ["jobs", "x", "start"],
        ):
            self.assertIsNone(operations.find(wrong))
