"""Tables as people send them: CSV from spreadsheets, read in any bites, with what a line says to whom. Bounded, and pure."""
