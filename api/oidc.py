"""Signing in by an OpenID Connect provider, beside passwords: code flow with PKCE, state and nonce.

Somebody is known by issuer and subject, by nothing else. An address opens a new account when the provider has verified it,
and one that exists only to whoever is signed in to it: nobody takes an account over by saying its address elsewhere.
"""

import hmac
import secrets
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

import httpx2
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from api.answers import Answer
from api.auth import session_cookie
from api.authorize import identify
from api.call import Call
from api.endpoint import Model, Need, endpoint
from api.problems import Problem
from api.shapes import Email, Line
from storage import identities, people
from storage.settings import Settings

START: Final = "/signin/oidc"
RETURN: Final = "/signin/oidc/callback"
COOKIE: Final = "colane_oidc"
LIFE_S: Final = 600  # to sign in over there
TIMEOUT_S: Final = 5.0
LEEWAY_S: Final = 60
ALGORITHMS: Final = ["RS256", "PS256", "ES256"]
DISCOVERY: Final = "/.well-known/openid-configuration"
_log = structlog.get_logger(__name__)
_EMAIL: TypeAdapter[str] = TypeAdapter(Email)
_NAME: TypeAdapter[str] = TypeAdapter(Line)


class Provider(Model):
    name: str
    url: str


class Methods(Model):
    """`oidc` null: no provider is set up here."""

    registration: bool
    oidc: Provider | None


