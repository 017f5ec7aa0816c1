"""`/sms/in/<gateway>`: what each provider's documents say it sends, byte for byte, and what becomes of it (features D3, D4)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.webhooks import Event
from smsd.interfaces import IReports, MessageIn
from smsd.values.delivery import NetworkReport
from smsd.values.message import Binary, Text
from tests.frontends.http.client import Reply, ask
from tests.frontends.http.provided import (
    FORM,
    JSON,
    SECRET,
    FakeReports,
    Recorded,
    Site,
    mapping,
    names,
    site,
)

PATHS = ("/sms/in/gw", "/sms/in/gw/report")


class Case(SynchronousTestCase):
    """One provider."""

    name = ""
    way = "secret"

    def setUp(self) -> None:
        if self.name:
            self.site = site(self.name)

    def send(self, call: Recorded, **options: Any) -> Reply:
        return call.send(self.site, **{"way": self.way, **options})

    def heard(self, call: Recorded, **expected: Any) -> None:
        """The call is one message, and is answered as the provider wants."""
        before = len(self.site.messages)
        reply = self.send(call)
        said = mapping(self.name).said
        self.assertEqual((reply.status, reply.text), (said.status, said.body))
        (message,) = self.site.messages[before:]
        self.assertEqual(message, MessageIn("gw", **expected))

    def told(self, call: Recorded, *expected: NetworkReport, path: str = PATHS[0]) -> None:
        """The call is these reports."""
        before = len(self.site.reports)
        self.assertEqual(self.send(call, path=path).status, 200)
        self.assertEqual(self.site.reports[before:], list(expected))
        self.assertEqual(self.site.messages, [])


def get(query: str) -> Recorded:
    return Recorded(query)


def post(body: str) -> Recorded:
    return Recorded("", body.encode(), FORM)


def posted(value: Any) -> Recorded:
    return Recorded("", json.dumps(value).encode(), JSON)


class Clickatell(Case):
    name = "clickatell"
    # The document's example, and one as it came to somebody's server.
    MO = (
        "api_id=12345&from=279991235642&to=27123456789&timestamp=2008-08-0609:43:50&text=Hereisthe%20messagetext"
        "&charset=ISO-8859-1&udh=&moMsgId=b2aee337abd962489b123fda9c3480fa"
    )
    MET = (
        "api_id=3523864&from=919676026708&timestamp=2015-02-04+09%3A30%3A36&text=Test+clicks+tell+103+2-4-2015"
        "&charset=ISO-8859-1&udh=&moMsgId=d2b66016178dda7c3b4a701056797755&to=447860024227"
    )
    STATUS = (
        "api_id=12345&apiMsgId=996f364775e24b8432f45d77da8eca47&cliMsgId=abc123&timestamp=1218007814&to=279995631564"
        "&from=27833001171&status=003&charge=0.300000"
    )

    def test_messages(self) -> None:
        self.heard(
            get(self.MO),
            sender="+279991235642", own="+27123456789", content=Text("Hereisthe messagetext"),
            id="b2aee337abd962489b123fda9c3480fa", at=1_218_008_630_000,
        )  # fmt: skip
        self.heard(
            post(self.MET),
            sender="+919676026708", own="+447860024227", content=Text("Test clicks tell 103 2-4-2015"),
            id="d2b66016178dda7c3b4a701056797755", at=1_423_035_036_000,
        )  # fmt: skip

    def text(self, octets: str, charset: str) -> str:
        self.send(
            get(
                f"api_id=1&from=279991235642&to=27123456789&text={octets}&charset={charset}&udh=&moMsgId={octets}{charset}"
            )
        )
        text: str = self.site.messages[-1].content.text
        return text

    def test_charsets(self) -> None:
        self.assertEqual(self.text("Gr%FC%DFe", "ISO-8859-1"), "Grüße")
        self.assertEqual(self.text("Gr%FC%DFe", ""), "Grüße")
        self.assertEqual(self.text(quote("Привет 😀".encode("utf-16-be")), "UTF-16BE"), "Привет 😀")
        self.assertEqual(self.text(quote("\ufeffПривет".encode("utf-16-be")), "UTF-16BE"), "Привет")
        self.assertEqual(self.text("Gr%C3%BC%C3%9Fe", "UTF-8"), "Grüße")
        self.assertEqual(self.text("%CF%F0%E8%E2%E5%F2", "windows-1251"), "Привет")

    def test_charsets_that_lie(self) -> None:
        self.assertEqual(self.text("Gr%FC%DFe", "UTF-8"), "Grüße")
        self.assertEqual(self.text("Gr%FC%DFe", "punycode"), "Grüße")
        self.assertEqual(self.text("abc", "UTF-16BE"), "abc")
        self.assertEqual(self.text("a%00b", "ISO-8859-1"), "a�b")
        self.assertEqual(self.text("%00a%D8%3D", "UTF-16BE"), "a�")

    def test_parts_by_their_header(self) -> None:
        for seq in (2, 1):
            self.send(
                get(
                    f"api_id=1&from=279991235642&to=27123456789&text=p{seq}&udh=0500034a02{seq:02x}&moMsgId=m{seq}"
                )
            )
        self.assertEqual(
            [(each.join, each.seq, each.total, each.content) for each in self.site.messages],
            [("+27123456789|8|74", 2, 2, Text("p2")), ("+27123456789|8|74", 1, 2, Text("p1"))],
        )

    def test_a_header_that_is_none(self) -> None:
        self.send(get("api_id=1&from=279991235642&to=2&text=hello&udh=zz&moMsgId=m"))
        self.assertEqual((self.site.messages[0].content, self.site.messages[0].total), (Text("hello"), 1))
        self.flushLoggedErrors()

    def test_reports(self) -> None:
        report = NetworkReport(
            "996f364775e24b8432f45d77da8eca47",
            "+279995631564",
            "pending",
            "003 handed to the network",
            1_218_007_814_000,
        )
        self.told(get(self.STATUS), report)
        self.told(post(self.STATUS), report)
        self.told(get(self.STATUS), report, path=PATHS[1])

    def test_codes(self) -> None:
        for code, status in (
            ("004", "delivered"), ("4", "delivered"), ("04", "delivered"), ("010", "expired"), ("7", "failed"),
            ("014", "failed"), ("011", "pending"), ("001", "pending"), ("999", "pending"),
        ):  # fmt: skip
            self.send(get(self.STATUS.replace("status=003", f"status={code}")))
            self.assertEqual(self.site.reports[-1].status, status, code)


class ClickatellRest(Case):
    name = "clickatell-rest"

    def test_message(self) -> None:
        self.heard(
            posted(
                {
                    "integrationId": "ff8080815a1d", "messageId": "1b7d", "replyMessageId": "0f8c", "toNumber": "27987654321",
                    "fromNumber": "27999123456", "timestamp": 1465988434440, "text": "Antwort: grün", "charset": "UTF-8",
                    "udh": "", "network": "x", "keyword": "",
                }
            ),
            sender="+27999123456", own="+27987654321", content=Text("Antwort: grün"), id="1b7d 0f8c", at=1_465_988_434_440,
        )  # fmt: skip

    def test_report(self) -> None:
        told = {
            "messageId": "1b7d", "requestId": "r", "clientMessageId": "7", "to": "27999123456", "from": "27987654321",
            "statusCode": 4, "status": "RECEIVED_BY_RECIPIENT", "statusDescription": "Message received by recipient",
            "timestamp": 1465988434440,
        }  # fmt: skip
        detail = "4 RECEIVED_BY_RECIPIENT Message received by recipient"
        self.told(posted(told), NetworkReport("1b7d", "+27999123456", "delivered", detail, 1_465_988_434_440))


class Routo(Case):
    name = "routo"
    way = "pass"
    OLD = "/sms/receive_routomessaging_uk.html"

    def test_messages(self) -> None:
        call = post("user=x&org=447700900001&dest=447700900000&dcs=0&message=Hello+%26+goodbye")
        expected = {"sender": "+447700900001", "own": "+447700900000", "content": Text("Hello & goodbye")}
        self.heard(call, **expected)
        self.assertEqual((self.send(call, path=self.OLD).status, len(self.site.messages)), (200, 2))
        self.assertEqual(self.site.messages[1], MessageIn("gw", **expected))
        self.heard(
            get("org=447700900001&dest=447700900000&message=Gr%FC%DFe"),
            **{**expected, "content": Text("Grüße")},
        )

    def test_the_old_path_among_several_gateways(self) -> None:
        from smsd.core.provided import IncomingSettings, Provided

        other = Provided("two", mapping("routo"), IncomingSettings(secret="the other secret"))
        self.site = site("routo", "one", {"two": other})
        call = post("org=447700900001&dest=447700900000&message=x")
        for secret in (SECRET, "the other secret", "nobody's secret"):
            self.send(call, path=self.OLD, secret=secret)
        self.assertEqual([message.gateway for message in self.site.messages], ["one", "two"])

    def test_reports(self) -> None:
        self.told(get("mess_id=4711&status=0"), NetworkReport("4711", "", "delivered", "0"))
        self.told(post("mess_id=4711&status=3"), NetworkReport("4711", "", "failed", "3"))


class Kannel(Case):
    name = "kannel"
    # What Kannel makes of the get-url in the manual: %b and %u are percent-encoded octets.
    FROM = "from=%2B447700900001&to=447700900000&id=5cd7f8a2-1f0e&time=1800000000"

    def test_texts(self) -> None:
        known = {
            "sender": "+447700900001",
            "own": "447700900000",
            "id": "5cd7f8a2-1f0e",
            "at": 1_800_000_000_000,
        }
        self.heard(
            get(f"{self.FROM}&coding=0&charset=UTF-8&udh=&text=Gr%C3%BC%C3%9Fe+an+alle"),
            content=Text("Grüße an alle"),
            **known,
        )
        octets = quote("Привет".encode("utf-16-be"))
        self.site = site(self.name)
        self.heard(
            get(f"{self.FROM}&coding=2&charset=UTF-16BE&udh=&text={octets}"), content=Text("Привет"), **known
        )
        self.site = site(self.name)
        self.heard(
            get(f"{self.FROM}&coding=0&charset=WINDOWS-1252&udh=&text=Gr%FC%DFe"),
            content=Text("Grüße"),
            **known,
        )

    def test_octets(self) -> None:
        self.heard(
            get(f"{self.FROM}&coding=1&charset=8-BIT&udh=%06%05%04%0B%84%23%F0&text=%00%01%FF"),
            sender="+447700900001", own="447700900000", id="5cd7f8a2-1f0e", at=1_800_000_000_000,
            content=Binary(b"\x00\x01\xff", bytes.fromhex("05040b8423f0")),
        )  # fmt: skip

    def test_parts(self) -> None:
        self.send(get(f"{self.FROM}&coding=0&charset=UTF-8&udh=%05%00%03%4A%02%01&text=one"))
        (part,) = self.site.messages
        self.assertEqual((part.join, part.seq, part.total), ("447700900000|8|74", 1, 2))

    def test_reports(self) -> None:
        for dlr, status, words in (
            ("1", "delivered", "delivered"), ("2", "failed", "failed"), ("4", "pending", "buffered"),
            ("8", "pending", "accepted by the SMSC"), ("16", "failed", "rejected by the SMSC"),
        ):  # fmt: skip
            call = get(f"ref=8123&to=%2B447700900001&dlr={dlr}&reply=ACK%2F&foreign=9F&time=1800000000")
            report = NetworkReport("8123", "+447700900001", status, f"ACK/ {dlr} {words}", 1_800_000_000_000)
            self.told(call, report, path=PATHS[1])


class Twilio(Case):
    name = "twilio"
    way = "twilio"
    MO = (
        "ToCountry=US&ToState=CA&SmsMessageSid=SM0123456789abcdef0123456789abcdef&NumMedia=0&ToCity=&FromZip=94107"
        "&SmsSid=SM0123456789abcdef0123456789abcdef&FromState=CA&SmsStatus=received&FromCity=SAN+FRANCISCO"
        "&Body=Caf%C3%A9+%26+%F0%9F%98%80&FromCountry=US&To=%2B14155550000&ToZip=&NumSegments=1"
        "&MessageSid=SM0123456789abcdef0123456789abcdef&AccountSid=AC0123456789abcdef0123456789abcdef"
        "&From=%2B14155551234&ApiVersion=2010-04-01"
    )
    STATUS = (
        "SmsSid=SM1f0e8ae6ade43cb3c0ce4525424e404f&SmsStatus=undelivered&MessageStatus=undelivered&To=%2B14155551234"
        "&MessageSid=SM1f0e8ae6ade43cb3c0ce4525424e404f&AccountSid=AC0123456789abcdef0123456789abcdef"
        "&From=%2B14155550000&ErrorCode=30003&ApiVersion=2010-04-01"
    )

    def test_messages(self) -> None:
        known = {
            "sender": "+14155551234", "own": "+14155550000", "content": Text("Café & 😀"),
            "id": "SM0123456789abcdef0123456789abcdef",
        }  # fmt: skip
        self.heard(post(self.MO), **known)
        self.site = site(self.name)
        self.heard(get(self.MO), **known)
        reply = self.send(post(self.MO))
        self.assertEqual(
            (reply.body, reply.headers["content-type"]), (b"<Response/>", "text/xml; charset=utf-8")
        )

    def test_reports(self) -> None:
        sid = "SM1f0e8ae6ade43cb3c0ce4525424e404f"
        self.told(
            post(self.STATUS),
            NetworkReport(sid, "+14155551234", "failed", "undelivered 30003 phone unreachable"),
        )
        sent = self.STATUS.replace("undelivered", "sent").replace("&ErrorCode=30003", "")
        self.told(post(sent), NetworkReport(sid, "+14155551234", "pending", "sent"))
        self.told(
            post(sent.replace("=sent", "=delivered")),
            NetworkReport(sid, "+14155551234", "delivered", "delivered"),
        )

    def test_behind_a_proxy(self) -> None:
        self.site = site(self.name, url="https://sms.example.org/sms/in/gw")
        self.assertEqual(self.send(post(self.MO)).status, 403)
        self.site = site(self.name, url="http://sms.example/sms/in/gw")
        self.assertEqual(self.send(post(self.MO)).status, 200)


class Vonage(Case):
    name = "vonage"
    way = "vonage"
    MO = (
        "msisdn=447700900001&to=447700900000&messageId=0A0000000123ABCD1&text=Hello+world&type=text&keyword=HELLO"
        "&message-timestamp=2020-01-01+12%3A00%3A00&nonce=aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
    )
    RECEIPT = (
        "msisdn=447700900001&to=AcmeInc&network-code=12345&messageId=0A0000001234567B&price=0.03330000&status=delivered"
        "&scts=2001011400&err-code=0&api-key=abcd1234&message-timestamp=2020-01-01+12%3A00%3A00"
    )

    def test_messages(self) -> None:
        known = {
            "sender": "+447700900001", "own": "+447700900000", "content": Text("Hello world"),
            "id": "0A0000000123ABCD1", "at": 1_577_880_000_000,
        }  # fmt: skip
        self.heard(get(self.MO), **known)
        as_json = {
            "api-key": "abcd1234", "msisdn": "447700900001", "to": "447700900000", "messageId": "0A0000000123ABCD2",
            "text": "Hello world", "type": "unicode", "keyword": "HELLO", "message-timestamp": "2020-01-01 12:00:00 +0000",
            "timestamp": "1578787200", "nonce": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
        }  # fmt: skip
        self.way = "jwt-hash"
        self.heard(posted(as_json), **{**known, "id": "0A0000000123ABCD2"})

    def test_parts(self) -> None:
        for part in ("2", "1"):
            self.send(
                get(
                    f"{self.MO.replace('ABCD1', part)}&concat=true&concat-ref=1&concat-total=3&concat-part={part}"
                )
            )
        self.assertEqual(
            [(each.join, each.seq, each.total) for each in self.site.messages],
            [("+447700900000|1", 2, 3), ("+447700900000|1", 1, 3)],
        )

    def test_parts_that_are_none(self) -> None:
        for number, wrong in enumerate(
            ("0&concat-part=0", "3&concat-part=4", "1&concat-part=1", "900&concat-part=1", "x&concat-part=")
        ):
            self.send(
                get(f"{self.MO.replace('ABCD1', str(number))}&concat=true&concat-ref=1&concat-total={wrong}")
            )
        self.assertEqual({each.total for each in self.site.messages}, {1})
        self.assertEqual(len(self.site.messages), 5)

    def test_binary(self) -> None:
        call = get(
            "msisdn=447700900001&to=447700900000&messageId=0B&type=binary&data=0001ff&udh=0605040b8423f0"
            "&message-timestamp=2020-01-01+12%3A00%3A00"
        )
        self.heard(
            call, sender="+447700900001", own="+447700900000", id="0B", at=1_577_880_000_000,
            content=Binary(b"\x00\x01\xff", bytes.fromhex("05040b8423f0")),
        )  # fmt: skip
        reply = self.send(get("msisdn=447700900001&to=4&messageId=0C&type=binary&data=0001f"))
        self.assertEqual((reply.status, len(self.site.messages)), (400, 1))

    def test_receipts(self) -> None:
        for status, code, expected, words in (
            ("delivered", "0", "delivered", ""), ("accepted", "0", "pending", ""), ("buffered", "0", "pending", ""),
            ("expired", "2", "expired", " phone off for a while"), ("failed", "9", "failed", " illegal number"),
            ("rejected", "6", "failed", " taken for spam"),
        ):  # fmt: skip
            call = get(
                self.RECEIPT.replace("=delivered", f"={status}").replace("err-code=0", f"err-code={code}")
            )
            report = NetworkReport(
                "0A0000001234567B", "+447700900001", expected, f"{status} {code}{words}", 1_577_887_200_000
            )
            self.told(call, report)

    def test_what_is_not_signed_is_not_read(self) -> None:
        """Who has seen a signed call cannot make another one of it."""
        reply = self.send(get(self.MO), unsigned="text=forged")
        self.assertEqual((reply.status, self.site.messages), (403, []))
        self.way = "jwt-hash"
        call = posted({"msisdn": "447700900001", "messageId": "0D", "text": "Hello"})
        self.assertEqual(self.send(call, unsigned="type=binary&data=00ff&to=1").status, 200)
        (message,) = self.site.messages
        self.assertEqual((message.content, message.own), (Text("Hello"), ""))

    def test_a_plain_secret_where_signing_is_off(self) -> None:
        self.site = site(self.name, check="secret")
        self.assertEqual(self.send(get(self.MO)).status, 403)
        self.way = "secret"
        self.assertEqual((self.send(get(self.MO)).status, len(self.site.messages)), (200, 1))


class Infobip(Case):
    name = "infobip"
    way = "basic"

    def test_messages(self) -> None:
        at, own = 1_573_315_200_000, "+385921004026"
        quiz = "QUIZ Correct answer is Paris"
        call = posted(
            {
                "results": [
                    {
                        "messageId": "817790313235066447", "from": "385916242493", "to": "385921004026",
                        "text": quiz, "cleanText": "Correct answer is Paris", "keyword": "QUIZ",
                        "receivedAt": "2019-11-09T16:00:00.000+0000", "smsCount": 1,
                        "price": {"pricePerMessage": 0, "currency": "EUR"}, "callbackData": "callbackData",
                    },
                    {
                        "messageId": "817790313235066448", "from": "Zürich", "to": "385921004026", "text": "Grüezi",
                        "receivedAt": "2019-11-09T17:00:00.000+0100", "smsCount": 1,
                    },
                ],
                "messageCount": 2, "pendingMessageCount": 0,
            }
        )  # fmt: skip
        self.assertEqual(self.send(call).status, 200)
        self.assertEqual(
            self.site.messages,
            [
                MessageIn("gw", "+385916242493", Text(quiz), own, "817790313235066447", at=at),
                MessageIn("gw", "Zürich", Text("Grüezi"), own, "817790313235066448", at=at),
            ],
        )  # fmt: skip

    def result(self, group: str, name: str, error: str = "NO_ERROR") -> dict[str, Any]:
        return {
            "bulkId": "BULK-ID-123-xyz", "messageId": "c9823180-94d4-4ea0-9bf3-ec907e7534a6", "to": "41793026731",
            "sentAt": "2015-06-04T13:01:52.933+0000", "doneAt": "2015-06-04T13:02:00.134+0000", "smsCount": 1,
            "price": {"pricePerMessage": 0.0001, "currency": "EUR"},
            "status": {"groupId": 3, "groupName": group, "id": 5, "name": name, "description": "x"},
            "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": error, "description": "No Error", "permanent": False},
        }  # fmt: skip

    def test_reports(self) -> None:
        at = 1_433_422_920_134
        reference, number = "c9823180-94d4-4ea0-9bf3-ec907e7534a6", "+41793026731"
        self.told(
            posted(
                {
                    "results": [
                        self.result("DELIVERED", "DELIVERED_TO_HANDSET"),
                        self.result("UNDELIVERABLE", "UNDELIVERABLE_NOT_DELIVERED", "EC_ABSENT_SUBSCRIBER"),
                        self.result("EXPIRED", "EXPIRED_EXPIRED"),
                        self.result("PENDING", "PENDING_ENROUTE"),
                        self.result("REJECTED", "REJECTED_NETWORK"),
                    ]
                }
            ),
            NetworkReport(reference, number, "delivered", "DELIVERED_TO_HANDSET NO_ERROR No Error", at),
            NetworkReport(
                reference, number, "failed", "UNDELIVERABLE_NOT_DELIVERED EC_ABSENT_SUBSCRIBER No Error", at
            ),
            NetworkReport(reference, number, "expired", "EXPIRED_EXPIRED NO_ERROR No Error", at),
            NetworkReport(reference, number, "pending", "PENDING_ENROUTE NO_ERROR No Error", at),
            NetworkReport(reference, number, "failed", "REJECTED_NETWORK NO_ERROR No Error", at),
        )

    def test_a_bad_one_among_good_ones(self) -> None:
        good = {"messageId": "1", "from": "385916242493", "to": "385921004026", "text": "x"}
        self.assertEqual(
            self.send(posted({"results": [good, {"messageId": "2", "from": "385"}, 7, None]})).status, 200
        )
        self.assertEqual([message.id for message in self.site.messages], ["1"])
        self.assertEqual(self.send(posted({"results": [{"messageId": "2", "from": "385"}]})).status, 400)

    def test_bombs(self) -> None:
        for body in (
            b"[" * 300_000,
            b'{"results":' * 50_000,
            b'{"results": [' + b"{}," * 1001 + b"{}]}",
            b"\x00",
            b"null",
        ):
            self.assertEqual(self.send(Recorded("", body, JSON)).status, 200 if body == b"null" else 400)
        many = [{"messageId": str(n), "from": "385916242493", "text": "x"} for n in range(1000)]
        self.assertEqual((self.send(posted({"results": many})).status, len(self.site.messages)), (200, 1000))


class Smsgate(Case):
    name = "smsgate"
    way = "smsgate"

    def event(self, event: str, payload: dict[str, Any]) -> Recorded:
        return posted(
            {
                "deviceId": "ffffffffceb0b1db0000018e937c815b", "event": event, "id": "Ey6ECgOkVVFjz3CL48B8C",
                "payload": payload, "webhookId": "<unique-id>",
            }
        )  # fmt: skip

    def test_messages(self) -> None:
        known = {
            "sender": "6505551212", "content": Text("Android is always a sweet treat!"), "id": "Ey6ECgOkVVFjz3CL48B8C",
            "at": 1_719_045_971_000,
        }  # fmt: skip
        payload = {
            "messageId": "abc123", "message": "Android is always a sweet treat!", "phoneNumber": "6505551212",
            "simNumber": 1, "receivedAt": "2024-06-22T15:46:11.000+07:00",
        }  # fmt: skip
        self.heard(self.event("sms:received", payload), **known)
        self.site = site(self.name)
        newer = {**payload, "sender": "6505551212", "recipient": "+1234567890", "simNumber": None}
        self.heard(self.event("sms:received", newer), **known, own="+1234567890")

    def test_octets(self) -> None:
        payload = {"messageId": "abc123", "data": "AAH/", "sender": "6505551212", "receivedAt": "x"}
        self.heard(
            self.event("sms:data-received", payload),
            sender="6505551212", content=Binary(b"\x00\x01\xff"), id="Ey6ECgOkVVFjz3CL48B8C",
        )  # fmt: skip

    def test_reports(self) -> None:
        known = {"messageId": "PyDmBQZZXYmyxMwED8Fzy", "phoneNumber": "+79990001234", "simNumber": 1}
        at = 1_719_045_971_000
        for event, stamp, status, detail in (
            ("sms:sent", {"sentAt": "2024-06-22T15:46:11.000+07:00"}, "pending", "sms:sent"),
            ("sms:delivered", {"deliveredAt": "2024-06-22T15:46:11.000+07:00"}, "delivered", "sms:delivered"),
            (
                "sms:failed", {"failedAt": "2024-06-22T15:46:11.000+07:00", "reason": "No service"}, "failed",
                "sms:failed No service",
            ),
        ):  # fmt: skip
            report = NetworkReport("PyDmBQZZXYmyxMwED8Fzy", "+79990001234", status, detail, at)
            self.told(self.event(event, {**known, **stamp}), report)

    def test_what_is_not_signed_is_not_read(self) -> None:
        payload = {"messageId": "abc123", "message": "Hello", "phoneNumber": "6505551212"}
        reply = self.send(
            self.event("sms:received", payload), unsigned="payload.recipient=1&payload.sender=2"
        )
        (message,) = self.site.messages
        self.assertEqual((reply.status, message.sender, message.own), (200, "6505551212", ""))

    def test_other_events_are_none_of_ours(self) -> None:
        self.assertEqual(self.send(self.event("system:ping", {"health": {}})).status, 200)
        self.assertEqual((self.site.messages, self.site.reports), ([], []))


class Httpsms(Case):
    name = "httpsms"
    way = "jwt"

    def event(self, kind: str, data: dict[str, Any]) -> Recorded:
        value = {
            "data": data, "datacontenttype": "application/json", "id": "f4aed1d3-ab4f-42b9-b9dd-9fc7182f7197",
            "source": "/v1/messages/receive", "specversion": "1.0", "time": "2023-06-29T03:21:19.524331882Z", "type": kind,
        }  # fmt: skip
        return Recorded("", json.dumps(value).encode(), "application/cloudevents+json")

    def test_message(self) -> None:
        self.heard(
            self.event(
                "message.phone.received",
                {
                    "contact": "+18005550100", "content": "This is a test incoming message",
                    "message_id": "0b0123bb-ef2e-468f-908a-c026d51636aa", "owner": "+18005550199", "sim": "SIM1",
                    "timestamp": "2023-06-29T03:21:19.814Z", "user_id": "XtABz6zdeFMoBLoltz6SREDvRSh2",
                },
            ),
            sender="+18005550100", own="+18005550199", content=Text("This is a test incoming message"),
            id="0b0123bb-ef2e-468f-908a-c026d51636aa", at=1_688_008_879_814,
        )  # fmt: skip

    def test_reports(self) -> None:
        known = {
            "contact": "+18005550100", "content": "This is a test outgoing message", "owner": "+18005550199",
            "request_id": "optional request id", "sim": "SIM1", "timestamp": "2023-06-29T03:21:19.814Z", "user_id": "X",
        }  # fmt: skip
        for kind, more, status, detail in (
            ("message.phone.sent", {"id": "ff31"}, "pending", ""),
            ("message.phone.delivered", {"id": "ff31"}, "delivered", ""),
            ("message.send.failed", {"id": "ff31", "error_message": "NO_SERVICE"}, "failed", " NO_SERVICE"),
            ("message.send.expired", {"message_id": "ff31"}, "expired", ""),
        ):
            report = NetworkReport("ff31", "+18005550100", status, kind + detail, 1_688_008_879_814)
            self.told(self.event(kind, {**known, **more}), report)
        self.assertEqual(self.send(self.event("phone.heartbeat.offline", {})).status, 200)


class Smsd(Case):
    name = "smsd"
    way = "pass"

    def test_messages(self) -> None:
        known = {"sender": "+15551234567", "own": "+1999", "id": "m7"}
        self.heard(
            get(
                "number=sms%3A%2B15551234567%40example.org&data=Gr%C3%BC%C3%9Fe&binary=0&own=%2B1999&msgid=m7"
            ),
            content=Text("Grüße"),
            **known,
        )
        self.site = site(self.name)
        self.heard(
            post("number=%2B15551234567&data=AQID&udh=BQQLhCPw&binary=1&own=%2B1999&msgid=m7"),
            content=Binary(b"\1\2\3", bytes.fromhex("05040b8423f0")), **known,
        )  # fmt: skip


class Chain(Case):
    """The events with which another smsd calls."""

    name = "smsd"
    way = "webhooks"

    def event(self, kind: str, data: dict[str, Any]) -> Recorded:
        return Recorded("", Event("911", kind, 1_800_000_000_000, data).body, JSON)

    def test_messages(self) -> None:
        data = {
            "id": "911814159937581057", "from": "+15551234567", "to": "+15550009999", "gateway": "gsm1",
            "written": "2027-01-15T07:59:58.000Z", "text": "Grüße", "in_reply_to": {"delivery": "911", "msgid": None},
        }  # fmt: skip
        known = {
            "sender": "+15551234567", "own": "+15550009999", "id": "911814159937581057", "at": 1_799_999_998_000,
        }  # fmt: skip
        self.heard(self.event("message.received", data), content=Text("Grüße"), **known)
        self.site = site(self.name)
        octets = {**data, "data": "AQID", "udh": "BQQLhCPw"}
        del octets["text"]
        self.heard(
            self.event("message.received", octets),
            content=Binary(b"\1\2\3", bytes.fromhex("05040b8423f0")),
            **known,
        )

    def test_reports(self) -> None:
        data = {
            "id": "911814159937581057", "delivery": "911814159937581056", "recipient": "+15551234567", "state": "delivered",
            "reason": "the phone has received it", "status": "2.1.5", "network": None, "reference": "17", "gateway": "gsm1",
            "parts": 1, "parts_sent": 1, "msgid": "order-7", "account": "shop", "submitted": "2026-11-21T16:40:00.000Z",
        }  # fmt: skip
        for event, status in (
            ("delivered", "delivered"), ("sent", "pending"), ("buffered", "pending"), ("delayed", "pending"),
            ("failed", "failed"), ("cancelled", "failed"), ("expired", "expired"),
        ):  # fmt: skip
            report = NetworkReport(
                "911814159937581056", "+15551234567", status, "the phone has received it", 1_800_000_000_000
            )
            self.told(self.event(f"message.{event}", data), report)


GOOD: dict[str, tuple[str, Recorded]] = {
    "smsd": ("pass", get("number=%2B15551234567&data=x")),
    "clickatell": ("secret", get(Clickatell.MO)),
    "clickatell-rest": ("secret", posted({"fromNumber": "27999123456", "text": "x", "messageId": "1"})),
    "routo": ("pass", post("org=447700900001&dest=447700900000&message=x")),
    "kannel": ("secret", get(f"{Kannel.FROM}&text=x&coding=0")),
    "twilio": ("twilio", post(Twilio.MO)),
    "vonage": ("vonage", get(Vonage.MO)),
    "infobip": ("basic", posted({"results": [{"messageId": "1", "from": "385916242493", "text": "x"}]})),
    "smsgate": (
        "smsgate",
        posted({"event": "sms:received", "id": "1", "payload": {"message": "x", "sender": "1"}}),
    ),
    "httpsms": (
        "jwt",
        posted(
            {"type": "message.phone.received", "data": {"contact": "+1", "content": "x", "message_id": "1"}}
        ),
    ),
}


class Every(SynchronousTestCase):
    """What holds for each of them."""

    def test_none_is_forgotten(self) -> None:
        self.assertEqual(set(GOOD), {name for name in names() if not name.startswith("clickatell-i")})

    def test_wrong_signature_wrong_network_repeat_and_store_failure(self) -> None:
        for name, (way, call) in GOOD.items():
            here = site(name)
            for other, secret in ((way, SECRET + "."), ("none", SECRET)):
                self.assertEqual(call.send(here, other, secret).status, 403, name)
            self.assertEqual(call.send(site(name, networks=["10.0.0.0/8"]), way).status, 403, name)
            self.assertEqual(here.messages, [])
            here.context.inbound.failure = RuntimeError("disk full")
            reply = call.send(here, way)
            self.assertEqual(
                (reply.status, reply.headers["retry-after"], here.messages), (503, "5", []), name
            )
            here.context.inbound.failure = None
            for _ in range(3):
                self.assertEqual(call.send(here, way).status, 200, name)
            has_id = bool(mapping(name).messages.id) and name != "smsd"  # type: ignore[union-attr]
            self.assertEqual(len(here.messages), 1 if has_id else 3, name)
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_networks_alone_are_enough(self) -> None:
        for name, (_, call) in GOOD.items():
            here = site(name, secret=None, networks=["192.0.2.0/24"])
            self.assertEqual((call.send(here, "none").status, len(here.messages)), (200, 1), name)
            self.assertEqual(call.send(here, "none", peer="192.0.3.1").status, 403)

    def test_the_old_secret_counts_meanwhile(self) -> None:
        for name, (way, call) in GOOD.items():
            here = site(name, secret="the new secret", old_secret=SECRET)
            self.assertEqual(call.send(here, way).status, 200, name)

    def test_requests_that_are_nothing(self) -> None:
        for name, (way, _) in GOOD.items():
            here = site(name)
            for call in (
                get(""),
                get("x=y"),
                post("a=b"),
                posted([]),
                posted({}),
                posted("x"),
                posted({"results": {}}),
            ):
                self.assertIn(call.send(here, way).status, (200, 400, 403), name)
            self.assertEqual((here.messages, here.reports), ([], []), name)
            for wrong in (
                Recorded("", b"<a/>", "text/xml"),
                Recorded("", b"{", JSON),
                Recorded("a=1&" * 1500 + "b=1"),
            ):
                self.assertEqual(wrong.send(here, way).status, 400, name)


class Door(SynchronousTestCase):
    def test_reports_that_could_not_be_kept(self) -> None:
        here = site("clickatell")
        here.context.reports.failure = RuntimeError("disk full")
        self.assertEqual(get(Clickatell.STATUS).send(here).status, 503)
        self.flushLoggedErrors(RuntimeError)
        here.context.reports.failure = None
        self.assertEqual(get(Clickatell.STATUS).send(here).status, 200)  # for an unknown id, too
        self.assertEqual(len(here.reports), 1)

    def test_one_of_several_fails(self) -> None:
        here = site("infobip")
        kept = here.context.inbound.message

        def message(incoming: MessageIn) -> Any:
            here.context.inbound.failure = RuntimeError("no") if incoming.id == "2" and fails else None
            return kept(incoming)

        here.context.inbound.message = message
        call = posted(
            {"results": [{"messageId": str(n), "from": "385916242493", "text": "x"} for n in (1, 2, 3)]}
        )
        fails = True
        self.assertEqual(call.send(here, "basic").status, 503)
        fails = False
        self.assertEqual(call.send(here, "basic").status, 200)
        self.assertEqual(sorted(message.id for message in here.messages), ["1", "2", "3"])
        self.flushLoggedErrors(RuntimeError)

    def test_the_report_path_takes_no_messages(self) -> None:
        here = site("clickatell")
        self.assertEqual(get(Clickatell.MO).send(here, path=PATHS[1]).status, 200)
        self.assertEqual(here.messages, [])

    def test_how_often_it_was_handed_on(self) -> None:
        here = site("smsd", secret=None, networks=["192.0.2.0/24"])
        ask(here.door, "/sms/in/gw?number=%2B15551234567&data=x", headers={"X-SMSD-Hops": "3"})
        self.assertEqual(here.messages[0].hops, 3)

    def test_a_call_that_says_nothing_at_all(self) -> None:
        here = site("vonage")
        self.assertEqual(Recorded().send(here, "none").status, 200)
        self.assertEqual((here.messages, here.reports), ([], []))
        self.assertEqual(Recorded().send(site("vonage", networks=["10.0.0.0/8"]), "none").status, 403)

    def test_unknown_gateways_and_methods(self) -> None:
        here = site("clickatell")
        for path in ("/sms/in/other", "/sms/in/", "/sms/in/gw/", "/sms/in/gw/x", "/sms/in"):
            self.assertEqual(get(Clickatell.MO).send(here, path=path).status, 404, path)
        self.assertEqual(ask(here.door, "/sms/in/gw", "PUT", b"x").status, 405)
        self.assertEqual(ask(here.door, "/sms/in/gw", "POST", b"x", {"Content-Encoding": "gzip"}).status, 400)

    def log(self, here: Site) -> list[str]:
        lines: list[dict[str, Any]] = []
        add = here.door.calls.add

        def note(line: str, **fields: Any) -> None:
            lines.append({"line": line, **fields})
            add(line, **fields)

        here.door.calls.add = note  # type: ignore[method-assign]
        get(Clickatell.MO).send(here)
        get(Clickatell.MO).send(here, secret="a wrong secret here")
        get(Clickatell.STATUS).send(here)
        Recorded("", b"[" * 500_000, JSON).send(here)
        self.assertEqual([line["gateway"] for line in lines], ["gw"] * 4)
        return [line["line"] for line in lines]

    def test_every_call_is_logged_without_its_secret(self) -> None:
        first, second, third, bomb = self.log(site("clickatell"))
        self.assertIn("400: False (the JSON body is nested too deeply), gateway gw, nothing", bomb)
        for line in self.log(site("clickatell", networks=["10.0.0.0/8"])):
            self.assertIn("403: False (you may not call from this address), gateway gw, nothing", line)
        self.assertIn("/sms/in/gw 200: True, gateway gw, 1 message from ", first)
        self.assertIn("/sms/in/gw 403: False (the secret is wrong), gateway gw", second)
        self.assertIn("200: True, gateway gw, 1 report from ", third)
        for line in (first, second, third):
            self.assertNotIn("secret of", line)
            self.assertNotIn("wrong secret here", line)
            self.assertNotIn("279991235642", line)
            self.assertRegex(line, r", \d+\.\d{3} s$")

    def test_the_fake_keeps_its_promise(self) -> None:
        from zope.interface.verify import verifyObject

        self.assertTrue(verifyObject(IReports, FakeReports()))
