"""Every setting, read once from the environment into one frozen object.

The only place that reads the environment. `colane.py` makes it and hands it down; nothing else keeps a copy. Names are
COLANE_<FIELD>, but for the few that the world has named already (DATABASE_URL, REDIS_URL, SENTRY_DSN).
"""

import os
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


# What people type to get going, and forget.
WELL_KNOWN = frozenset(
    {
        "",
        "admin",
        "changeme",
        "change-me",
        "colane",
        "default",
        "example",
        "password",
        "postgres",
        "redis",
        "secret",
        "test",
    }
)
SHORTEST_SECRET = 16


def _is_weak(secret: str) -> bool:
    return len(secret) < SHORTEST_SECRET or len(set(secret)) < 8 or secret.lower() in WELL_KNOWN


class SettingsError(ValueError):
    """A combination of settings that must not start; the message says what to change."""


def told(error: ValueError) -> str:
    """What is wrong with settings, without what was set: secrets stand among it."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        ": ".join([*(str(part).upper() for part in one["loc"]), one["msg"].removeprefix("Value error, ")])
        for one in error.errors(include_input=False, include_url=False, include_context=False)
    )


class Settings(BaseSettings):
    """See README and ops/ for what an operator sets; sizes are bytes, times seconds, rates per minute."""

    model_config = SettingsConfigDict(env_prefix="COLANE_", frozen=True, extra="ignore", hide_input_in_errors=True)

    mode: Literal["embedded", "production"] = "embedded"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    data: Path = Path(".data")
    worker_metrics: int | None = Field(default=None, ge=1, le=65535)  # port of a worker's own /metrics; none: no page
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    database_url: str | None = Field(default=None, validation_alias=AliasChoices("DATABASE_URL", "database_url"))
    worker_url: str | None = None
    owner_url: str | None = None
    redis_url: str | None = Field(default=None, validation_alias=AliasChoices("REDIS_URL", "redis_url"))
    otlp_endpoint: str | None = Field(
        default=None, validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint")
    )
    sentry_dsn: str | None = Field(default=None, validation_alias=AliasChoices("SENTRY_DSN", "sentry_dsn"))
    pg_bin: Path | None = None

    token: SecretStr | None = None  # presets an access token of the demo organization's owner; loopback only
    audit_key: SecretStr | None = None  # signs the audit log's heads; without one it is made in the data folder
    audit_public_keys: str = ""  # of keys that signed before, separated by commas
    audit_heads: Path | None = None  # where the worker writes signed heads outside of the database
    registration: Literal["auto", "open", "closed"] = "auto"
    origins: str = ""  # further allowed Origins, separated by commas
    proxies: str = ""  # addresses whose X-Forwarded-For and -Proto are believed, separated by commas

    oidc_issuer: str | None = None  # an OpenID Connect provider to sign in by, beside passwords
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_name: str = Field(default="single sign-on", min_length=1, max_length=60)  # on the button

    limits: Literal["on", "off"] = "on"
    limit_save: int = Field(default=10, ge=1, le=1_000_000)
    limit_create: int = Field(default=120, ge=1, le=1_000_000)
    limit_write: int = Field(default=300, ge=1, le=1_000_000)
    limit_read: int = Field(default=1200, ge=1, le=1_000_000)
    limit_ai: int = Field(default=2, ge=1, le=1_000_000)
    limit_signin: int = Field(default=10, ge=1, le=1_000_000)

    max_xml: int = 5 * 1024 * 1024
    max_elements: int = 50_000
    cache_bytes: int = Field(default=64 * 1024 * 1024, ge=0)  # texts and drawings kept in each process
    sockets_per_user: int = 100
    messages_per_second: int = 200

    @model_validator(mode="after")
    def _production_is_strict(self) -> "Settings":
        if self.mode == "production":
            missing = [
                name
                for name, value in (("DATABASE_URL", self.database_url), ("COLANE_WORKER_URL", self.worker_url))
                if not value
            ]
            if missing:
                raise SettingsError(
                    f"production mode needs {' and '.join(missing)}; the embedded database is for one machine"
                )
            if self.audit_key is None:
                raise SettingsError("production mode needs COLANE_AUDIT_KEY: make one with colane audit key --new")
            self._secrets_are_secret()
            if self.limits == "off":
                raise SettingsError("production mode does not start with COLANE_LIMITS=off; remove it")
        if self.token is not None and not self.on_loopback:
            raise SettingsError("COLANE_TOKEN works on a loopback address only; remove it or set COLANE_HOST=127.0.0.1")
        if self.token is not None and (self.mode == "production" or len(self.token.get_secret_value()) < 20):
            raise SettingsError("COLANE_TOKEN needs 20 characters or more and is refused in production mode")
        return self

    @model_validator(mode="after")
    def _provider_is_whole(self) -> "Settings":
        if self.oidc_issuer is None:
            return self
        if not self.oidc_client_id:
            raise SettingsError("COLANE_OIDC_ISSUER needs COLANE_OIDC_CLIENT_ID")
        issuer = urlsplit(self.oidc_issuer)
        if issuer.scheme != "https" and (issuer.scheme != "http" or issuer.hostname not in LOOPBACK):
            raise SettingsError("COLANE_OIDC_ISSUER is an https address; http only on loopback")
        return self

    def _secrets_are_secret(self) -> None:
        """Empty and well-known secrets are none. Whatever is declared as a SecretStr is looked at, new ones too."""
        for name in type(self).model_fields:
            held = getattr(self, name)
            if isinstance(held, SecretStr) and _is_weak(held.get_secret_value()):
                raise SettingsError(
                    f"COLANE_{name.upper()} is empty, short or a default; production mode needs a real one"
                )
        for name, url in (
            ("DATABASE_URL", self.database_url),
            ("COLANE_WORKER_URL", self.worker_url),
            ("COLANE_OWNER_URL", self.owner_url),
            ("REDIS_URL", self.redis_url),
        ):
            parts = urlsplit(url or "")
            # No password at all may be a socket, a certificate or a password file; an empty one is a mistake.
            password = None if parts.password is None else unquote(parts.password)
            if password is not None and (password == parts.username or password.lower() in WELL_KNOWN):
                raise SettingsError(f"the password in {name} is empty or a default; production mode needs a real one")

    @property
    def audit_folder(self) -> Path:
        """Where a signing key of our own making lives, and signed heads unless COLANE_AUDIT_HEADS says otherwise."""
        return self.data / "audit"

    @property
    def heads_file(self) -> Path:
        """Signed heads outside of the database, a line each."""
        return self.audit_heads or self.audit_folder / "heads.jsonl"

    @property
    def on_loopback(self) -> bool:
        """True when only this machine can reach the server."""
        return self.host in LOOPBACK

    @property
    def registration_open(self) -> bool:
        """Strangers may sign up on loopback, or where the operator says so."""
        return self.registration == "open" or (self.registration == "auto" and self.on_loopback)

    @property
    def allowed_origins(self) -> frozenset[str]:
        """Origins beside the server's own."""
        return frozenset(part.strip().rstrip("/") for part in self.origins.split(",") if part.strip())

    @property
    def trusted_proxies(self) -> frozenset[str]:
        """Peers whose forwarding headers count."""
        return frozenset(part.strip() for part in self.proxies.split(",") if part.strip())

    @staticmethod
    def environment() -> dict[str, str]:
        """What a child process inherits."""
        return dict(os.environ)
