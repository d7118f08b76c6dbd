"""The signals by which gunicorn stops its workers."""

import signal

from gunicorn.arbiter import Arbiter

# A worker can get SIGTERM twice: systemd sends it to gunicorn and to the workers.
STOP, REPLACED, HURRY = signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP
STOP_SIGNALS = {STOP, REPLACED, HURRY, signal.SIGINT, signal.SIGQUIT}


def send_signal(server: Arbiter, pid: int, number: signal.Signals) -> None:
    """Tell a worker whether another worker takes its place.

    Gunicorn itself sends SIGTERM in both cases. Then a worker that SIGHUP replaces
    would tell load balancers that the whole instance stops.
    """
    if number == STOP and server.LISTENERS:
        number = REPLACED
    elif number == STOP:
        # From now on gunicorn ignores SIGTERM. This handler only sends signals.
        signal.signal(STOP, lambda *_: Arbiter.kill_workers(server, HURRY))
    Arbiter.kill_worker(server, pid, number)
