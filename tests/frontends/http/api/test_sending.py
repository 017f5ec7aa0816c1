"""POST /messages: what becomes a submission, what is answered, and that it is committed."""

from __future__ import annotations

import json

from smsd.values.delivery import State
from smsd.values.errors import Reason, Refused
from smsd.values.message import Binary, Priority, Text
from tests.frontends.http.api.case import PHONE, ApiCase


class One(ApiCase):
    def test_accepted(self) -> None:
        reply = self.ask("POST", "/messages", {"to": PHONE, "text": "Grüße", "msgid": "order-7"})
        self.assertEqual(reply.status, 201, reply.text)
        said = reply.json()
        [row] = self.house.rows(target=PHONE)
        fate = {
            "status": "accepted",
            "number": PHONE,
            "delivery": str(row["id"]),
            "parts": 1,
            "encoding": "GSM-7",
        }
        self.assertEqual(
            said, {"id": str(row["message"]), "recipients": [fate], "msgid": "order-7", "replayed": False}
        )
        self.assertEqual(reply.headers["location"], f"/api/v1/messages/{row['message']}")
        self.assertEqual((row["account"], row["door"], row["text"]), ("john", "web", "Grüße"))

    def test_every_wish(self) -> None:
        self.send(
            "x", to=[PHONE, "sms:+15557654321"], gateway="gsm1", sender="+15550001111", max_parts=2, priority="urgent",
            expire_minutes=60, pid=64, dcs=8,
        )  # fmt: skip
        one, two = self.house.gsm.pieces
        self.assertEqual({piece.target.target for piece in (one, two)}, {PHONE, "+15557654321"})
        said = one.parameters
        self.assertEqual(
            (
                said.gateway,
                said.sender,
                said.max_parts,
                said.priority,
                said.expire_minutes,
                said.protocol_id,
                said.coding,
            ),
            ("gsm1", "+15550001111", 2, Priority.URGENT, 60, 64, 8),
        )

    def test_octets(self) -> None:
        reply = self.ask("POST", "/messages", {"to": PHONE, "data": "AAH/", "udh": "BQQVihWK"})
        self.assertEqual(reply.status, 201, reply.text)
        [piece] = self.house.gsm.pieces
        self.assertEqual(piece.content, Binary(b"\x00\x01\xff", bytes.fromhex("0504158a158a")))
        reply = self.ask("POST", "/messages", {"to": PHONE, "data": "AAH/", "udh": "BQQV"})
        self.assertIn("information element", self.problem(reply, 422, "bad-request")["detail"])

    def test_later(self) -> None:
        self.send("x", send_at="2027-01-15T09:00:00Z", expire_minutes=60)
        self.assertEqual(self.house.gsm.pieces, [])
        [row] = self.house.rows()
        at = 1_800_003_600_000
        self.assertEqual((row["due"], row["expires"]), (at, at + 3_600_000))
        self.house.advance(3599)
        self.assertEqual(self.house.gsm.pieces, [])
        self.house.advance(2)
        self.assertEqual(len(self.house.gsm.pieces), 1)
        reply = self.ask(
            "POST", "/messages", {"to": PHONE, "text": "x", "send_at": "2029-01-15T09:00:00+01:00"}
        )
        [mistake] = self.problem(reply, 422, "bad-request")["errors"]
        self.assertEqual(mistake["pointer"], "#/send_at")

    def test_reports_and_answers_go_where_they_would_from_sms(self) -> None:
        self.send("x", reply="ann@example.org")
        self.assertEqual(self.house.gsm.pieces[-1].content, Text("#ann@example.org# x"))
        self.send("x", user="shop", msgid="m1")
        ticket = self.house.gsm.pieces[-1].ticket
        assert ticket is not None
        self.assertEqual((str(ticket.address), ticket.message_id), ("hook:desk", "m1"))
        self.send("x", user="other", callback="https://x.example/y", callback_events=["sent"])
        reply = self.ask("POST", "/messages", {"to": PHONE, "text": "x", "callback": "desk"})
        self.problem(reply, 403, "not-allowed")

    def test_some_are_refused(self) -> None:
        reply = self.ask("POST", "/messages", {"to": [PHONE, "nonsense"], "text": "x"})
        self.assertEqual(reply.status, 201)
        _, bad = reply.json()["recipients"]
        self.assertEqual((bad["status"], bad["number"]), ("refused", "nonsense"))
        self.assertEqual(bad["problem"]["type"], "urn:smsd:problem:bad-number")

    def test_all_are_refused(self) -> None:
        reply = self.ask("POST", "/messages", {"to": ["nonsense", "12x"], "text": "x"})
        said = self.problem(reply, 422, "bad-number")
        self.assertEqual([one["pointer"] for one in said["errors"]], ["#/to/0", "#/to/1"])
        reply = self.ask("POST", "/messages", {"to": PHONE, "text": "x", "gateway": "nowhere"})
        self.assertEqual(self.problem(reply, 404, "unknown-gateway")["errors"][0]["pointer"], "#/to")
        self.assertEqual(self.house.rows(), [])

    def test_over_the_limit(self) -> None:
        numbers = [f"+1555000{n:04}" for n in range(21)]
        reply = self.ask("POST", "/messages", {"to": numbers, "text": "x"})
        self.problem(reply, 429, "over-limit")
        self.assertGreater(int(reply.headers["retry-after"]), 0)


