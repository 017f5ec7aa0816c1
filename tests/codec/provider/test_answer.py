"""What answers mean: yes with its ids, no of every kind, and nobody knows."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.provider.answer import Reply, judge
from smsd.codec.provider.matching import MOST, charset, expression, json_path, read_json
from smsd.codec.provider.model import Answers, Condition, Source
from smsd.config import providers
from smsd.config.positions import ConfigError, read
from smsd.values.delivery import Accepted, Failure, Kind, Scope
from smsd.values.errors import InvalidValue


def answers(text: str) -> Answers:
    """The section `answers:` of a provider."""
    document = read(f"answers:\n{text}", "providers.yaml")
    found = providers.read_answers(document, ("answers",), document.data["answers"])
    if document.problems:
        raise ConfigError(document.problems)
    return found


def fate(found: Answers, status: int, body: str | bytes = b"", own: str = "", **more: Any) -> Any:
    """What becomes of the message, in short."""
    body = body.encode() if isinstance(body, str) else body
    outcome = judge(found, Reply(status, body, **more), 900.0, own)
    if isinstance(outcome, Accepted):
        return "yes", outcome.reference, *outcome.more
    return outcome.kind.value, outcome.scope.value, outcome.reason


class StatusTests(SynchronousTestCase):
    """Without a description the status decides."""

    def test_statuses(self) -> None:
        for status, kind, scope in (
            (500, "temporary", "message"), (503, "temporary", "message"), (408, "temporary", "message"),
            (425, "temporary", "message"), (429, "temporary", "speed"), (400, "permanent", "message"),
            (404, "permanent", "message"), (401, "temporary", "gateway"), (402, "temporary", "gateway"),
            (403, "temporary", "gateway"), (407, "temporary", "gateway"), (302, "permanent", "message"),
        ):  # fmt: skip
            self.assertEqual(fate(Answers(), status, "no")[:2], (kind, scope), status)
        for status in (200, 201, 202, 204):
            self.assertEqual(fate(Answers(), status, "whatever"), ("yes", None))

    def test_words(self) -> None:
        """The network's, on one line, and not without end."""
        self.assertEqual(fate(Answers(), 500, "we are\n\n  down")[2], "it answered 500: we are down")
        self.assertEqual(fate(Answers(), 400, phrase="Bad Request")[2], "it answered 400 Bad Request")
        self.assertLess(len(fate(Answers(), 500, "x" * 100_000)[2]), 200)

    def test_waits(self) -> None:
        """A closed account rests at least as long as the gateway says, others as long as the provider says."""
        for status, wait, expected in (
            (401, None, 900),
            (401, 3600, 3600),
            (401, 5, 900),
            (429, 7, 7),
            (503, 9, 9),
            (503, None, None),
        ):
            outcome = judge(Answers(), Reply(status, wait=wait), 900.0)
            assert isinstance(outcome, Failure)
            self.assertEqual(outcome.retry_after, expected)

    def test_a_yes_that_nobody_understands(self) -> None:
        """It may have been sent: it is not sent again for days, and marked."""
        found = answers("  success: {match: '^OK'}")
        outcome = judge(found, Reply(200, b"All right, mate"), 900)
        assert isinstance(outcome, Failure)
        self.assertEqual((outcome.kind, outcome.maybe_sent), (Kind.PERMANENT, True))
        self.assertIn("nobody expects: it answered 200: All right, mate", outcome.reason)

    def test_half_an_answer(self) -> None:
        found = answers("  success: {match: 'OK$'}")
        outcome = judge(found, Reply(200, b"O", whole=False), 900)
        assert isinstance(outcome, Failure)
        self.assertEqual((outcome.kind, outcome.maybe_sent), (Kind.UNKNOWN, True))
        self.assertEqual(fate(answers("  success: {match: '^O'}"), 200, b"O", whole=False), ("yes", None))

    def test_half_a_number(self) -> None:
        """Is another number: of an error, and of a message, whose reports would find somebody else's."""
        found = answers("""
  success: {match: '^ID: '}
  id: {match: 'ID: (\\S+)'}
  stop: [{match: 'ERR: 1\\b'}]
""")
        self.assertEqual(fate(found, 200, "ERR: 1")[:2], ("temporary", "gateway"))
        self.assertEqual(fate(found, 200, "ERR: 1", whole=False)[0], "unknown")
        self.assertEqual(fate(found, 200, "ID: 12"), ("yes", "12"))
        self.assertEqual(fate(found, 200, "ID: 12", whole=False), ("yes", None))
        self.assertEqual(fate(found, 200, "ID: 12\nID: 34", whole=False), ("yes", "12"))
        # It would be as long the next time: no reason to send for days.
        self.assertEqual(fate(found, 200, "x" * 99, whole=False, cut=True)[0], "permanent")
        self.assertEqual(fate(answers("  id: msgid"), 200, "to 911", own="911", whole=False), ("yes", "911"))

    def test_what_nobody_may_see(self) -> None:
        """Is taken out before the words are cut, or a part of it would stay."""
        hide = lambda said: said.replace("geheimnis", "***")  # noqa: E731
        for before in range(140, 165):
            outcome = judge(Answers(), Reply(400, b"x" * before + b" geheimnis and more"), 900, hide=hide)
            assert isinstance(outcome, Failure)
            self.assertNotIn("geh", outcome.reason)
            self.assertLess(len(outcome.reason), 200)


