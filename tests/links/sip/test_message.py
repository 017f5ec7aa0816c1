"""A phone's text becomes an SMS: once, after the commit, and only for who may."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace

from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import Peer, Request, Response, again, parse, write, write_cpim
from smsd.values.delivery import NetworkReport
from smsd.values.message import Priority, Text
from tests.links.sip.rig import NUMBER, PBX, PHONE, REALM, Rig, ok, register, request, token

BAD = "+123456789012345678901"


class Taken(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(trusted_networks=["10.0.0.0/8"])
        self.addCleanup(lambda: self.rig.close())

    def test_a_text_is_accepted_after_the_commit_and_sent_once(self) -> None:
        signed = self.rig.logged_in(request(text="Ciao, è SIP"))
        answer = self.rig.asked(signed)
        self.assertEqual(answer.status, 202)
        self.assertTrue(answer.to.tag)
        self.assertEqual(self.rig.written(), [Text("Ciao, è SIP")])
        (row,) = self.rig.house.rows()
        self.assertEqual((row["target"], row["account"]), (f"sms:{NUMBER}", "ann"))

    def test_the_log_has_a_line_for_each_soon_and_at_the_end(self) -> None:
        """Who, to whom (numbers are masked), and what came of it."""
        lines: list[str] = []

        def told(event: LogEvent) -> None:
            lines.extend(one["line"] for one in event.get("batch", ()) if event["door"] == "sip1")

        globalLogPublisher.addObserver(told)
        self.addCleanup(globalLogPublisher.removeObserver, told)
        self.rig.asked(self.rig.logged_in(request()))
        self.rig.house.advance(1)
        (line,) = lines
        self.assertRegex(
            line, r"^sip1: MESSAGE for \+3933…67 from a…@sip\.example\.org at 192\.0\.2\.7: 202 message \d+$"
        )
        self.assertNotIn(NUMBER, line)
        self.rig.asked(self.rig.logged_in(request()))
        self.rig.house.wait(self.rig.link.stopService())
        self.assertEqual(len(lines), 2)

    def test_nothing_is_answered_before_the_commit(self) -> None:
        signed = self.rig.logged_in(request())
        self.rig.wires.heard(write(signed), PHONE)
        self.assertEqual(self.rig.wires.take(), [])
        self.rig.house.settle()
        ((_, answer),) = self.rig.wires.take()
        self.assertEqual(answer.status, 202)  # type: ignore[union-attr]

    def test_a_retransmission_gets_the_same_answer_and_no_second_sms(self) -> None:
        signed = write(self.rig.logged_in(request()))
        first, second = self.rig.hear(signed), self.rig.hear(signed)
        self.assertEqual(first, second)
        self.assertEqual(len(self.rig.written()), 1)

    def test_killed_between_commit_and_answer_the_retransmission_is_known(self) -> None:
        signed = write(self.rig.logged_in(request()))
        self.rig.wires.heard(signed, PHONE)
        self.rig.house.settle()
        self.rig.wires.take()  # lost
        self.rig.restart()
        ((_, answer),) = self.rig.hear(signed)
        self.assertEqual(answer.status, 202)  # type: ignore[union-attr]
        self.assertEqual(len(self.rig.states()), 1)

    def test_the_same_call_with_another_text_is_refused(self) -> None:
        asked = request()
        signed = self.rig.logged_in(asked)
        self.assertEqual(self.rig.asked(signed).status, 202)
        self.rig.restart()
        other = type(signed)(signed.method, signed.uri, signed.headers, b"Other")
        self.assertEqual(self.rig.asked(other).status, 400)
        self.assertEqual(len(self.rig.states()), 1)

    def test_without_or_with_a_wrong_password_nothing_is_taken(self) -> None:
        asked = request()
        challenge = self.rig.asked(asked)
        self.assertEqual(challenge.status, 401)
        self.assertEqual(len(challenge.all("WWW-Authenticate")), 2)
        asked = request()
        wrong = self.rig.logged_in(asked, "ann")
        wrong = type(wrong)(
            wrong.method,
            wrong.uri,
            tuple((name, value.replace('username="ann"', 'username="bob"')) for name, value in wrong.headers),
            wrong.body,
        )
        self.assertEqual(self.rig.asked(wrong).status, 403)
        self.assertEqual(self.rig.states(), [])

    def test_who_guesses_is_slowed_down(self) -> None:
        statuses = []
        for _ in range(14):
            asked = request()
            challenge = self.rig.asked(asked)
            bad = [("Authorization", _wrong(challenge.get("WWW-Authenticate")))]
            answer = self.rig.asked(again(asked, token(), tuple(bad)))
            statuses.append(answer.status)
        self.assertEqual(statuses[0], 403)
        self.assertEqual(statuses[-1], 480)
        # Programs and people are told the same.
        self.assertIn(f"try again in {answer.get('Retry-After')} s", answer.get("Warning"))

    def test_a_phone_that_stumbles_over_algorithms_is_asked_by_md5_alone(self) -> None:
        def offered() -> list[str]:
            found = self.rig.asked(request()).all("WWW-Authenticate")
            return [value.partition("algorithm=")[2].partition(",")[0] for value in found]

        self.assertEqual(offered(), ["SHA-256", "MD5"])
        self.rig.house.advance(10)
        self.assertEqual(offered(), ["MD5"])
        self.assertEqual(self.rig.asked(self.rig.logged_in(request())).status, 202)
        self.assertEqual(offered(), ["MD5"])
        old = self.rig.logged_in(request())
        self.rig.house.advance(400)
        stale = self.rig.asked(old).all("WWW-Authenticate")
        self.assertEqual((len(stale), "stale=true" in stale[0], "algorithm=MD5" in stale[0]), (1, True, True))
        self.assertEqual(self.rig.asked(self.rig.logged_in(request(user="bob"), "bob")).status, 202)
        answer = self.rig.asked(request(user="bob"))
        self.assertEqual(len(answer.all("WWW-Authenticate")), 2)

    def test_how_long_it_is_of_use_and_how_much_it_hurries(self) -> None:
        asked = request(headers=(("Expires", "600"), ("Priority", "urgent")))
        self.assertEqual(self.rig.asked(self.rig.logged_in(asked)).status, 202)
        (piece,) = self.rig.house.gsm.pieces
        self.assertEqual((piece.parameters.expire_minutes, piece.parameters.priority), (10, Priority.URGENT))
        self.assertEqual(piece.expires - piece.arrived, 600_000)
        for expires in ("0", "x", "99999999999", "4000000000"):
            asked = request(headers=(("Expires", expires), ("Priority", "soon")))
            self.assertEqual(self.rig.asked(self.rig.logged_in(asked)).status, 202)
            parameters = self.rig.house.gsm.pieces[-1].parameters
            self.assertEqual((parameters.expire_minutes, parameters.priority), (None, Priority.NORMAL))

    def test_a_closed_account_is_told_so(self) -> None:
        signed = self.rig.logged_in(request())
        people = [self.rig.accounts.directory.settings("account", "ann").model_copy(update={"active": False})]
        self.rig.accounts.replace(people)
        answer = self.rig.asked(signed)
        self.assertEqual(answer.status, 403)
        self.assertIn("switched off", answer.get("Warning"))

    def test_bad_numbers_and_names_are_refused_with_a_reason(self) -> None:
        for to, status in (
            (f"sip:{BAD}@{REALM}", 484),
            (f"sip:carl@{REALM}", 404),
            ("tel:+393331234567", 202),
        ):
            answer = self.rig.asked(self.rig.logged_in(request(to=to)))
            self.assertEqual(answer.status, status, to)
            self.assertEqual(bool(answer.get("Warning")), status != 202)

    def test_an_empty_text_and_types_that_are_not_read(self) -> None:
        self.assertEqual(self.rig.asked(self.rig.logged_in(request(text=""))).status, 400)
        answer = self.rig.asked(self.rig.logged_in(request(text=b"\x89PNG", kind="image/png")))
        self.assertEqual(answer.status, 415)
        self.assertIn("text/plain", answer.get("Accept"))

    def packed(self, octets: bytes, coding: str) -> int:
        asked = request(text=octets, headers=(("Content-Encoding", coding),))
        answer = self.rig.asked(self.rig.logged_in(asked))
        self.told = answer.get("Warning")
        return answer.status

    def test_a_text_that_a_phone_has_packed_is_unpacked(self) -> None:
        raw = zlib.compressobj(wbits=-15)
        for octets, coding in (
            (zlib.compress(b"Hello"), "deflate"), (raw.compress(b"Hello") + raw.flush(), "deflate"),
            (gzip.compress(b"Hello"), "gzip"), (b"Hello", "identity"),
        ):  # fmt: skip
            self.assertEqual(self.packed(octets, coding), 202)
        self.assertEqual(self.rig.written(), [Text("Hello")] * 4)

    def test_packing_is_bounded_and_known(self) -> None:
        self.assertEqual(self.packed(zlib.compress(b"x" * 10_000_000), "deflate"), 413)
        self.assertIn("however they are packed", self.told)
        self.assertEqual(self.packed(zlib.compress(b"Hello")[:-3], "deflate"), 400)
        self.assertEqual(self.packed(b"Hello", "deflate"), 400)
        self.assertEqual(self.packed(b"Hello", "br"), 415)
        self.assertEqual(self.rig.states(), [])

    def test_who_types_sends_nothing(self) -> None:
        typing = request(text="<isComposing/>", kind="application/im-iscomposing+xml")
        self.assertEqual(self.rig.asked(self.rig.logged_in(typing)).status, 200)
        self.assertEqual(self.rig.states(), [])


def _wrong(challenge: str) -> str:
    nonce = challenge.partition('nonce="')[2].partition('"')[0]
    return (
        f'Digest username="ann", realm="{REALM}", nonce="{nonce}", uri="sip:{NUMBER}@{REALM}", algorithm=SHA-256,'
        f' qop=auth, nc=00000001, cnonce="x", response="{"0" * 64}"'
    )


class Trusted(SynchronousTestCase):
    def rig(self, **settings: object) -> Rig:
        rig = Rig(trusted_networks=["10.0.0.0/8"], **settings)  # type: ignore[arg-type]
        self.addCleanup(rig.close)
        return rig

    def test_a_pbx_answers_for_its_users(self) -> None:
        rig = self.rig()
        self.assertEqual(rig.asked(request(peer=PBX), PBX).status, 202)
        self.assertEqual(rig.house.rows()[0]["account"], "ann")

    def test_whom_it_asserts_counts_more_than_from(self) -> None:
        rig = self.rig()
        asserted = (("P-Asserted-Identity", f"<sip:bob@{REALM}>"),)
        self.assertEqual(rig.asked(request(peer=PBX, headers=asserted), PBX).status, 202)
        self.assertEqual(rig.house.rows()[0]["account"], "bob")

    def test_from_elsewhere_the_same_header_is_worth_nothing(self) -> None:
        rig = self.rig()
        asserted = (("P-Asserted-Identity", f"<sip:bob@{REALM}>"),)
        self.assertEqual(rig.asked(request(headers=asserted)).status, 401)

    def test_one_account_may_pay_for_all(self) -> None:
        rig = self.rig(account="bob")
        self.assertEqual(rig.asked(request(peer=PBX, user="200"), PBX).status, 202)
        self.assertEqual(rig.house.rows()[0]["account"], "bob")

    def test_where_policies_say_who_may_strangers_may_not(self) -> None:
        rig = self.rig(policies=({"who": "example.net", "access": True},))
        self.assertEqual(rig.asked(request(peer=PBX, user="200"), PBX).status, 403)


class Ruled(SynchronousTestCase):
    def answer(self, asked: object, **settings: object) -> tuple[int, str, int]:
        rig = Rig(**settings)  # type: ignore[arg-type]
        self.addCleanup(rig.close)
        signed = rig.logged_in(asked) if asked.method == "MESSAGE" else asked  # type: ignore[attr-defined, arg-type]
        answer = rig.asked(signed)  # type: ignore[arg-type]
        return answer.status, answer.reason, len(rig.written())

    def test_the_response_of_a_rule_is_said_when_all_went_well(self) -> None:
        rules = [{"number": "^[+0-9]", "method": "MESSAGE", "sms": "1", "response": "200 Right Away"}]
        self.assertEqual(self.answer(request(), rules=rules), (200, "Right Away", 1))

    def test_a_refusal_keeps_its_code(self) -> None:
        rules = [{"number": "^[+0-9]", "method": "MESSAGE", "sms": "1", "response": "200 OK"}]
        self.assertEqual(self.answer(request(to=f"sip:{BAD}@{REALM}"), rules=rules)[::2], (484, 0))

    def test_parameters_of_a_rule_hold(self) -> None:
        rig = Rig(rules=[{"sms": "maxmsgs=1"}])
        self.addCleanup(rig.close)
        answer = rig.asked(rig.logged_in(request(text="x" * 500)))
        self.assertEqual(answer.status, 202)
        self.assertEqual(len(rig.written()), 1)
        self.assertIn("cut to the first 1 SMS", answer.get("Warning"))

    def test_a_stop_sends_nothing(self) -> None:
        rules = [{"number": r"^\+39", "stop": "1", "response": "603 Decline"}, {"sms": "1"}]
        self.assertEqual(self.answer(request(), rules=rules), (603, "Decline", 0))
        self.assertEqual(self.answer(request(), rules=[{"stop": "1"}, {"sms": "1"}])[::2], (403, 0))

    def test_a_rule_never_takes_a_call(self) -> None:
        self.assertEqual(self.answer(request("INVITE"), rules=[{"sms": "1", "response": "200 OK"}])[0], 405)
        self.assertEqual(self.answer(request("INVITE"), rules=[{"response": "200 OK"}])[0], 405)
        busy = [{"method": "INVITE", "response": "486 Busy Here"}]
        self.assertEqual(self.answer(request("INVITE"), rules=busy)[0], 486)


class Receipts(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.addCleanup(self.rig.close)
        self.assertEqual(self.rig.asked(self.rig.logged_in(register())).status, 200)

    def write(self, wants: tuple[str, ...]) -> None:
        body = write_cpim(
            b"Hello", "text/plain", sender=f"sip:ann@{REALM}", to=f"sip:{NUMBER}@{REALM}", message_id="m-1", wants=wants
        )  # fmt: skip
        signed = self.rig.logged_in(request(text=body, kind="message/cpim"))
        answer = self.rig.hear(write(signed))[0][1]
        self.assertEqual(answer.status, 202)  # type: ignore[union-attr]

    def report(self, status: str) -> bytes:
        house = self.rig.house
        reference = NetworkReport("1", NUMBER, status)
        house.wait(house.outlet("gsm1").reported(reference))
        house.settle()
        ((peer, asked),) = self.rig.wires.take()
        self.assertEqual((peer.host, peer.port), ("192.0.2.7", 5062))
        self.assertEqual(asked.sender.uri, f"sip:{NUMBER}@{REALM}")
        self.rig.hear(ok(asked))  # type: ignore[arg-type]
        return asked.body

    def test_a_notification_goes_back_when_the_phone_has_the_text(self) -> None:
        self.write(("positive-delivery", "negative-delivery"))
        self.assertEqual(self.rig.written(), [Text("Hello")])
        body = self.report("delivered")
        self.assertIn(b"<delivered", body)
        self.assertIn(b"m-1", body)

    def test_a_notification_goes_back_when_it_failed(self) -> None:
        self.write(("positive-delivery", "negative-delivery"))
        self.assertIn(b"<failed", self.report("failed"))

    def test_who_asked_for_no_bad_news_gets_them_in_words(self) -> None:
        self.write(("positive-delivery",))
        self.assertIn(b"Your message (Hello) could not be sent", self.report("failed"))

    def test_notifications_of_phones_are_taken_and_lead_nowhere(self) -> None:
        body = (
            b'<?xml version="1.0"?><imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>x</message-id>'
            b"<datetime>2026-11-21T12:00:00Z</datetime>"
            b"<delivery-notification><status><delivered/></status></delivery-notification></imdn>"
        )
        signed = self.rig.logged_in(request(text=body, kind="message/imdn+xml"))
        self.assertEqual(self.rig.asked(signed).status, 200)
        self.assertEqual(self.rig.states(), [])


class Checks(SynchronousTestCase):
    """In the order of RFC 3261 section 8.2."""

    def setUp(self) -> None:
        self.rig = Rig()
        self.addCleanup(self.rig.close)

    def test_methods_that_are_not_done(self) -> None:
        for method in ("INVITE", "SUBSCRIBE", "PUBLISH", "NONSENSE"):
            answer = self.rig.asked(request(method))
            self.assertEqual((answer.status, answer.get("Allow")), (405, "MESSAGE, OPTIONS, REGISTER"))

    def test_an_extension_of_another_server_is_no_number(self) -> None:
        elsewhere = self.rig.logged_in(request(to="sip:4711@pbx.example.net"))
        answer = self.rig.asked(elsewhere)
        self.assertEqual((answer.status, self.rig.states()), (404, []))
        self.assertIn(f"@{REALM}", answer.get("Warning"))
        for uri in (f"sip:{NUMBER}@198.51.100.1", f"tel:{NUMBER}"):
            self.assertEqual(self.rig.asked(self.rig.logged_in(request(to=uri))).status, 202)

    def test_options_says_what_is_taken(self) -> None:
        answer = self.rig.asked(request("OPTIONS", text=""))
        self.assertEqual(answer.status, 200)
        self.assertIn("MESSAGE", answer.get("Allow"))
        self.assertIn("message/cpim", answer.get("Accept"))

    def test_what_must_be_known_and_is_not(self) -> None:
        answer = self.rig.asked(request(headers=(("Require", "100rel, foo"),)))
        self.assertEqual(answer.status, 420)
        self.assertIn("foo", " ".join(answer.all("Unsupported")))

    def test_other_addresses_and_dialogs(self) -> None:
        asked = request()
        other = type(asked)(asked.method, "http://example.org/", asked.headers, asked.body)
        self.assertEqual(self.asked_as_it_is(other), 416)
        asked = request()
        headers = tuple((n, v + ";tag=x" if n == "To" else v) for n, v in asked.headers)
        self.assertEqual(
            self.rig.asked(type(asked)(asked.method, asked.uri, headers, asked.body)).status, 481
        )

    def asked_as_it_is(self, asked: Request) -> int:
        octets = write(replace(asked, uri="sip:x@y")).replace(b"sip:x@y", asked.uri.encode(), 1)
        ((_, answer),) = self.rig.hear(octets)
        assert isinstance(answer, Response)
        return answer.status

    def test_garbage_is_answered_or_dropped_and_the_link_goes_on(self) -> None:
        whole = write(request())
        for octets in (
            b"",
            b"\r\n\r\n",
            b"\0" * 40,
            b"MESSAGE",
            whole[:60],
            b"GET / HTTP/1.1\r\n\r\n",
            whole[::-1],
        ):
            for _, answer in self.rig.hear(octets):
                self.assertGreaterEqual(answer.status, 400)  # type: ignore[union-attr]
        self.assertEqual(self.rig.asked(self.rig.logged_in(request())).status, 202)

    def test_while_it_stops_it_says_not_now(self) -> None:
        signed = self.rig.logged_in(request())
        self.rig.link.server.stopping = True
        answer = self.rig.asked(signed)
        self.assertEqual((answer.status, answer.get("Retry-After")), (503, "5"))

    def test_an_answer_goes_back_on_the_connection_that_asked(self) -> None:
        peer = Peer("TCP", "192.0.2.9", 40_000, 17)
        self.rig.wires.heard(write(request("OPTIONS", text="", peer=peer)), peer)
        (to, octets) = self.rig.wires.sent[0]
        self.assertEqual((to.flow, parse(octets).status), (17, 200))  # type: ignore[union-attr]
