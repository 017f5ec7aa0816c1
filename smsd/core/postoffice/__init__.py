"""Local addresses that are no phone numbers (features S5, S6, U8, R11): notifications, mailing lists, programs.

`settings` is what the configuration says, `checks` what of it does not fit, `members` who is written to, `paying` who pays,
`sending` the way to the dispatcher, `notification`, `maillist` and `program` the three kinds, `office` finds them by address.
"""
