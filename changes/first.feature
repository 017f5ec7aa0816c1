The first release: mail and HTTP in, GSM modems out, answers back by mail.
