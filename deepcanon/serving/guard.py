"""Which requests are answered: those that come from this machine's browser and know the token.

The token is the first part of every address: cookies would be shared by all ports of this machine. A page of another
site cannot guess it, and cannot learn it: it is not sent on (`Referrer-Policy`), not kept (`no-store`), and a name that
was pointed to 127.0.0.1 for the purpose (DNS rebinding) is not among the hosts that are answered.
"""

import hmac
from typing import Any

__all__ = ["Guard"]

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "media-src data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer: scripts are the files of this package alone, and nothing is loaded from elsewhere."""
LARGEST = 32 << 20
"""Bytes of a request."""


class Guard:
    """ASGI: refuses what must not be answered, and takes the token off the addresses of the rest.

    Args:
        app: what answers.
        token: which addresses must begin with.
        port: where the server listens.
    """

    def __init__(self, app: Any, token: str, port: int) -> None:
        self.app, self.token = app, token.encode()
        self.hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal:
            await _refuse(send, *refusal)
            return
        path = "/" + scope["path"].removeprefix("/").partition("/")[2]
        scope = {**scope, "path": path, "raw_path": path.encode("utf-8", "replace"), "root_path": ""}
        await self.app(scope, _limited(receive), _with_headers(send))

    def _refusal(self, scope: Any) -> tuple[int, str] | None:
        headers = scope["headers"]
        given = {name: [value for key, value in headers if key == name] for name in (b"host", b"origin")}
        if len(given[b"host"]) != 1 or given[b"host"][0].lower() not in self.hosts:
            return 421, "this server answers under 127.0.0.1 and localhost only"
        token, slash, _ = scope["path"].removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.token):
            return 403, "this address lacks the token: open the one that `deepcanon serve` printed"
        if not slash:
            return 404, "the address ends with a slash"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "only GET and POST"
        own = {b"http://" + host for host in self.hosts}
        if scope["method"] == "POST" and any(origin not in own for origin in given[b"origin"]):
            return 403, "a page of another site sent this"
        sizes = [value for key, value in headers if key == b"content-length"]
        if any(not size.isdigit() or int(size) > LARGEST for size in sizes):
            return 413, f"more than {LARGEST >> 20} MiB"
        return None


async def _refuse(send: Any, status: int, why: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await _with_headers(send)({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{why}\n".encode()})


def _with_headers(send: Any) -> Any:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message["headers"], *ours]}
        await send(message)

    return sending


def _limited(receive: Any) -> Any:
    """Also a request without a length has an end."""
    taken = 0

    async def receiving() -> Any:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if taken > LARGEST else message

    return receiving
