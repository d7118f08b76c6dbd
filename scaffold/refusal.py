class Refused(Exception):
    """The command cannot do this, and has changed nothing. The message says why."""
