"""`number[@x][&param=value…]`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules.target import To, number, number_and_at, read, write

_plain = st.text(max_size=8).map(lambda text: text.replace("@", "").replace("&", "").strip())
_values = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_names = st.sampled_from(("sender", "maxmsgs", "reply", "value", "x y".replace(" ", "")))


class Targets(SynchronousTestCase):
    def test_examples(self) -> None:
        for text, to in (
            ("+1555", To("+1555")),
            ("+1555@gw", To("+1555", "gw")),
            ("+1555@@gw", To("+1555", "gw")),
            ("+1555@gw&sender=+1666", To("+1555", "gw", (("sender", "+1666"),))),
            ("+1555@gw&sender=", To("+1555", "gw", (("sender", ""),))),
            ("+1555&maxmsgs=2&expire=5", To("+1555", "", (("maxmsgs", "2"), ("expire", "5")))),
            ("+1555&sender=a%26b%40c%25", To("+1555", "", (("sender", "a&b@c%"),))),
            ("+1555@gw&value=&unicode=1", To("+1555", "gw", (("value", ""), ("unicode", "1")))),
            ("ann@example.org", To("ann", "example.org")),
            ("", To("")),
            ("&&=x&", To("")),
        ):
            self.assertEqual(read(text), to, text)

    def test_a_gateway_behind_the_parameters(self) -> None:
        """`%%To%%@gw` with a message that has parameters already."""
        self.assertEqual(read("+1555&maxmsgs=2@gw"), To("+1555", "gw", (("maxmsgs", "2"),)))
        mail = ("reply", "ann@example.org")
        self.assertEqual(read("+1555&reply=ann@example.org"), To("+1555", "", (mail,)))
        self.assertEqual(read("+1555&reply=ann@example.org@gw"), To("+1555", "gw", (mail,)))
        self.assertEqual(read("+1555@gw&sender=a@b"), To("+1555", "gw", (("sender", "a@b"),)))

    def test_what_is_written_does_not_look_routed(self) -> None:
        self.assertNotIn("@", write(To("+1555", "", (("reply", "ann@example.org"),))))

    @given(_plain, _plain, st.lists(st.tuples(_names, _values), max_size=3))
    def test_what_is_written_is_read(self, phone: str, at: str, parameters: list[tuple[str, str]]) -> None:
        to = To(phone, at, tuple(parameters))
        self.assertEqual(read(write(to)), to)

    @given(st.text())
    def test_anything_is_read(self, text: str) -> None:
        to = read(text)
        self.assertEqual((number(text), number_and_at(text)), (to.number, (to.number, to.at)))
        self.assertEqual(read(write(to)).number, to.number)
