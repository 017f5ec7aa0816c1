"""The tests. What one run finds every run finds: the examples of properties are the same each time, and no time is measured.

`SMSD_CHANCE=1 make test` looks elsewhere each time; what that finds becomes an `@example`.
"""

import os
import sys

# Not in the processes of the rig: they need nothing of it, and start quicker without.
if "twisted.trial" in sys.modules:
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "smsd",
        derandomize=not os.environ.get("SMSD_CHANCE"),
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("smsd")
