"""Files of spool folders: found, told apart, moved and written so that a crash at any moment loses none and doubles none."""
