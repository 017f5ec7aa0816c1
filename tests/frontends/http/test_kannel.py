"""`/cgi-bin/sendsms`: what reaches the dispatcher, and that programs written for Kannel get the answers they know."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import kannel
from smsd.values.address import Address
from smsd.values.errors import Reason
from smsd.values.message import Binary, Pause, Priority, Submission, Text, Ticket, Wants
from tests.frontends.fakes import FakeAccount, FakeDispatcher, context, refused
from tests.frontends.http.client import Connection, Reply, ask, door, request

LOGIN = {"username": "john", "password": "johnpw"}
DENIED = "Number(s) has/have been denied by white- and/or black-lists."


class FakeCallbacks:
    """Whose subscriber is `way`; with `refusal` it refuses."""

    way: tuple[Address, Wants] | None = None
    refusal: Exception | None = None

    def way_back(self, account: str | None, named: str | None = None) -> tuple[Address, Wants] | None:
        if self.refusal is not None:
            raise self.refusal
        return self.way


class SendsmsTestCase(SynchronousTestCase):
    """A door on fakes that answers Kannel's clients."""

    open: set[str | None]

    def setUp(self) -> None:
        self.open = {None, "gw1"}
        self.callbacks = FakeCallbacks()
        self.context = context(carries=lambda gateway: gateway in self.open, callbacks=self.callbacks)
        self.dispatcher: FakeDispatcher = self.context.dispatcher
        self.accounts: Any = self.context.portal
        self.door = door(self.context, kannel=True)

    def get(self, **fields: str) -> Reply:
        return ask(self.door, "/cgi-bin/sendsms?" + urlencode({**LOGIN, "to": "+15551234567", **fields}))

    def raw(self, query: str) -> Reply:
        return ask(self.door, "/cgi-bin/sendsms?" + query)

    def submitted(self) -> Submission:
        """The only submission."""
        [submission] = self.dispatcher.submissions
        return submission


