"""The manual page of answers tells the truth."""

from __future__ import annotations

from tests.docs.page import read
from tests.docs.playing import every_example

Examples = every_example(read("answers.rst"), __name__)
