Spool folders: files of SMSTools3 and gammu-smsd are taken and answered as those programs do (docs/spool.rst).
