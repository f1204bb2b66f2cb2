"""What can go wrong in a run, each with the exit code of the command line and a text of one line."""


class DeepcanonError(Exception):
    """Ends a command with one line on stderr."""

    exit_code = 1


class UsageError(DeepcanonError):
    """The user asked for something impossible; the text says what is possible."""

    exit_code = 2


class CheckpointError(DeepcanonError):
    """A checkpoint (or the facts of a run) is truncated, altered or of another form."""


class NonFiniteError(DeepcanonError):
    """A metric of a training step is NaN or infinite."""

    exit_code = 3


class Abandoned(Exception):
    """An evaluation or a figure was interrupted by a signal; the loop ends the run."""


class Interrupted(DeepcanonError):
    """A signal ended the run at a step border; everything is saved."""

    def __init__(self, signal_number: int, message: str):
        super().__init__(message)
        self.exit_code = 128 + signal_number
