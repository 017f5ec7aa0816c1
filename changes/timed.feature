Rules that run at a time send texts and the rows of SQL statements, each time once (docs/timed.rst, smsd timed).
