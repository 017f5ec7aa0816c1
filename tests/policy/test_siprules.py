"""SIP rules (R9): the document's own form, what they decide, and mistakes with their places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.siprules import MOST_RULES, Response, SipRule, default_rules, judge, make
from smsd.policy.siprulesxml import read_rules
from smsd.values.errors import InvalidValue
from smsd.values.message import DEFAULT_PARAMETERS

DOCUMENT = b"<NUMBER>^([0-9]).*</NUMBER><METHOD>MESSAGE</METHOD><SMS>1</SMS><RESPONSE>200 OK</RESPONSE>"


def rules(text: str) -> tuple[SipRule, ...]:
    return read_rules(text.encode(), "rules.xml")[0]


class Document(SynchronousTestCase):
    def test_the_rule_of_the_document(self) -> None:
        found, warnings = read_rules(DOCUMENT, "rules.xml")
        self.assertEqual(warnings, [])
        verdict = judge(found, "15551234567", "MESSAGE")
        self.assertEqual((verdict.sms, verdict.stop), (DEFAULT_PARAMETERS, False))
        self.assertEqual(verdict.response, Response(200, "OK"))
        self.assertIsNone(judge(found, "ann", "MESSAGE").sms)
        self.assertIsNone(judge(found, "+15551234567", "MESSAGE").sms)
        self.assertIsNone(judge(found, "15551234567", "INVITE").sms)

    def test_the_same_with_something_around_it(self) -> None:
        line = DOCUMENT.decode()
        for text in (
            f"<RULES><ITEM>{line}</ITEM><ITEM>{line}</ITEM></RULES>",
            f'<?xml version="1.0" encoding="UTF-8"?>\n<siprules>\n<rule>{line}</rule>\n<rule>{line}</rule></siprules>',
            f"<RULE>{line}</RULE>\n<RULE>{line}</RULE>",
            f"{line}\n{line}",
            f"\ufeff{line}{line}",
            f"<!-- ours -->{line}<x/>{line}".lower().replace("message", "MESSAGE"),
        ):
            found = rules(text)
            self.assertEqual(len(found), 2, text)
            self.assertEqual(judge(found, "1", "MESSAGE").response.code, 200)  # type: ignore[union-attr]

    def test_a_bare_list_begins_a_rule_where_a_word_comes_again(self) -> None:
        found = rules(
            "<NUMBER>^1</NUMBER><STOP>1</STOP>\n<NUMBER>^2</NUMBER><SMS>maxmsgs=1&amp;sender=ACME</SMS>"
        )
        self.assertEqual([rule.place for rule in found], ["rules.xml:1", "rules.xml:2"])
        self.assertTrue(judge(found, "12", "MESSAGE").stop)
        sms = judge(found, "21", "MESSAGE").sms
        assert sms is not None
        self.assertEqual((sms.max_parts, sms.sender), (1, "ACME"))

    def test_and_where_a_condition_follows_what_is_done(self) -> None:
        found = rules("<NUMBER>^1</NUMBER><SMS>1</SMS><METHOD>INVITE</METHOD><STOP>1</STOP>")
        self.assertEqual(len(found), 2)
        self.assertFalse(judge(found, "1", "MESSAGE").stop)


class Decides(SynchronousTestCase):
    def test_the_first_with_sms_or_stop_decides(self) -> None:
        found = rules("<NUMBER>^1</NUMBER><STOP>1</STOP><NUMBER>.</NUMBER><SMS>1</SMS>")
        self.assertTrue(judge(found, "1", "MESSAGE").stop)
        self.assertIsNone(judge(found, "1", "MESSAGE").sms)
        self.assertIsNotNone(judge(found, "2", "MESSAGE").sms)

    def test_a_response_alone_is_for_what_follows(self) -> None:
        found = rules(
            "<METHOD>MESSAGE</METHOD><RESPONSE>200 OK</RESPONSE><METHOD>MESSAGE</METHOD><SMS>1</SMS>"
        )
        verdict = judge(found, "1", "MESSAGE")
        self.assertEqual((verdict.sms, verdict.response), (DEFAULT_PARAMETERS, Response(200, "OK")))

    def test_without_rules_a_message_to_a_number_is_an_sms(self) -> None:
        for number, method, sms in (
            ("+1555", "MESSAGE", True), ("0039", "MESSAGE", True), ("ann", "MESSAGE", False), ("1", "OPTIONS", False),
        ):  # fmt: skip
            self.assertEqual(judge(default_rules(), number, method).sms is not None, sms)

    def test_look_aheads_as_in_other_rules(self) -> None:
        found = rules("<NUMBER>^(?!00)[0-9]</NUMBER><SMS>1</SMS>")
        self.assertIsNone(judge(found, "0039", "MESSAGE").sms)
        self.assertIsNotNone(judge(found, "39", "MESSAGE").sms)

    def test_what_is_thrown_away_is_warned_of(self) -> None:
        _, warnings = read_rules(b"<NUMBER>1</NUMBER><RESPONSE>200 OK</RESPONSE>", "r.xml")
        self.assertEqual(
            warnings,
            ["r.xml:1: RESPONSE says yes to a message that no SMS is made of: it is thrown away"],
        )


class Mistakes(SynchronousTestCase):
    def wrong(self, text: str | bytes) -> list[str]:
        octets = text.encode() if isinstance(text, str) else text
        with self.assertRaises(InvalidValue) as caught:
            read_rules(octets, "r.xml")
        return str(caught.exception).splitlines()

    def test_each_has_its_line(self) -> None:
        found = self.wrong(
            "<SMS>1</SMS>\n<NUMBER>(</NUMBER><SMS>1</SMS>\n<SMS>perhaps</SMS>\n<METHOD>.</METHOD><STOP>x</STOP>"
        )
        self.assertEqual([line.split(":")[1] for line in found], ["2", "3", "4"])
        self.assertIn("NUMBER: the regular expression cannot be read", found[0])
        self.assertIn("SMS: 'perhaps' is not possible: write 1, or parameters such as maxmsgs=1", found[1])
        self.assertIn("STOP: 'x' is not possible", found[2])

    def test_a_response_that_would_lie(self) -> None:
        (found,) = self.wrong("<SMS>1</SMS><RESPONSE>404 Not Found</RESPONSE>")
        self.assertIn("write a 2xx code", found)
        for text in ("OK", "99 Low", "700 High", "200 " + "x" * 101):
            (found,) = self.wrong(f"<SMS>1</SMS><RESPONSE>{text}</RESPONSE>")
            self.assertIn("RESPONSE", found)

    def test_what_is_no_word_of_a_rule(self) -> None:
        self.assertIn("none of NUMBER, METHOD", self.wrong("<TRANSFER>1</TRANSFER><SMS>1</SMS>")[0])
        self.assertIn("outside of every element", self.wrong("1<SMS>1</SMS>")[0])
        self.assertIn("has no place inside", self.wrong("<NUMBER>a<b>c</b></NUMBER>")[0])
        self.assertIn("does nothing", self.wrong("<NUMBER>1</NUMBER>")[0])

    def test_parameters_that_have_no_place(self) -> None:
        for text in ("user=ann", "foo=1", "binary=1", "number=1", "maxmsgs=0", "authenticated=1"):
            self.assertIn("SMS: ", self.wrong(f"<SMS>{text}</SMS>")[0])

    def test_document_types_entities_and_too_much(self) -> None:
        bomb = '<!DOCTYPE x [<!ENTITY a "1"><!ENTITY b "&a;&a;">]><SMS>&b;</SMS>'
        self.assertIn("a document type", self.wrong(bomb)[0])
        self.assertIn("a document type", self.wrong('<?xml version="1.0"?>' + bomb)[0])
        self.assertIn("no XML", self.wrong("<SMS>&b;</SMS>")[0])
        self.assertIn("too long", self.wrong(b" " * 1_000_001)[0])
        self.assertIn("nested too deeply", self.wrong("<a>" * 17)[0])
        self.assertIn("too many rules", self.wrong("<SMS>1</SMS>" * (MOST_RULES + 1))[0])
        self.assertIn("encoding", self.wrong('<?xml version="1.0" encoding="utf-7"?><SMS>1</SMS>')[0])

    @given(st.binary(max_size=200) | st.text(alphabet="<>/SMRX1 &;!?=\"'", max_size=60).map(str.encode))
    def test_anything_else_is_rules_or_a_mistake(self, octets: bytes) -> None:
        try:
            read_rules(octets, "r.xml")
        except InvalidValue as error:
            self.assertTrue(str(error).startswith("r.xml:"))

    def test_yaml_says_which_word(self) -> None:
        with self.assertRaises(InvalidValue) as caught:
            make({"METHOD": "(", "SMS": "1"})
        self.assertTrue(str(caught.exception).startswith("METHOD: "))
