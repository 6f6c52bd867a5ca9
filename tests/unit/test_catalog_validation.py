"""What a service may look like, and the slice it lives on."""

from datetime import UTC, datetime

import msgspec
import pytest

from tocsin.catalog.model import SLICES, Service
from tocsin.catalog.validation import checked, is_key, kind, slice_of, timeout
from tocsin.core.errors import Invalid

SERVICE = Service(
    id="P1",
    name=" Checkout ",
    description="",
    escalation_policy_id="P2",
    team_id=None,
    urgency_rule="severity_based",
    acknowledgement_timeout=0,
    auto_resolve_timeout=14400,
    slice=0,
    created_at=datetime(2026, 3, 2, tzinfo=UTC),
    last_incident_at=None,
    disabled_at=None,
    deleted_at=None,
)


def test_values_are_cleaned_and_zero_means_off() -> None:
    service = checked(SERVICE)
    assert (service.name, service.description) == ("Checkout", None)
    assert (service.acknowledgement_timeout, service.auto_resolve_timeout) == (None, 14400)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 256),
        ("name", "a\nb"),
        ("description", "x" * 4097),
        ("urgency_rule", "extreme"),
        ("acknowledgement_timeout", 59),
        ("acknowledgement_timeout", 604_801),
        ("acknowledgement_timeout", -1),
        ("auto_resolve_timeout", True),
        ("auto_resolve_timeout", "60"),
    ],
)
def test_what_is_refused_names_its_field(field: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        checked(msgspec.structs.replace(SERVICE, **{field: value}))
    assert refused.value.field == field


def test_the_limits_of_a_timeout_are_allowed() -> None:
    assert [timeout("t", n) for n in (None, 0, 60, 604_800)] == [None, None, 60, 604_800]


def test_kinds() -> None:
    assert kind("kind", "alertmanager") == "alertmanager"
    with pytest.raises(Invalid, match="events_api_v2"):
        kind("kind", "carrier_pigeon")


def test_slices_are_stable_and_spread() -> None:
    assert slice_of("P00000000000001") == slice_of("P00000000000001")
    slices = [slice_of(f"P0MHA1B2C{n:07}") for n in range(2000)]
    assert set(slices) == set(range(SLICES))


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ("0123456789abcdef" * 2, True),
        ("0123456789ABCDEF" * 2, False),
        ("a" * 31, False),
        ("", False),
    ],
)
def test_the_form_of_a_key(key: str, good: bool) -> None:
    assert is_key(key) is good
