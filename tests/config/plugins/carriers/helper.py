"""Not a plug-in: it has no Settings and no make."""
