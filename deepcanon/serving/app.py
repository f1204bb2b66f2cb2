"""Addresses and what they answer. What reads files or draws works in a thread: others are answered meanwhile."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from deepcanon.engine.figures import Scatter
from deepcanon.engine.report import report_body, report_page
from deepcanon.engine.report.style import STYLE
from deepcanon.engine.svg.frame import escape
from deepcanon.serving.asking import Workers
from deepcanon.serving.maps import map_of, map_page, numbers_of, sheet_of
from deepcanon.serving.matrices import cell_html, matrix_of
from deepcanon.serving.pages import address, framed, list_page, list_rows
from deepcanon.serving.run_page import figure_html, live, run_page, stamp_of
from deepcanon.serving.shelf import Row, Shelf
from deepcanon.serving.stored import stored
from deepcanon.serving.training import Trainings

__all__ = ["application"]

SCRIPTS = ("map.js", "matrix.js", "page.js", "train.js", "try.js")
KEPT = 20
"""Runs whose curves are kept as they were drawn last: several pages may follow one."""
MOST = 50
"""Runs that are compared at once."""


class Pages:
    """The answers about the runs of a shelf."""

    def __init__(self, shelf: Shelf, allow_train: bool = False) -> None:
        self.shelf, self.workers = shelf, Workers()
        self.trainings = Trainings(shelf) if allow_train else None
        self.style = STYLE + _file("page.css")
        self.scripts = {name: _file(name) for name in SCRIPTS}
        self._live: dict[str, dict[str, Any]] = {}
        self._written: tuple[int, bytes, bytes] = (-1, b"", b"")
        self._list()

    async def list(self, request: Request) -> Response:
        return HTMLResponse((await self._listed())[1])

    async def rows(self, request: Request) -> Response:
        version, _, rows = await self._listed()
        if request.query_params.get("version") == str(version):
            return Response(status_code=204)
        return HTMLResponse(rows, headers={"x-version": str(version)})

    async def _listed(self) -> tuple[int, bytes, bytes]:
        """The state of the folder, the page of its runs and the rows alone: written once for each state."""
        if not self.shelf.fresh:
            await run_in_threadpool(self._list)
        return self._written

    def _list(self) -> None:
        rows, version = self.shelf.rows(), self.shelf.version
        if self._written[0] != version:
            page, body = list_page(self.shelf, rows, version, self.trainings is not None), list_rows(rows)
            self._written = (version, page.encode("utf-8", "replace"), body.encode("utf-8", "replace"))

    async def run(self, request: Request) -> Response:
        row = self._found(request)
        return HTMLResponse(await run_in_threadpool(run_page, self.shelf, row, self.trainings is not None))

    async def live(self, request: Request) -> Response:
        row = self._found(request)
        stamp = stamp_of(row)
        if request.query_params.get("stamp") == stamp:
            return Response(status_code=204)
        known = self._live.get(row.id)
        if known is None or known["stamp"] != stamp:
            known = await run_in_threadpool(live, row)
            self._live.pop(row.id, None)
            self._live[row.id] = known
            for name in list(self._live)[:-KEPT]:
                del self._live[name]
        return JSONResponse({**known, "mine": self.trainings is not None and self.trainings.mine(row)})

    async def figure(self, request: Request) -> Response:
        row, folder = self._found(request), request.query_params.get("folder", "")
        shown = await run_in_threadpool(figure_html, row, folder, *_drawn(request))
        if shown is None:
            raise HTTPException(404, "there is no such figure")
        return HTMLResponse(shown)

    async def map(self, request: Request) -> Response:
        row, figure = await self._map(request)
        return HTMLResponse(map_page(row, *_drawn(request), figure))

    async def points(self, request: Request) -> Response:
        _, figure = await self._map(request)
        return JSONResponse(await run_in_threadpool(numbers_of, figure))

    async def sheet_of_map(self, request: Request) -> Response:
        _, figure = await self._map(request)
        content = await run_in_threadpool(sheet_of, figure)
        if content is None:
            raise HTTPException(404, "the points of this map have no pictures")
        return Response(content, media_type="image/png")

    async def _map(self, request: Request) -> tuple[Row, Scatter]:
        row = self._found(request)
        try:
            figure = await run_in_threadpool(map_of, row, *_drawn(request))
        except ValueError as error:
            raise HTTPException(409, f"the figure cannot be shown: {error}") from None
        if figure is None:
            raise HTTPException(404, "there is no such map")
        return row, figure

    async def cell(self, request: Request) -> Response:
        """The examples that a cell of a matrix counts."""
        row, (name, step) = self._found(request), _drawn(request)
        places = [_whole(request, side) for side in ("row", "column")]
        try:
            matrix = matrix_of(await run_in_threadpool(stored, row, name, step))
            shown = await run_in_threadpool(cell_html, matrix, *places) if matrix else None
        except ValueError as error:
            raise HTTPException(409, f"the figure cannot be shown: {error}") from None
        if shown is None:
            raise HTTPException(404, "there is no such cell")
        return HTMLResponse(shown)

    async def report(self, request: Request) -> Response:
        """The report as the files of the run give it now; a `report.html` in the folder is never handed out."""
        return HTMLResponse(await run_in_threadpool(report_page, [self._found(request).folder]))

    async def compare(self, request: Request) -> Response:
        names = dict.fromkeys(request.query_params.getlist("run"))
        rows = [row for name in names if (row := self.shelf.find(name)) and not row.problem]
        if len(rows) < 2 or len(rows) > MOST:
            what = f"Select two runs or more, {MOST} at most; {len(rows)} are selected."
            body = f"<p class='way'><a href='./'>all runs</a></p><p class='warn'>{what}</p>"
            return HTMLResponse(framed("deepcanon: compare", body, "./", page="none"), 400)
        title, body = await run_in_threadpool(report_body, [row.folder for row in rows])
        way = "<p class='way'><a href='./'>all runs</a></p>"
        return HTMLResponse(framed(title, way + body, "./", page="none"))

    async def attempt(self, request: Request) -> Response:
        """The page on which a trained run is tried; what it asks, `ask` answers."""
        row = self._found(request)
        up = "../" * (row.id.count("/") + 1)
        body = (
            f"<p class='way'><a href='{up}'>all runs</a> <a href='{up}run/{address(row)}'>{escape(row.id)}</a></p>"
            f"<header><p class='eyebrow'>{escape(row.recipe)}</p><h1>Try {escape(row.id)}</h1></header>"
            "<p id='state' class='note' role='status'></p><div id='panels'></div>"
            "<noscript><p class='warn'>This page needs JavaScript.</p></noscript>"
        )
        return HTMLResponse(framed(f"try {row.id}", body, up, "try.js", run=address(row)))

    async def ask(self, request: Request) -> Response:
        return Streamed(self.workers.ask(self._found(request), await _asked(request)))

    async def train(self, request: Request) -> Response:
        return Streamed(self._allowed().start(await _asked(request)))

    async def resume(self, request: Request) -> Response:
        return Streamed(self._allowed().resume(self._found(request)))

    async def stop(self, request: Request) -> Response:
        row = self._found(request)
        if not self._allowed().stop(row):
            raise HTTPException(409, f"{row.id} is not trained by this server")
        return Response(status_code=204)

    def _allowed(self) -> Trainings:
        if self.trainings is None:
            raise HTTPException(403, "this page only reads: `deepcanon serve --allow-train` trains too")
        return self.trainings

    async def sheet(self, request: Request) -> Response:
        return Response(self.style, media_type="text/css")

    async def script(self, request: Request) -> Response:
        return Response(self.scripts[request.url.path.rpartition("/")[2]], media_type="text/javascript")

    def _found(self, request: Request) -> Row:
        row = self.shelf.find(request.path_params["name"])
        if row is None:
            raise HTTPException(404, "there is no such run")
        if row.problem:
            raise HTTPException(409, f"{row.id}: {row.problem}")
        return row


class Streamed(Response):
    """Lines of JSON as they come. Who is gone needs no answer: then the iterator is closed, which stops the work."""

    def __init__(self, lines: AsyncIterator[dict[str, Any]]) -> None:
        super().__init__(media_type="application/x-ndjson")
        self.lines = lines

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [header for header in self.raw_headers if header[0] != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        tasks = [asyncio.ensure_future(self._send(send)), asyncio.ensure_future(_gone(receive))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await task

    async def _send(self, send: Any) -> None:
        async with contextlib.aclosing(self.lines) as lines:  # type: ignore[type-var]
            async for line in lines:
                content = json.dumps(line).encode() + b"\n"
                await send({"type": "http.response.body", "body": content, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _asked(request: Request) -> dict[str, Any]:
    try:
        asked = json.loads(await request.body())
    except ValueError:
        raise HTTPException(400, "the question is not JSON") from None
    if not isinstance(asked, dict):
        raise HTTPException(400, "the question is not an object")
    return asked


def _drawn(request: Request) -> tuple[str, int]:
    """Name and step of the figure that is asked for."""
    return request.query_params.get("name", ""), _whole(request, "step")


def _whole(request: Request, name: str) -> int:
    try:
        return int(request.query_params.get(name, ""))
    except ValueError:
        raise HTTPException(400, f"{name} is not a whole number") from None


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _file(name: str) -> str:
    return resources.files("deepcanon.serving").joinpath(name).read_text(encoding="utf-8")


async def refused(request: Request, error: Exception) -> Response:
    """An error as a page, or as a line where a script asked."""
    status, said = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, str(error))
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse(f"{said}\n", status)
    up = "../" * request.url.path.removeprefix("/").count("/") or "./"
    body = f"<p class='way'><a href='{up}'>all runs</a></p><p class='warn'>{escape(said)}</p>"
    return HTMLResponse(framed("deepcanon", body, up, page="none"), status)


def application(folder: Path, allow_train: bool = False) -> Starlette:
    """What answers requests that the guard let through."""
    pages = Pages(Shelf(folder), allow_train)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await pages.workers.close()
        if pages.trainings:
            pages.trainings.close()

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/", pages.list),
            Route("/rows", pages.rows),
            Route("/run/{name:path}", pages.run),
            Route("/live/{name:path}", pages.live),
            Route("/figure/{name:path}", pages.figure),
            Route("/map/{name:path}", pages.map),
            Route("/points/{name:path}", pages.points),
            Route("/sheet/{name:path}", pages.sheet_of_map),
            Route("/cell/{name:path}", pages.cell),
            Route("/report/{name:path}", pages.report),
            Route("/try/{name:path}", pages.attempt),
            Route("/ask/{name:path}", pages.ask, methods=["POST"]),
            Route("/train", pages.train, methods=["POST"]),
            Route("/resume/{name:path}", pages.resume, methods=["POST"]),
            Route("/stop/{name:path}", pages.stop, methods=["POST"]),
            Route("/compare", pages.compare),
            Route("/style.css", pages.sheet),
            *(Route(f"/{name}", pages.script) for name in SCRIPTS),
        ],
        exception_handlers={HTTPException: refused, OSError: refused},
    )
