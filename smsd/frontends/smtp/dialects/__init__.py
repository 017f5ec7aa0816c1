"""How mail doors talk: a dialect is data, texts and a few functions for what differs between gateways that take SMS by SMTP.

Order, limits, logins and commits are the same for all and live outside.
"""

from __future__ import annotations

from smsd.frontends.smtp.dialects.cop import COP
from smsd.frontends.smtp.dialects.dialect import Dialect
from smsd.frontends.smtp.dialects.smsd import SMSD
from smsd.frontends.smtp.dialects.smsportal import SMSPORTAL

DIALECTS = {dialect.name: dialect for dialect in (SMSD, SMSPORTAL, COP)}

__all__ = ["DIALECTS", "Dialect"]
