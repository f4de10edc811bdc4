"""The front end and the documentation page, as static files under a strict policy.

Files come precompressed from the build (.br, .gz); assets carry a hash in their name and are kept for good, the page
itself is asked for again each time. Read once at start; without a build the page says how to make one.
"""

import hashlib
import json
import mimetypes
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.answers import etag_matches
from api.problems import Problem, respond
from storage.access import SESSION_COOKIE

DIST = Path(__file__).resolve().parent.parent / "frontend" / "dist"

STYLES = (
    "/styles.json"  # written by the build: hashes of the few style attributes that bpmn-js sets; nothing else is inline
)
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?")
_UNBUILT = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Colane</title>
<p>The page is not built yet. Start the server with <code>./run</code>, which builds it.</p></html>"""

Handler = Callable[[Request], Awaitable[Response]]


def page_policy(request: Request, styles: str) -> str:
    """The page's Content-Security-Policy: our own files, our own socket, no inline code."""
    host = request.headers.get("host", "")
    socket = f" {'wss' if request.url.scheme == 'https' else 'ws'}://{host}" if _HOST.fullmatch(host) else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self';"
        f"{styles}"
        f" img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'{socket};"
        " manifest-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
    )


@dataclass(frozen=True, slots=True)
class File:
    """One file of the build, with its compressed forms."""

    media_type: str
    etag: str
    forms: dict[str, bytes] = field(default_factory=dict)  # content coding -> bytes; "" is the file itself


def load(dist: Path) -> dict[str, File]:
    """All files of a build, by URL path."""
    found: dict[str, File] = {}
    for path in sorted(dist.rglob("*")) if dist.is_dir() else []:
        if not path.is_file() or path.suffix in (".br", ".gz"):
            continue
        content = path.read_bytes()
        forms = {"": content}
        for suffix, coding in ((".br", "br"), (".gz", "gzip")):
            packed = path.with_name(path.name + suffix)
            if packed.is_file():
                forms[coding] = packed.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if kind.startswith("text/") or kind.endswith("javascript"):
            kind += "; charset=utf-8"
        tag = hashlib.sha256(content).hexdigest()[:32]
        found["/" + path.relative_to(dist).as_posix()] = File(kind, f'"{tag}"', forms)
    return found


def _coding(request: Request, file: File) -> str:
    accepted = {
        part.partition(";")[0].strip().lower() for part in request.headers.get("accept-encoding", "").split(",")
    }
    return next((coding for coding in ("br", "gzip") if coding in accepted and coding in file.forms), "")


def _send(request: Request, file: File, headers: dict[str, str]) -> Response:
    coding = _coding(request, file)
    tag = file.etag if not coding else f'{file.etag[:-1]}-{coding}"'
    headers = {**headers, "ETag": tag, "Vary": "Accept-Encoding"}
    if coding:
        headers["Content-Encoding"] = coding
    if etag_matches(request.headers.get("if-none-match"), tag):
        return Response(None, 304, headers)
    return Response(file.forms[coding], 200, headers, file.media_type)


def _allowed_styles(files: dict[str, File]) -> str:
    """What the policy says of style attributes: those of the build by their hashes."""
    written = files.get(STYLES)
    hashes = json.loads(written.forms[""]) if written is not None else []
    quoted = " ".join(f"'{one}'" for one in hashes)
    return f" style-src-attr 'unsafe-hashes' {quoted};" if hashes else ""


def _page(files: dict[str, File]) -> Handler:
    index = files.get("/index.html")
    styles = _allowed_styles(files)

    async def page(request: Request) -> Response:
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": page_policy(request, styles)}
        if index is None:
            return Response(_UNBUILT, 503, headers, "text/html; charset=utf-8")
        if SESSION_COOKIE not in request.cookies:
            # The page then shows its sign-in form without asking who is there.
            content = index.forms[""].replace(b"<html", b"<html data-signed-out", 1)
            return Response(content, 200, {**headers, "Vary": "Cookie, Accept-Encoding"}, index.media_type)
        answer = _send(request, index, headers)
        answer.headers["Vary"] = "Cookie, Accept-Encoding"
        return answer

    return page


def _asset(files: dict[str, File]) -> Handler:
    async def asset(request: Request) -> Response:
        file = files.get(request.url.path)
        if file is None or request.url.path in ("/index.html", STYLES):
            return respond(Problem("not_found"), request.scope["request_id"])
        immutable = request.url.path.startswith("/assets/")
        keep = "public, max-age=31536000, immutable" if immutable else "public, max-age=3600"
        return _send(request, file, {"Cache-Control": keep})

    return asset


def _template(path: str, handler: Handler) -> Handler:
    async def serve(request: Request) -> Response:
        request.scope["route_template"] = path
        return await handler(request)

    return serve


def routes(dist: Path = DIST) -> list[Route]:
    """The page at its addresses, and the files it loads."""
    files = load(dist)
    page, asset = _page(files), _asset(files)
    links = [(f"/{kind}/{{secret}}", page) for kind in ("share", "invitation", "reset")]
    table = [("/", page), ("/d/{diagram_id}", page), ("/d/{diagram_id}/history", page), *links]
    table.append(("/assets/{path:path}", asset))
    table += [(path, asset) for path in files if path.count("/") == 1 and path not in ("/index.html", STYLES)]
    return [Route(path, _template(path, handler), methods=["GET", "HEAD"]) for path, handler in table]
