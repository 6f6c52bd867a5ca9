"""The plain words for every reason and state that a rule can give. The only place they stand.

Rules: a reason is a clause that reads on after "because"; whatever an enum can say has its words
here (a test covers every member); a value this release does not know is shown as it is, with
spaces, so that nothing is ever silent.
"""

from collections.abc import Mapping

from tocsin.escalations.model import Reason as LadderReason
from tocsin.escalations.model import SkipReason
from tocsin.incidents.dedup import Verdict
from tocsin.incidents.likeness import Why as Likeness
from tocsin.incidents.model import Reason
from tocsin.incidents.responders import Reason as AskReason
from tocsin.incidents.status_updates import Reason as UpdateReason
from tocsin.paging.bundle import PlacingReason
from tocsin.paging.catch_up import FoldReason
from tocsin.paging.contact_rules import PlanReason
from tocsin.paging.model import DeliveryReason, DeliveryState, Outcome
from tocsin.paging.retry import RetryReason
from tocsin.paging.throttle import ThrottleReason

# Why an incident changed. The ladder's own words come after, because both stand on the timeline.
INCIDENT: Mapping[str, str] = {
    Reason.NEW_ALERT: "no open alert had this key",
    Reason.MAINTENANCE_ENDED: "the service's maintenance is over and the alert still holds",
    Reason.PAUSE_ENDED: "the alert was still there when the service's pause was over",
    Reason.REPEATED_ALERT: "the alert with this key is still open",
    Reason.ALERT_JOINED: "its service groups alerts like it",
    Reason.ALERT_JOINED_QUIETLY: "its service groups alerts like it",
    Reason.CREATED_BY_HAND: "a person opened it by hand",
    Reason.SELF_ASSIGNED: "the person who opened it took it, so nobody is paged",
    Reason.ACKNOWLEDGED_BY_PERSON: "a person said so here",
    Reason.ACKNOWLEDGED_BY_REPLY: "a person tapped the link of their page",
    Reason.ACKNOWLEDGED_BY_EVENT: "the monitoring tool said so",
    Reason.RESOLVED_BY_PERSON: "a person said so here",
    Reason.RESOLVED_BY_REPLY: "a person tapped the link of their page",
    Reason.ALERT_RESOLVED: "the monitoring tool closed this alert; others are still open",
    Reason.LAST_ALERT_RESOLVED: "the monitoring tool closed the last open alert",
    Reason.AUTO_RESOLVED: "the service resolves incidents by itself after this time",
    Reason.AUTO_RESOLVE_DEFERRED: "an alert is still firing, so it does not resolve by itself",
    Reason.MERGED: "a person merged it into another incident",
    Reason.UNACKNOWLEDGED_BY_PERSON: "a person gave it back",
    Reason.ACKNOWLEDGEMENT_TIMEOUT: "it was acknowledged for so long that the service asks again",
    Reason.SNOOZED: "a person snoozed it",
    Reason.SNOOZE_ENDED: "the snooze is over",
    Reason.REASSIGNED: "a person chose who gets it",
    Reason.ESCALATED_BY_PERSON: "a person escalated it",
    Reason.URGENCY_SET: "a person changed the urgency",
    Reason.SEVERITY_RAISED: "an alert became more severe",
    Reason.URGENT_ALERT_JOINED: "an alert joined that is urgent by its service's rule",
    Reason.SUPPORT_HOURS_STARTED: "the support hours of the service began",
    Reason.SUPPORT_HOURS_ENDED: "the support hours of the service ended",
    Reason.TITLE_SET: "a person changed the title",
    Reason.NOTE_ADDED: "a person wrote a note",
    Reason.NOTE_CHANGED: "a person wrote a note anew",
    Reason.NOTE_DELETED: "a person took a note away",
    Reason.PRIORITY_SET: "a person changed the priority",
    Reason.CONFERENCE_SET: "a person said where to talk",
    Reason.ALERT_RESOLVED_BY_PERSON: "a person closed this alert; others are still open",
    Reason.LAST_ALERT_RESOLVED_BY_PERSON: "a person closed the last open alert",
    Reason.ALERT_MOVED: "a person moved alerts to another incident",
    Reason.LAST_ALERT_MOVED: "a person moved the last open alert to another incident",
}
ASKING: Mapping[str, str] = {
    AskReason.ASKED: "somebody asks for help with it",
    AskReason.JOINED: "the person said so",
    AskReason.JOINED_BY_ACKNOWLEDGING: "the person acknowledged the incident",
    AskReason.ALREADY_JOINED: "the person had joined already",
    AskReason.DECLINED: "the person declined",
    AskReason.SOMEBODY_JOINED: "somebody else joined",
    AskReason.NEXT_LEVEL: "nobody on the level before joined",
    AskReason.ALL_DECLINED: "everybody who was asked declined",
    AskReason.NOBODY_ANSWERED: "every level was asked and nobody has joined",
    AskReason.NOBODY_TO_ASK: "every level was empty and there is no catch-all person",
    AskReason.NO_CONTACT_METHOD: "there is no way to reach the person",
    AskReason.CANCELLED: "a person called it off",
    AskReason.OVER: "the incident was resolved",
}
UPDATES: Mapping[str, str] = {
    UpdateReason.PUBLISHED: "a person told who follows the incident",
    UpdateReason.SUBSCRIBED: "a person chose who gets status updates",
    UpdateReason.UNSUBSCRIBED: "a person chose who gets status updates",
}
LADDER: Mapping[str, str] = {
    LadderReason.OPENED: "the incident opened",
    LadderReason.NO_ANSWER: "nobody on the level before acknowledged in time",
    LadderReason.REPEATED: "nobody acknowledged, and the policy begins again at level 1",
    LadderReason.NOBODY_ON_CALL: "every level was empty, so the catch-all person was paged",
    LadderReason.NOBODY_ANSWERED: "every level was paged and nobody acknowledged",
    LadderReason.NOBODY_TO_PAGE: "every level was empty and there is no catch-all person",
    LadderReason.LOW_URGENCY: "low urgency pages one level and does not climb",
    LadderReason.MOVED: "a person chose this level",
    LadderReason.RETURNED: "the incident came back, so the ladder goes on where it was",
    LadderReason.ACKNOWLEDGED: "somebody acknowledged",
    LadderReason.RESOLVED: "the incident was resolved",
    LadderReason.REASSIGNED: "a person chose who gets it",
}
SKIP: Mapping[str, str] = {
    SkipReason.NOBODY_ON_CALL: "nobody is on call",
    SkipReason.USER_GONE: "has left",
    SkipReason.NO_CONTACT_METHOD: "has no contact method",
}
DELIVERY: Mapping[str, str] = {
    DeliveryReason.RULE: "a notification rule says so",
    DeliveryReason.NO_RULE: "no rule is for this urgency, so every contact method is used",
    DeliveryReason.LAST_RESORT: "every contact method seemed dead, so all of them were tried",
    DeliveryReason.NEXT_METHOD: "the method before did not get through",
    DeliveryReason.BUNDLE: "several pages within a moment travel together",
    DeliveryReason.SUMMARY: "it was late after an outage, so one summary replaces many messages",
    DeliveryReason.TEST: "a person asked for a test",
    DeliveryReason.SUBSCRIBED: "the person gets the status updates of this incident",
    DeliveryReason.HANDOFF: "a hand-off rule says so",
    DeliveryReason.METHOD_DEAD: "this contact method has stopped working",
    DeliveryReason.METHOD_REMOVED: "this contact method was removed",
    DeliveryReason.CHANNEL_MISSING: "no server has this channel set up",
    DeliveryReason.FOLDED: "a summary took it up",
    DeliveryReason.NOTHING_OPEN: "nothing it was about was open any more",
    DeliveryReason.GAVE_UP: "it was tried as often as allowed",
    DeliveryReason.DEAD: "the provider said that this address does not work",
    DeliveryReason.THROTTLED: "this contact method had too many messages within a minute",
}
STATE: Mapping[str, str] = {
    DeliveryState.QUEUED: "waiting",
    DeliveryState.SENDING: "being sent",
    DeliveryState.SENT: "delivered",
    DeliveryState.FAILED: "failed",
    DeliveryState.CANCELLED: "withdrawn",
    DeliveryState.BUNDLED: "taken up by a summary",
}
ATTEMPT: Mapping[str, str] = {
    Outcome.SENT: "delivered",
    Outcome.RETRY: "to be tried again",
    Outcome.DEAD: "refused for good",
    Outcome.LAPSED: "the server that was sending it did not report back",
    Outcome.UNWANTED: "not sent, nothing was open any more",
}
PLAN: Mapping[str, str] = {
    PlanReason.RULES: "by the person's notification rules",
    PlanReason.NO_RULE: "the person has no rule for this urgency",
    PlanReason.RULES_DEAD: "the methods in the person's rules have stopped working",
    PlanReason.LAST_RESORT: "every contact method of the person seems dead",
    PlanReason.NO_METHOD: "the person has no contact method",
}
PACE: Mapping[str, str] = {
    RetryReason.BACK_OFF: "tried again after a pause that grows",
    RetryReason.PROVIDER_ASKED: "the provider asked to wait",
    RetryReason.TOO_MANY: "tried as often as allowed",
    RetryReason.TOO_OLD: "tried for as long as allowed",
    FoldReason.SUMMARY: "late after an outage, so one summary instead of many messages",
    FoldReason.NOTHING_OPEN: "nothing it was about was open any more",
    PlacingReason.ALONE: "among the first within a minute, so it travels alone",
    PlacingReason.BUNDLED: "many within a minute, so they travel together",
    ThrottleReason.FREE: "sent at once",
    ThrottleReason.BUSY: "waits, because this contact method had too many within a minute",
}
EVENT: Mapping[str, str] = {
    Verdict.OPENED: "opened an incident",
    Verdict.REPEATED: "joined the open alert with the same key",
    Verdict.ACKNOWLEDGED: "acknowledged the incident",
    Verdict.ALREADY_ACKNOWLEDGED: "the incident was acknowledged already",
    Verdict.RESOLVED: "resolved the alert",
    Verdict.NO_OPEN_ALERT: "no open alert has this key, so there was nothing to do",
    Verdict.SUPPRESSED: "held back: the service is in maintenance",
    Verdict.PAUSED: "waits: the service pauses new alerts before they open an incident",
    Verdict.RESOLVED_IN_PAUSE: "resolved the alert before it opened an incident: nobody was paged",
    Verdict.JOINED: "joined an open incident",
    Verdict.SERVICE_DISABLED: "the service is disabled, so nothing was opened",
    Verdict.SERVICE_GONE: "the service was deleted",
}
LIKENESS: Mapping[str, str] = {
    Likeness.SAME_KEY: "the same key",
    Likeness.SIMILAR_TITLE: "a title of the same kind",
    Likeness.SUPPORTING: "this service needs that one",
    Likeness.DEPENDENT: "that service needs this one",
    Likeness.SAME_BUSINESS: "both carry the same business service",
    Likeness.SHARED_WORDS: "words that both titles have",
}
# Who had to act on what, as the timeline tells it; see web/telling.py for the sentences.
_TIMELINE: Mapping[str, str] = {**LADDER, **DELIVERY, **PLAN, **INCIDENT, **ASKING, **UPDATES}
_DETAIL: Mapping[str, str] = {**LADDER, **PACE, **PLAN, **INCIDENT, **DELIVERY, **ASKING}


def _said(words: Mapping[str, str], value: str) -> str:
    return words.get(value) or value.replace("_", " ")


def because(reason: str) -> str:
    """Why something stands on the timeline, or why a person was paged."""
    return _said(_TIMELINE, reason)


def likeness(why: str) -> str:
    """Why another incident belongs to one."""
    return _said(LIKENESS, why)


def skipped(reason: str) -> str:
    """Why the ladder passed somebody over."""
    return _said(SKIP, reason)


def delivery_reason(reason: str) -> str:
    """Why a delivery was made, or why it ended so."""
    return _said(DELIVERY, reason)


def delivery_state(state: str) -> str:
    """How a delivery stands."""
    return _said(STATE, state)


def attempt_outcome(outcome: str) -> str:
    """What one attempt came to."""
    return _said(ATTEMPT, outcome)


def event_outcome(reason: str) -> str:
    """What became of an event."""
    return _said(EVENT, reason)


def detail(text: str) -> str:
    """A delivery's detail: a reason of ours in words, or what the provider said, as it said it."""
    return _DETAIL.get(text, text)
