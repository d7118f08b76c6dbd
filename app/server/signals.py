"""The signals by which gunicorn stops its workers."""

import signal

from gunicorn.arbiter import Arbiter

# A second SIGTERM does not mean that a worker must hurry. When systemd stops the
# service, it sends SIGTERM to gunicorn and to each worker, and gunicorn sends another
# SIGTERM to each worker.
STOP, REPLACED, HURRY = signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP
STOP_SIGNALS = {STOP, REPLACED, HURRY, signal.SIGINT, signal.SIGQUIT}


def send_signal(server: Arbiter, pid: int, number: signal.Signals) -> None:
    """Tell a worker whether it alone is replaced, or whether the instance stops.

    Gunicorn itself sends SIGTERM in both cases. After a SIGHUP, which replaces the
    workers, each old worker would then tell load balancers that the instance stops.
    """
    if number == STOP and server.LISTENERS:
        number = REPLACED
    elif number == STOP:
        # The instance is stopping now, so the next SIGTERM makes the workers hurry.
        signal.signal(STOP, lambda *_: Arbiter.kill_workers(server, HURRY))
    Arbiter.kill_worker(server, pid, number)
