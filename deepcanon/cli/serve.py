"""The local page: the runs of a folder in a browser."""

import contextlib
from pathlib import Path

from deepcanon.cli.arguments import Parser, Usage, number
from deepcanon.collecting import heavy_imports

__all__ = ["serve_command"]


def serve_command(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default="runs", help="where runs lie")
    parser.add_argument(
        "--port", type=number(int), metavar="N", help="where to listen (default: 8765 if it is free, else another)"
    )
    parser.add_argument(
        "--allow-train", action="store_true", help="pages may start, resume and stop trainings; else they only read"
    )
    given = parser.parse_all(arguments)
    folder = Path(given.folder)
    if not folder.is_dir():
        raise Usage(f"there is no folder {folder}; runs go to runs/NAME-1, -2, ...")
    if given.port is not None and not 0 <= given.port < 65536:
        raise Usage(f"--port {given.port} is not from 0 to 65535")
    try:
        with heavy_imports():
            from deepcanon.serving import Server
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise Usage(f"serve needs {error.name}: pip install 'deepcanon[serve]'") from None
    try:
        server = Server(folder, given.port, given.allow_train)
    except OSError as error:
        raise Usage(f"cannot listen on port {given.port}: {error.strerror}; leave --port out") from None
    print(server.address, flush=True)
    print("only this machine can open it; Ctrl-C ends it", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return 0
