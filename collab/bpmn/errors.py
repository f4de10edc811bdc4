"""What can be wrong with a text that somebody hands in.

    BpmnError            never raised itself; `rule` says what was broken, the message says it in plain words
    ├── ForbiddenError   DOCTYPE or an entity of its own: xml_forbidden
    ├── MalformedError   not well-formed ("malformed"), not BPMN ("root"), encoding unknown ("encoding"): invalid_bpmn
    └── TooLargeError    over a limit of size, depth or count: too_large

Picklable: they travel back from the workshop's processes. A diagram that is merely an invalid *model* is no error.
"""

from typing import Literal

Rule = Literal["doctype", "entity", "malformed", "root", "encoding", "size"]


class BpmnError(Exception):
    """A text that cannot become a diagram."""

    def __init__(self, message: str, rule: Rule) -> None:
        super().__init__(message, rule)
        self.message = message
        self.rule = rule

    def __str__(self) -> str:
        return self.message


class ForbiddenError(BpmnError):
    """The text uses what XML allows and we do not."""


class MalformedError(BpmnError):
    """The text is not XML, or not of the kind that was asked for."""


class TooLargeError(BpmnError):
    """The text is larger than the limits."""

    def __init__(self, message: str, rule: Rule = "size") -> None:
        super().__init__(message, rule)