class AcceptedTest(SendsmsTestCase):
    """The ordinary way."""

    def test_get(self) -> None:
        reply = self.get(text="hello world", **{"from": "Shop"})
        self.assertEqual((reply.status, reply.body), (202, b"0: Accepted for delivery"))
        sent = self.submitted()
        self.assertEqual((sent.door, sent.account, sent.content), ("web", "john", Text("hello world")))
        self.assertEqual((sent.ticket, sent.wants, sent.key), (None, Wants.NOTHING, None))
        [recipient] = sent.recipients
        self.assertEqual(recipient.address, Address("sms", "+15551234567"))
        self.assertEqual(recipient.parameters.sender, "Shop")

    def test_other_names_of_the_login(self) -> None:
        self.assertEqual(self.raw("user=john&pass=johnpw&to=%2B15551234567&text=a").status, 202)

    def test_a_form(self) -> None:
        body = urlencode({**LOGIN, "to": "+15551234567", "text": "Grüße"}).encode()
        for headers in ({"Content-Type": "application/x-www-form-urlencoded"}, {}):
            reply = ask(self.door, "/cgi-bin/sendsms", "POST", body, headers)
            self.assertEqual(reply.status, 202)
            self.assertEqual(self.dispatcher.submissions.pop().content, Text("Grüße"))

    def test_headers_and_a_body(self) -> None:
        headers = {
            "Content-Type": "application/octet-stream", "X-Kannel-Username": "john", "X-Kannel-Password": "johnpw",
            "X-Kannel-To": "+15551234567", "X-Kannel-UDH": "0605040B8423F0", "X-Kannel-DLR-Mask": "3",
            "X-Kannel-DLR-URL": "http://h/%d",
        }  # fmt: skip
        reply = ask(self.door, "/cgi-bin/sendsms", "POST", b"\x00\xff", headers)
        self.assertEqual(reply.status, 202)
        sent = self.submitted()
        self.assertEqual(sent.content, Binary(b"\x00\xff", b"\x05\x04\x0b\x84\x23\xf0"))
        assert sent.ticket is not None
        self.assertEqual(sent.ticket.address, Address("dlr", "http://h/%d"))

    def test_xml(self) -> None:
        body = (
            b'<?xml version="1.0"?><message><submit><da><number>+15551234567</number></da><ud>hello</ud>'
            b"<from><username>john</username><password>johnpw</password></from></submit></message>"
        )
        reply = ask(self.door, "/cgi-bin/sendsms", "POST", body, {"Content-Type": "text/xml"})
        self.assertEqual(reply.status, 202)
        self.assertEqual(self.submitted().content, Text("hello"))

    def test_several(self) -> None:
        self.assertEqual(
            self.raw("username=john&password=johnpw&to=15551234567+15557654321&text=a").status, 202
        )
        self.assertEqual(
            [r.address.target for r in self.submitted().recipients], ["15551234567", "15557654321"]
        )

    def test_parameters(self) -> None:
        self.get(text="a", smsc="gw1", validity="30", priority="1", pid="64", mclass="0")
        [recipient] = self.submitted().recipients
        parameters = recipient.parameters
        self.assertEqual(
            (parameters.gateway, parameters.expire_minutes, parameters.protocol_id), ("gw1", 30, 64)
        )
        self.assertEqual((parameters.priority, parameters.coding), (Priority.URGENT, 0x10))

    def test_deferred(self) -> None:
        self.context.reactor.advance(100)
        reply = self.get(text="a", deferred="5")
        self.assertEqual((reply.status, reply.text), (202, "0: Accepted for delivery"))
        [recipient] = self.submitted().recipients
        self.assertEqual(recipient.gather, (Pause("", 400_000),))

    def test_names_of_smscs(self) -> None:
        self.door = door(self.context, kannel=True, kannel_smsc={"old": "gw1"})
        self.get(text="a", smsc="old")
        self.assertEqual(self.submitted().recipients[0].parameters.gateway, "gw1")

    def test_names_that_do_not_matter(self) -> None:
        self.door = door(self.context, kannel=True, kannel_smsc={"*": ""})
        self.get(text="a", smsc="whatever")
        self.get(text="a", smsc="gw1")
        pins = [sent.recipients[0].parameters.gateway for sent in self.dispatcher.submissions]
        self.assertEqual(pins, [None, "gw1"])

    def test_nothing_can_carry_it_now(self) -> None:
        self.open = {"gw1"}
        self.assertEqual(self.get(text="a").text, "3: Queued for later delivery")
        self.assertEqual(self.get(text="a", smsc="gw1").text, "0: Accepted for delivery")

    def test_the_gateway_of_the_account_is_meant(self) -> None:
        self.open = {None}
        self.accounts.avatars["john"] = FakeAccount("john", gateway="gw1")
        reply = self.get(text="a")
        self.assertEqual((reply.status, reply.text), (202, "3: Queued for later delivery"))

    def test_a_kannel_in_front_of_us_hears_no_other_yes(self) -> None:
        self.open = set()
        url = "http://127.0.0.1:13015/?username=u&password=p&dlr-url=&dlr-mask=%d&dlr-mid=6c18409b"
        self.assertEqual(self.get(text="a", **{"dlr-url": url}).text, "0: Accepted for delivery")

    def test_nothing_is_said_before_the_commit(self) -> None:
        self.dispatcher.holding = True
        connection = Connection(self.door)
        query = urlencode({**LOGIN, "to": "+15551234567", "text": "a"})
        connection.send(request("GET", "/cgi-bin/sendsms?" + query))
        self.assertEqual(connection.replies(), [])
        self.dispatcher.release()
        [reply] = connection.replies()
        self.assertEqual(reply.status, 202)

    def test_whoever_may_send_without_an_account(self) -> None:
        self.door = door(self.context, kannel=True, require_auth=False)
        self.assertEqual(self.raw("to=%2B15551234567&text=a").status, 202)
        self.assertEqual(self.submitted().origin, Address("door", "web"))


