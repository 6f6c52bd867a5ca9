"""What an action says when it will not do what it was asked. Faces turn these into their own form.

Every message is written for the person who reads it: it names the field or the thing, and the fix.
"""


class Problem(Exception):
    """Base of all refusals that are the caller's to mend."""


class Invalid(Problem):
    """A value is wrong. `field` is the name the caller used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class NotFound(Problem):
    """There is no such thing, or the caller may not know of it."""

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(f"no {kind} {id}")
        self.kind = kind
        self.id = id


class Forbidden(Problem):
    """The actor may not do this. The message names the permission that is missing."""


class Unseen(Forbidden):
    """The actor may not even see the thing; a face may say that there is none."""

    def __init__(self, message: str, kind: str, id: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.id = id


class Refused(Problem):
    """The state of things does not allow it. `reason` is a stable word for clients to test."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
