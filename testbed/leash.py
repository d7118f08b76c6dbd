"""Run a command that gets a signal when its parent ends.

Usage: leash.py PARENT_PID SIGNAL UID:GID|- COMMAND [ARGUMENT...]

The command runs as the account UID:GID, or with `-` as the account of its parent.

This is a separate program because a `preexec_fn` can deadlock in a process with
threads. It imports only the standard library, because it runs with `python -I -S`.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def main(parent: str, signal: str, account: str, *command: str) -> None:
    if account != "-":
        uid, gid = map(int, account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # Set this after the change of account, which would clear it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal))
        if os.getppid() != int(parent):
            sys.exit("The parent ended before it could be watched.")
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
