"""Password sources: who outside knows the passwords of users of mail (feature U4). A module is a type, by its name in the file:
`imap` and `smtp` (a mail server), `dovecot` (its socket for logins), `pam` (users of this machine).

`asking` bounds time and number, `server` and `conversation` are what those with a connection have in common. Nothing here
decides who may send: policies do.
"""
