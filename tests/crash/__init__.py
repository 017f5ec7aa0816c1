"""`make crash`: nothing that was accepted may be lost, whatever kills the server, and every duplicate must be marked."""
