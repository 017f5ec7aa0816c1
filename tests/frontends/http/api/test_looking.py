"""Looking: what was sent, what became of it and why, what phones wrote, accounts. An account sees its own and nothing else."""

from __future__ import annotations

import itertools
from datetime import timezone
from typing import Any

from smsd.core.planning import Policies
from smsd.policy.rules import engine, xml
from smsd.policy.rules.model import Clock, Field, Frame, How, Network, Rule, Rules, TextTest
from smsd.store import owned
from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport, Scope
from tests.frontends.http.api.case import PHONE, ApiCase

OTHER = "+15557654321"


class Finding(ApiCase):
    """GET /messages."""

    def found(self, **query: object) -> list[str]:
        return [one["text"] for one in self.get("/messages", **query)["deliveries"]]

    def test_by_everything(self) -> None:
        self.house.outlet("gsm1").closed("for now")
        self.send("one", msgid="a")
        self.house.advance(60)
        self.send("two", to=OTHER)
        self.house.advance(60)
        three = self.send("three", to=[PHONE, OTHER], msgid="b")
        self.send("foreign", user="other", msgid="a")
        self.assertEqual(self.ask("DELETE", f"/messages/{three['recipients'][1]['delivery']}").status, 200)
        self.assertEqual(self.found(), ["three", "three", "two", "one"])
        self.assertEqual(self.found(to=PHONE), ["three", "one"])
        self.assertEqual(self.found(to="001 555 123-4567"), ["three", "one"])
        self.assertEqual(self.found(msgid="a"), ["one"])
        self.assertEqual(self.found(msgid="b", to=OTHER), ["three"])
        self.assertEqual(self.found(msgid="c"), [])
        self.assertEqual(self.found(state="cancelled"), ["three"])
        self.assertEqual(self.found(state=["cancelled", "queued"], to=OTHER), ["three", "two"])
        self.assertEqual(self.found(since="2027-01-15T08:01:00Z", until="2027-01-15T08:02:00Z"), ["two"])
        self.assertEqual(self.found(since="2027-01-15T10:02:00.0+02:00"), ["three", "three"])
        self.assertEqual(self.found(until="9998-01-01T00:00:00Z", limit=1), ["three"])
        [row] = self.get("/messages", to=PHONE, state="queued", limit=1)["deliveries"]
        self.assertEqual(
            (row["submitted"], row["due"]), ("2027-01-15T08:02:00.000Z", "2027-01-15T08:02:00.000Z")
        )

    def test_a_plus_that_was_not_encoded(self) -> None:
        self.send("one")
        reply = self.ask("GET", f"/messages?to={PHONE}")
        self.assertEqual([one["to"] for one in reply.json()["deliveries"]], [PHONE])

    def test_pages(self) -> None:
        self.send("x", to=[f"+1555000{n:04}" for n in range(7)])
        self.patch(owned, "STRETCH", 3)
        seen, cursor, pages = [], None, 0
        while pages == 0 or cursor:
            pages += 1
            page = self.get("/messages", limit=2, **({"cursor": cursor} if cursor else {}))
            seen += [one["to"] for one in page["deliveries"]]
            cursor = page["next"]
        self.assertEqual(seen, [f"+1555000{n:04}" for n in reversed(range(7))])
        self.assertGreater(pages, 3)
        # Pages without anything go on.
        self.send("y", user="other")
        page = self.get("/messages", user="other", limit=2, to="+15550000000")
        steps = 1
        while page["next"]:
            self.assertEqual(page["deliveries"], [])
            page = self.get("/messages", user="other", limit=2, to="+15550000000", cursor=page["next"])
            steps += 1
        self.assertGreater(steps, 2)

    def test_what_is_not_understood(self) -> None:
        for query, name in (
            ({"limit": "0"}, "limit"), ({"limit": "501"}, "limit"), ({"limit": "1e1"}, "limit"), ({"limit": ""}, "limit"),
            ({"state": "gone"}, "state"), ({"since": "now"}, "since"), ({"cursor": "x"}, "cursor"), ({"foo": "1"}, "foo"),
            ({"limit": ["1", "1"]}, "limit"),
        ):  # fmt: skip
            said = self.problem(self.ask("GET", "/messages", **query), 400, "bad-request")  # type: ignore[arg-type]
            self.assertEqual([one["parameter"] for one in said["errors"]], [name])
        self.problem(self.ask("GET", "/messages?to=%ff"), 400, "bad-request")
        self.problem(self.ask("GET", "/messages?" + "limit=1&" * 101), 400, "bad-request")

    def test_msgid_from_sms(self) -> None:
        from tests.frontends.http.client import request

        asked = "/sms/?user=john&pass=johnpw&number=%2B15551234567&data=old&msgid=m7"
        self.assertEqual(self.raw(request("GET", asked)).status, 200)
        self.assertEqual(self.found(msgid="m7"), ["old"])


