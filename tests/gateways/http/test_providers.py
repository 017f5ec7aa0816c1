"""Every provider of providers.yaml: what it is asked, and what its documented answers mean, errors included."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsd.config import providers
from smsd.config.places import find_data
from smsd.config.positions import ConfigError
from smsd.values.delivery import Accepted, Failure
from smsd.values.message import Binary, Parameters
from tests.gateways.http.standin import CREDENTIALS, JSON, provider, send, short

UDH = bytes.fromhex("05040b8423f0")
SENDER = Parameters(sender="+420776047467")


class Case(SynchronousTestCase):
    """`fates` tries answers: (status, body, what becomes of it) with the body's reason in the network's words."""

    def fates(self, name: str, kind: str, *rows: tuple[int, Any, tuple[Any, ...]]) -> None:
        for status, body, expected in rows:
            made, stand_in = provider(name)
            text = body if isinstance(body, str) else json.dumps(body)
            stand_in.says(status, text, kind)
            outcome = send(made)
            self.assertEqual(short(outcome)[: len(expected)], expected, (name, status, text))
            if isinstance(outcome, Failure):
                for secret in CREDENTIALS.values():
                    self.assertNotIn(secret, outcome.reason)


class SmsdTests(Case):
    def test_requests(self) -> None:
        """Another smsd: text, sender, octets with header, part by part."""
        made, stand_in = provider("smsd")
        stand_in.says(200, "OK 911813352047513600 +15551234567 parts=1\nNOTE 911813352047513600 cut\n")
        self.assertEqual(send(made, "50% ž+&", parameters=SENDER), Accepted("911813352047513600"))
        asked = stand_in.asked[0]
        self.assertEqual((asked.method, asked.target.origin), ("GET", "http://box.example.org:8080"))
        self.assertEqual(
            asked.query,
            {
                "number": "+15551234567", "data": "50% ž+&", "udh": "", "binary": "0", "pid": "0", "dcs": "8",
                "sender": "+420776047467", "msgid": "7", "user": "annaacme", "pass": "geheim-1&",
            },
        )  # fmt: skip
        self.assertEqual(asked.headers["Idempotency-Key"], "sms.example.org-7-0-1")
        send(made, Binary(b"\0" * 300, UDH), parts=True, seq=2)
        asked = stand_in.asked[1]
        self.assertEqual((asked.query["msgid"], asked.query["binary"], asked.query["dcs"]), ("7-2", "1", "4"))
        self.assertEqual(asked.query["udh"], "AAOrAwIFBAuEI/A=")
        self.assertEqual(asked.headers["Idempotency-Key"], "sms.example.org-7-0-2")
        abilities = made.abilities
        self.assertTrue(abilities.parts and abilities.whole_text and abilities.binary and abilities.sender)

    def test_answers(self) -> None:
        self.fates(
            "smsd", "text/plain",
            (200, "", ("yes", None)),
            (200, "True", ("yes", None)),
            (401, "ERROR BAD_CREDENTIALS - unknown user\n",
             ("temporary", "gateway", "the login is refused: BAD_CREDENTIALS - unknown user")),
            (403, "ERROR NOT_ALLOWED +1555 by a rule\n", ("permanent", "message", "NOT_ALLOWED +1555 by a rule")),
            (409, "ERROR CONFLICT - another message\n", ("permanent", "message")),
            (508, "ERROR LOOP - in a circle\n", ("permanent", "message", "LOOP - in a circle")),
            (429, "ERROR OVER_LIMIT +1555 enough\n",
             ("temporary", "gateway", "the limit of the account is reached: OVER_LIMIT +1555 enough")),
            (429, "ERROR SLOW_DOWN - wait\n", ("temporary", "speed", "SLOW_DOWN - wait")),
            (503, "ERROR UNAVAILABLE - try again\n", ("temporary", "message")),
            (503, "ERROR NO_GATEWAY - none\n", ("temporary", "message")),
            (400, "ERROR BAD_NUMBER x no number\n", ("permanent", "message", "BAD_NUMBER x no number")),
            (200, "ERROR BAD_NUMBER x no number\n", ("permanent", "message")),
            (500, "ERROR UNAVAILABLE - internal error 12\n", ("temporary", "message")),
        )  # fmt: skip


class ClickatellTests(Case):
    def test_the_manual(self) -> None:
        """Byte for byte."""
        made, stand_in = provider("clickatell-icewarp")
        stand_in.says(200, "ID: 205e85d0578314037a96175249fc6a2b")
        credentials = {"user": "xxx", "password": "xxx", "api_id": "xxx"}
        made, other = provider("clickatell-icewarp", credentials=credentials)
        other.says(200, "ID: 205e85d0578314037a96175249fc6a2b")
        self.assertEqual(short(send(made)), ("yes", "205e85d0578314037a96175249fc6a2b"))
        start = "http://api.clickatell.com/http/sendmsg?user=xxx&password=xxx&api_id=xxx&to=%2B15551234567&udh=&data="
        self.assertEqual(other.asked[0].url, f"{start}hello&concat=1")
        send(made, "ž")
        self.assertEqual(other.asked[1].url, f"{start}017E&unicode=1&concat=1")
        self.assertFalse(made.abilities.binary)
        made, other = provider("clickatell-icewarp-text", credentials=credentials)
        other.says(200, "ERR: 301, No Credit Left")
        self.assertEqual(short(send(made))[:2], ("temporary", "gateway"))
        self.assertTrue(other.asked[0].url.endswith("&to=%2B15551234567&data=hello&concat=1"))
        made, other = provider("clickatell-icewarp-from")
        other.says(200, "ID: 1")
        send(made)
        self.assertIn("&from=&", other.asked[0].url)

    def test_requests(self) -> None:
        made, stand_in = provider("clickatell", sender="+55219999999")
        stand_in.says(200, "ID: 205e85d0578314037a96175249fc6a2b\n")
        self.assertEqual(
            short(send(made, "café & co", report=True)), ("yes", "205e85d0578314037a96175249fc6a2b")
        )
        asked = stand_in.asked[0]
        self.assertEqual((asked.method, asked.url), ("POST", "https://api.clickatell.com/http/sendmsg"))
        self.assertIn(b"&text=caf%E9%20%26%20co&", asked.body or b"")
        form = asked.form
        self.assertEqual((form["to"], form["from"], form["concat"]), ("15551234567", "55219999999", "1"))
        self.assertEqual((form["user"], form["password"], form["api_id"]), ("annaacme", "geheim-1&", "3141"))
        send(made, "Δ" * 71)
        self.assertEqual(
            (
                stand_in.asked[1].form["text"],
                stand_in.asked[1].form["unicode"],
                stand_in.asked[1].form["concat"],
            ),
            ("0394" * 71, "1", "2"),
        )
        send(made, Binary(b"\0\xff", UDH))
        form = stand_in.asked[2].form
        self.assertEqual((form["data"], form["udh"]), ("00FF", "0605040B8423F0"))
        self.assertNotIn("text", form)

    def test_answers(self) -> None:
        self.fates(
            "clickatell", "text/plain",
            (200, "ID: 1\nID: 2", ("yes", "1", "2")),
            (200, "ERR: 001, Authentication failed", ("temporary", "gateway", "the login is refused: 001, Authentication failed")),
            (200, "ERR: 108, Invalid or missing api_id", ("temporary", "gateway")),
            (200, "ERR: 301, No credit left", ("temporary", "gateway", "no credit: 301, No credit left")),
            (200, "ERR: 114, Cannot route message", ("permanent", "gateway", "114, Cannot route message")),
            (200, "ERR: 130, Maximum MT limit exceeded until 2026", ("temporary", "message")),
            (200, "ERR: 901, Internal error", ("temporary", "message")),
            (200, "ERR: 105, Invalid Destination Address", ("permanent", "message", "105, Invalid Destination Address")),
            (200, "ERR: 5, Missing session ID", ("temporary", "gateway")),
            (503, "<html>", ("temporary", "message")),
            (200, "<html>", ("permanent", "message")),
        )  # fmt: skip

    def test_rest(self) -> None:
        made, stand_in = provider("clickatell-rest")
        yes = {
            "messages": [{"apiMessageId": "77fb", "accepted": True, "to": "1555", "error": None}],
            "error": None,
        }
        stand_in.says(202, json.dumps(yes), JSON)
        self.assertEqual(short(send(made, 'say "hi"\n')), ("yes", "77fb"))
        asked = stand_in.asked[0]
        self.assertEqual((asked.method, asked.url), ("POST", "https://platform.clickatell.com/v1/message"))
        self.assertEqual(
            (asked.headers["Authorization"], asked.headers["Content-Type"]), ("key-0815-4711", JSON)
        )
        self.assertEqual(
            json.loads(asked.body or b""),
            {
                "messages": [
                    {"channel": "sms", "to": "15551234567", "content": 'say "hi"\n', "clientMessageId": "7"}
                ]
            },
        )

        def no(code: int, description: str = "words") -> dict[str, Any]:
            error = {"code": code, "description": description}
            return {
                "messages": [{"apiMessageId": None, "accepted": False, "to": "1", "error": error}],
                "error": None,
            }

        self.fates(
            "clickatell-rest", JSON,
            (207, no(25, "Invalid recipient"), ("permanent", "message", "Invalid recipient")),
            (207, no(20), ("temporary", "gateway", "no credit: words")),
            (202, no(43), ("temporary", "speed")),
            (202, no(19), ("temporary", "message")),
            (400, {"messages": [], "error": {"code": 21, "description": "malformed"}}, ("permanent", "message", "malformed")),
            (401, {"messages": [], "error": {"code": 1, "description": "bad key"}}, ("temporary", "gateway")),
            (402, "", ("temporary", "gateway", "no credit")),
            (429, "", ("temporary", "speed")),
            (503, "", ("temporary", "message")),
        )  # fmt: skip


class OtherProviders(Case):
    def test_routo(self) -> None:
        """The second host when the first says so, or is not there; not when it says no."""
        made, stand_in = provider("routo", sender="mysenderid")
        stand_in.says(200, "success")
        self.assertEqual(short(send(made, "ahoj!")), ("yes", "7"))
        self.assertEqual(stand_in.asked[0].url, "http://smsc5.routotelecom.com/SMSsend")
        self.assertEqual(
            stand_in.asked[0].form,
            {
                "user": "annaacme", "pass": "geheim-1&", "number": "15551234567", "ownnum": "mysenderid",
                "message": "ahoj!", "type": "LongSMS", "mess_id": "7", "delivery": "0",
            },
        )  # fmt: skip
        send(made, "ž")
        self.assertEqual(
            (stand_in.asked[1].form["message"], stand_in.asked[1].form["type"]), ("017E", "longunicode")
        )
        for first in ("failed", "sys_error", "bad_operator"):
            made, stand_in = provider("routo")
            stand_in.says(200, first)
            stand_in.says(200, "success")
            self.assertEqual(short(send(made)), ("yes", "7"))
            self.assertEqual(stand_in.asked[1].url, "http://smsc56.routotelecom.com/SMSsend")
        made, stand_in = provider("routo")
        stand_in.fails("it cannot be reached", False)
        stand_in.says(200, "wrong_number")
        self.assertEqual(short(send(made))[:2], ("permanent", "message"))
        self.assertEqual(len(stand_in.asked), 2)
        clock = Clock()
        made, stand_in = provider("routo", reactor=clock, seconds=20)
        stand_in.takes = clock.advance  # nobody is there, and nobody says so
        stand_in.fails("it cannot be reached in time", False)
        stand_in.says(200, "success")
        self.assertEqual(short(send(made))[0], "yes")
        self.assertEqual([asked.seconds for asked in stand_in.asked], [20, 20])
        made, stand_in = provider("routo")
        stand_in.fails("it did not answer in time", True)
        self.assertEqual(short(send(made))[:2], ("unknown", "message"))
        self.assertEqual(len(stand_in.asked), 1)
        self.fates(
            "routo", "text/plain",
            (200, "auth_failed", ("temporary", "gateway", "the login is refused: auth_failed")),
            (200, "No Credits Left", ("temporary", "gateway", "no credit: No Credits Left")),
            (200, "failed", ("temporary", "message", "failed")),
            (200, "not_allowed", ("permanent", "message", "not_allowed")),
            (200, "error", ("permanent", "message", "error")),
        )  # fmt: skip

    def test_o2(self) -> None:
        made, stand_in = provider("o2")
        stand_in.says(200, "responseType=SMS_SENT\r\n")
        self.assertEqual(short(send(made, "ahoj!")), ("yes", None))
        self.assertEqual(
            stand_in.asked[0].url,
            "https://smsconnector.cz.o2.com/smsconnector/getpost/GP?action=send&baID=1234567&toNumber=%2B15551234567"
            "&text=ahoj%21&multipart=TRUE",
        )
        self.assertFalse(made.abilities.binary)
        self.fates(
            "o2", "text/plain",
            (400, "responseCode=12\r\nresponseDescription=bad number\r\n",
             ("permanent", "message", "it answered 400 Phrase: bad number")),
            (403, "", ("temporary", "gateway")),
            (500, "responseCode=99", ("temporary", "message", "it answered 500 Phrase: 99")),
        )  # fmt: skip

    def test_kannel(self) -> None:
        made, stand_in = provider(
            "kannel", credentials={"callback": "http://me/?ref=%msgid%&to=%number%&dlr=%d", "smsc": "one"}
        )
        stand_in.says(202, "0: Accepted for delivery")
        self.assertEqual(short(send(made, "ž€")), ("yes", "7"))
        query = stand_in.asked[0].query
        self.assertEqual((query["text"], query["coding"], query["charset"]), ("ž€", "2", "UTF-8"))
        self.assertEqual(
            (query["dlr-url"], query["dlr-mask"], query["smsc"]),
            ("http://me/?ref=7&to=%2B15551234567&dlr=%d", "31", "one"),
        )
        made, stand_in = provider("kannel")
        stand_in.says(202, "3: Queued for later delivery")
        self.assertEqual(short(send(made, Binary(b"\0\xff", UDH))), ("yes", "7"))
        self.assertIn("&text=%00%FF&udh=%06%05%04%0B%84%23%F0&coding=1&", stand_in.asked[0].target.path)
        self.assertNotIn("dlr-url", stand_in.asked[0].target.path)
        self.fates(
            "kannel", "text/html",
            (403, "Authorization failed for sendsms",
             ("temporary", "gateway", "the login is refused: Authorization failed for sendsms")),
            (400, "Sender missing and no global set, rejected", ("permanent", "message")),
            (403, "Number not allowed", ("permanent", "message", "Number not allowed")),
            (403, "Not routable. Do not try again.", ("permanent", "gateway", "Not routable. Do not try again.")),
            (503, "Temporal failure, try again later.", ("temporary", "message", "Temporal failure, try again later.")),
        )  # fmt: skip

    def test_twilio(self) -> None:
        made, stand_in = provider(
            "twilio", sender="+15017122661", credentials={"callback": "https://me/x?y=1"}
        )
        stand_in.says(
            201, '{"sid": "SM87105da94bff44b999e4e6eb90d8eb6a", "status": "queued", "error_code": null}', JSON
        )
        self.assertEqual(short(send(made, "Δ é ž")), ("yes", "SM87105da94bff44b999e4e6eb90d8eb6a"))
        asked = stand_in.asked[0]
        self.assertEqual(asked.url, "https://api.twilio.com/2010-04-01/Accounts/AC0123456789/Messages.json")
        self.assertEqual(
            asked.form,
            {
                "To": "+15551234567",
                "From": "+15017122661",
                "Body": "Δ é ž",
                "StatusCallback": "https://me/x?y=1",
            },
        )
        self.assertEqual(asked.headers["Authorization"], "Basic QUMwMTIzNDU2Nzg5OmdlaGVpbS0zKw==")
        self.fates(
            "twilio", JSON,
            (400, {"code": 21211, "message": "The 'To' number is not valid", "status": 400},
             ("permanent", "message", "The 'To' number is not valid")),
            (400, {"code": 21610, "message": "unsubscribed recipient"}, ("permanent", "message")),
            (400, {"code": 21408, "message": "not enabled for the region"}, ("permanent", "gateway")),
            (401, {"code": 20003, "message": "Authenticate"}, ("temporary", "gateway", "the login is refused: Authenticate")),
            (429, {"code": 20429, "message": "Too Many Requests"}, ("temporary", "speed")),
            (429, {"code": 63038, "message": "daily limit"}, ("temporary", "gateway")),
            (500, "", ("temporary", "message")),
            (200, "{}", ("permanent", "message")),
        )  # fmt: skip

    def test_vonage(self) -> None:
        made, stand_in = provider("vonage", sender="ACME")
        entry = {
            "to": "15551234567",
            "message-id": "0C1",
            "status": "0",
            "remaining-balance": "3",
            "network": "1",
        }
        yes = {"message-count": "2", "messages": [entry, {**entry, "message-id": "0C2"}]}
        stand_in.says(200, json.dumps(yes), JSON)
        self.assertEqual(short(send(made, "é" * 161)), ("yes", "0C1", "0C2"))
        form = stand_in.asked[0].form
        self.assertEqual((form["type"], form["to"], form["from"]), ("text", "15551234567", "ACME"))
        self.assertEqual((form["api_key"], form["api_secret"]), ("key-0815-4711", "geheim-2?"))
        send(made, "ž")
        self.assertEqual((stand_in.asked[1].form["type"], stand_in.asked[1].form["text"]), ("unicode", "ž"))
        send(made, Binary(b"\0\xff", UDH))
        form = stand_in.asked[2].form
        self.assertEqual((form["type"], form["body"], form["udh"]), ("binary", "00FF", "0605040B8423F0"))

        def no(status: str, words: str = "words") -> dict[str, Any]:
            return {"message-count": "1", "messages": [{"status": status, "error-text": words}]}

        self.fates(
            "vonage", JSON,
            (200, no("1", "Throughput Rate Exceeded"), ("temporary", "speed", "Throughput Rate Exceeded")),
            (200, no("3"), ("permanent", "message", "words")),
            (200, no("4", "Bad Credentials"), ("temporary", "gateway", "the login is refused: Bad Credentials")),
            (200, no("5"), ("temporary", "message")),
            (200, no("6"), ("permanent", "message")),
            (200, no("9", "Quota Exceeded - rejected"), ("temporary", "gateway", "no credit: Quota Exceeded - rejected")),
            (200, no("29"), ("permanent", "gateway")),
            (420, "", ("permanent", "message")),
        )  # fmt: skip

    def test_infobip(self) -> None:
        made, stand_in = provider("infobip", sender="InfoSMS", credentials={"callback": "https://me/x"})

        def said(group: int, name: str, words: str = "words") -> dict[str, Any]:
            status = {"groupId": group, "groupName": "G", "id": 1, "name": name, "description": words}
            return {"bulkId": "1", "messages": [{"messageId": "2250", "status": status, "destination": "1"}]}

        stand_in.says(200, json.dumps(said(1, "PENDING_ACCEPTED")), JSON)
        self.assertEqual(short(send(made, 'a "quoted" \\ ž')), ("yes", "2250"))
        asked = stand_in.asked[0]
        self.assertEqual(asked.headers["Authorization"], "App key-0815-4711")
        (message,) = json.loads(asked.body or b"")["messages"]
        self.assertEqual(
            message,
            {
                "sender": "InfoSMS", "destinations": [{"to": "15551234567"}], "content": {"text": 'a "quoted" \\ ž'},
                "webhooks": {"delivery": {"url": "https://me/x"}},
            },
        )  # fmt: skip
        made, stand_in = provider("infobip")
        stand_in.says(200, json.dumps(said(1, "PENDING_ACCEPTED")), JSON)
        send(made)
        (message,) = json.loads(stand_in.asked[0].body or b"")["messages"]
        self.assertEqual(set(message), {"destinations", "content"})
        self.fates(
            "infobip", JSON,
            (200, said(5, "REJECTED_DESTINATION", "by destination"), ("permanent", "message", "by destination")),
            (200, said(5, "REJECTED_NOT_ENOUGH_CREDITS"), ("temporary", "gateway", "no credit: words")),
            (200, said(5, "REJECTED_SYSTEM_ERROR"), ("temporary", "message")),
            (200, said(5, "REJECTED_ROUTE_NOT_AVAILABLE"), ("permanent", "gateway")),
            (200, said(2, "UNDELIVERABLE_REJECTED_OPERATOR"), ("permanent", "message")),
            (401, {"requestError": {"serviceException": {"messageId": "UNAUTHORIZED", "text": "Invalid login details"}}},
             ("temporary", "gateway", "the key is refused: Invalid login details")),
            (400, {"errorCode": "E400", "description": "Request cannot be processed."}, ("permanent", "message")),
            (429, "", ("temporary", "speed")),
        )  # fmt: skip

    def test_phones_as_gateways(self) -> None:
        made, stand_in = provider("smsgate", server="http://192.168.1.20:8080")
        stand_in.says(202, '{"id": "x3a", "state": "Pending", "recipients": []}', JSON)
        self.assertEqual(short(send(made, "hi")), ("yes", "x3a"))
        asked = stand_in.asked[0]
        self.assertEqual(asked.url, "http://192.168.1.20:8080/messages")
        self.assertEqual(asked.headers["Authorization"], "Basic YW5uYWFjbWU6Z2VoZWltLTEm")
        self.assertEqual(
            json.loads(asked.body or b""),
            {"textMessage": {"text": "hi"}, "phoneNumbers": ["+15551234567"], "withDeliveryReport": True},
        )
        self.fates(
            "smsgate", JSON,
            (401, {"message": "Unauthorized"}, ("temporary", "gateway", "the login is refused: Unauthorized")),
            (400, {"message": "invalid phone number"}, ("permanent", "message", "invalid phone number")),
            (500, {"message": "oops"}, ("temporary", "message", "oops")),
        )  # fmt: skip
        made, stand_in = provider("httpsms")
        stand_in.says(200, '{"data": {"id": "32343a19", "status": "pending"}, "status": "success"}', JSON)
        self.assertEqual(short(send(made, "hi")), ("yes", "32343a19"))
        asked = stand_in.asked[0]
        self.assertEqual(
            (asked.url, asked.headers["x-api-key"]),
            ("https://api.httpsms.com/v1/messages/send", "key-0815-4711"),
        )
        self.assertEqual(
            json.loads(asked.body or b""),
            {"from": "+18005550199", "to": "+15551234567", "content": "hi", "request_id": "7"},
        )
        self.fates(
            "httpsms", JSON,
            (401, {"message": "You are not authorized", "status": "error"}, ("temporary", "gateway")),
            (402, {"message": "upgrade"}, ("temporary", "gateway")),
            (422, {"message": "validation errors", "status": "error"}, ("permanent", "message", "validation errors")),
            (500, {"message": "oops"}, ("temporary", "message")),
        )  # fmt: skip

    def test_voiceblue(self) -> None:
        made, stand_in = provider("voiceblue")
        stand_in.says(200, "<sms/>")
        self.assertEqual(short(send(made, "x" * 200, parts=True, seq=2)), ("yes", None))
        self.assertEqual(stand_in.asked[0].query, {"rcpt": "+15551234567", "msg": "x" * 47})
        self.assertTrue(made.abilities.parts)
        self.assertFalse(made.abilities.whole_text or made.abilities.binary)

    def test_all_of_them_are_tried(self) -> None:
        """A provider without a test here is a mistake."""
        with open(__file__, encoding="utf-8") as stream:
            text = stream.read()
        for name in providers.load(find_data(providers.FILE)):
            self.assertIn(f'"{name}"', text)


class FileTests(SynchronousTestCase):
    def test_ones_own(self) -> None:
        """A file beside the configuration adds providers and replaces some; its mistakes are told with their places."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "providers.yaml")
            find = lambda name: os.path.join(folder, name)  # noqa: E731
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(
                    'providers:\n  mine: {text: {url: "http://x/?t=%data%"}}\n  o2: {text: {url: "http://y/"}}\n'
                )
            self.assertEqual(providers.find("mine", find).name, "mine")
            o2 = providers.find("o2", find).text
            assert o2 is not None
            self.assertEqual(o2.url.render({}), "http://y/")
            self.assertEqual(providers.find("twilio", find).name, "twilio")
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(
                    "providers:\n  mine:\n    credentials: {Number: x, number: y}\n    text:\n"
                    '      url: "http://x/?t=%dat%"\n      headers: {X-A: "%b%"}\n      type: yaml\n'
                    '      body: "x"\n      method: PATCH\n      omti: []\n    plain: hex\n    split: perhaps\n    urls: 1\n'
                )
            with self.assertRaises(ConfigError) as caught:
                providers.find("mine", find)
            problems = [str(problem).replace(path, "F") for problem in caught.exception.problems]
            for expected in (
                "F:3:27: providers.mine.credentials.Number: this cannot be the name",
                "F:3:38: providers.mine.credentials.number: this cannot be the name",
                "F:5:12: providers.mine.text.url: at character 13: there is no variable dat: did you mean data?",
                "F:6:22: providers.mine.text.headers.X-A: at character 1: there is no variable b",
                "F:7:13: providers.mine.text.type: 'yaml' is not possible; allowed: form, json, xml, text",
                "F:9:15: providers.mine.text.method: 'PATCH' is not possible",
                "F:10:7: providers.mine.text.omti: unknown key",
                "F:11:12: providers.mine.plain: 'hex' is no charset",
                "F:12:12: providers.mine.split: this is neither yes nor no",
                "F:13:5: providers.mine.urls: unknown key",
            ):
                self.assertTrue(
                    any(problem.startswith(expected) for problem in problems), (expected, problems)
                )
