Rules run programs, request URLs and execute SQL statements (SQLite, PostgreSQL), durably and within limits; scripts for gammu and SMS Server Tools work as they are.
