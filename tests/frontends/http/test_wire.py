"""Requests as octets: bounds, time-outs, pipelining, nonsense."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsd.frontends.http.answer import PHRASES
from smsd.values.errors import Reason
from tests.frontends.fakes import FakeDispatcher, context, refused
from tests.frontends.http.client import Connection, Reply, ask, door, query, request

GOOD = request("GET", query(number="+15551234567", data="x"))


class WireTestCase(SynchronousTestCase):
    """A door whose clock runs by hand."""

    def setUp(self) -> None:
        self.context = context()
        self.clock: Clock = self.context.reactor
        self.dispatcher: FakeDispatcher = self.context.dispatcher
        self.door = door(self.context, max_body=1000, idle_timeout=60, request_timeout=30)
        self.door.factory.start()

    def connect(self) -> Connection:
        return Connection(self.door)

    def send(self, *octets: bytes) -> tuple[Reply, Connection]:
        connection = self.connect()
        for piece in octets:
            connection.send(piece)
        [reply] = connection.replies()
        return reply, connection

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.5] * int(seconds * 2))


class RequestTests(WireTestCase):
    """Well-formed ones."""

    def test_octet_by_octet(self) -> None:
        body = b"number=%2B15551234567&data=x&user=john&pass=johnpw"
        octets = request("POST", "/sms/", body)
        reply, _ = self.send(*[octets[at : at + 1] for at in range(len(octets))])
        self.assertEqual(reply.status, 200)

    def test_chunked(self) -> None:
        body = b"number=%2B15551234567&data=x&user=john&pass=johnpw"
        octets = request("POST", "/sms/", headers={"Transfer-Encoding": "chunked"})
        octets += b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (9, body[:9], len(body) - 9, body[9:])
        reply, connection = self.send(octets)
        self.assertEqual(reply.status, 200)
        connection.send(GOOD)
        self.assertEqual(connection.replies()[0].status, 200)

    def test_pipelined_answers_keep_their_order(self) -> None:
        self.dispatcher.holding = True
        connection = self.connect()
        connection.send(GOOD + GOOD + GOOD)
        self.assertEqual(len(self.dispatcher.submissions), 1)
        for _ in range(3):
            self.dispatcher.release()
        self.assertEqual(
            [reply.text for reply in connection.replies()],
            [f"OK {number} +15551234567 parts=1\n" for number in (1001, 1002, 1003)],
        )

    def test_a_body_that_comes_later_is_no_request(self) -> None:
        """However the header comes: all at once, it must not be taken for one without a body."""
        inside = query(number="+15557654321", data="smuggled")
        smuggled = request("GET", inside)
        for header, body in (
            ({"Transfer-Encoding": "chunked"}, b"%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled)),
            ({"transfer-encoding": "CHUNKED"}, b"%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled)),
            ({"Content-Length": str(len(smuggled))}, smuggled),
        ):
            connection = self.connect()
            connection.send(request("GET", query(number="+15551234567", data="x"), headers=header))
            self.assertEqual(connection.replies(), [], header)
            connection.send(body)
            [reply] = connection.replies()
            self.assertIn("data is given twice", reply.text)  # the body is read as fields
        self.assertEqual(self.dispatcher.submissions, [])

    def test_asked_whether_to_go_on(self) -> None:
        connection = self.connect()
        connection.send(request("GET", "/sms/", headers={"Expect": "100-continue"}))
        self.assertEqual(connection.transport.value().count(b"HTTP/1.1 100 Continue"), 1)

    def test_connection_close(self) -> None:
        for octets in (
            request("GET", "/sms/", headers={"Connection": "close"}),
            request("GET", "/sms/", version="1.0"),
        ):
            reply, connection = self.send(octets)
            self.assertEqual(reply.headers["connection"], "close")
            self.assertTrue(connection.transport.disconnecting)
        reply, connection = self.send(GOOD)
        self.assertNotIn("connection", reply.headers)
        self.assertFalse(connection.transport.disconnecting)

    def test_head_and_front_page(self) -> None:
        page = ask(self.door, "/")
        self.assertEqual((page.status, page.headers["content-type"]), (200, "text/html; charset=utf-8"))
        connection = self.connect()
        connection.send(request("HEAD", "/"))
        head = connection.transport.value()
        self.assertTrue(head.endswith(b"\r\n\r\n"))
        self.assertIn(b"Content-Length: %d" % len(page.body), head)

    def test_unknown_paths(self) -> None:
        for path in ("/nothing", "/sms/x", "/sms/deliver.html/", "*", "/%00", "/../sms/", "//sms/"):
            reply = ask(self.door, path)
            self.assertEqual((reply.status, "/sms/" in reply.text), (404, True), path)
        self.assertEqual(ask(self.door, "/%73ms/").status, 401)

    def test_phrases(self) -> None:
        for path, line in (
            ("/", b"200 OK"),
            ("/sms/", b"401 Unauthorized"),
            ("/sms/?number=%ff", b"400 Bad Request"),
        ):
            connection = Connection(self.door)
            connection.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode("ascii"))
            self.assertTrue(connection.transport.value().startswith(b"HTTP/1.1 " + line), line)
        self.assertEqual(PHRASES[429], b"Too Many Requests")

    def test_absolute_form(self) -> None:
        """RFC 9112 3.2.2: clients that take us for a proxy."""
        self.assertEqual(ask(self.door, "http://sms.example.org:8080/sms/").status, 401)
        self.assertEqual(ask(self.door, "HTTPS://x/sms/?number=1").status, 401)
        for path in ("http://sms.example.org/nothing", "http://x", "ftp://x/sms/"):
            self.assertEqual(ask(self.door, path).status, 404, path)

    def test_methods(self) -> None:
        """A HEAD of a link must not send an SMS."""
        for method in ("PUT", "DELETE", "OPTIONS", "SENDSMS"):
            reply = ask(self.door, query(number="+1555", data="x"), method)
            self.assertEqual((reply.status, reply.headers["allow"]), (405, "GET, POST"))
        connection = self.connect()
        connection.send(request("HEAD", query(number="+1555", data="x")))
        self.assertTrue(connection.transport.value().startswith(b"HTTP/1.1 405 "))
        self.assertEqual(ask(self.door, "/", "POST").headers["allow"], "GET, HEAD")
        self.assertEqual(self.dispatcher.submissions, [])


class BoundTests(WireTestCase):
    """Too much of something."""

    def too_large(self, reply: Reply, connection: Connection) -> None:
        self.assertEqual((reply.status, reply.headers["connection"]), (413, "close"))
        self.assertIn("1000 octets", reply.text)
        self.assertEqual(self.dispatcher.submissions, [])
        connection.send(GOOD * 2)
        self.assertEqual((connection.replies(), self.dispatcher.submissions), ([], []))

    def test_announced_body(self) -> None:
        self.too_large(*self.send(request("POST", "/sms/", headers={"Content-Length": "1001"})))

    def test_announced_and_sent(self) -> None:
        self.too_large(*self.send(request("POST", "/sms/", b"x" * 1001) + GOOD))

    def test_no_continue_for_a_body_that_is_refused(self) -> None:
        headers = {"Content-Length": "50000000", "Expect": "100-continue"}
        connection = self.connect()
        connection.send(request("POST", "/sms/", headers=headers))
        self.assertTrue(connection.transport.value().startswith(b"HTTP/1.1 413 "))
        self.assertNotIn(b"100 Continue", connection.transport.value())
        connection = self.connect()
        connection.send(request("POST", "/sms/", headers={**headers, "Content-Length": "5"}))
        self.assertEqual(connection.transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")

    def test_chunked_body(self) -> None:
        start = request("POST", "/sms/", headers={"Transfer-Encoding": "chunked"})
        self.too_large(*self.send(start, *[b"100\r\n" + b"x" * 256 + b"\r\n"] * 4, b"0\r\n\r\n"))
        self.too_large(*self.send(start + (b"100\r\n" + b"x" * 256 + b"\r\n") * 4 + b"0\r\n\r\n"))

    def test_a_body_of_exactly_the_limit(self) -> None:
        body = b"user=john&pass=johnpw&number=%2B15551234567&data="
        self.assertEqual(self.send(request("POST", "/sms/", body + b"x" * (1000 - len(body))))[0].status, 200)

    def test_long_lines(self) -> None:
        for octets in (
            b"GET /sms/?data=" + b"x" * 20_000,
            b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000,
            b"GET /sms/?data=" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        ):
            reply, _ = self.send(octets)
            self.assertEqual(reply.status, 414)

    def test_many_headers(self) -> None:
        reply, _ = self.send(request("GET", "/", headers={f"X-{n}": "y" for n in range(200)}))
        self.assertEqual(reply.status, 400)
        reply, _ = self.send(request("GET", "/", headers={f"X-{n}": "y" * 1000 for n in range(50)}))
        self.assertEqual(reply.status, 400)

    def test_nonsense(self) -> None:
        for octets in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
            b"hello\r\n\r\n",
            b'GET /sms/?data="hello world" HTTP/1.1\r\nHost: x\r\n\r\n' + GOOD,
            b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\r\nno colon\r\nC: d\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n" + GOOD,
            b"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx"
            + GOOD,
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
            + GOOD,
            b"GET /\xc3\xbc HTTP/1.1\r\n\r\n",
        ):
            reply, connection = self.send(octets)
            self.assertEqual((reply.status, reply.text[:17]), (400, "ERROR BAD_REQUEST"), octets)
            self.assertTrue(connection.transport.disconnecting)
        self.assertEqual(self.dispatcher.submissions, [])

    def test_connections(self) -> None:
        small = door(self.context, max_connections=3)
        connections = [Connection(small) for _ in range(3)]
        self.assertIsNone(small.factory.buildProtocol(None))
        connections[0].channel.connectionLost(None)
        self.assertIsNotNone(small.factory.buildProtocol(None))


class TimeTests(WireTestCase):
    """Slow clients."""

    def closed(self, connection: Connection) -> bool:
        return connection.transport.disconnecting

    def test_an_octet_now_and_then(self) -> None:
        """The deadline is of the request, not of the last octet."""
        connection = self.connect()
        for at in range(6):
            connection.send(GOOD[at : at + 1])
            self.assertFalse(self.closed(connection))
            self.pass_time(5.5)
        self.assertTrue(self.closed(connection))

    def test_a_body_that_does_not_come(self) -> None:
        connection = self.connect()
        connection.send(request("POST", "/sms/", headers={"Content-Length": "10"}) + b"12345")
        self.pass_time(29)
        self.assertFalse(self.closed(connection))
        self.pass_time(3)
        self.assertTrue(self.closed(connection))

    def test_refused_with_its_last_octet(self) -> None:
        """The body was too large, or none was understood, and then it was complete: the connection ends all the same."""
        chunked = request("POST", "/sms/", headers={"Transfer-Encoding": "chunked"})
        for octets, status in (
            (chunked + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n", 413),
            (request("POST", "/sms/", headers={"Transfer-Encoding": "identity"}), 400),
        ):
            connection = self.connect()
            gone: list[Any] = []
            # The client does not go: our half is closed, its own is not.
            connection.transport.loseConnection = lambda: None  # type: ignore[method-assign]
            connection.transport.abortConnection = lambda to=gone: to.append(1)  # type: ignore[misc,method-assign]
            connection.send(octets)
            self.assertEqual(connection.replies()[0].status, status)
            self.assertEqual(connection.transport.producerState, "producing")
            self.pass_time(15)
            self.assertTrue(gone, octets[:60])

    def test_idle(self) -> None:
        connection = self.connect()
        self.pass_time(40)
        connection.send(GOOD)
        self.pass_time(58)
        self.assertFalse(self.closed(connection))
        self.pass_time(4)
        self.assertTrue(self.closed(connection))

    def test_waiting_for_the_commit_is_not_idle(self) -> None:
        self.dispatcher.holding = True
        connection = self.connect()
        connection.send(GOOD)
        self.pass_time(300)
        self.assertFalse(self.closed(connection))
        self.dispatcher.release()
        self.assertEqual(connection.replies()[0].status, 200)

    def test_half_a_request_behind_another(self) -> None:
        connection = self.connect()
        connection.send(GOOD + GOOD[:10])
        self.pass_time(32)
        self.assertTrue(self.closed(connection))

    def test_aborted_when_it_does_not_go(self) -> None:
        connection = self.connect()
        aborted: list[Any] = []
        connection.transport.abortConnection = lambda: aborted.append(1)  # type: ignore[method-assign]
        self.pass_time(62)
        self.assertTrue(self.closed(connection))
        self.assertEqual(aborted, [])
        self.pass_time(7)
        self.assertEqual(aborted[:1], [1])


class StopTests(WireTestCase):
    """Going down in order."""

    def test_answers_first(self) -> None:
        self.dispatcher.holding = True
        busy, idle = self.connect(), self.connect()
        busy.send(GOOD + GOOD)
        stopped = self.door.stopService()
        self.assertTrue(idle.transport.disconnecting)
        idle.channel.connectionLost(None)
        self.assertNoResult(stopped)
        self.dispatcher.release()
        [reply] = busy.replies()
        self.assertEqual((reply.status, reply.headers["connection"]), (200, "close"))
        self.assertTrue(busy.transport.disconnecting)
        busy.channel.connectionLost(None)
        self.successResultOf(stopped)
        self.assertEqual(len(self.dispatcher.submissions), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_patience_ends(self) -> None:
        self.dispatcher.holding = True
        busy = self.connect()
        busy.send(GOOD)
        aborted: list[Any] = []
        busy.transport.abortConnection = lambda: aborted.append(1)  # type: ignore[method-assign]
        stopped = self.door.stopService()
        self.pass_time(11)
        self.assertEqual(aborted, [1])
        busy.channel.connectionLost(None)
        self.successResultOf(stopped)

    def test_store_not_available(self) -> None:
        self.dispatcher.failure = refused(Reason.UNAVAILABLE, "the store does not answer: try again")
        reply, _ = self.send(GOOD)
        self.assertEqual((reply.status, reply.headers["retry-after"]), (503, "5"))
