"""Which errors mean "storage is not available just now", as opposed to a fault of ours. Asked by both doors."""

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# Connection exceptions, insufficient resources, operator intervention (shutdown, crash), cannot-connect-now; a transaction
# that idled too long, met another or could not get a lock.
_CLASSES = ("08", "53", "57P", "25P03", "40", "55P03")


def is_unavailable(error: BaseException) -> bool:
    """True when trying again later may help and nothing is wrong with the request."""
    # The driver's internal error: a connection that was lost in the middle of something, seen when PostgreSQL is killed.
    if isinstance(error, (PoolTimeoutError, ConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
        return True
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_CLASSES)
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", "") or "")
        if state:
            return state.startswith(_CLASSES)
        return error.connection_invalidated or isinstance(error, (InterfaceError, OperationalError))
    # A unix socket that is gone is FileNotFoundError, a host that is gone another OSError.
    return isinstance(error, OSError)
