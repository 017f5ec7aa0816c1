"""The JSON API under `/api/v1` (feature S10): a table of operations, models that check what comes and say what goes, and who may
what. Decides nothing about messages: the dispatcher and the clerk do.
"""

from smsd.frontends.http.api.page import PREFIX, Api
from smsd.frontends.http.api.problems import failed, refused

__all__ = ["PREFIX", "Api", "failed", "refused"]
