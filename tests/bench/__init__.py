"""`make bench`: what this smsd does on this machine, beside what the machine itself can do in the same minutes."""
