"""Writing: whatever is in a stanza, what goes out is one well-formed element, and says the same."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from twisted.words.xish.domish import Element

from smsd.codec.xmltext import clean
from smsd.links.xmpp.stanzas import CONDITIONS, answer, child, error, refusal, stanza, text_of, write
from smsd.values.errors import Reason, Refused

ANYTHING = st.text(alphabet=st.characters(codec=None), max_size=60)  # surrogates and controls too


def parsed(octets: bytes) -> ElementTree.Element:
    """As the chat server reads it, within a stream."""
    return ElementTree.fromstring(b"<s xmlns='jabber:component:accept'>" + octets + b"</s>")[0]


class Writing(SynchronousTestCase):
    @given(ANYTHING, ANYTHING, ANYTHING)
    def test_any_text_in_any_place(self, body: str, attribute: str, namespace: str) -> None:
        message = stanza("message", sender="a@b", to="c@d", id=attribute or "x")
        message.addElement("body", content=body)
        # By "}" this parser, and no chat server's, tells namespace and name apart.
        namespace = namespace.replace("}", "")
        message.addElement((namespace, "x"))[("urn:q", "k")] = attribute
        message.addElement(("urn:it's", "y")).addElement((None, "z"), content=body)
        read = parsed(write(message).encode("utf-8"))
        said = clean(body)
        self.assertEqual(read.findtext("{jabber:component:accept}body") or "", said)
        self.assertEqual(read.findtext("{urn:it's}y/{urn:it's}z") or "", said)
        self.assertEqual(len(read), 3)

    def test_what_is_no_name_is_not_written(self) -> None:
        for name in ("a b", "", "a>", "1a", "a\n"):
            self.assertRaises(ValueError, write, Element((None, name)))

    def test_deep_ones_are_written_too(self) -> None:
        top = inner = Element((None, "a"))
        for _ in range(20_000):
            deeper = Element((None, "a"))
            inner.children.append(deeper)
            inner = deeper
        self.assertEqual(write(top).count("<a"), 20_001)

    def test_components_have_no_namespace_of_their_own(self) -> None:
        for uri in (None, "jabber:component:accept", "jabber:client", "jabber:server"):
            self.assertEqual(write(Element((uri, "iq"))), "<iq/>")


class Answering(SynchronousTestCase):
    def test_an_error_goes_back_with_the_id(self) -> None:
        came = stanza("message", sender="ann@example.org/phone", to="+1@sms", kind="chat", id="m1")
        made = error(came, "not-acceptable", "modify", "too <long>")
        self.assertEqual(
            (made["from"], made["to"], made["type"], made["id"]),
            ("+1@sms", "ann@example.org/phone", "error", "m1"),
        )
        self.assertEqual(
            write(made).partition("<error")[2],
            ' type="modify"><not-acceptable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>'
            '<text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">too &lt;long&gt;</text></error></message>',
        )

    def test_every_refusal_of_the_house_has_a_condition(self) -> None:
        self.assertEqual(set(CONDITIONS), set(Reason))
        inside = child(
            refusal(stanza("iq", sender="a", to="b"), Refused(Reason.OVER_LIMIT, "no")), None, "error"
        )
        self.assertEqual(
            (inside["type"], text_of(child(inside, "urn:ietf:params:xml:ns:xmpp-stanzas", "text"))),
            ("wait", "no"),
        )

    def test_an_answer_has_no_id_where_none_was(self) -> None:
        self.assertFalse(answer(stanza("iq", sender="a", to="b"), "result").hasAttribute("id"))
