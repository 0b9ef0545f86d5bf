"""The one error whose message is meant for the user."""


class BadInputError(ValueError):
    """Something the user gave is wrong; the message says what was given, what is allowed and what to do next.

    The command line prints it as it is, without a traceback.
    """


class DamagedError(BadInputError):
    """A file is not what its manifest says: truncated, changed, or made by something else."""
