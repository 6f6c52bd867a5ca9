"""The words in which a body is refused, shared by the formats. They follow the Events API."""

from collections.abc import Sequence

from tocsin.events.model import Rejected

KEY_LENGTH = 32


def invalid(errors: Sequence[str], reason: str = "invalid") -> Rejected:
    """The body is JSON of the right kind, and these of its fields are wrong."""
    return Rejected(
        reason=reason,
        status="invalid event",
        message="Event object is invalid",
        errors=tuple(errors),
    )


def unrecognised(error: str = "JSON parse error") -> Rejected:
    """The body is not JSON, or not an object."""
    return Rejected(
        reason="unrecognised",
        status="Unrecognized object",
        message="Event object format is unrecognized",
        errors=(error,),
    )


NOT_AN_OBJECT = unrecognised("Event object must be a JSON object")


def key_errors(key: object, field: str = "routing_key") -> list[str]:
    """What is wrong with the form of an integration key; empty when nothing is."""
    if key is None or key == "":
        return [f"'{field}' is missing or blank"]
    if not isinstance(key, str):
        return [f"'{field}' must be a string"]
    errors = []
    if len(key) != KEY_LENGTH:
        errors.append(f"Length of '{field}' is incorrect (should be {KEY_LENGTH} characters)")
    if not (key.isascii() and key.isalnum()):
        errors.append(f"'{field}' cannot contain non-alphanumeric characters.")
    return errors