class ReportsTest(SendsmsTestCase):
    """`dlr-mask` and `dlr-url`."""

    def test_asked(self) -> None:
        self.get(
            text="a", **{"dlr-mask": "27", "dlr-url": "http://h/?id=7&s=%d&to=%p&from=%P&n=%n", "from": "100"}
        )
        sent = self.submitted()
        assert sent.ticket is not None
        self.assertEqual(sent.ticket.address, Address("dlr", "http://h/?id=7&s=%d&to=%p&from=%P&n=%n"))
        self.assertEqual(sent.wants, kannel.wants(27))
        self.assertEqual(sent.ticket.envelope_id, "mask=27&receiver=100&service=john")

    def test_either_of_them_alone_asks_for_nothing(self) -> None:
        self.get(text="a", **{"dlr-url": "http://h/%d"})
        self.get(text="a", **{"dlr-mask": "31"})
        self.assertEqual([sent.wants for sent in self.dispatcher.submissions], [Wants.NOTHING] * 2)

    def test_without_one_the_mailbox_of_the_account_hears_of_failures(self) -> None:
        self.accounts.avatars["john"] = FakeAccount("john", email="john@example.org")
        self.get(text="a")
        sent = self.submitted()
        self.assertEqual(
            (sent.ticket, sent.wants), (Ticket(Address("mailto", "john@example.org")), Wants.FAILURE)
        )

    def test_senders_may_not_give_urls(self) -> None:
        self.callbacks.refusal = refused(Reason.NOT_ALLOWED, "URLs are not taken here")
        reply = self.get(text="a", **{"dlr-mask": "31", "dlr-url": "http://h/%d"})
        self.assertEqual((reply.status, reply.text), (400, "URLs are not taken here"))
        self.assertEqual(self.dispatcher.submissions, [])

    def test_the_subscriber_of_the_account(self) -> None:
        self.callbacks.way = Address("hook", "shop"), Wants.SUCCESS
        self.get(text="a")
        self.get(text="a", **{"dlr-mask": "31", "dlr-url": "http://h/%d"})
        tickets = [sent.ticket.address for sent in self.dispatcher.submissions if sent.ticket is not None]
        self.assertEqual(tickets, [Address("hook", "shop"), Address("dlr", "http://h/%d")])

    def test_some_are_not_taken(self) -> None:
        self.dispatcher.refusals["999"] = refused(Reason.BAD_NUMBER)
        reply = self.get(to="+15551234567 999", text="a", **{"dlr-mask": "31", "dlr-url": "http://h/%d"})
        self.assertEqual((reply.status, reply.text), (202, "0: Accepted for delivery"))
        self.assertEqual(self.dispatcher.bounced, [(1, "999")])


