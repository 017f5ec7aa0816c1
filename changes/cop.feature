Programs that handed mail to COP work unchanged at a listener with ``dialect: cop``: no login but ``networks``, plain RFC 821, a number with or without a domain, and a counter in ``smsd status``.
