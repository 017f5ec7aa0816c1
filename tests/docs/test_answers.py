"""The manual page of answers tells the truth."""

from __future__ import annotations

import re
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.docs.page import Example, read
from tests.docs.stage import Stage

PAGE = read("answers.rst")


class Examples(SynchronousTestCase):
    """One test for each example, named after its section and line."""

    def play(self, example: Example) -> None:
        stage = Stage(PAGE, example)
        self.addCleanup(stage.close)
        self.assertEqual(stage.warnings, [])
        for promise in example.promises:
            self.assertEqual(stage.keep(promise), promise.fates, f"docs/answers.rst:{promise.line}")


def _test(example: Example) -> Callable[[Examples], None]:
    return lambda self: self.play(example)


for _number, _example in enumerate(PAGE.examples):
    _name = re.sub(r"\W+", "_", _example.section.lower()).strip("_")
    setattr(Examples, f"test_{_number}_{_name}", _test(_example))
