"""`/sms/`: what reaches the dispatcher, and what the caller is told."""

from __future__ import annotations

import base64
import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.smsuri import read_parameters
from smsd.frontends.http.sms import fingerprint
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Binary, Priority, Submission, Text, Ticket, Wants
from tests.frontends.fakes import FakeAccount, FakeAccounts, FakeDispatcher, context, refused
from tests.frontends.http.client import PEER, Connection, ask, door, query, request

BASIC = {"Authorization": "Basic " + base64.b64encode(b"john:johnpw").decode()}


class SmsTestCase(SynchronousTestCase):
    """A door on fakes."""

    def setUp(self) -> None:
        self.context = context()
        self.dispatcher: FakeDispatcher = self.context.dispatcher
        self.accounts: Any = self.context.portal
        self.door = door(self.context)

    def submitted(self) -> Submission:
        """The only submission."""
        [submission] = self.dispatcher.submissions
        return submission


class AcceptTests(SmsTestCase):
    """The ordinary way."""

    def test_get(self) -> None:
        reply = ask(self.door, query(number="+15551234567", data="hello world"))
        self.assertEqual((reply.status, reply.text), (200, "OK 1001 +15551234567 parts=1\n"))
        self.assertEqual(reply.headers["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(reply.headers["date"], "Thu, 01 Jan 1970 00:00:00 GMT")
        sent = self.submitted()
        self.assertEqual((sent.door, sent.account, sent.content), ("web", "john", Text("hello world")))
        self.assertEqual(
            (sent.origin, sent.ticket, sent.wants), (Address("account", "john"), None, Wants.NOTHING)
        )
        self.assertIsNone(sent.key)
        [recipient] = sent.recipients
        self.assertEqual(
            (recipient.address, recipient.typed), (Address("sms", "+15551234567"), "+15551234567")
        )
        self.assertEqual(self.accounts.logins, [("john", "johnpw", PEER)])

    def test_as_the_documents_write_it(self) -> None:
        reply = ask(self.door, '/sms/?number=+15551234567&data="hello%20world"&user=john&pass=johnpw')
        self.assertEqual(reply.status, 200)
        self.assertEqual(self.submitted().content, Text('"hello world"'))
        self.assertEqual(self.submitted().recipients[0].address.target, "+15551234567")

    def test_all_ways_mean_the_same(self) -> None:
        form = b"number=+15551234567&data=Gr%C3%BC%C3%9Fe&user=john&pass=johnpw&maxmsgs=2"
        multipart = b"".join(
            b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % pair
            for pair in (
                (b"number", b"+15551234567"),
                (b"data", "Grüße".encode()),
                (b"user", b"john"),
                (b"pass", b"johnpw"),
                (b"maxmsgs", b"2"),
            )
        )
        fields = {
            "number": "+15551234567",
            "data": "Grüße",
            "user": "john",
            "pass": "johnpw",
            "maxmsgs": 2,
        }
        for body, kind in (
            (form, "application/x-www-form-urlencoded"),
            (multipart + b"--b--\r\n", "multipart/form-data; boundary=b"),
            (json.dumps(fields).encode(), "application/json"),
        ):
            self.assertEqual(ask(self.door, "/sms/", "POST", body, {"Content-Type": kind}).status, 200, kind)
        ask(self.door, "/sms?" + form.decode())
        ask(self.door, "/sms/?user=john&pass=johnpw", "POST", form.partition(b"&user")[0] + b"&maxmsgs=2")
        self.assertEqual(len(self.dispatcher.submissions), 5)
        self.assertEqual(len(set(self.dispatcher.submissions)), 1)

    def test_every_parameter(self) -> None:
        ask(
            self.door,
            query(
                number="+15551234567",
                data="x",
                id="gw1",
                sender="ACME",
                sender_required="1",
                maxmsg="2",
                expire="60",
                priority="bulk",
                pid="1",
                dsc="16",
                value="&a=1",
            ),
        )
        chosen = self.submitted().recipients[0].parameters
        self.assertEqual((chosen.gateway, chosen.sender, chosen.sender_required), ("gw1", "ACME", True))
        self.assertEqual((chosen.max_parts, chosen.expire_minutes, chosen.priority), (2, 60, Priority.BULK))
        self.assertEqual((chosen.protocol_id, chosen.coding, chosen.values), (1, 16, ("&a=1",)))

    def test_binary(self) -> None:
        """`+` in base64 as a form without percent-encoding sends it."""
        path = "/sms/?number=+15551234567&user=john&pass=johnpw&binary=1&data=+/+7&udh=BQQLhCPw&dcs=0xf5"
        self.assertEqual(ask(self.door, path).status, 200)
        self.assertEqual(
            self.submitted().content, Binary(base64.b64decode("+/+7"), bytes.fromhex("05040b8423f0"))
        )

    def test_several_numbers(self) -> None:
        self.dispatcher.refusals["+1"] = refused(Reason.BAD_NUMBER, "too short\nfor a number")
        reply = ask(self.door, query(number="+15551234567;+1") + "&number=0171&data=x")
        self.assertEqual(reply.status, 200)
        self.assertEqual(
            reply.lines,
            [
                "OK 1001 +15551234567 parts=1",
                "ERROR BAD_NUMBER +1 too short for a number",
                "OK 1002 0171 parts=1",
            ],
        )

    def test_gateway_behind_an_at(self) -> None:
        ask(self.door, query(number="sms:+15551234567@gw1,+1666@elsewhere", data="x"))
        first, second = self.submitted().recipients
        self.assertEqual((first.address.target, first.parameters.gateway), ("+15551234567", "gw1"))
        self.assertEqual((second.address.target, second.parameters.gateway), ("+1666@elsewhere", None))

    def test_notes_and_warnings(self) -> None:
        self.dispatcher.notes = ("cut to 13 parts",)
        reply = ask(
            self.door, query(number="+15551234567", data="x", maxmsgs="13", colour="red", msgid="a b")
        )
        self.assertEqual(reply.lines[0], "OK 1001 +15551234567 parts=1 msgid=a b")
        self.assertEqual(reply.lines[1], "NOTE 1001 cut to 13 parts")
        self.assertTrue(all(line.startswith("WARNING ") for line in reply.lines[2:]))
        self.assertEqual(len(reply.lines), 4)

    def test_json_when_asked_for(self) -> None:
        self.dispatcher.refusals["+1"] = refused(Reason.BAD_NUMBER, "too short")
        self.dispatcher.notes = ("cut",)
        self.dispatcher.replayed = True
        path = query(number="+15551234567,+1", data="x", msgid="m1", colour="red")
        for reply in (
            ask(self.door, path + "&format=json"),
            ask(self.door, path, headers={"Accept": "text/html, application/json;q=0.9"}),
        ):
            self.assertEqual((reply.status, reply.headers["content-type"]), (200, "application/json"))
            said = reply.json()
            self.assertEqual((said["msgid"], said["replayed"], len(said["warnings"])), ("m1", True, 1))
            accepted, declined = said["recipients"]
            self.assertEqual(
                (accepted["status"], accepted["parts"], accepted["notes"]), ("accepted", 1, ["cut"])
            )
            self.assertIsInstance(accepted["id"], str)
            self.assertEqual(
                declined,
                {"status": "refused", "number": "+1", "reason": "BAD_NUMBER", "text": "too short"},
            )
        text = ask(self.door, path + "&format=text", headers={"Accept": "application/json"})
        self.assertTrue(text.text.startswith("OK "))

    def test_where_reports_go(self) -> None:
        self.accounts.avatars["john"] = FakeAccount("john", email="john@example.org")
        ask(self.door, query(number="+15551234567", data="x"))
        ask(self.door, query(number="+15551234567", data="x", reply="ann@example.org"))
        by_account, by_reply = self.dispatcher.submissions
        self.assertEqual(by_account.ticket, Ticket(Address("mailto", "john@example.org")))
        self.assertEqual((by_account.origin.target, by_account.wants), ("john@example.org", Wants.FAILURE))
        self.assertEqual(by_reply.ticket, Ticket(Address("mailto", "ann@example.org")))
        self.assertEqual(by_reply.origin, Address("mailto", "ann@example.org"))
        self.assertEqual(by_reply.content, Text("#ann@example.org# x"))
        self.assertEqual(by_reply.account, "john")

    def test_ceiling_of_the_door(self) -> None:
        limited = door(self.context, max_parts=3)
        ask(limited, query(number="+15551234567", data="x"))
        ask(limited, query(number="+15551234567", data="x", maxmsgs="5"))
        first, second = [sent.recipients[0].parameters.max_parts for sent in self.dispatcher.submissions]
        self.assertEqual((first, second), (3, 5))

    def test_nothing_is_answered_before_the_commit(self) -> None:
        self.dispatcher.holding = True
        connection = Connection(self.door)
        connection.send(request("GET", query(number="+15551234567", data="x")))
        self.assertEqual(connection.replies(), [])
        self.dispatcher.release()
        self.assertEqual([reply.status for reply in connection.replies()], [200])

    def test_a_client_that_does_not_wait(self) -> None:
        self.dispatcher.holding = True
        connection = Connection(self.door)
        connection.send(request("GET", query(number="+15551234567", data="x")))
        connection.channel.connectionLost(None)
        self.dispatcher.release()
        self.assertEqual(connection.replies(), [])
        self.assertEqual(len(self.dispatcher.submissions), 1)


class KeyTests(SmsTestCase):
    """Idempotency."""

    def test_header_and_msgid(self) -> None:
        path = query(number="+15551234567", data="x")
        ask(self.door, path, headers={"Idempotency-Key": "k1"})
        ask(self.door, path + "&msgid=m1")
        ask(self.door, path + "&msgid=m1", headers={"Idempotency-Key": "k2"})
        keys = [sent.key for sent in self.dispatcher.submissions]
        self.assertEqual(
            [(key.scope, key.key) for key in keys if key], [("account:john", k) for k in ("k1", "m1", "k2")]
        )

    def test_without_account_the_door_is_the_scope(self) -> None:
        ask(
            door(self.context, require_auth=False),
            "/sms/?number=%2B15551234567&data=x",
            headers={"Idempotency-Key": "k"},
        )
        sent = self.submitted()
        self.assertEqual((sent.account, sent.key and sent.key.scope), (None, "door:web"))
        self.assertEqual(sent.origin, Address("door", "web"))

    def test_fingerprint_is_the_meaning(self) -> None:
        pairs = [("number", "+1555"), ("data", "x"), ("maxmsgs", "2")]
        same = fingerprint(read_parameters(pairs))
        self.assertEqual(len(same), 32)
        self.assertEqual(
            same, fingerprint(read_parameters([*pairs[:2], ("maxmsg", " 2"), ("pass", "other")]))
        )
        for other in (("data", "y"), ("number", "+1556"), ("reply", "a@b"), ("id", "gw1"), ("maxmsgs", "3")):
            changed = [pair for pair in pairs if pair[0] != other[0]] + [other]
            self.assertNotEqual(same, fingerprint(read_parameters(changed)), other)

    def test_replayed_and_conflict(self) -> None:
        self.dispatcher.replayed = True
        reply = ask(self.door, query(number="+15551234567", data="x", msgid="m"))
        self.assertEqual(reply.headers["idempotent-replayed"], "true")
        self.dispatcher.failure = refused(Reason.CONFLICT, "msgid m was used for another message")
        reply = ask(self.door, query(number="+15551234567", data="y", msgid="m"))
        self.assertEqual((reply.status, reply.lines[0].split(" ")[:2]), (409, ["ERROR", "CONFLICT"]))

    def test_unfit_keys(self) -> None:
        path = query(number="+15551234567", data="x")
        self.assertEqual(ask(self.door, path, headers={"Idempotency-Key": "k" * 256}).status, 400)
        self.assertEqual(self.dispatcher.submissions, [])


class RefuseTests(SmsTestCase):
    """What is not taken, and what is said of it."""

    def test_mistakes(self) -> None:
        number, data = "number=%2B15551234567", "data=x"
        login = "user=john&pass=johnpw"
        for path, status, said in (
            (f"/sms/?{login}&{data}", 400, "number is missing"),
            (f"/sms/?{login}&{number}", 400, "data is missing"),
            (f"/sms/?{login}&{number}&{data}&maxmsgs=129", 400, "maxmsgs"),
            (f"/sms/?{login}&{number}&{data}&maxmsgs=1&maxmsgs=2", 400, "maxmsgs"),
            (f"/sms/?{login}&{number}&data=%ff", 400, "UTF-8"),
            (f"/sms/?{login}&{number}&data=%00", 400, "NUL"),
            (f"/sms/?{login}&number=%00&{data}", 400, "NUL"),
            (f"/sms/?{login}&{number}&data=hello&binary=1", 400, "base64"),
            (f"/sms/?{login}&{number}&{data}&udh=AAA=", 400, "udh"),
        ):
            reply = ask(self.door, path)
            self.assertEqual(reply.status, status, path)
            self.assertTrue(reply.text.startswith("ERROR "), reply.text)
            self.assertIn(said, reply.text)
            self.assertEqual(len(reply.lines), 1)
        self.assertEqual(self.dispatcher.submissions, [])

    def test_lone_surrogates(self) -> None:
        body = b'{"number": "+15551234567", "data": "a\\ud800b", "user": "john", "pass": "johnpw"}'
        for accept in ("text/plain", "application/json"):
            headers = {"Content-Type": "application/json", "Accept": accept}
            reply = ask(self.door, "/sms/", "POST", body, headers)
            self.assertEqual((reply.status, "surrogate" in reply.text), (400, True))

    def test_too_many_numbers(self) -> None:
        small = door(self.context, max_recipients=2)
        self.assertEqual(ask(small, query(number="+1555,+1556", data="x")).status, 200)
        reply = ask(small, query(number="+1555,+1556,+1557", data="x"))
        self.assertEqual((reply.status, "TOO_MANY_RECIPIENTS" in reply.text), (413, True))

    def test_status_when_nobody_was_taken(self) -> None:
        for reason in Reason:
            self.dispatcher.refusals["+1"] = refused(reason)
            reply = ask(self.door, query(number="+1", data="x"))
            self.assertEqual((reply.status, reply.lines), (reason.http, [f"ERROR {reason.name} +1 no"]))
            self.dispatcher.failure = refused(reason, "the text is empty")
            reply = ask(self.door, query(number="+2", data=""))
            self.assertEqual(
                (reply.status, reply.lines), (reason.http, [f"ERROR {reason.name} - the text is empty"])
            )
            self.assertEqual("retry-after" in reply.headers, reason.http in (429, 503))
            self.dispatcher.failure = None

    def test_json_errors(self) -> None:
        reply = ask(self.door, query(data="x"), headers={"Accept": "application/json"})
        self.assertEqual(reply.status, 400)
        self.assertEqual(reply.json()["error"]["reason"], "BAD_REQUEST")

    def test_types_that_are_not_read(self) -> None:
        for headers in ({"Content-Type": "text/xml"}, {"Content-Encoding": "gzip"}):
            reply = ask(self.door, "/sms/", "POST", b"<sms/>", headers)
            self.assertEqual(
                (reply.status, reply.text.startswith("ERROR BAD_REQUEST - Content-")), (415, True)
            )

    def test_headers_that_are_no_text(self) -> None:
        for name in (
            "Content-Type",
            "Content-Encoding",
            "Accept",
            "Authorization",
            "Idempotency-Key",
            "Sec-Fetch-Site",
        ):
            connection = Connection(self.door)
            octets = request(
                "POST", query(number="+15551234567"), b"data=x", {name: "multipart/form-data;@boundary=b"}
            )
            connection.send(octets.replace(b"@", b"\xed\xa0\x80"))
            [reply] = connection.replies()
            self.assertIn(reply.status, (200, 400, 401, 415), name)

    def test_a_typed_number_makes_no_lines(self) -> None:
        self.dispatcher.refusals["+1\x85OK 1 +2"] = refused(Reason.BAD_NUMBER)
        reply = ask(self.door, query(number="+1\x85OK 1 +2", data="x"))
        self.assertEqual(reply.lines, ["ERROR BAD_NUMBER +1OK1+2 no"])

    def test_unexpected_errors(self) -> None:
        """The edge: 500 with a mark that the log has too, and the connection goes on."""
        self.dispatcher.failure = ZeroDivisionError("what a text: secret")
        connection = Connection(self.door)
        connection.send(request("GET", query(number="+15551234567", data="x")))
        [reply] = connection.replies()
        self.assertEqual(reply.status, 500)
        self.assertNotIn("secret", reply.text)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.dispatcher.failure = None
        connection.send(request("GET", query(number="+15551234567", data="x")))
        self.assertEqual([reply.status for reply in connection.replies()], [200])

    def test_an_error_before_any_deferred(self) -> None:
        def broken(submission: Submission) -> Deferred[Any]:
            raise ZeroDivisionError

        self.dispatcher.submit = broken  # type: ignore[method-assign]
        reply = ask(self.door, query(number="+15551234567", data="x"), headers={"Accept": "application/json"})
        self.assertEqual((reply.status, "error" in reply.json()), (500, True))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class CallerTests(SmsTestCase):
    """Who is asking."""

    path = "/sms/?number=%2B15551234567&data=x"

    def test_stranger(self) -> None:
        reply = ask(self.door, self.path)
        self.assertEqual((reply.status, reply.headers["www-authenticate"][:5]), (401, "Basic"))
        self.assertEqual((self.dispatcher.submissions, self.accounts.logins), ([], []))

    def test_wrong_password(self) -> None:
        known = ask(self.door, self.path + "&user=john&pass=x")
        unknown = ask(self.door, self.path + "&user=nobody&pass=x")
        self.assertEqual((known.status, known.body), (401, unknown.body))

    def test_basic(self) -> None:
        self.assertEqual(ask(self.door, self.path, headers=BASIC).status, 200)
        self.assertEqual(self.submitted().account, "john")
        self.assertEqual(ask(self.door, self.path + "&user=john&pass=no", headers=BASIC).status, 401)

    def test_broken_basic(self) -> None:
        for value in (
            "Basic",
            "Basic !!!",
            "Basic " + base64.b64encode(b"\xff:x").decode(),
            "Basic am9obg==",
            "Bearer x",
        ):
            self.assertEqual(ask(self.door, self.path, headers={"Authorization": value}).status, 401, value)

    def test_slow_down(self) -> None:
        self.accounts.refusal = Refused(Reason.SLOW_DOWN, "try again in 8 seconds")
        reply = ask(self.door, self.path, headers=BASIC)
        self.assertEqual(
            (reply.status, "8 seconds" in reply.text, reply.headers["retry-after"]), (429, True, "5")
        )

    def test_login_takes_its_time(self) -> None:
        self.accounts.holding = True
        good, bad = Connection(self.door), Connection(self.door)
        good.send(request("GET", self.path, headers=BASIC))
        bad.send(request("GET", self.path + "&user=john&pass=x"))
        self.assertEqual((good.replies(), bad.replies()), ([], []))
        self.accounts.release()
        self.assertEqual((good.replies()[0].status, bad.replies()[0].status), (200, 401))

    def test_vouched_for(self) -> None:
        trusting = door(self.context, trusted_networks=["192.0.2.0/24"])
        self.assertEqual(ask(trusting, self.path + "&authenticated=1").status, 200)
        self.assertIsNone(self.submitted().account)
        self.assertEqual(ask(trusting, self.path + "&authenticated=0").status, 401)
        self.assertEqual(ask(trusting, self.path).status, 401)
        self.assertEqual(ask(trusting, self.path + "&authenticated=1", peer="198.51.100.1").status, 401)
        self.assertEqual(ask(self.door, self.path + "&authenticated=1").status, 401)

    def test_open_door(self) -> None:
        open_door = door(self.context, require_auth=False)
        self.assertEqual(ask(open_door, self.path).status, 200)
        self.assertEqual(ask(open_door, self.path + "&user=john&pass=wrong").status, 401)
        self.assertEqual(ask(open_door, self.path + "&user=john&pass=johnpw").status, 200)
        self.assertEqual([sent.account for sent in self.dispatcher.submissions], [None, "john"])

    def test_lured_browsers(self) -> None:
        """A page of another site can make a browser send its stored login, but not type it into the URL."""
        lured = {"Sec-Fetch-Site": "cross-site"}
        self.assertEqual(ask(self.door, self.path, headers={**BASIC, **lured}).status, 403)
        trusting = door(self.context, trusted_networks=["192.0.2.0/24"])
        self.assertEqual(ask(trusting, self.path + "&authenticated=1", headers=lured).status, 403)
        self.assertEqual(ask(door(self.context, require_auth=False), self.path, headers=lured).status, 403)
        self.assertEqual(self.dispatcher.submissions, [])
        self.assertEqual(
            ask(self.door, self.path, headers={**BASIC, "Sec-Fetch-Site": "same-origin"}).status, 200
        )
        self.assertEqual(ask(self.door, self.path + "&user=john&pass=johnpw", headers=lured).status, 200)

    def test_an_account_may_have_no_password(self) -> None:
        self.context = context(portal=FakeAccounts({"intranet": ""}))
        self.assertEqual(ask(door(self.context), self.path + "&user=intranet").status, 200)
