"""The server of the app: one page and its data, for this machine alone.

It listens on 127.0.0.1. Every address begins with a random token, so that no other page or user of the
machine can guess one; foreign hosts and origins are refused, uploads are bounded, and files are read from the
chosen folder alone, by the names that it lists.
"""

from __future__ import annotations

import json
import secrets
import socket
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jumpset._core import checks
from jumpset._core.errors import FileError, InputError, JumpsetError
from jumpset._core.optional import needs
from jumpset._core.version import __version__
from jumpset.app import packing
from jumpset.app.advice import advise
from jumpset.app.exports import FORMATS, Answer, code_of, export
from jumpset.app.parameters import described
from jumpset.app.workspace import (
    SHIPPED,
    FolderRun,
    Opened,
    Workspace,
    thumbnail,
)

with needs("jumpset[app]"):
    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

MOST_BYTES = 512 << 20  # of an upload
STATIC = Path(__file__).parent / "static"
_HEADERS = {
    # nothing is loaded from elsewhere, and no other page may show this one
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "worker-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}


def serve(target: Path | None = None, *, port: int = 0, open_browser: bool = True, say: Any = print) -> None:
    """Serve the app until Ctrl-C.

    Parameters
    ----------
    target
        An image file, which is opened at once, or a folder of images. Default: nothing.
    port
        The port on 127.0.0.1; 0 takes a free one.
    open_browser
        Whether the page is opened in the browser of this machine.
    say
        ``say(sentence)`` is told the address.

    Raises
    ------
    FileError
        The file or folder does not exist.
    InputError
        The port cannot be used.
    """
    checks.integer("port", port, at_least=0, at_most=65535)
    folder, first = _target(target)
    listening = _listen(port)
    token, number = secrets.token_urlsafe(24), listening.getsockname()[1]
    workspace = Workspace(folder)
    address = f"http://127.0.0.1:{number}/{token}/" + (f"#file={quote(first)}" if first else "")
    say(f"the app is at {address}")
    say("Ctrl-C ends it; it can be reached from this machine alone")
    if open_browser:
        webbrowser.open(address)
    config = uvicorn.Config(create_app(workspace, token, number), log_level="warning", access_log=False)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        workspace.close()
        listening.close()


def _target(target: Path | None) -> tuple[Path | None, str]:
    if target is None:
        return None, ""
    if target.is_dir():
        return target, ""
    if not target.is_file():
        raise FileError("the file does not exist", given=target, do="pass an image file or a folder")
    return target.parent, target.name


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise InputError(
            "the port cannot be used", given=f"{port} ({error.strerror})", do="pass another one, or 0 for any"
        ) from None
    return listening


class Guard:
    """Refuse what does not come from the page itself, and add headers that keep the page to itself."""

    def __init__(self, app: Any, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer 403 to a foreign host or origin and 404 without the token; otherwise pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                more = [(k.encode(), v.encode()) for k, v in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Any) -> Response | None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        origin = headers.get("origin")
        is_foreign = origin is not None and urlsplit(origin).netloc not in self._hosts
        if headers.get("host") not in self._hosts or is_foreign:
            return Response("this app answers to its own page only", 403)
        given = scope["path"].split("/", 2)[1]
        if not secrets.compare_digest(given.encode(), self._token.encode()):
            return Response("not found; open the address that the program printed", 404)
        return None


def create_app(workspace: Workspace, token: str, port: int) -> Any:
    """Return the ASGI app; every address in it begins with the token."""
    pages = _Pages(workspace)
    routes = [
        Route("/", pages.index),
        Route("/api/about", pages.about),
        Route("/api/images", pages.open, methods=["POST"]),
        Route("/api/images/{key}", pages.image),
        Route("/api/images/{key}/pixels", pages.input),
        Route("/api/images/{key}/advice", pages.advice),
        Route("/api/images/{key}/tree", pages.tree),
        Route("/api/runs", pages.start, methods=["POST"]),
        Route("/api/runs/{key}", pages.state),
        Route("/api/runs/{key}/pixels", pages.pixels),
        Route("/api/runs/{key}/stop", pages.stop, methods=["POST"]),
        Route("/api/folder", pages.start_folder, methods=["POST"]),
        Route("/api/folder", pages.folder),
        Route("/api/folder/stop", pages.stop_folder, methods=["POST"]),
        Route("/api/thumbnail", pages.thumbnail),
        Route("/api/code", pages.code, methods=["POST"]),
        Route("/api/export", pages.export, methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    handlers: Any = {JumpsetError: _failure}
    inner = Starlette(routes=[Mount(f"/{token}", routes=routes)], exception_handlers=handlers)
    return Guard(inner, token, port)


async def _failure(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


class _Pages:
    """One method an address."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def index(self, _: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def about(self, _: Request) -> Response:
        about = {
            "version": __version__,
            "shipped": [*SHIPPED],
            "folder": None if self._workspace.folder is None else self._workspace.folder.name,
            "files": await run_in_threadpool(self._workspace.files),
            "methods": await run_in_threadpool(described),
            "formats": {key: kind.title for key, kind in FORMATS.items()},
        }
        return JSONResponse(about)

    async def open(self, request: Request) -> Response:
        query = request.query_params
        if "file" in query:
            opened = await run_in_threadpool(self._workspace.open_file, query["file"])
        elif "shipped" in query:
            opened = await run_in_threadpool(self._workspace.open_shipped, query["shipped"])
        else:
            data = await _body(request)
            opened = await run_in_threadpool(self._workspace.open_bytes, query.get("name", "image"), data)
        return JSONResponse(_about_image(opened))

    async def image(self, request: Request) -> Response:
        return JSONResponse(_about_image(self._opened(request)))

    async def input(self, request: Request) -> Response:
        picture = self._opened(request).picture
        data = await run_in_threadpool(packing.pack_image, picture.pixels, picture)
        return Response(data, media_type="application/octet-stream")

    async def advice(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(advise, self._opened(request)))

    async def tree(self, request: Request) -> Response:
        opened = self._opened(request)
        data = await run_in_threadpool(lambda: packing.pack_tree(opened.tree(), opened.picture))
        return Response(data, media_type="application/octet-stream")

    async def start(self, request: Request) -> Response:
        image, method, settings = await _fields(request, image=str, method=str, settings=dict)
        run = await run_in_threadpool(self._workspace.start, image, method, settings)
        return JSONResponse({"key": run.key})

    async def state(self, request: Request) -> Response:
        run = self._workspace.run(request.path_params["key"])
        fields = ("key", "state", "error", "n_steps", "max_steps", "elapsed", "version")
        status = None if run.status is None else run.status.value
        return JSONResponse({name: getattr(run, name) for name in fields} | {"status": status})

    async def pixels(self, request: Request) -> Response:
        run = self._workspace.run(request.path_params["key"])
        if run.image is None:
            raise InputError("there is no image yet", given=run.state, do="wait")
        data = await run_in_threadpool(packing.pack_image, run.image, run.opened.picture)
        return Response(data, media_type="application/octet-stream")

    async def stop(self, request: Request) -> Response:
        self._workspace.run(request.path_params["key"]).stop()
        return JSONResponse({})

    async def start_folder(self, request: Request) -> Response:
        (source,) = await _fields(request, source=dict)
        return JSONResponse(_about_folder(await run_in_threadpool(self._workspace.start_folder, source)))

    async def folder(self, _: Request) -> Response:
        return JSONResponse(_about_folder(self._workspace.folder_run()))

    async def stop_folder(self, _: Request) -> Response:
        self._workspace.folder_run().stop()
        return JSONResponse({})

    async def thumbnail(self, request: Request) -> Response:
        path = self._workspace.path_of(request.query_params.get("file", ""))
        return Response(await run_in_threadpool(thumbnail, path), media_type="image/png")

    async def code(self, request: Request) -> Response:
        image, source, kind, n_colors = await _fields(request, image=str, source=dict, format=str, colors=int)
        answer = Answer.of(self._workspace.opened(image), source, self._workspace.run)
        return JSONResponse(code_of(answer, kind, n_colors=n_colors))

    async def export(self, request: Request) -> Response:
        image, source, kind, n_colors = await _fields(request, image=str, source=dict, format=str, colors=int)
        answer = Answer.of(self._workspace.opened(image), source, self._workspace.run)
        name, data = await run_in_threadpool(lambda: export(answer, kind, n_colors=n_colors))
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
        return Response(data, media_type=FORMATS[kind].media, headers=headers)

    def _opened(self, request: Request) -> Opened:
        return self._workspace.opened(request.path_params["key"])


async def _fields(request: Request, **kinds: type) -> list[Any]:
    """Return the fields of a JSON object, each of its kind."""
    try:
        asked = json.loads(await _body(request, most=1 << 20))
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or not all(isinstance(asked.get(k), kind) for k, kind in kinds.items()):
        raise InputError("the request is incomplete", given=f"not {', '.join(kinds)}", do="reload the page")
    return [asked[name] for name in kinds]


async def _body(request: Request, most: int = MOST_BYTES) -> bytes:
    """Return the body of a request; raise as soon as it is too long."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise FileError("the file is too large", given=f"over {most >> 20} MB", do="crop it")
        parts.append(part)
    return b"".join(parts)


def _about_folder(run: FolderRun) -> dict[str, Any]:
    about = {name: getattr(run, name) for name in ("done", "failed", "ended")}
    return about | {"count": len(run.files), "target": run.target.name}


def _about_image(opened: Opened) -> dict[str, Any]:
    pixels = opened.picture.pixels
    return {
        "key": opened.key,
        "name": opened.name,
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "bands": opened.picture.n_bands,
        "dtype": str(pixels.dtype),
        "alpha": opened.picture.alpha is not None,
        "progress": opened.progress,
    }
