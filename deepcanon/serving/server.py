"""Listens on the loopback interface, and ends with what it started."""

import secrets
import socket
from pathlib import Path

import uvicorn

from deepcanon.serving.app import application
from deepcanon.serving.guard import Guard

__all__ = ["Server"]

HOST = "127.0.0.1"
PORT = 8765
"""Taken if it is free; else the system chooses."""


class Server:
    """The local page of a folder.

    Attributes:
        address: to be opened, with the token.

    Args:
        port: None takes the usual one if it is free, 0 any that is.
        allow_train: whether pages may start, resume and stop trainings; else they only read.

    Raises:
        OSError: no such folder, or the port is taken.
    """

    def __init__(self, folder: Path, port: int | None = None, allow_train: bool = False) -> None:
        app = application(folder, allow_train)
        self.socket = _listening(port)
        port = self.socket.getsockname()[1]
        token = secrets.token_urlsafe(24)
        self.address = f"http://{HOST}:{port}/{token}/"
        config = uvicorn.Config(
            Guard(app, token, port), log_level="warning", access_log=False, server_header=False, proxy_headers=False,
            ws="none", timeout_graceful_shutdown=2,
        )  # fmt: skip
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Answers until `stop`, or until a signal."""
        self._server.run(sockets=[self.socket])

    def stop(self) -> None:
        """Ends `run`, from another thread."""
        self._server.should_exit = True


def _listening(port: int | None) -> socket.socket:
    for wanted in [PORT, 0] if port is None else [port]:
        found = socket.socket()
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((HOST, wanted))
            found.listen(128)  # who comes before the server runs waits
        except OSError:
            found.close()
            if wanted in (0, port):
                raise
            continue
        return found
    raise AssertionError("the last port is tried or raises")
