"""Jobs: thousands of messages from one file, checked first, then sent in the background, watched, paused, cancelled.

`Jobs` is what doors and the operator's verbs use.
"""

from smsd.core.jobs.jobs import Jobs as Jobs
from smsd.core.jobs.jobs import NoSuchJob as NoSuchJob
from smsd.core.jobs.settings import JobSettings as JobSettings