class Whole(ApiCase):
    """GET and DELETE /messages/{id}."""

    def test_what_became_of_it(self) -> None:
        self.house.planner.policies = Policies(reports="always")
        self.house.gsm.answer = lambda piece: Failure(
            Kind.TEMPORARY, "the network is busy", scope=Scope.MESSAGE
        )
        sent = self.send("x" * 200, user="shop", msgid="m")
        [recipient] = sent["recipients"]
        told = self.get(f"/messages/{sent['id']}", user="shop")
        self.assertEqual(
            (told["id"], told["text"], told["msgid"], told["account"]), (sent["id"], "x" * 200, "m", "shop")
        )
        [delivery] = told["deliveries"]
        self.assertEqual(
            (delivery["id"], delivery["state"], delivery["parts"]), (recipient["delivery"], "queued", 2)
        )
        [tried] = delivery["failed_tries"]
        self.assertEqual((tried["gateway"], tried["reason"]), ("gsm1", "the network is busy"))
        count = itertools.count(1)
        self.house.gsm.answer = lambda piece: Accepted(f"r{next(count)}")
        self.house.advance(120)
        for reference in ("r1", "r2"):
            self.house.wait(
                self.house.outlet("gsm1").reported(NetworkReport(reference, PHONE, "delivered", "DELIVRD"))
            )
        told = self.get(f"/messages/{recipient['delivery']}", user="shop")
        [delivery] = told["deliveries"]
        self.assertEqual((delivery["state"], delivery["parts_sent"]), ("delivered", 2))
        self.assertEqual([one["reference"] for one in delivery["sent"]], ["r1", "r2"])
        self.assertEqual([one["words"] for one in delivery["reports"]], ["DELIVRD", "DELIVRD"])
        [explained] = self.get(f"/messages/{sent['id']}/explain", user="shop")["deliveries"]
        self.assertEqual((explained["state"], explained["rules"]), ("delivered", None))
        steps = [step["what"] for step in explained["steps"]]
        self.assertEqual(
            steps[:2], ["accepted at the door web", "not sent by gsm1, part 1 of 2: the network is busy"]
        )
        self.assertEqual(
            sorted(steps[2:]),
            [
                "delivered",
                *(f"part {n} of 2 sent by gsm1, which the network calls r{n}" for n in (1, 2)),
                *["the network reports delivered: DELIVRD"] * 2,
            ],
        )

    def test_cancel(self) -> None:
        self.house.outlet("gsm1").closed("for now")
        sent = self.send("x", to=[PHONE, OTHER])
        one, two = (recipient["delivery"] for recipient in sent["recipients"])
        reply = self.ask("DELETE", f"/messages/{one}")
        [delivery] = reply.json()["deliveries"]
        self.assertEqual(
            (delivery["id"], delivery["state"], delivery["reason"]),
            (one, "cancelled", "cancelled by account john"),
        )
        reply = self.ask("DELETE", f"/messages/{sent['id']}")
        self.assertEqual([one["state"] for one in reply.json()["deliveries"]], ["cancelled", "cancelled"])
        said = self.problem(self.ask("DELETE", f"/messages/{two}"), 409, "conflict")
        self.assertIn("it is cancelled", said["detail"])
        self.house.outlet("gsm1").opened(1)
        self.house.settle()
        self.assertEqual(self.house.gsm.pieces, [])

    def test_nobody_sees_what_is_others(self) -> None:
        self.house.outlet("gsm1").closed("for now")
        sent = self.send("secret", callback="https://x.example/?token=s3cret")
        number = sent["recipients"][0]["delivery"]
        for path in (f"/messages/{sent['id']}", f"/messages/{number}", f"/messages/{number}/explain"):
            self.problem(self.ask("GET", path, user="other"), 404, "not-found")
        self.problem(self.ask("DELETE", f"/messages/{number}", user="other"), 404, "not-found")
        self.problem(self.ask("GET", "/messages", user="other", account="john"), 403, "insufficient-scope")
        self.assertEqual(self.get("/messages", user="other")["deliveries"], [])
        self.assertEqual(self.house.states(), ["ready"])
        self.assertNotIn("s3cret", self.ask("GET", f"/messages/{number}").text)

    def test_numbers_that_are_none(self) -> None:
        for number in ("1", "9223372036854775807", "9223372036854775808", "9999999999999999999"):
            self.problem(self.ask("GET", f"/messages/{number}"), 404, "not-found")
        for path in (
            "/messages/",
            "/messages/x",
            "/messages/0",
            "/messages/-1",
            "/messages/1/2",
            "/messages/%2f",
            "/messages/{id}",
        ):
            self.problem(self.ask("GET", path), 404, "not-found")

    def test_reports_and_events_are_no_messages(self) -> None:
        self.house.gsm.answer = lambda piece: Failure(Kind.PERMANENT, "no such phone")
        sent = self.send("x")
        self.house.settle()
        [_, report] = self.house.rows()
        self.assertEqual((report["target"], report["account"]), ("mailto:john@example.org", "john"))
        self.assertEqual([one["message"] for one in self.get("/messages")["deliveries"]], [sent["id"]])
        self.problem(self.ask("GET", f"/messages/{report['id']}"), 404, "not-found")


