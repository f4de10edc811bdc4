"""What production mode refuses to start with, in words that say what to do and never what was set."""

import pytest

from storage.audit.keys import new_key
from storage.settings import Settings, told

PASSWORD = "x4Qk-canary-9vTz"
GOOD = {
    "COLANE_MODE": "production",
    "DATABASE_URL": f"postgresql://colane_app:{PASSWORD}@db/colane",
    "COLANE_WORKER_URL": f"postgresql://colane_worker:{PASSWORD}@db/colane",
    "COLANE_AUDIT_KEY": new_key(),
}


def settings(monkeypatch: pytest.MonkeyPatch, **changed: str | None) -> Settings:
    for name, value in {**GOOD, **changed}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return Settings()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"DATABASE_URL": "postgresql:///colane?host=/run/postgresql"},
        {"DATABASE_URL": "postgresql://colane_app@db/colane?sslcert=app.pem"},
        {"REDIS_URL": "redis://cache:6379/0"},
    ],
)
def test_production_starts_with_real_secrets(monkeypatch: pytest.MonkeyPatch, changed: dict[str, str]) -> None:
    assert settings(monkeypatch, **changed).mode == "production"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"COLANE_AUDIT_KEY": None}, "COLANE_AUDIT_KEY"),
        ({"COLANE_AUDIT_KEY": ""}, "COLANE_AUDIT_KEY"),
        ({"COLANE_AUDIT_KEY": "A" * 43 + "="}, "COLANE_AUDIT_KEY"),
        ({"COLANE_AUDIT_KEY": "canary"}, "COLANE_AUDIT_KEY"),
        ({"DATABASE_URL": None}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://colane_app:@db/canary"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://colane_app:colane_app@db/canary"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://colane_app:Postgres@db/canary"}, "DATABASE_URL"),
        ({"COLANE_WORKER_URL": "postgresql://colane_worker:changeme@db/canary"}, "COLANE_WORKER_URL"),
        ({"COLANE_WORKER_URL": "postgresql://colane_worker:change%6De@db/canary"}, "COLANE_WORKER_URL"),
        ({"COLANE_OWNER_URL": "postgresql://colane_owner:secret@db/canary"}, "COLANE_OWNER_URL"),
        ({"REDIS_URL": "redis://:password@cache/0"}, "REDIS_URL"),
        ({"COLANE_LIMITS": "off"}, "COLANE_LIMITS"),
        ({"COLANE_TOKEN": "canary-canary-canary-1"}, "COLANE_TOKEN"),
    ],
)
def test_production_does_not_start_without(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], named: str
) -> None:
    with pytest.raises(ValueError) as raised:
        settings(monkeypatch, **changed)
    words = told(raised.value)
    assert named in words
    for text in (words, str(raised.value)):
        assert "canary" not in text


def test_a_field_that_does_not_fit_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLANE_PORT", "canary")
    with pytest.raises(ValueError) as raised:
        Settings()
    assert told(raised.value).startswith("PORT: ")
    assert "canary" not in told(raised.value)