class Keys(ApiCase):
    """Idempotency-Key."""

    def test_a_repeat_has_the_first_answer(self) -> None:
        content = {"to": [PHONE, "nonsense"], "text": "x"}
        first = self.ask("POST", "/messages", content, headers={"Idempotency-Key": "k"})
        again = self.ask(
            "POST", "/messages", {"text": "x", "to": content["to"]}, headers={"Idempotency-Key": "k"}
        )
        self.assertEqual((first.status, again.status), (201, 201))
        self.assertNotIn("idempotent-replayed", first.headers)
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        self.assertEqual(again.json(), {**first.json(), "replayed": True})
        self.assertEqual(len(self.house.rows()), 1)

    def test_another_message_is_a_conflict_also_at_the_other_door(self) -> None:
        self.ask("POST", "/messages", {"to": PHONE, "text": "x"}, headers={"Idempotency-Key": "k"})
        reply = self.ask("POST", "/messages", {"to": PHONE, "text": "y"}, headers={"Idempotency-Key": "k"})
        self.problem(reply, 409, "conflict")
        reply = self.ask(
            "POST", "/messages", {"to": PHONE, "text": "y"}, headers={"Idempotency-Key": "k"}, user="shop"
        )
        self.assertEqual(reply.status, 201)
        reply = self.ask(
            "POST", "/messages", {"to": PHONE, "text": "y"}, headers={"Idempotency-Key": "k" * 256}
        )
        self.assertEqual(self.problem(reply, 400, "bad-request")["errors"][0]["header"], "Idempotency-Key")

    def test_a_list_is_one_request(self) -> None:
        content = [{"to": PHONE, "text": "a"}, {"to": "nonsense", "text": "b"}, {"to": PHONE, "text": "c"}]
        first = self.ask("POST", "/messages", content, headers={"Idempotency-Key": "k"})
        again = self.ask("POST", "/messages", content, headers={"Idempotency-Key": "k"})
        self.assertEqual((first.status, again.status, len(self.house.rows())), (200, 200, 2))
        ids = [
            [one.get("message", {}).get("id") for one in reply.json()["messages"]] for reply in (first, again)
        ]
        self.assertEqual(ids[0], ids[1])
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        for other in (content[:2], [*content, content[0]], content[0]):
            reply = self.ask("POST", "/messages", other, headers={"Idempotency-Key": "k"})
            self.problem(reply, 409, "conflict")
        self.assertEqual(len(self.house.rows()), 2)

    def test_an_interrupted_list_goes_on(self) -> None:
        content = [{"to": PHONE, "text": "a"}, {"to": PHONE, "text": "b"}]
        real, asked = self.house.dispatcher.submit, []

        def interrupted(submission):  # type: ignore[no-untyped-def]
            asked.append(submission)
            if len(asked) == 2:
                raise Refused(Reason.UNAVAILABLE, "the disk is full")
            return real(submission)

        self.patch(self.house.dispatcher, "submit", interrupted)
        first = self.ask("POST", "/messages", content, headers={"Idempotency-Key": "k"}).json()["messages"]
        self.assertEqual([one["status"] for one in first], [201, 503])
        again = self.ask("POST", "/messages", content, headers={"Idempotency-Key": "k"})
        self.assertEqual([one["status"] for one in again.json()["messages"]], [201, 201])
        self.assertNotIn("idempotent-replayed", again.headers)
        self.assertEqual([row["text"] for row in self.house.rows()], ["a", "b"])


class Many(ApiCase):
    """A list."""

    def test_each_has_its_fate(self) -> None:
        reply = self.ask(
            "POST", "/messages", [
                {"to": PHONE, "text": "a", "msgid": "1"}, {"to": "nonsense", "text": "b"}, {"to": [PHONE], "text": "c"},
            ]
        )  # fmt: skip
        self.assertEqual(reply.status, 200)
        good, bad, also = reply.json()["messages"]
        self.assertEqual((good["status"], good["message"]["msgid"], also["status"]), (201, "1", 201))
        self.assertEqual((bad["status"], bad["problem"]["type"]), (422, "urn:smsd:problem:bad-number"))
        self.assertEqual([row["text"] for row in self.house.rows()], ["a", "c"])

    def test_a_mistake_takes_nothing(self) -> None:
        reply = self.ask(
            "POST", "/messages", [{"to": PHONE, "text": "a"}, {"to": PHONE}, {"to": 5, "text": "b", "x/y": 1}]
        )
        said = self.problem(reply, 400, "bad-request")
        self.assertEqual([one["pointer"] for one in said["errors"]], ["#/1", "#/2/to", "#/2/x~1y"])
        self.assertEqual(self.house.rows(), [])

    def test_bounds(self) -> None:
        for content in ([], [{"to": PHONE, "text": "a"}] * 501):
            self.assertEqual(
                self.problem(self.ask("POST", "/messages", content), 400, "bad-request")["errors"][0][
                    "pointer"
                ],
                "#",
            )
        content = [{"to": [PHONE] * 300, "text": "a"}] * 2
        self.problem(self.ask("POST", "/messages", content), 413, "too-many-recipients")


