Lists of numbers and texts from CSV files are checked line by line, sent in the background, watched, paused and cancelled (docs/files.rst, smsd send --file, smsd job, /sms/jobs).
