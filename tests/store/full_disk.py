"""A process whose files may not grow for a while (RLIMIT_FSIZE): what it cannot store it refuses, then it goes on."""

from __future__ import annotations

import resource
import signal
import sys

from smsd.values.errors import Refused
from tests.house import House

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
house = House(sys.argv[1])
house.send()
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
try:
    house.send(text="no room " * 2000)
except Refused as refusal:
    print("refused", refusal.reason.name)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
if house.send(text="room again").recipients:
    print("accepted")
house.close()
