"""A bare Starlette handler on the same uvicorn: what any answer costs, whoever gives it. `python -m load.rest.bare PORT`."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def answer(request: Request) -> Response:
    """So many bytes of JSON."""
    return Response(b'"' + b"x" * int(request.path_params["size"]) + b'"', media_type="application/json")


def main() -> None:
    """Serves until it is ended."""
    app = Starlette(routes=[Route("/{size:int}", answer)])
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False, lifespan="off",
        server_header=False, timeout_keep_alive=30, proxy_headers=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
