"""Why a person was told, in words: no page carries a word of the program's own."""

from datetime import UTC, datetime

import pytest

from tocsin.channels import texts
from tocsin.channels.model import Message
from tocsin.escalations.model import Reason as LadderReason
from tocsin.incidents.model import Reason
from tocsin.paging.compose import WHY, WHY_SEVERAL, WHY_SUMMARY, Links, Told, compose
from tocsin.paging.model import Claim, DeliveryKind

NOW = datetime(2026, 3, 29, 2, 58, tzinfo=UTC)
# What never pages anybody.
SILENT = {
    LadderReason.NOBODY_ANSWERED,
    LadderReason.NOBODY_TO_PAGE,
    LadderReason.ACKNOWLEDGED,
    LadderReason.RESOLVED,
}


def message(kind: DeliveryKind, reason: str = "opened", total: int = 1) -> Message:
    claim = Claim(
        id="Q1",
        kind=kind,
        cause="machine",
        page_id=None,
        bundle_id=None,
        incident_id="Q2",
        user_id="P1",
        user_name="Ann",
        contact_method_id="P2",
        method_label="phone",
        address_hint="",
        address_sealed=None,
        secret_sealed=None,
        channel="ntfy",
        reason="notification_rule",
        attempt=1,
        fence=1,
        first_due_at=NOW,
        started_at=NOW,
        removed=False,
        wanted=True,
    )
    told = Told(
        delivery_id="Q1",
        total=total,
        reason=reason,
        is_test=False,
        incident_id="Q2",
        number=1,
        title="disk full",
        service="db",
        urgency="high",
        status="triggered",
        created_at=NOW,
        alert_count=1,
    )
    return compose(claim, [told] * total, Links(acknowledge_url=None, incident_url=None), NOW)


@pytest.mark.parametrize("reason", sorted(set(LadderReason) - SILENT))
def test_each_reason_of_the_ladder_has_a_sentence(reason: str) -> None:
    said = texts.paragraphs(message(DeliveryKind.PAGE, reason))
    assert said[-1] == WHY[reason]


def test_the_words_are_of_reasons_that_exist() -> None:
    assert set(WHY) <= {*LadderReason, *Reason}


def test_a_word_of_the_program_is_never_shown() -> None:
    said = texts.paragraphs(message(DeliveryKind.PAGE, "some_reason_of_a_later_version"))
    assert said == ["#1 [high] db: disk full\ntriggered, 0 s old"]


def test_several_and_a_test_say_so_by_themselves() -> None:
    assert message(DeliveryKind.BUNDLE, total=2).reason == WHY_SEVERAL
    assert message(DeliveryKind.SUMMARY, total=2).reason == WHY_SUMMARY
    assert message(DeliveryKind.TEST).reason == ""
    # One that is left of several is told as a page.
    assert message(DeliveryKind.BUNDLE, "no_answer").reason == WHY["no_answer"]