class Beforehand(ApiCase):
    """POST /explain and POST /price."""

    def test_trial(self) -> None:
        said = self.ask("POST", "/explain", {"to": PHONE, "text": "Ж" * 80}).json()
        self.assertEqual(
            (said["fate"], said["parts"], said["encoding"], said["rules"]), ("sent", 2, "UCS-2", None)
        )
        said = self.ask("POST", "/explain", {"to": "nonsense", "text": "x"}).json()
        self.assertEqual(said["fate"], "refused")
        self.assertIn("a name cannot receive", said["why"])
        admin = self.token("", "admin")
        said = self.ask("POST", "/explain", {"to": PHONE, "text": "x"}, token=admin).json()
        self.assertEqual((said["route"], said["rules"]), ("any:sms", ["no rule was asked"]))
        self.assertEqual(self.house.rows(), [])

    def test_what_the_command_can_try_can_be_tried_here(self) -> None:
        tests = (
            Clock(22 * 60, 7 * 60), Network(("10.0.0.0/8",)),
            *(Field(name, TextTest(How.EQUALS, name)) for name in ("door", "host", "header:x-robot")),
        )  # fmt: skip
        rules = Rules(tuple(Rule(f"{n}", test, (Frame(after=f" ({n})"),)) for n, test in enumerate(tests)))
        self.house.wait(self.house.store.keep_ruleset(7, "x", xml.write(rules).decode()))
        self.house.judge.use(engine.compile(rules.outgoing), 7)
        self.house.judge.zone = timezone.utc
        self.house.judge.gateways = frozenset({"gsm1"})

        def text(**given: Any) -> str:
            said = self.ask("POST", "/explain", {"to": PHONE, "text": "Hi", "at": "12:00", **given}).json()
            self.assertEqual(said["rules"], None)
            return str(said["text"])

        self.assertEqual(text(), "Hi")
        self.assertEqual(text(at="23:30"), "Hi (0)")
        self.assertEqual(text(at="2026-12-24 23:30"), "Hi (0)")
        self.assertEqual(text(door="door"), "Hi (2)")
        self.assertEqual(text(ip="10.0.0.7"), "Hi (1)")
        self.assertEqual(text(host="host"), "Hi (3)")
        self.assertEqual(text(headers=["X-Robot: header:x-robot"]), "Hi (4)")
        admin = self.token("", "admin")
        given = {"to": PHONE, "text": "Hi", "account": "shop", "gateway": "gsm1"}
        told = self.ask("POST", "/explain", given, token=admin).json()
        self.assertEqual((told["route"], len(told["rules"])), ("gw:gsm1", len(tests)))
        given["account"] = "nobody"
        self.problem(self.ask("POST", "/explain", given, token=admin), 422, "bad-request")
        self.assertEqual(self.house.rows(), [])

    def test_what_cannot_be_tried(self) -> None:
        def no(status: int, kind: str, **given: Any) -> str:
            reply = self.ask("POST", "/explain", {"to": PHONE, "text": "Hi", **given})
            return str(self.problem(reply, status, kind)["detail"])

        self.assertIn("'25:00' is no time", no(422, "bad-request", at="25:00"))
        self.assertIn("is no address", no(422, "bad-request", ip="1.2.3"))
        self.assertIn("no gateway 'nowhere'", no(422, "bad-request", gateway="nowhere"))
        self.assertIn("is no header", no(422, "bad-request", headers=["X-A: b\r\nX-B: c"]))
        self.assertIn("'tonight' is no time: write 23:30", no(422, "bad-request", at="tonight"))
        no(403, "insufficient-scope", account="shop")

    def test_price(self) -> None:
        said = self.ask("POST", "/price", {"to": [PHONE, "nonsense"], "text": "it\u2019s “dear”"}).json()
        good, bad = said["recipients"]
        self.assertEqual((good["number"], good["parts"], good["encoding"]), (PHONE, 1, "UCS-2"))
        self.assertEqual((bad["parts"], bad["problem"]["type"]), (0, "urn:smsd:problem:bad-number"))
        self.assertEqual((said["parts"], said["units"], said["left"], said["plain_parts"]), (1, 11, 59, 1))
        self.assertEqual(
            [(one["char"], one["at"], one["plain"]) for one in said["culprits"]],
            [("\u2019", 2, "'"), ("“", 5, '"'), ("”", 10, '"')],
        )
        self.assertIsNone(said["price"])
        said = self.ask("POST", "/price", {"to": PHONE, "data": "AAH/"}).json()
        self.assertEqual((said["parts"], said["recipients"][0]["encoding"]), (1, "8-bit"))
        self.problem(self.ask("POST", "/price", {"to": PHONE}), 400, "bad-request")
        self.assertEqual(self.house.rows(), [])


