"""The first moments of a program that a rule runs, as a program of its own: `python launch.py PROGRAM ARGUMENT…`.

It makes a session of its own, goes to /, and becomes the program; file 3 gets the errno when that is not possible and is
closed when it is. Never imported: between fork and exec of the server itself nothing of it would be safe. There is no shell
in this: a file without `#!` is refused by the system.
"""

import os
import sys


def main() -> None:
    """Become the program; returns never."""
    os.set_inheritable(3, False)
    try:
        os.setsid()
        os.chdir("/")
        os.execv(sys.argv[1], sys.argv[1:])
    except OSError as error:
        os.write(3, str(error.errno).encode())
    os._exit(127)


if __name__ == "__main__":
    main()
