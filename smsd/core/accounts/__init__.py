"""Who may send: the accounts, and a cred portal for their logins (features U1 to U5)."""

from smsd.core.accounts.checker import Accounts, Denied, IVouched, Source, Vouched
from smsd.core.accounts.directory import Directory
from smsd.core.accounts.settings import AccountGroupSettings, AccountSettings, PolicySettings
from smsd.core.passwords import hash_password
from smsd.values.account import Account

__all__ = [
    "Account", "AccountGroupSettings", "AccountSettings", "Accounts", "Denied", "Directory", "IVouched", "PolicySettings", "Source",
    "Vouched", "hash_password",
]  # fmt: skip
