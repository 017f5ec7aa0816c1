"""Messages as files: the formats of SMSTools3 (`smstools`) and gammu-smsd's files backend (`gammu`), as values and octets."""