class Books(ApiCase):
    """Accounts and gateways."""

    def test_one_s_own(self) -> None:
        self.send("x")
        said = self.get("/account")
        self.assertEqual(
            (
                said["name"],
                said["active"],
                said["email"],
                said["monthly_limit"],
                said["sent_this_month"],
                said["last_sent"],
            ),
            ("john", True, "john@example.org", 20, 1, "2027-01-15T08:00:00.000Z"),
        )
        self.assertNotIn("password", said)

    def test_everybody_s(self) -> None:
        admin = self.token("", "admin")
        page = self.get("/accounts", token=admin, limit=2)
        self.assertEqual(
            ([one["name"] for one in page["accounts"]], page["next"]), (["away", "buyer"], "buyer")
        )
        page = self.get("/accounts", token=admin, limit=4, after="buyer")
        self.assertEqual(
            ([one["name"] for one in page["accounts"]], page["next"]), (["john", "other", "shop"], None)
        )
        said = self.get("/gateways", token=admin)
        self.assertEqual([one["id"] for one in said["gateways"]], ["gsm1"])
        for path in ("/accounts", "/gateways"):
            self.problem(self.ask("GET", path), 403, "insufficient-scope")

    def test_settings(self) -> None:
        admin = self.token("", "admin")
        path = "/settings/policy/example.org"
        self.problem(self.ask("GET", path, token=admin), 404, "not-found")
        self.problem(self.ask("PATCH", path, {"settings": {}}, token=admin), 404, "not-found")
        self.problem(self.ask("DELETE", path, token=admin), 404, "not-found")
        reply = self.ask("PUT", path, {"settings": {"access": True, "monthly_limit": 5}}, token=admin)
        self.assertEqual(reply.status, 201, reply.text)
        said = reply.json()
        self.assertEqual((said["kind"], said["name"], said["source"]), ("policy", "example.org", "store"))
        self.assertEqual((said["settings"]["access"], said["settings"]["monthly_limit"]), (True, 5))
        self.problem(self.ask("PUT", path, {"settings": {}}, token=admin), 409, "conflict")
        reply = self.ask(
            "PATCH", path, {"settings": {"monthly_limit": None, "senders": ["ACME"]}}, token=admin
        )
        self.assertEqual(
            (reply.json()["settings"]["monthly_limit"], reply.json()["settings"]["senders"]), (None, ["ACME"])
        )
        self.assertEqual(self.get(path, token=admin), reply.json())
        reply = self.ask(
            "PUT", "/settings/account/a%2Fb", {"settings": {"networks": ["10.0.0.0/8"]}}, token=admin
        )
        self.assertEqual(reply.json()["name"], "a/b")
        self.assertEqual(self.ask("DELETE", path, token=admin).status, 200)
        self.problem(self.ask("GET", path, token=admin), 404, "not-found")

    def test_settings_that_cannot_be(self) -> None:
        admin = self.token("", "admin")
        for path, settings, words in (
            ("/settings/account/john", {"monthly_limit": 1}, "is in the configuration"),
            ("/settings/account/new", {"monthly_limit": -1}, ""),
            ("/settings/account/new", {"colour": "red"}, "no setting 'colour'"),
            ("/settings/account/new", {"monthly_limit": "many"}, "monthly_limit"),
        ):  # fmt: skip
            method = "PATCH" if path.endswith("john") else "PUT"
            reply = self.ask(method, path, {"settings": settings}, token=admin)
            self.assertIn(words, self.problem(reply, 422 if words else 400, "bad-request")["detail"])
        self.problem(self.ask("DELETE", "/settings/account/john", token=admin), 422, "bad-request")
        for method in ("GET", "DELETE"):
            self.problem(self.ask(method, "/settings/account/john"), 403, "insufficient-scope")
        self.problem(self.ask("PUT", "/settings/account/x", {"settings": {}}), 403, "insufficient-scope")
        told = self.get("/settings/account/john", token=admin)
        self.assertEqual((told["source"], told["settings"]["password"]), ("configuration", "in clear"))
        self.assertNotIn("johnpw", str(told))

    def test_an_administrator_sees_everything(self) -> None:
        self.house.outlet("gsm1").closed("for now")
        one, two = self.send("one"), self.send("two", user="other")
        admin = self.token("", "admin")
        self.assertEqual(
            [row["account"] for row in self.get("/messages", token=admin)["deliveries"]], ["other", "john"]
        )
        self.assertEqual(
            [row["text"] for row in self.get("/messages", token=admin, account="john")["deliveries"]], ["one"]
        )
        self.problem(self.ask("GET", "/messages", token=admin, msgid="x"), 422, "bad-request")
        self.assertEqual(self.get("/messages", token=admin, account="john", msgid="x")["deliveries"], [])
        [said] = self.get(f"/messages/{one['id']}/explain", token=admin)["deliveries"]
        self.assertEqual(said["rules"], ["no rule was asked"])
        self.problem(
            self.ask("POST", "/messages", {"to": PHONE, "text": "x"}, token=admin), 403, "insufficient-scope"
        )
        self.problem(self.ask("DELETE", f"/messages/{two['id']}", token=admin), 403, "insufficient-scope")
        self.assertEqual(
            self.get("/gateways", token=admin)["queue"],
            [{"route": "any:sms", "state": "queued", "deliveries": 2}],
        )


