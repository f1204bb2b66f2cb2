"""The checks of annotations, which the tests' import hook puts before every function of parts and systems."""

import contextlib

import jaxtyping


@contextlib.contextmanager
def unchecked():
    """Without them: a loop that an exported graph keeps is traced whole, which refuses their side effects."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)