class DescribedTests(SynchronousTestCase):
    """What a provider's description says goes before that."""

    def test_lists(self) -> None:
        found = answers("""
  success: {match: '^ID: '}
  id: {match: 'ID: (\\S+)'}
  reason: {match: 'ERR: (.+)'}
  stop: [{match: 'ERR: 301', reason: no credit}]
  speed: [{match: 'ERR: 130'}]
  temporary: [{match: 'ERR: 114'}]
  permanent: [{match: 'ERR'}]
""")
        self.assertEqual(fate(found, 200, "ID: a1\nID: b2\nID: a1"), ("yes", "a1", "b2"))
        self.assertEqual(
            fate(found, 200, "ERR: 301, No Credit Left"),
            ("temporary", "gateway", "no credit: 301, No Credit Left"),
        )
        self.assertEqual(fate(found, 200, "ERR: 130, slow"), ("temporary", "speed", "130, slow"))
        self.assertEqual(fate(found, 200, "ERR: 114, no route"), ("temporary", "message", "114, no route"))
        self.assertEqual(fate(found, 200, "ERR: 105, number"), ("permanent", "message", "105, number"))
        self.assertEqual(fate(found, 503, "busy")[:2], ("temporary", "message"))

    def test_no_way_from_here(self) -> None:
        """Another gateway may have one; not for a message of which a part was taken."""
        found = answers("""
  success: {json: {"m[*].status": "0"}}
  elsewhere: [{json: {"m[*].status": "9"}}]
  permanent: [{status: 2xx}]
""")
        self.assertEqual(fate(found, 200, '{"m": [{"status": 9}]}')[:2], ("permanent", "gateway"))
        outcome = judge(found, Reply(200, b'{"m": [{"status": 0}, {"status": 9}]}'), 900)
        assert isinstance(outcome, Failure)
        self.assertEqual(
            (outcome.kind, outcome.scope, outcome.maybe_sent), (Kind.PERMANENT, Scope.MESSAGE, True)
        )

    def test_json(self) -> None:
        found = answers("""
  success: {status: "200-202, 207", json: {"messages[*].status": "0"}}
  id: {json: "messages[*].message-id"}
  reason: [{json: "messages[*].error-text"}, {json: error}]
  permanent: [{json: {"messages[*].status": ["3", "6"]}}]
""")
        yes = '{"messages": [{"status": "0", "message-id": "00A"}, {"status": 0, "message-id": 12345678901234567890}]}'
        self.assertEqual(fate(found, 202, yes), ("yes", "00A", "12345678901234567890"))
        self.assertEqual(fate(found, 204, yes)[0], "permanent")
        half = '{"messages": [{"status": "0", "message-id": "1"}, {"status": "6", "error-text": "Odd"}]}'
        outcome = judge(found, Reply(200, half.encode()), 900)
        assert isinstance(outcome, Failure)
        self.assertEqual((outcome.kind, outcome.maybe_sent, outcome.reason), (Kind.PERMANENT, True, "Odd"))
        self.assertEqual(fate(found, 400, '{"error": "nope"}')[2], "it answered 400: nope")
        for odd in (
            '{"messages": []}',
            '{"messages": {}}',
            "[]",
            "null",
            "{",
            "",
            "[" * 100_000,
            '{"messages": [1, null]}',
        ):
            self.assertEqual(fate(found, 200, odd)[0], "permanent", odd[:20])

    def test_headers_and_our_own_id(self) -> None:
        found = answers("  id: [{header: X-Id}, {header: Location, match: '/([0-9]+)$'}]")
        self.assertEqual(fate(found, 201, headers={"x-id": " 7 "}), ("yes", "7"))
        self.assertEqual(fate(found, 201, headers={"location": "/messages/12"}), ("yes", "12"))
        self.assertEqual(fate(found, 201), ("yes", None))
        self.assertEqual(fate(answers("  id: msgid"), 200, own="911"), ("yes", "911"))
        found = answers("  id: {json: id}")
        self.assertEqual(fate(found, 200, '{"id": "a\\u0000\\ud800\\nb"}'), ("yes", "ab"))

    def test_charsets(self) -> None:
        """The description's, else the header's, else UTF-8; nonsense is UTF-8 and never an error."""
        body = "Účet nemá kredit".encode("iso-8859-2")
        kind = {"content-type": 'text/plain; charset="ISO-8859-2"'}
        self.assertIn("Účet nemá kredit", fate(Answers(), 400, body, headers=kind)[2])
        self.assertIn("Účet nemá kredit", fate(answers("  charset: iso-8859-2"), 400, body)[2])
        for odd in ("base64", "hex", "utf-7", "idna", "x" * 100, "../x", "unicode_escape", "", "rot13"):
            reason = fate(Answers(), 400, body, headers={"content-type": f"text/plain; charset={odd}"})[2]
            self.assertIn("nem\ufffd kredit", reason)
        self.assertIn("ž", fate(Answers(), 400, "ž".encode(), headers={"content-type": "text/plain"})[2])
        self.assertEqual(charset("UTF-8"), "utf-8")
        self.assertIsNone(charset("zlib"))

    def test_mistakes(self) -> None:
        for text, wrong in {
            "  success: {match: '('}": "answers.success.match: the regular expression cannot be read",
            "  success: {status: 99}": "answers.success.status: '99' is no status",
            "  success: {json: {'a..b': 1}}": "at character 2: this is no path into JSON",
            "  success: {}": "answers.success: this says nothing of an answer",
            "  id: {json: a, match: b}": "answers.id: this names no place",
            "  charset: hex": "'hex' is no charset",
            "  permanent: [{mtach: x}]": "answers.permanent[0].mtach: unknown key",
            "  sucess: {match: x}": "answers.sucess: unknown key",
        }.items():
            with self.assertRaises(ConfigError) as caught:
                answers(text)
            self.assertIn(wrong, str(caught.exception))
            self.assertRegex(str(caught.exception), r"^providers\.yaml:\d+:\d+: ")


