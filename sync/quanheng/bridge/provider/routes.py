"""The provider's addresses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from quanheng.bridge.provider.errors import BearerError, RedirectedError, TokenError, UnusableRequestError
from quanheng.bridge.provider.provider import (
    AUTHORIZE,
    DISCOVERY,
    JWKS,
    LOGOUT,
    TOKEN,
    USERINFO,
    Provider,
)
from quanheng.bridge.values import AuthorizationRequest

Begin = Callable[[Request, AuthorizationRequest], Awaitable[Response]]
Unusable = Callable[[Request, UnusableRequestError], Awaitable[Response]]
Goodbye = Callable[[Request], Awaitable[Response]]

FORM: Final = "application/x-www-form-urlencoded"
MAX_FIELDS: Final = 64
_NOT_KEPT: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_PUBLIC: Final = {"Cache-Control": "public, max-age=60"}
_BASIC: Final = {"WWW-Authenticate": 'Basic realm="quanheng"'}
"""Told to whoever tried the Authorization header (RFC 6749, section 5.2), and still refused."""


def provider_routes(provider: Provider, begin: Begin, unusable: Unusable, goodbye: Goodbye) -> list[Route]:
    """Routes of the provider. ``begin`` goes on with a valid request, ``unusable`` shows the page for one
    that nobody can be told of, ``goodbye`` the page after a logout that leads nowhere."""

    async def discovery(_request: Request) -> Response:
        return JSONResponse(provider.metadata(), headers=_PUBLIC)

    async def jwks(_request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(provider.jwks), headers=_PUBLIC)

    async def authorize(request: Request) -> Response:
        try:
            parameters = await parameters_of(request)
            authorization = provider.asking.judge(parameters)
        except UnusableRequestError as error:
            return await unusable(request, error)
        except RedirectedError as error:
            return RedirectResponse(error.location, status_code=303, headers=_NOT_KEPT)
        return await begin(request, authorization)

    async def token(request: Request) -> Response:
        try:
            form = await parameters_of(request)
            answer = await provider.exchanging.exchange(form, request.headers.get("authorization"))
        except UnusableRequestError:
            return JSONResponse({"error": "invalid_request"}, status_code=400, headers=_NOT_KEPT)
        except TokenError as error:
            told = {"error": error.error, "error_description": error.description}
            challenge = _BASIC if error.status == 401 else {}
            return JSONResponse(told, status_code=error.status, headers={**_NOT_KEPT, **challenge})
        return JSONResponse(answer, headers=_NOT_KEPT)

    async def userinfo(request: Request) -> Response:
        try:
            # In the address a token would be in logs and histories (RFC 9700, section 4.3.2).
            posted = await parameters_of(request) if request.method == "POST" else []
            tokens = [value for name, value in posted if name == "access_token"]
            claims: Mapping[str, object] = await run_in_threadpool(
                provider.exchanging.userinfo,
                request.headers.get("authorization"),
                tokens,
            )
        except UnusableRequestError:
            return _challenge(BearerError("invalid_request"))
        except BearerError as error:
            return _challenge(error)
        return JSONResponse(claims, headers=_NOT_KEPT)

    async def logout(request: Request) -> Response:
        try:
            parameters = await parameters_of(request)
        except UnusableRequestError as error:
            return await unusable(request, error)
        back = await run_in_threadpool(provider.leaving.way_back, parameters)
        if back is None:
            return await goodbye(request)
        return RedirectResponse(back, status_code=303, headers=_NOT_KEPT)

    return [
        Route(DISCOVERY, discovery, methods=["GET"]),
        Route(JWKS, jwks, methods=["GET"]),
        Route(AUTHORIZE, authorize, methods=["GET", "POST"]),
        Route(TOKEN, token, methods=["POST"]),
        Route(USERINFO, userinfo, methods=["GET", "POST"]),
        Route(LOGOUT, logout, methods=["GET", "POST"]),
    ]


async def parameters_of(request: Request) -> list[tuple[str, str]]:
    """Parameters of the query, or of the form that was posted: never of both.

    Raises :class:`UnusableRequestError` for anything else than a form, or one that is not UTF-8.
    """
    # The bytes as they came: an address that Starlette puts together would have the Host header in it.
    encoded: bytes = request.scope["query_string"]
    if request.method == "POST":
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        encoded = await request.body()
        if encoded and kind != FORM:
            raise UnusableRequestError("what is posted has to be a form")
    try:
        return parse_qsl(
            encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:  # UnicodeDecodeError is one
        raise UnusableRequestError("the parameters cannot be read") from None


def _challenge(error: BearerError) -> Response:
    # RFC 6750, section 3: without a token no error is told.
    words = 'Bearer realm="quanheng"' + (f', error="{error.error}"' if error.error else "")
    status = 400 if error.error == "invalid_request" else 401
    return Response(status_code=status, headers={**_NOT_KEPT, "WWW-Authenticate": words})
