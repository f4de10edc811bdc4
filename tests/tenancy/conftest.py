"""A real server and two strangers on it."""

from tests.api.conftest import ann, mallory, server

__all__ = ["ann", "mallory", "server"]