class MatchingTests(SynchronousTestCase):
    def test_nothing_freezes(self) -> None:
        """Expressions that stop Python's own engine, on long texts."""
        found = expression(r"^(a+)+$")
        self.assertFalse(found.search("a" * 500_000 + "b"))
        self.assertEqual(len(expression("a").find("a" * 100_000)), MOST)
        for bad in ("(?=a)", "a" * 2000, "(((((a{100}){100}){100}){100}){100})"):
            with self.assertRaises(InvalidValue):
                expression(bad)

    def test_groups(self) -> None:
        self.assertEqual(expression("ID: (\\w+)?").find("ID:  ID: ž ID: b"), ("b",))
        self.assertEqual(expression("[0-9]+").find("1 22 333"), ("1", "22", "333"))
        self.assertEqual(expression("x*").find("ab"), ())

    def test_paths(self) -> None:
        data = read_json('{"a": [{"b-c": 1.50}, {"b-c": true}, 5], "d": {"e f": null, "0": "z"}}')
        for path, expected in (
            ("a[*].b-c", ("1.50", "true")), ("a[1].b-c", ("true",)), ("a[7].b-c", ()), ("d.0", ("z",)), ("d", ()),
            ("a[2]", ("5",)), ("d[*]", ()),
        ):  # fmt: skip
            self.assertEqual(json_path(path).find(data), expected, path)
        for bad in ("", ".", "a.", "a[", "a[-1]", "a b", "a[x]", "[*]]", "a[99999]"):
            with self.assertRaises(InvalidValue):
                json_path(bad)

    @given(
        st.binary(max_size=300),
        st.integers(100, 599),
        st.dictionaries(st.sampled_from(["content-type", "x-id"]), st.text()),
    )
    def test_no_answer_breaks_anything(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        """And what is remembered of it can be stored."""
        found = Answers(
            success=(Condition(json=((json_path("a[*]"), frozenset({"0"})),), match=expression("0")),),
            id=(Source(json=json_path("a[0]")), Source(header="x-id"), Source(match=expression("[a-z]+"))),
            reason=(Source(match=expression("(.*)")),),
        )
        outcome = judge(found, Reply(status, body, headers), 900.0)
        if isinstance(outcome, Accepted):
            self.assertTrue((outcome.reference or "").isprintable())
        else:
            self.assertNotIn("\0", outcome.reason)
            outcome.reason.encode()
            self.assertIn(outcome.scope, Scope)
