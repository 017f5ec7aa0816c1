"""`python -m smsd` is the `smsd` command."""

import sys

from smsd.cli.main import main

sys.exit(main())
