"""What can go wrong in a run, each with the exit code of the command line and a text of one line."""

import re

ASKED = re.compile(r"allocate ([0-9.]+) (bytes|[KMGTPE]iB)")


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


def short_of_memory(error: Exception) -> str:
    """A line about an error of torch or NumPy that means that memory ran out; empty for any other."""
    text = str(error)
    of_gpu = type(error).__name__ == "OutOfMemoryError"
    if not (of_gpu or isinstance(error, MemoryError) or "can't allocate memory" in text):
        return ""
    size = ""
    if found := ASKED.search(text):
        size = f"{float(found[1]):,g} {found[2]}"
        if found[2] == "bytes":
            size = f"{float(found[1]) / 2**30:,.1f} GiB"
    asked = f": {size} more were needed at once" if size else ""
    return f"not enough memory{asked}; ask for fewer examples at once (--batch, --count) or a smaller model"
