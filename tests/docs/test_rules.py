"""The manual page of rules tells the truth: each of its examples is loaded, and each message that it names meets what it says."""

from __future__ import annotations

import re
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.config import positions
from smsd.policy.rules.conditions import walk
from smsd.policy.rules.language import actions, comparisons, conditions
from smsd.policy.rules.language.reading import Checks, Reader
from smsd.policy.rules.language.rules import DIRECTIONS, read_rules
from smsd.policy.rules.language.writing import plain_action, plain_condition
from smsd.policy.rules.model import Rules
from smsd.policy.rules.variables import LATER, NAMES
from tests.docs.page import Example, Page, Unreadable, blocks, promises, read
from tests.docs.playing import every_example
from tests.docs.stage import Stage, configuration_text

PAGE = read("rules.rst")

Examples = every_example(PAGE, __name__)


class Whole(SynchronousTestCase):
    """Nothing is left out."""

    def test_every_example_says_what_happens(self) -> None:
        silent = [example.line for example in PAGE.examples[1:] if not example.promises]
        self.assertEqual(silent, [], "configurations without a message: docs/rules.rst, these lines")

    def test_every_word_has_an_example(self) -> None:
        seen: set[str] = set()
        for example in PAGE.examples:
            rules = _rules(configuration_text(PAGE.server, example.yaml))
            for rule in (*rules.outgoing, *rules.incoming):
                written = [plain_condition(part) for part in walk(rule.condition)]
                for plain in (*written, *(plain_action(action) for action in rule.actions)):
                    seen |= plain.keys()
                for plain in written:
                    for said in plain.values():
                        seen |= {f"{key}:" for key in said} if isinstance(said, dict) else set()
        for words in (conditions.WORDS, actions.WORDS, [f"{key}:" for key in comparisons.KEYS]):
            self.assertEqual([word for word in words if word not in seen], [])

    def test_every_variable_is_told(self) -> None:
        missing = [name for name in sorted(NAMES | LATER) if not re.search(f"%{name}%", PAGE.text, re.I)]
        self.assertEqual(missing, [])


class _Nowhere:
    def report(self, path: Any, wrong: str, allowed: str = "", at_key: bool = False) -> None:
        raise AssertionError(f"{path}: {wrong}")

    def source(self, path: Any) -> str:
        return ""


def _rules(text: str) -> Rules:
    """The rules as they are written, whether they can be run or not."""
    data = positions.read(text, "page").data
    return read_rules({name: data.get(name) for name in DIRECTIONS}, Reader(_Nowhere(), Checks()))


class Reading(SynchronousTestCase):
    """What the page's reader must notice, or the tests above could not fail."""

    def page(self, *lines: str) -> list[Any]:
        return list(blocks("\n".join(lines)))

    def test_a_block_of_no_language(self) -> None:
        self.assertRaises(Unreadable, self.page, "For example::", "", "    outgoing: []")

    def test_a_message_without_a_fate(self) -> None:
        for lines in (
            ["to +1555: hello"],
            ["to +1555: hello", "to +1556: hi → deleted"],
            ["to +1555: hello →"],
            ["hello → deleted"],
        ):
            (block,) = self.page(".. code-block:: text", "", *(f"    {line}" for line in lines))
            self.assertRaises(Unreadable, promises, block)

    def test_a_broken_promise(self) -> None:
        page = Page("", PAGE.server, [], {}, {}, "")
        stage = Stage(page, Example("if: {to: '+1555'}\n", 1, ""))
        self.addCleanup(stage.close)
        (block,) = self.page(".. code-block:: text", "", "    to +15551234567: hello → as it is")
        (promise,) = promises(block)
        self.assertNotEqual(stage.keep(promise), promise.fates)
