"""Errors of the other rooms as problems of this one: the single place where they meet HTTP.

Gives None for what nobody expected; the front door makes that a 500 and reports it.
"""

from api.problems import Fault, Problem
from collab.bpmn.errors import BpmnError, ForbiddenError, MalformedError, TooLargeError
from collab.workshop import WorkshopError
from storage.failures import is_dangling, is_unavailable
from storage.idempotency import InProgressError, KeyReusedError
from storage.updates import LoadError, UnknownDiagramError


def problem_for(error: BaseException) -> Problem | None:
    """The problem that an error is to a client, if it is one."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, KeyReusedError | InProgressError):
        return Problem("idempotency_key_reused" if isinstance(error, KeyReusedError) else "idempotency_in_progress")
    if isinstance(error, BpmnError):
        return _bpmn(error)
    if is_dangling(error):
        return Problem("invalid_reference", "Something named in the request was deleted a moment ago.")
    if isinstance(error, WorkshopError | LoadError) or is_unavailable(error):
        # Unknown to the log: deleted since the grant was looked up.
        gone = isinstance(error, UnknownDiagramError)
        return Problem("not_found") if gone else Problem("storage_unavailable", headers={"Retry-After": "2"})
    return None


def _bpmn(error: BpmnError) -> Problem | None:
    faults = [Fault("body", error.rule, error.message)]
    if isinstance(error, ForbiddenError):
        return Problem("xml_forbidden", error.message, errors=faults)
    if isinstance(error, TooLargeError):
        return Problem("too_large", error.message, errors=faults)
    if isinstance(error, MalformedError):
        return Problem("invalid_bpmn", error.message, errors=faults)
    return None
