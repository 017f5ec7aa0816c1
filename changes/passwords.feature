Users of mail whom a policy lets send can log in with the password of their mailbox: password_sources asks an IMAP or submission server, Dovecot's socket, or PAM.
