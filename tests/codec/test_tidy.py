"""Texts that are written plainly: what for what, only where it avoids Unicode, and never with another meaning."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import gsm7, segment, tidy
from smsd.codec.dcs import Alphabet

PORTUGUESE = frozenset({3})
TEXTS = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_characters="\0"), st.sampled_from([*tidy.PLAIN, *"aé€êßα"])
    )
)


def alphabet(text: str) -> Alphabet:
    return segment.plan_text(text).alphabet


class Plain(SynchronousTestCase):
    def test_every_plain_form_is_in_the_alphabet(self) -> None:
        for char, instead in tidy.PLAIN.items():
            gsm7.septets(instead)
            self.assertRaises(gsm7.Unencodable, gsm7.septets, char)
            self.assertEqual(tidy.plain(char), instead)

    def test_letters_lose_accents_that_the_alphabet_lacks(self) -> None:
        self.assertEqual([tidy.plain(each) for each in "áêşžĄő"], [*"aeszAo"])

    def test_what_has_no_plain_form(self) -> None:
        for char in "α中я😀①":
            self.assertIs(tidy.plain(char), None)

    def test_numbers_keep_their_meaning(self) -> None:
        self.assertEqual(tidy.fitted("1½ m² – 10²", "tidy")[0], "1 1/2 m^2 - 10^2")


class Fitted(SynchronousTestCase):
    def test_the_curly_quote_that_doubles_the_bill(self) -> None:
        text = "It’s " + "x" * 155
        self.assertEqual(segment.plan_text(text).total, 3)
        self.assertEqual(tidy.fitted(text, "tidy"), ("It's " + "x" * 155, {"’": "'"}))

    def test_only_what_the_alphabet_lacks_is_changed(self) -> None:
        self.assertEqual(tidy.fitted("è ç €5 ü", "tidy"), ("è c €5 ü", {"ç": "c"}))

    def test_not_changed_when_it_would_be_unicode_all_the_same(self) -> None:
        for policy in tidy.POLICIES:
            self.assertEqual(tidy.fitted("“α”", policy), ("“α”", {}))

    def test_as_is(self) -> None:
        self.assertEqual(tidy.fitted("“x”", "as_is"), ("“x”", {}))

    def test_letters_that_were_written_in_two(self) -> None:
        self.assertEqual(tidy.fitted("cafe\u0301", "tidy"), ("café", {}))

    def test_national_keeps_letters_that_the_table_has(self) -> None:
        self.assertEqual(tidy.fitted("Coração: ê", "national", PORTUGUESE), ("Coração: ê", {}))
        self.assertEqual(tidy.fitted("Coração “ê”", "national", PORTUGUESE)[0], 'Coração "ê"')
        self.assertEqual(tidy.fitted("Coração “ê”", "tidy", PORTUGUESE)[0], 'Coracao "e"')

    def test_national_without_a_table(self) -> None:
        self.assertEqual(tidy.fitted("ê “", "national"), ('e "', {"ê": "e", "“": '"'}))

    @given(
        TEXTS,
        st.sampled_from(tidy.POLICIES),
        st.sampled_from([frozenset(), PORTUGUESE, frozenset({1, 2, 3})]),
    )
    def test_changed_only_where_it_avoids_unicode(
        self, text: str, policy: str, national: frozenset[int]
    ) -> None:
        made, replaced = tidy.fitted(text, policy, national)
        if made != text:
            self.assertIs(segment.plan_text(text).alphabet, Alphabet.UCS2)
            self.assertIs(segment.plan_text(made, national=national).alphabet, Alphabet.GSM7)
        self.assertEqual(tidy.fitted(made, policy, national)[0], made)
        self.assertTrue(set(replaced) <= set(text) or made != text)

    @given(TEXTS)
    def test_offenders_are_why_it_is_unicode(self, text: str) -> None:
        found = tidy.offenders(text)
        self.assertEqual(bool(found), alphabet(text) is Alphabet.UCS2)
        for one in found:
            self.assertEqual((text[one.at], text.count(one.char)), (one.char, one.times))
