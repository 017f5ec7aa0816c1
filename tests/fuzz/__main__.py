"""Run the fuzzer: see `driver.main`."""

from __future__ import annotations

import sys

from tests.fuzz.driver import main

sys.exit(main(sys.argv[1:]))