class Incoming(ApiCase):
    """GET /incoming."""

    def test_to_its_mailbox(self) -> None:
        self.send("how are you")
        self.phone_writes("fine", own="+15550000099", at=1_800_000_000_000)
        self.phone_writes("who is this", sender=OTHER)  # goes to the gateway's mailbox
        page = self.get("/incoming")
        [said] = page["messages"]
        sent = self.get("/messages")["deliveries"][0]
        self.assertEqual(
            (said["from"], said["to"], said["text"], said["gateway"], said["written"]),
            (PHONE, "+15550000099", "fine", "gsm1", "2027-01-15T08:00:00.000Z"),
        )
        self.assertEqual(said["in_reply_to"], {"delivery": sent["id"], "msgid": None})
        self.assertEqual(self.get("/incoming", after=page["cursor"])["messages"], [])
        self.assertEqual(self.get("/incoming", user="other")["messages"], [])
        admin = self.token("", "admin")
        self.assertEqual(
            [one["text"] for one in self.get("/incoming", token=admin)["messages"]], ["fine", "who is this"]
        )
        self.assertEqual(
            [one["text"] for one in self.get("/incoming", token=admin, account="john")["messages"]], ["fine"]
        )

    def test_to_its_subscriber_and_as_events(self) -> None:
        self.send("how are you", user="shop", msgid="m")
        self.phone_writes("fine")
        [said] = self.get("/incoming", user="shop")["messages"]
        self.assertEqual(said["text"], "fine")
        self.assertEqual(said["in_reply_to"]["msgid"], "m")
        page = self.get("/events", user="shop")
        self.assertEqual([event["type"] for event in page["events"]], ["message.sent", "message.received"])
        self.assertEqual(self.get("/events", user="shop", after=page["cursor"])["events"], [])
        self.problem(self.ask("GET", "/events"), 403, "not-allowed")
        self.problem(self.ask("GET", "/events", user="shop", after="!"), 400, "bad-request")
        self.problem(self.ask("GET", "/incoming", after="!"), 400, "bad-request")

    def test_every_message_once_also_those_that_come_late(self) -> None:
        """Numbers are given before commits: what has an earlier one may be seen after what has a later one."""
        self.send("how are you")
        late = self.house.store.ids.next()
        self.house.advance(1)
        seen, cursor = [], ""
        for n in range(5):
            self.phone_writes(f"answer {n}")
            if n == 3:  # as if it had taken long
                self.house.wait(self.house.store.call(_copied, (late, self._last())))
            page = self.get("/incoming", limit=2, **({"after": cursor} if cursor else {}))
            cursor = page["cursor"]
            seen += [one["text"] for one in page["messages"]]
        while page["messages"]:
            page = self.get("/incoming", after=cursor)
            cursor = page["cursor"]
            seen += [one["text"] for one in page["messages"]]
        self.assertEqual(sorted(seen), sorted([*(f"answer {n}" for n in range(5)), "answer 3"]))
        self.house.advance(3600)
        self.assertEqual(self.get("/incoming", after=cursor)["messages"], [])

    def _last(self) -> int:
        return int(self.house.rows()[-1]["message"])

    def test_a_mountain_is_walked_over_in_stretches(self) -> None:
        self.send("how are you")
        for n in range(6):
            self.phone_writes(f"stranger {n}", sender=OTHER)
        self.phone_writes("fine")
        self.patch(owned, "STRETCH", 2)
        cursor, texts = "", []
        for _ in range(8):
            self.house.advance(61)
            page = self.get("/incoming", **({"after": cursor} if cursor else {}))
            cursor, texts = page["cursor"], [*texts, *(one["text"] for one in page["messages"])]
        self.assertEqual(texts, ["fine"])


def _copied(cursor, items):  # type: ignore[no-untyped-def]
    """Handler: the same message and delivery under other numbers."""
    for number, message in items:
        cursor.execute(
            "insert into message select ?, door, account, origin, ticket, kind, body, headers, hops, parent, arrived from message"
            " where id=?",
            (number + 1, message),
        )
        cursor.execute(
            "insert into delivery(id, message, target, lane, state, priority, due, deadline, expires)"
            " select ?, ?, target, lane, 10, priority, due, 0, expires from delivery where message=?",
            (number, number + 1, message),
        )
    return [None] * len(items)
