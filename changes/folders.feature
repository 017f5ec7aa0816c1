Rules put mail into folders: by LMTP or SMTP with the folder in the address or in a header field, or straight into a Maildir, one for each user if you like.
