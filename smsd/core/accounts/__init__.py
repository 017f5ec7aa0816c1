"""Who may send: the accounts, and a cred portal for their logins (features U1 to U5)."""

from smsd.core.accounts.checker import Accounts, Denied, IVouched, Vouched
from smsd.core.accounts.settings import AccountSettings
from smsd.core.passwords import hash_password
from smsd.values.account import Account

__all__ = ["Account", "AccountSettings", "Accounts", "Denied", "IVouched", "Vouched", "hash_password"]
