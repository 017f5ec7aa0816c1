"""What is an answer, and what people are told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.alert import accepts, asked, taken, unanswered
from smsd.values.address import Address
from smsd.values.message import Binary, Text, Ticket, Wants


class Answers(SynchronousTestCase):
    def test_whatever_its_capitals_and_punctuation(self) -> None:
        for text in ("OK", "ok", " Ok. ", "«OK»", "ok!!!", "\uff2f\uff2b", "(ok)", "OK\n"):
            self.assertTrue(accepts(text, ["OK"]), text)
        self.assertTrue(accepts("ÜBERNEHME!", ["übernehme"]))
        self.assertTrue(accepts("ich komme...", ["nein", "Ich  komme"]))
        self.assertTrue(accepts("👍🏽", ["👍"]))

    def test_more_than_the_word_is_no_answer(self) -> None:
        for text in ("", "...", "OK call Bob", "not ok", "O K", "okay", "x" * 1000):
            self.assertFalse(accepts(text, ["OK"]), text)

    def test_an_answer_of_punctuation_takes_nothing(self) -> None:
        self.assertFalse(accepts("", ["!"]))
        self.assertFalse(accepts("?", ["!"]))

    @given(st.text(max_size=300), st.lists(st.text(max_size=20), max_size=5))
    def test_never_fails(self, text: str, answers: list[str]) -> None:
        if accepts(text, answers):
            self.assertTrue(any(accepts(answer, [text[:200]]) for answer in answers))


class Told(SynchronousTestCase):
    def test_the_next_one_hears_how_many_there_are(self) -> None:
        self.assertEqual(asked(Text("fire"), 0), Text("fire"))
        self.assertEqual(asked(Text("fire"), 3), Text("fire (and 3 more)"))
        self.assertEqual(asked(Binary(b"x"), 3), Binary(b"x"))

    def test_taken(self) -> None:
        self.assertEqual(taken(Text("a\nb"), "+1555"), Text("Taken by +1555: a b"))

    def test_the_sender_hears_of_silence_only_when_he_wants_to_hear_of_failures(self) -> None:
        ticket = Ticket(Address("mailto", "bob@example.org"))
        self.assertIsNone(unanswered(None, Wants.FAILURE, Text("x"), ["+1"], None))
        self.assertIsNone(unanswered(ticket, Wants.DELAY, Text("x"), ["+1"], None))
        self.assertIsNone(unanswered(ticket, Wants.DELAY, Text("x"), ["+1"], None, "boss@example.org"))
        boss = unanswered(None, Wants.NOTHING, Text("x"), ["+1"], None, "boss@example.org")
        assert boss is not None
        self.assertEqual([str(one.address) for one in boss.recipients], ["mailto:boss@example.org"])
        told = unanswered(ticket, Wants.FAILURE, Text("fire"), ["+1", "+2"], "ann")
        assert told is not None
        self.assertEqual(told.recipients[0].address, ticket.address)
        self.assertIn("+1, +2", told.content.text)  # type: ignore[union-attr]
        self.assertEqual(dict(told.headers)["subject"], "Nobody has answered: fire")