class RefusedTest(SendsmsTestCase):
    """4xx and 503, in Kannel's words."""

    def refusal(self, reply: Reply) -> tuple[int, str]:
        return reply.status, reply.text

    def test_it_is_off_unless_the_listener_says_so(self) -> None:
        self.door = door(self.context)
        reply = self.get(text="a")
        self.assertEqual(self.refusal(reply), (404, "Unknown request."))
        self.assertEqual((self.dispatcher.submissions, self.accounts.logins), ([], []))

    def test_a_wrong_login(self) -> None:
        for query in (
            "username=john&password=x&to=1&text=a", "username=nobody&password=johnpw&to=1&text=a", "to=1&text=a",
            "username=%FF&password=x&to=1&text=a",
        ):  # fmt: skip
            self.assertEqual(self.refusal(self.raw(query)), (403, "Authorization failed for sendsms"), query)

    def test_too_many_guesses(self) -> None:
        self.accounts.refusal = refused(Reason.SLOW_DOWN)
        self.assertEqual(self.refusal(self.get(text="a")), (503, "Temporal failure, try again later."))

    def test_a_login_that_takes_its_time(self) -> None:
        self.accounts.holding = True
        connection = Connection(self.door)
        connection.send(
            request("GET", "/cgi-bin/sendsms?" + urlencode({**LOGIN, "to": "+15551234567", "text": "a"}))
        )
        self.assertEqual(connection.replies(), [])
        self.accounts.release()
        [reply] = connection.replies()
        self.assertEqual(reply.status, 202)

    def test_fields(self) -> None:
        login = urlencode(LOGIN)
        for query, words in {
            "text=a": "Missing receiver number, rejected",
            "to=&text=a": "Empty receiver number not allowed, rejected",
            "to=abc&text=a": DENIED,
            "to=1&text=%E9": "Charset or body misformed, rejected",
            "to=1&text=a&dlr-url=x": "DLR-URL field misformed, rejected",
        }.items():
            self.assertEqual(self.refusal(self.raw(f"{login}&{query}")), (400, words), query)
        self.assertEqual(self.dispatcher.submissions, [])

    def test_what_is_dialled_goes_the_rest_does_not(self) -> None:
        self.assertEqual(self.get(to="abc +15551234567", text="a").status, 202)
        self.assertEqual([r.address.target for r in self.submitted().recipients], ["+15551234567"])

    def test_too_many(self) -> None:
        self.door = door(self.context, kannel=True, max_recipients=2)
        reply = self.get(to="1001 1002 1003", text="a")
        self.assertEqual(self.refusal(reply), (400, "Too many receivers, rejected: at most 2"))

    def test_what_the_dispatcher_says(self) -> None:
        for reason, expected in {
            Reason.UNAVAILABLE: (503, "Temporal failure, try again later."),
            Reason.SLOW_DOWN: (503, "Temporal failure, try again later."),
            Reason.OVER_LIMIT: (503, "Temporal failure, try again later."),
            Reason.EMPTY: (400, "no"),
            Reason.TOO_LONG: (400, "no"),
        }.items():
            self.dispatcher.failure = refused(reason)
            self.assertEqual(self.refusal(self.get(text="a")), expected, reason)

    def test_why_nobody_was_taken(self) -> None:
        for reason, expected in {
            Reason.BAD_NUMBER: (400, DENIED),
            Reason.NO_GATEWAY: (403, "Not routable. Do not try again."),
            Reason.UNKNOWN_GATEWAY: (403, "Not routable. Do not try again."),
            Reason.NOT_ALLOWED: (403, "Not routable. Do not try again."),
            Reason.OVER_LIMIT: (503, "Temporal failure, try again later."),
        }.items():
            self.dispatcher.refusals["+15551234567"] = refused(reason)
            self.assertEqual(self.refusal(self.get(text="a")), expected, reason)

    def test_a_body_of_another_kind(self) -> None:
        reply = ask(self.door, "/cgi-bin/sendsms", "POST", b"{}", {"Content-Type": "application/json"})
        self.assertEqual(self.refusal(reply), (400, "Invalid content-type"))

    def test_broken_xml(self) -> None:
        reply = ask(self.door, "/cgi-bin/sendsms", "POST", b"<m>", {"Content-Type": "text/xml"})
        self.assertEqual(reply.status, 400)

    def test_what_nobody_expected(self) -> None:
        self.dispatcher.failure = RuntimeError("disk on fire")
        self.assertEqual(self.get(text="a").status, 500)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_a_page_that_lures_a_browser_here(self) -> None:
        self.door = door(self.context, kannel=True, require_auth=False)
        reply = ask(
            self.door, "/cgi-bin/sendsms?to=%2B15551234567&text=a", headers={"Sec-Fetch-Site": "cross-site"}
        )
        self.assertEqual(reply.status, 403)