class RefusedError(Exception):
    """Nobody is signed in; the word is for the page."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(frozen=True, slots=True)
class Leaving:
    """What a browser keeps between leaving for the provider and coming back, in a cookie that only it has."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Self:
        """256 random bits each."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))

    @classmethod
    def of(cls, text: str) -> Self | None:
        """From the cookie."""
        parts = text.split(".")
        return cls(*parts) if len(parts) == 3 and all(parts) else None

    def __str__(self) -> str:
        return f"{self.state}.{self.nonce}.{self.verifier}"


@endpoint("How to sign in here", need=Need.NOBODY, answers=Methods)
async def methods(call: Call) -> Methods:
    settings = call.resources.settings
    provider = Provider(name=settings.oidc_name, url=START) if settings.oidc_issuer else None
    return Methods(registration=settings.registration_open, oidc=provider)


def _client(call: Call) -> AsyncOAuth2Client:
    settings = call.resources.settings
    secret = settings.oidc_client_secret
    return AsyncOAuth2Client(
        settings.oidc_client_id,
        secret.get_secret_value() if secret else None,
        scope="openid email profile",
        redirect_uri=call.page(RETURN),
        code_challenge_method="S256",
        timeout=TIMEOUT_S,
    )


async def _read(client: AsyncOAuth2Client, url: str) -> dict[str, Any]:
    answer = await client.request("GET", url, withhold_token=True)
    found = answer.raise_for_status().json()
    if not isinstance(found, dict):
        raise RefusedError("refused")
    return found


async def _discover(client: AsyncOAuth2Client, issuer: str) -> dict[str, Any]:
    found = await _read(client, issuer.rstrip("/") + DISCOVERY)
    if found.get("issuer") != issuer:
        raise RefusedError("refused")
    return found


@endpoint("Leave for the provider to sign in there", need=Need.NOBODY, limit="signin", status=303)
async def leave(call: Call) -> Answer:
    issuer = _issuer(call.resources.settings)
    if call.request.method == "HEAD":
        return Answer(status=303, headers={"Location": "/"})
    leaving = Leaving.new()
    try:
        async with _client(call) as client:
            provider = await _discover(client, issuer)
            url, _ = client.create_authorization_url(
                provider["authorization_endpoint"],
                state=leaving.state,
                code_verifier=leaving.verifier,
                nonce=leaving.nonce,
            )
    except (httpx2.HTTPError, RefusedError, KeyError, ValueError) as error:
        _log.warning("oidc.unavailable", error=type(error).__name__)
        return _home("unavailable")
    return Answer(status=303, headers={"Location": url, "Set-Cookie": _cookie(call, str(leaving), LIFE_S)})


@endpoint("Back from the provider: signs in and goes to the list", need=Need.NOBODY, limit="signin", status=303)
async def come_back(call: Call) -> Answer:
    issuer = _issuer(call.resources.settings)
    if call.request.method == "HEAD":
        return _home()
    try:
        user_id = await _person(call, issuer, await _claims(call, issuer))
    except RefusedError as refused:
        _log.info("oidc.refused", reason=refused.word)
        return _home(refused.word)
    except httpx2.HTTPError as error:
        _log.warning("oidc.unavailable", error=type(error).__name__)
        return _home("unavailable")
    except (AuthlibBaseError, JoseError, KeyError, TypeError, ValueError) as error:
        _log.warning("oidc.refused", reason="refused", error=type(error).__name__)
        return _home("refused")
    return Answer(status=303, headers={"Location": "/", "Set-Cookie": await session_cookie(call, user_id)})


async def _claims(call: Call, issuer: str) -> dict[str, Any]:
    """What the provider says of whoever came back, once it is sure that it says so, now, to us, and to this browser."""
    leaving, said = Leaving.of(call.request.cookies.get(COOKIE, "")), call.request.query_params
    if leaving is None or not hmac.compare_digest(said.get("state", "").encode(), leaving.state.encode()):
        raise RefusedError("stale")
    if "code" not in said or said.get("iss", issuer) != issuer:
        raise RefusedError("refused")
    async with _client(call) as client:
        provider = await _discover(client, issuer)
        token = await client.fetch_token(
            provider["token_endpoint"],
            code=said["code"],
            grant_type="authorization_code",
            code_verifier=leaving.verifier,
        )
        keys = KeySet.import_key_set(await _read(client, provider["jwks_uri"]))  # type: ignore[arg-type]
    decoded = jwt.decode(token["id_token"], keys, algorithms=ALGORITHMS)
    client_id = call.resources.settings.oidc_client_id
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        options={"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}},
        params={"nonce": leaving.nonce, "client_id": client_id, "access_token": token.get("access_token")},
    )
    claims.validate(leeway=LEEWAY_S)
    return dict(claims)


async def _person(call: Call, issuer: str, claims: dict[str, Any]) -> UUID:
    """Whose account it is; a new one for somebody new. Raises RefusedError."""
    db, subject = call.resources.db, claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or "\x00" in subject:
        raise RefusedError("refused")
    known = await identities.find(db, issuer, subject)
    if known is not None:
        return known
    if claims.get("email_verified") is not True:
        raise RefusedError("unverified")
    try:
        email = _EMAIL.validate_python(claims.get("email"))
    except ValidationError:
        raise RefusedError("unverified") from None
    who = await identify(call.request, call.resources)
    try:
        if who is not None and who.via == "session" and who.email == email:
            await identities.connect(db, who.user_id, issuer, subject)
            return who.user_id
        made = await people.register(
            db,
            email=email,
            password_hash=None,
            name=_name(claims, email),
            identity=(issuer, subject),
            request_id=call.request_id,
        )
    except people.AlreadyExistsError:
        raise RefusedError("exists") from None
    return made.user_id


def _name(claims: dict[str, Any], email: str) -> str:
    for said in (claims.get("name"), claims.get("preferred_username")):
        try:
            return _NAME.validate_python(said)
        except ValidationError:
            continue
    return email.partition("@")[0]


def _issuer(settings: Settings) -> str:
    if settings.oidc_issuer is None:
        raise Problem("not_found")
    return settings.oidc_issuer


def _home(word: str = "") -> Answer:
    return Answer(status=303, headers={"Location": f"/?signin={word}" if word else "/"})


def _cookie(call: Call, value: str, life_s: int) -> str:
    made = Response()
    secure = call.request.url.scheme == "https"
    made.set_cookie(COOKIE, value, max_age=life_s, path=START, httponly=True, samesite="lax", secure=secure)
    return made.headers["set-cookie"]
