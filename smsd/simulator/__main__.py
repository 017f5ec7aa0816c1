"""`python -m smsd.simulator modem|phone|control …`, the same as `smsd simulate …`."""

from __future__ import annotations

import sys

from smsd.simulator.command import main

sys.exit(main(sys.argv[1:]))
