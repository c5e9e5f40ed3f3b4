"""The product's errors. Each class decides one thing for its caller: what is shown, and whether to try again.

DeskhandError
├─ Misconfigured   a setting is wrong; stop at start
├─ Invalid         what was given can't be taken (400, 422); names field, value and the way out
│  └─ Incomplete   something that can't be left out is missing, in one field or several
├─ NotFound        it does not exist, or this viewer may not know that it does (404)
├─ Forbidden       the viewer may see it but not do this (403)
├─ Conflict        somebody was faster; look again (409)
├─ Limited         too many tries (429)
├─ Unreachable     the other side does not answer now; try again later
├─ Ambiguous       the other side may or may not have done it; try again with the same key
└─ Rejected        the other side said no for good; do not try again
"""

from __future__ import annotations

from collections.abc import Mapping


class DeskhandError(Exception):
    """Base of all errors that are fit for a person to read."""

    status = 500


class Misconfigured(DeskhandError):
    """A setting is wrong: `name` is `value`; `allowed` says what it may be."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} is {value!r}; it must be {allowed}.")
        self.name, self.value, self.allowed = name, value, allowed


class Invalid(DeskhandError):
    """What was given can't be taken. `field` and `value` name the culprit; `hint` is the way out."""

    status = 400

    def __init__(self, message: str, *, field: str = "", value: object = None, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.field, self.value, self.hint = message, field, value, hint


class Incomplete(Invalid):
    """`fields` are the names of all that are missing, in order, each with what to say beside it."""

    def __init__(self, fields: Mapping[str, str], message: str = "", *, hint: str = "") -> None:
        super().__init__(
            message or " ".join(fields.values()), field=next(iter(fields)), value=list(fields), hint=hint
        )
        self.fields = fields


class NotFound(DeskhandError):
    status = 404


class Forbidden(DeskhandError):
    status = 403


class Conflict(DeskhandError):
    status = 409


class Limited(DeskhandError):
    """Too many tries; `retry_after` is in seconds."""

    status = 429

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(DeskhandError):
    status = 503


class Ambiguous(DeskhandError):
    status = 503


class Rejected(DeskhandError):
    status = 502