class ClientsTest(SendsmsTestCase):
    """Requests as known programs write them, octet for octet."""

    def test_rapidpro_courier(self) -> None:
        """nyaruka/courier, handlers/kannel: a GET with a form that is sorted by name; any 2xx is good, 403 is for ever."""
        reply = self.raw(
            "coding=2&charset=utf8&dlr-mask=27"
            "&dlr-url=https%3A%2F%2Fcourier.example.org%2Fc%2Fkn%2F8eb23e93%2Fstatus%3Fid%3D10%26status%3D%25d"
            "&from=2020&password=johnpw&priority=1&text=%E2%98%BA&to=%2B250788383383&username=john"
        )
        self.assertEqual(reply.status, 202)
        sent = self.submitted()
        self.assertEqual(sent.content, Text("☺"))
        [recipient] = sent.recipients
        self.assertEqual((recipient.address.target, recipient.parameters.sender), ("+250788383383", "2020"))
        assert sent.ticket is not None
        self.assertEqual(
            sent.ticket.address.target, "https://courier.example.org/c/kn/8eb23e93/status?id=10&status=%d"
        )
        self.assertEqual(sent.wants & (Wants.SUCCESS | Wants.FAILURE | Wants.SENT), Wants(13))

    def test_rapidpro_courier_is_told_for_ever_by_403(self) -> None:
        self.dispatcher.refusals["+250788383383"] = refused(Reason.NO_GATEWAY)
        self.assertEqual(
            self.raw("from=2020&password=johnpw&text=x&to=%2B250788383383&username=john").status, 403
        )

    def test_playsms(self) -> None:
        """playSMS compares the whole answer with `0: Accepted for delivery` and `3: Queued for later delivery`."""
        reply = self.raw(
            "username=john&password=johnpw&from=1234&to=%2B628123456789&dlr-mask=27"
            "&dlr-url=http%3A%2F%2Flocalhost%2Fplaysms%2Fplugin%2Fgateway%2Fkannel%2Fcallback.php%3Fdlr%3D1%26authcode%3Dabc"
            "%26type%3D%25d%26smslog_id%3D7%26uid%3D1%26smsc%3Dkannel"
            "&mclass=0&charset=UTF-16BE&coding=2&account=1-admin&text=%04%16%00%20%00a"
        )
        self.assertEqual((reply.status, reply.body), (202, b"0: Accepted for delivery"))
        sent = self.submitted()
        self.assertEqual(sent.content, Text("Ж a"))
        self.assertEqual(sent.recipients[0].parameters.coding, 0x18)
        assert sent.ticket is not None
        self.assertIn("account=1-admin", sent.ticket.envelope_id)

    def test_a_part_that_a_kannel_cut(self) -> None:
        """What Kannel 1.4.5 sends over `smsc = http`, `system-type = kannel`."""
        reply = self.raw(
            "username=john&password=johnpw&to=123456789&text=" + "a" * 153 + "&udh=%05%00%03%06%02%01&from=12345&coding=0"
            "&charset=UTF-8&dlr-url=http%3A%2F%2F127.0.0.1%3A60851%2F%26dlr-url%3D%26dlr-mask%3D%25d%26dlr-mid%3D6289ef3e"
        )  # fmt: skip
        self.assertEqual((reply.status, reply.body), (202, b"0: Accepted for delivery"))
        self.assertEqual(self.submitted().content, Text("a" * 153, b"\x00\x03\x06\x02\x01"))


class QuietTest(SendsmsTestCase):
    """What nobody may see."""

    def test_no_secrets_in_the_log(self) -> None:
        lines: list[str] = []
        self.patch(self.door.calls, "add", lambda line, **fields: lines.append(f"{line} {fields}"))
        self.get(text="private", **{"dlr-mask": "1", "dlr-url": "http://h/?password=secret"})
        self.get(text="private", password="wrong")
        self.assertEqual(len(lines), 2)
        for line in lines:
            for secret in ("private", "johnpw", "secret", "wrong", "5551234"):
                self.assertNotIn(secret, line)