class Mistakes(ApiCase):
    """What is not taken, and what is said of it."""

    def mistakes(self, content: object) -> dict[str, str]:
        said = self.problem(self.ask("POST", "/messages", content), 400, "bad-request")
        return {one["pointer"]: one["detail"] for one in said["errors"]}

    def test_places(self) -> None:
        good = {"to": PHONE, "text": "x"}
        for wrong, pointer in (
            ({"to": 5}, "#/to"), ({"to": []}, "#/to"), ({"to": [PHONE, None]}, "#/to/1"), ({"to": ""}, "#/to"),
            ({"text": ""}, "#/text"), ({"text": "a\0b"}, "#/text"), ({"text": 5}, "#/text"), ({"max_parts": "3"}, "#/max_parts"),
            ({"max_parts": 129}, "#/max_parts"), ({"priority": "fast"}, "#/priority"), ({"expire_minutes": 0}, "#/expire_minutes"),
            ({"send_at": "tomorrow"}, "#/send_at"), ({"send_at": 1800000000}, "#/send_at"), ({"msgid": "a\nb"}, "#/msgid"),
            ({"reply": "nobody"}, "#/reply"), ({"callback_events": ["x"]}, "#/callback_events/0"), ({"gatway": "x"}, "#/gatway"),
            ({"sender_required": "yes"}, "#/sender_required"), ({"data": "AAH/"}, "#"), ({"udh": "AAAA"}, "#"),
            ({"pid": 256}, "#/pid"),
            ({"send_at": "2026-02-30T00:00:00Z"}, "#/send_at"), ({"send_at": "2027-01-01T00:00:00"}, "#/send_at"),
        ):  # fmt: skip
            self.assertEqual(list(self.mistakes({**good, **wrong})), [pointer], wrong)
        self.assertEqual(list(self.mistakes({})), ["#/to"])
        for wrong in ({"to": []}, {"text": ""}, {"max_parts": 0}, {"to": "1" * 200}):
            for detail in self.mistakes({**good, **wrong}).values():
                self.assertNotRegex(detail, r"Input|String|List|validation")
        self.assertEqual(list(self.mistakes("x")), ["#"])
        self.assertEqual(self.house.rows(), [])

    def test_not_json(self) -> None:
        for body in (
            b"",
            b"{",
            b'{"to": "\xff"}',
            b'{"to": "+1", "text": "\\ud800"}',
            b"[" * 100_000,
            b"NaN",
            b'{"to":}',
        ):
            [(pointer, detail)] = self.mistakes(body).items()
            self.assertEqual(pointer, "#", body[:20])
            self.assertLess(len(detail), 300)

    def test_other_types(self) -> None:
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "",
            "application/json; charset=latin-1",
        ):
            reply = self.ask("POST", "/messages", {"to": PHONE, "text": "x"}, headers={"Content-Type": kind})
            self.problem(reply, 415, "unsupported-media-type")
        reply = self.ask(
            "POST", "/messages", {"to": PHONE, "text": "x"}, headers={"Content-Encoding": "gzip"}
        )
        self.problem(reply, 415, "unsupported-media-type")
        reply = self.ask(
            "POST",
            "/messages",
            {"to": PHONE, "text": "x"},
            headers={"Content-Type": "application/json; charset=UTF-8"},
        )
        self.assertEqual(reply.status, 201)

    def test_secrets_are_not_repeated(self) -> None:
        body = json.dumps({"to": PHONE, "text": "the code is 4711", "max_parts": "x"}).encode()
        self.assertNotIn("4711", self.ask("POST", "/messages", body).text)


class Kept(ApiCase):
    """What was answered 201 is committed."""

    def test_a_crash_after_the_answer_forgets_nothing(self) -> None:
        self.house.outlet("gsm1").closed("for now")
        said = [self.send(f"text {n}") for n in range(5)]
        many = self.ask(
            "POST", "/messages", [{"to": PHONE, "text": f"list {n}"} for n in range(20)][:10]
        ).json()
        ids = [one["id"] for one in said] + [one["message"]["id"] for one in many["messages"]]
        self.house = self.house.crash()
        rows = self.house.rows()
        self.assertEqual([str(row["message"]) for row in rows], ids)
        self.assertEqual({row["state"] for row in rows}, {State.READY.name.lower()})

    def test_nothing_is_accepted_without_its_commit(self) -> None:
        group, fails = self.house.store._group, [OSError("no space left")] * 2  # in its group, and alone

        def commit() -> None:
            if fails:
                raise fails.pop()
            group._connection.commit()

        self.patch(group, "_commit", commit)
        reply = self.ask("POST", "/messages", {"to": PHONE, "text": "x"})
        self.problem(reply, 503, "unavailable")
        self.assertIn("retry-after", reply.headers)
        self.assertEqual(self.house.rows(), [])
        self.flushLoggedErrors()
