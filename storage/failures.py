"""Which errors mean "storage is not available just now", as opposed to a fault of ours. Asked by both doors."""

import asyncpg

# Connection exceptions, insufficient resources, operator intervention (shutdown, crash), cannot-connect-now; a transaction
# that idled too long, met another or could not get a lock.
_CLASSES = ("08", "53", "57P", "25P03", "40", "55P03")


def is_dangling(error: BaseException) -> bool:
    """True when what a row was to point to went away between looking at it and writing."""
    return isinstance(error, asyncpg.ForeignKeyViolationError)


def is_unavailable(error: BaseException) -> bool:
    """True when trying again later may help and nothing is wrong with the request."""
    # The driver's internal error: a connection that was lost in the middle of something, seen when PostgreSQL is killed.
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError)):
        return not isinstance(error, ValueError)  # a value that fits no column is a fault of ours
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_CLASSES)
    # A unix socket that is gone is FileNotFoundError, a host that is gone another OSError, and so is a time that is over.
    return isinstance(error, OSError)
