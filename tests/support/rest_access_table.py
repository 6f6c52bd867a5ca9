"""The declared access matrix of the REST API: for every operation who may use it, with what body,
and whether it changes anything. Written by hand, not asked of the code that it is compared with.

An operation may have several trials, such as one's own things and somebody else's. The words of
`needs` are those of `tests.support.access_table`. A new operation joins with a row here; without
one `tests/faces/test_rest_access.py` fails and names it.
"""

from typing import Any, NamedTuple

from tests.support.access_scene import BASE, IN_TEAMS, Persona
from tests.support.access_table import BY_TEAM

# Every base role; and where team roles count, every team role with the base role that allows
# nothing by itself, one with a role that may look, and one with a role that may never do more.
TEAM_ROLES = tuple(
    persona
    for persona in IN_TEAMS
    if persona.role == "restricted_access"
    or persona in (Persona("observer", "responder"), Persona("read_only_limited_user", "manager"))
)
EVERYBODY = (*BASE, *TEAM_ROLES)


class Trial(NamedTuple):
    """One way to use an operation. `at`, the query in it, and the values of `body` may name things
    of the scene in braces.

    `refusal` is the answer to somebody who may see the thing and not do this, `unseen` to somebody
    who may not see it (the same unless it says so). `acts` says whether rows change when it is
    allowed. `home` is "everywhere" for a thing of no team.
    """

    at: str
    needs: str
    body: Any = None
    acts: bool = True
    status: int | None = None
    refusal: int = 403
    unseen: int | None = None
    before: str = ""
    home: str = ""

    def people(self) -> tuple[Persona, ...]:
        """Who tries it."""
        return EVERYBODY if self.needs in BY_TEAM else BASE


Rows = dict[tuple[str, str], tuple[Trial, ...]]


def look(at: str, needs: str, **more: Any) -> Trial:
    """A trial that only looks."""
    return Trial(at, needs, **{"acts": False, "unseen": 404, **more})


def act(at: str, needs: str, body: Any = None, **more: Any) -> Trial:
    """A trial that changes something."""
    return Trial(at, needs, body, **more)


def ref(kind: str, name: str) -> dict[str, str]:
    """A reference to a thing of the scene."""
    return {"id": f"{{{name}}}", "type": f"{kind}_reference"}


VERA, SELF, BOSS = "/users/{vera}", "/users/{self}", "/users/{boss}"
PERSON = {"type": "user", "name": "drill", "email": "drill@example.com", "role": "observer"}
METHOD = {"contact_method": {"type": "phone_contact_method", "label": "x", "address": "drill"}}
RULE = {
    "notification_rule": {
        "start_delay_in_minutes": 7,
        "urgency": "high",
        "contact_method": {"id": "{own_method}"},
    }
}
VERAS_RULE = {
    "notification_rule": {**RULE["notification_rule"], "contact_method": {"id": "{vera_method}"}}
}
HANDOFF = {
    "oncall_handoff_notification_rule": {
        "notify_advance_in_minutes": 7,
        "handoff_type": "oncall",
        "contact_method": {"id": "{own_method}"},
    }
}
VERAS_HANDOFF = {
    "oncall_handoff_notification_rule": {
        **HANDOFF["oncall_handoff_notification_rule"],
        "contact_method": {"id": "{vera_method}"},
    }
}
HANDOFFS = "oncall_handoff_notification_rules"
USERS: Rows = {
    ("GET", "/users"): (look("/users", "sees somewhere"),),
    ("POST", "/users"): (
        act("/users", "administers", {"user": PERSON}),
        act("/users", "owns", {"user": {**PERSON, "role": "owner"}}),
    ),
    ("GET", "/users/{id}"): (look(VERA, "sees somewhere"), look(SELF, "signed in")),
    ("PUT", "/users/{id}"): (
        act(VERA, "administers", {"user": {"job_title": "drill"}}),
        act(SELF, "signed in", {"user": {"job_title": "drill"}}),
        act(VERA, "owns", {"user": {"role": "owner"}}),
        act(BOSS, "owns", {"user": {"job_title": "drill"}}),
    ),
    ("DELETE", "/users/{id}"): (
        act("/users/{leaver}", "administers"),
        act(BOSS, "owns"),
    ),
    ("GET", "/users/me"): (look("/users/me", "signed in"),),
    ("GET", "/users/{user_id}/contact_methods"): (
        look(f"{VERA}/contact_methods", "sees somewhere"),
        look(f"{SELF}/contact_methods", "signed in"),
    ),
    ("POST", "/users/{user_id}/contact_methods"): (
        act(f"{VERA}/contact_methods", "administers", METHOD),
        act(f"{SELF}/contact_methods", "signed in", METHOD),
    ),
    ("GET", "/users/{user_id}/contact_methods/{id}"): (
        look(f"{VERA}/contact_methods/{{vera_method}}", "sees somewhere"),
        look(f"{SELF}/contact_methods/{{own_method}}", "signed in"),
        look(f"{SELF}/contact_methods/{{vera_method}}", "nobody", refusal=404),
    ),
    ("PUT", "/users/{user_id}/contact_methods/{id}"): (
        act(
            f"{VERA}/contact_methods/{{vera_method}}",
            "administers",
            {"contact_method": {"label": "drill"}},
        ),
        act(
            f"{SELF}/contact_methods/{{own_method}}",
            "signed in",
            {"contact_method": {"label": "drill"}},
        ),
    ),
    ("DELETE", "/users/{user_id}/contact_methods/{id}"): (
        act(f"{VERA}/contact_methods/{{vera_method}}", "administers"),
        act(f"{SELF}/contact_methods/{{own_method}}", "signed in"),
        act(f"{SELF}/contact_methods/{{vera_method}}", "nobody", refusal=404),
    ),
    ("GET", "/users/{user_id}/notification_rules"): (
        look(f"{VERA}/notification_rules", "sees somewhere"),
        look(f"{SELF}/notification_rules", "signed in"),
    ),
    ("POST", "/users/{user_id}/notification_rules"): (
        act(f"{VERA}/notification_rules", "administers", VERAS_RULE),
        act(f"{SELF}/notification_rules", "signed in", RULE),
    ),
    ("GET", "/users/{user_id}/notification_rules/{id}"): (
        look(f"{VERA}/notification_rules/{{vera_rule}}", "sees somewhere"),
        look(f"{SELF}/notification_rules/{{own_rule}}", "signed in"),
    ),
    ("PUT", "/users/{user_id}/notification_rules/{id}"): (
        act(
            f"{VERA}/notification_rules/{{vera_rule}}",
            "administers",
            {"notification_rule": {"start_delay_in_minutes": 9}},
        ),
        act(
            f"{SELF}/notification_rules/{{own_rule}}",
            "signed in",
            {"notification_rule": {"start_delay_in_minutes": 9}},
        ),
    ),
    ("DELETE", "/users/{user_id}/notification_rules/{id}"): (
        act(f"{VERA}/notification_rules/{{vera_rule}}", "administers"),
        act(f"{SELF}/notification_rules/{{own_rule}}", "signed in"),
    ),
    ("GET", f"/users/{{user_id}}/{HANDOFFS}"): (
        look(f"{VERA}/{HANDOFFS}", "sees somewhere"),
        look(f"{SELF}/{HANDOFFS}", "signed in"),
    ),
    ("POST", f"/users/{{user_id}}/{HANDOFFS}"): (
        act(f"{VERA}/{HANDOFFS}", "administers", VERAS_HANDOFF),
        act(f"{SELF}/{HANDOFFS}", "signed in", HANDOFF),
    ),
    ("GET", f"/users/{{user_id}}/{HANDOFFS}/{{id}}"): (
        look(f"{VERA}/{HANDOFFS}/{{vera_handoff_rule}}", "sees somewhere"),
        look(f"{SELF}/{HANDOFFS}/{{own_handoff_rule}}", "signed in"),
    ),
    ("PUT", f"/users/{{user_id}}/{HANDOFFS}/{{id}}"): (
        act(
            f"{VERA}/{HANDOFFS}/{{vera_handoff_rule}}",
            "administers",
            {"oncall_handoff_notification_rule": {"handoff_type": "offcall"}},
        ),
        act(
            f"{SELF}/{HANDOFFS}/{{own_handoff_rule}}",
            "signed in",
            {"oncall_handoff_notification_rule": {"handoff_type": "offcall"}},
        ),
    ),
    ("DELETE", f"/users/{{user_id}}/{HANDOFFS}/{{id}}"): (
        act(f"{VERA}/{HANDOFFS}/{{vera_handoff_rule}}", "administers"),
        act(f"{SELF}/{HANDOFFS}/{{own_handoff_rule}}", "signed in"),
        act(f"{SELF}/{HANDOFFS}/{{vera_handoff_rule}}", "nobody", refusal=404),
    ),
    ("GET", "/users/{id}/license"): (look(f"{VERA}/license", "sees somewhere"),),
    ("GET", "/users/{id}/audit/records"): (
        look(f"{VERA}/audit/records", "sees the record", unseen=None),
    ),
    ("GET", "/users/{id}/notification_subscriptions"): (
        look(f"{VERA}/notification_subscriptions", "sees somewhere"),
        look(f"{SELF}/notification_subscriptions", "signed in"),
    ),
    ("POST", "/users/{id}/notification_subscriptions"): (
        act(
            f"{SELF}/notification_subscriptions",
            "sees",
            {"subscribables": [{"subscribable_id": "{incident}", "subscribable_type": "incident"}]},
            refusal=200,
        ),
    ),
    ("POST", "/users/{id}/notification_subscriptions/unsubscribe"): (
        act(
            f"{VERA}/notification_subscriptions/unsubscribe",
            "responds",
            {"subscribables": [{"subscribable_id": "{alarm}", "subscribable_type": "incident"}]},
            # What may not be done is counted in the answer.
            refusal=200,
        ),
    ),
}
TEAMS: Rows = {
    ("GET", "/teams"): (look("/teams", "sees somewhere"),),
    ("POST", "/teams"): (act("/teams", "manages everywhere", {"team": {"name": "drill"}}),),
    ("GET", "/teams/{id}"): (look("/teams/{team}", "sees"),),
    ("PUT", "/teams/{id}"): (act("/teams/{team}", "manages", {"team": {"name": "drill"}}),),
    ("DELETE", "/teams/{id}"): (act("/teams/{spare_team}", "manages"),),
    ("GET", "/teams/{id}/members"): (look("/teams/{team}/members", "sees"),),
    ("PUT", "/teams/{id}/users/{user_id}"): (
        act("/teams/{team}/users/{leaver}", "manages", {"role": "observer"}),
    ),
    ("DELETE", "/teams/{id}/users/{user_id}"): (act("/teams/{team}/users/{vera}", "manages"),),
    ("GET", "/teams/{id}/audit/records"): (
        look("/teams/{team}/audit/records", "sees the record", unseen=None),
    ),
    ("GET", "/teams/{id}/notification_subscriptions"): (
        look("/teams/{team}/notification_subscriptions", "sees"),
    ),
    ("POST", "/teams/{id}/notification_subscriptions"): (
        act(
            "/teams/{team}/notification_subscriptions",
            "responds",
            {"subscribables": [{"subscribable_id": "{incident}", "subscribable_type": "incident"}]},
            refusal=200,
            unseen=404,
        ),
    ),
    ("POST", "/teams/{id}/notification_subscriptions/unsubscribe"): (
        act(
            "/teams/{team}/notification_subscriptions/unsubscribe",
            "responds",
            {"subscribables": [{"subscribable_id": "{alarm}", "subscribable_type": "incident"}]},
            acts=False,
            refusal=200,
            unseen=404,
        ),
    ),
    ("PUT", "/teams/{id}/escalation_policies/{escalation_policy_id}"): (
        act(
            "/teams/{team}/escalation_policies/{free_policy}",
            "manages everywhere",
            unseen=404,
            home="everywhere",
        ),
    ),
    ("DELETE", "/teams/{id}/escalation_policies/{escalation_policy_id}"): (
        act("/teams/{team}/escalation_policies/{spare_policy}", "manages everywhere", unseen=404),
    ),
}
ON_SERVICE = {"name": "drill", "escalation_policy": ref("escalation_policy", "policy")}
GROUPING = {
    "type": "time",
    "config": {"timeout": 300},
    "services": [ref("service", "spare_service")],
}
WINDOW = {
    "start_time": "2026-05-01T00:00:00Z",
    "end_time": "2026-05-01T02:00:00Z",
    "services": [ref("service", "service")],
}
SERVICES: Rows = {
    ("GET", "/services"): (look("/services", "sees somewhere"),),
    ("POST", "/services"): (act("/services", "manages", {"service": ON_SERVICE}),),
    ("GET", "/services/{id}"): (look("/services/{service}", "sees"),),
    ("PUT", "/services/{id}"): (
        act("/services/{service}", "manages", {"service": {"description": "drill"}}, unseen=404),
    ),
    ("DELETE", "/services/{id}"): (act("/services/{spare_service}", "manages"),),
    ("GET", "/services/{id}/audit/records"): (
        look("/services/{service}/audit/records", "sees the record", unseen=None),
    ),
    ("GET", "/services/{id}/change_events"): (look("/services/{service}/change_events", "sees"),),
    ("POST", "/services/{service_id}/integrations"): (
        act(
            "/services/{service}/integrations",
            "manages",
            {"integration": {"type": "events_api_v2_inbound_integration", "name": "drill"}},
        ),
    ),
    ("GET", "/services/{service_id}/integrations/{id}"): (
        look("/services/{service}/integrations/{service_integration}", "sees"),
    ),
    ("PUT", "/services/{service_id}/integrations/{id}"): (
        act(
            "/services/{service}/integrations/{service_integration}",
            "manages",
            {"integration": {"name": "drill"}},
            unseen=404,
        ),
    ),
    ("GET", "/alert_grouping_settings"): (look("/alert_grouping_settings", "sees somewhere"),),
    ("POST", "/alert_grouping_settings"): (
        act("/alert_grouping_settings", "manages", {"alert_grouping_setting": GROUPING}),
    ),
    ("GET", "/alert_grouping_settings/{id}"): (
        look("/alert_grouping_settings/{grouping}", "sees"),
    ),
    ("PUT", "/alert_grouping_settings/{id}"): (
        act(
            "/alert_grouping_settings/{grouping}",
            "manages",
            {"alert_grouping_setting": {"name": "drill"}},
            unseen=404,
        ),
    ),
    ("DELETE", "/alert_grouping_settings/{id}"): (
        act("/alert_grouping_settings/{grouping}", "manages", unseen=404),
    ),
    ("GET", "/maintenance_windows"): (look("/maintenance_windows", "sees somewhere"),),
    ("POST", "/maintenance_windows"): (
        act("/maintenance_windows", "responds", {"maintenance_window": WINDOW}),
    ),
    ("GET", "/maintenance_windows/{id}"): (look("/maintenance_windows/{window}", "sees"),),
    ("PUT", "/maintenance_windows/{id}"): (
        act(
            "/maintenance_windows/{window}",
            "responds",
            {"maintenance_window": {"description": "drill"}},
            unseen=404,
        ),
    ),
    ("DELETE", "/maintenance_windows/{id}"): (
        act("/maintenance_windows/{window}", "responds", unseen=404),
    ),
    ("GET", "/change_events"): (look("/change_events", "sees somewhere"),),
    ("GET", "/change_events/{id}"): (look("/change_events/{change}", "sees"),),
    ("PUT", "/change_events/{id}"): (
        act(
            "/change_events/{change}", "manages", {"change_event": {"summary": "drill"}}, unseen=404
        ),
    ),
    ("POST", "/change_events"): (
        # The key of the integration counts, for those who see its service.
        act(
            "/change_events",
            "sees",
            {
                "routing_key": "{service_key}",
                "payload": {"summary": "drill", "source": "drill"},
            },
            refusal=400,
        ),
    ),
}
POLICY = {
    "name": "drill",
    "escalation_rules": [{"escalation_delay_in_minutes": 5, "targets": [ref("user", "vera")]}],
}
LAYER = {
    "name": "L",
    "start": "2026-03-02T09:00:00Z",
    "rotation_virtual_start": "2026-03-02T09:00:00Z",
    "rotation_turn_length_seconds": 86_400,
    "users": [{"user": ref("user", "vera")}],
}
SCHEDULE = {"name": "drill", "time_zone": "Etc/UTC", "schedule_layers": [LAYER]}
OVERRIDE = {"start": "2026-03-05T09:00:00Z", "end": "2026-03-05T17:00:00Z"}
PREVIEW = "/schedules/preview?since=2026-03-02T09:00:00Z&until=2026-03-04T09:00:00Z"
TO_SELF = "update schedule_overrides set user_id = %(self)s where id = %(override)s"
LADDERS: Rows = {
    ("GET", "/escalation_policies"): (look("/escalation_policies", "signed in"),),
    ("POST", "/escalation_policies"): (
        act(
            "/escalation_policies",
            "manages",
            {"escalation_policy": {**POLICY, "teams": [ref("team", "team")]}},
        ),
        act("/escalation_policies", "manages everywhere", {"escalation_policy": POLICY}),
    ),
    ("GET", "/escalation_policies/{id}"): (look("/escalation_policies/{policy}", "sees"),),
    ("PUT", "/escalation_policies/{id}"): (
        act(
            "/escalation_policies/{policy}",
            "manages",
            {"escalation_policy": {"description": "drill"}},
            unseen=404,
        ),
        act(
            "/escalation_policies/{policy}",
            "manages everywhere",
            {"escalation_policy": {"teams": []}},
            unseen=404,
        ),
    ),
    ("DELETE", "/escalation_policies/{id}"): (
        act("/escalation_policies/{spare_policy}", "manages"),
    ),
    ("GET", "/escalation_policies/{id}/audit/records"): (
        look("/escalation_policies/{policy}/audit/records", "sees the record", unseen=None),
    ),
    ("GET", "/schedules"): (look("/schedules", "sees somewhere"),),
    ("POST", "/schedules"): (
        act("/schedules", "manages", {"schedule": {**SCHEDULE, "teams": [ref("team", "team")]}}),
        act("/schedules", "manages everywhere", {"schedule": SCHEDULE}),
    ),
    ("GET", "/schedules/{id}"): (look("/schedules/{schedule}", "sees"),),
    ("PUT", "/schedules/{id}"): (
        act("/schedules/{schedule}", "manages", {"schedule": {"description": "drill"}}, unseen=404),
    ),
    ("DELETE", "/schedules/{id}"): (act("/schedules/{schedule}", "manages", unseen=404),),
    ("POST", "/schedules/preview"): (
        act(PREVIEW, "manages everywhere", {"schedule": SCHEDULE}, acts=False),
    ),
    ("GET", "/schedules/{id}/users"): (look("/schedules/{schedule}/users", "sees"),),
    ("GET", "/schedules/{id}/audit/records"): (
        look("/schedules/{schedule}/audit/records", "sees the record", unseen=None),
    ),
    ("GET", "/schedules/{id}/overrides"): (
        look(
            "/schedules/{schedule}/overrides?since=2026-03-02T09:00:00Z&until=2026-03-09T09:00:00Z",
            "sees",
        ),
    ),
    ("POST", "/schedules/{id}/overrides"): (
        act(
            "/schedules/{schedule}/overrides",
            "manages",
            {"overrides": [{**OVERRIDE, "user": ref("user", "leaver")}]},
            unseen=404,
        ),
        act(
            "/schedules/{schedule}/overrides",
            "responds",
            {"overrides": [{**OVERRIDE, "user": ref("user", "self")}]},
            unseen=404,
        ),
    ),
    ("DELETE", "/schedules/{id}/overrides/{override_id}"): (
        act("/schedules/{schedule}/overrides/{override}", "manages", unseen=404),
        act("/schedules/{schedule}/overrides/{override}", "responds", before=TO_SELF, unseen=404),
    ),
    ("GET", "/oncalls"): (look("/oncalls", "signed in"),),
}
NOTE = {"note": {"content": "drill"}}
ALARM = "/incidents/{alarm}"
ASKED = [{"responder_request_target": ref("user", "leaver")}]
SUBSCRIBER = [{"subscriber_id": "{leaver}", "subscriber_type": "user"}]
INCIDENTS: Rows = {
    ("GET", "/incidents"): (look("/incidents", "sees somewhere"),),
    ("POST", "/incidents"): (
        act(
            "/incidents",
            "responds",
            {"incident": {"title": "drill", "service": ref("service", "service")}},
        ),
    ),
    ("GET", "/incidents/{id}"): (look("/incidents/{incident}", "sees"),),
    ("PUT", "/incidents/{id}"): (
        act("/incidents/{incident}", "responds", {"incident": {"status": "acknowledged"}}),
    ),
    ("PUT", "/incidents"): (
        act(
            "/incidents",
            "responds",
            {"incidents": [{"id": "{incident}", "type": "incident", "status": "resolved"}]},
        ),
    ),
    ("PUT", "/incidents/{id}/merge"): (
        act(
            "/incidents/{incident}/merge",
            "responds",
            {"source_incidents": [ref("incident", "other_incident")]},
        ),
    ),
    ("POST", "/incidents/{id}/snooze"): (
        act("/incidents/{taken_incident}/snooze", "responds", {"duration": 3600}),
    ),
    ("GET", "/incidents/{incident_id}/alerts"): (look(f"{ALARM}/alerts", "sees"),),
    ("GET", "/incidents/{incident_id}/alerts/{id}"): (look(f"{ALARM}/alerts/{{alert}}", "sees"),),
    ("PUT", "/incidents/{incident_id}/alerts"): (
        act(
            f"{ALARM}/alerts",
            "responds",
            {"alerts": [{"id": "{alert}", "type": "alert", "status": "resolved"}]},
        ),
    ),
    ("PUT", "/incidents/{incident_id}/alerts/{id}"): (
        act(f"{ALARM}/alerts/{{alert}}", "responds", {"alert": {"status": "resolved"}}),
    ),
    ("GET", "/log_entries"): (look("/log_entries", "sees somewhere"),),
    ("GET", "/log_entries/{id}"): (look("/log_entries/{log_entry}", "sees"),),
    ("GET", "/incidents/{id}/log_entries"): (look(f"{ALARM}/log_entries", "sees"),),
    ("GET", "/incidents/{id}/notes"): (look(f"{ALARM}/notes", "sees"),),
    ("POST", "/incidents/{id}/notes"): (act(f"{ALARM}/notes", "responds", NOTE),),
    ("PUT", "/incidents/{id}/notes/{note_id}"): (act(f"{ALARM}/notes/{{note}}", "manages", NOTE),),
    ("DELETE", "/incidents/{id}/notes/{note_id}"): (act(f"{ALARM}/notes/{{note}}", "manages"),),
    ("GET", "/incidents/{id}/past_incidents"): (look(f"{ALARM}/past_incidents", "sees"),),
    ("GET", "/incidents/{id}/related_incidents"): (look(f"{ALARM}/related_incidents", "sees"),),
    ("GET", "/incidents/{id}/outlier_incident"): (look(f"{ALARM}/outlier_incident", "sees"),),
    ("POST", "/incidents/{id}/responder_requests"): (
        act(
            "/incidents/{incident}/responder_requests",
            "responds",
            {"requester_id": "{self}", "message": "x", "responder_request_targets": ASKED},
        ),
    ),
    ("PUT", "/incidents/{id}/responder_requests/cancel"): (
        act(
            f"{ALARM}/responder_requests/cancel",
            "responds",
            {"requester_id": "{self}", "responder_request_targets": ASKED},
        ),
    ),
    ("POST", "/incidents/{id}/status_updates"): (
        act(f"{ALARM}/status_updates", "responds", {"message": "Soon"}, unseen=404),
    ),
    ("GET", "/incidents/{id}/status_updates/subscribers"): (
        look(f"{ALARM}/status_updates/subscribers", "sees"),
    ),
    ("POST", "/incidents/{id}/status_updates/subscribers"): (
        act(
            f"{ALARM}/status_updates/subscribers",
            "responds",
            {"subscribers": SUBSCRIBER},
            unseen=404,
        ),
    ),
    ("POST", "/incidents/{id}/status_updates/unsubscribe"): (
        act(
            f"{ALARM}/status_updates/unsubscribe",
            "responds",
            {"subscribers": [{"subscriber_id": "{vera}", "subscriber_type": "user"}]},
            unseen=404,
        ),
    ),
    ("GET", "/incidents/{id}/related_change_events"): (
        look(f"{ALARM}/related_change_events", "sees"),
    ),
    ("GET", "/incidents/{id}/business_services/impacts"): (
        look(f"{ALARM}/business_services/impacts", "sees"),
    ),
    ("GET", "/notifications"): (
        look(
            "/notifications?since=2026-03-01T00:00:00Z&until=2026-03-03T00:00:00Z",
            "sees somewhere",
        ),
    ),
}
TAG = {"add": [{"label": "drill", "type": "tag"}]}
PAIR = {
    "supporting_service": {"id": "{spare_service}", "type": "service"},
    "dependent_service": {"id": "{business}", "type": "business_service"},
}
GRAPH: Rows = {
    ("GET", "/tags"): (look("/tags", "sees somewhere"),),
    ("POST", "/tags"): (act("/tags", "manages somewhere", {"tag": {"label": "drill"}}),),
    ("GET", "/tags/{id}"): (look("/tags/{tag}", "sees somewhere"),),
    ("DELETE", "/tags/{id}"): (act("/tags/{spare_tag}", "manages everywhere"),),
    ("GET", "/tags/{id}/{entity_type}"): (
        look("/tags/{tag}/users", "sees somewhere"),
        look("/tags/{tag}/teams", "sees somewhere"),
        look("/tags/{tag}/escalation_policies", "sees somewhere"),
    ),
    ("GET", "/{entity_type}/{id}/tags"): (
        look("/users/{vera}/tags", "sees somewhere"),
        look("/teams/{team}/tags", "sees"),
        look("/escalation_policies/{policy}/tags", "sees"),
    ),
    ("POST", "/{entity_type}/{id}/change_tags"): (
        act("/users/{vera}/change_tags", "administers", TAG),
        act("/teams/{team}/change_tags", "manages", TAG, unseen=404),
        act("/escalation_policies/{policy}/change_tags", "manages", TAG, unseen=404),
    ),
    ("GET", "/business_services"): (look("/business_services", "sees somewhere"),),
    ("POST", "/business_services"): (
        act("/business_services", "manages everywhere", {"business_service": {"name": "drill"}}),
        act(
            "/business_services",
            "manages",
            {"business_service": {"name": "drill", "team": {"id": "{team}"}}},
        ),
    ),
    ("GET", "/business_services/{id}"): (look("/business_services/{business}", "sees"),),
    ("PUT", "/business_services/{id}"): (
        act(
            "/business_services/{business}",
            "manages",
            {"business_service": {"description": "drill"}},
            unseen=404,
        ),
    ),
    ("DELETE", "/business_services/{id}"): (
        act("/business_services/{business}", "manages", unseen=404),
        act(
            "/business_services/{free_business}",
            "manages everywhere",
            unseen=404,
            home="everywhere",
        ),
    ),
    ("GET", "/business_services/impacts"): (look("/business_services/impacts", "sees somewhere"),),
    ("GET", "/business_services/impactors"): (
        look("/business_services/impactors", "sees somewhere"),
    ),
    ("GET", "/business_services/{id}/supporting_services/impacts"): (
        look("/business_services/{business}/supporting_services/impacts", "sees"),
    ),
    ("GET", "/business_services/priority_thresholds"): (
        look("/business_services/priority_thresholds", "signed in"),
    ),
    ("PUT", "/business_services/priority_thresholds"): (
        act(
            "/business_services/priority_thresholds",
            "manages everywhere",
            {"global_threshold": {"id": "{priority}"}},
        ),
    ),
    ("DELETE", "/business_services/priority_thresholds"): (
        act("/business_services/priority_thresholds", "manages everywhere", acts=False),
    ),
    ("POST", "/service_dependencies/associate"): (
        act("/service_dependencies/associate", "manages", {"relationships": [PAIR]}, unseen=404),
    ),
    ("POST", "/service_dependencies/disassociate"): (
        act(
            "/service_dependencies/disassociate",
            "manages",
            {"relationships": [{"id": "{dependency}"}]},
            unseen=404,
        ),
    ),
    ("GET", "/service_dependencies/technical_services/{id}"): (
        look("/service_dependencies/technical_services/{service}", "sees"),
    ),
    ("GET", "/service_dependencies/business_services/{id}"): (
        look("/service_dependencies/business_services/{business}", "sees"),
    ),
}
HOOK = {
    "type": "webhook_subscription",
    "delivery_method": {"type": "http_delivery_method", "url": "https://y.example.com/in"},
    "events": ["incident.triggered"],
}
HOOKS = "/webhook_subscriptions"
CHANGED_HOOK = {"webhook_subscription": {"description": "drill"}}
WEBHOOKS: Rows = {
    ("GET", HOOKS): (look(HOOKS, "sees somewhere"),),
    ("POST", HOOKS): (
        act(
            HOOKS,
            "administers",
            {"webhook_subscription": {**HOOK, "filter": {"type": "account_reference"}}},
        ),
        act(
            HOOKS,
            "manages",
            {"webhook_subscription": {**HOOK, "filter": ref("service", "service")}},
            unseen=400,
        ),
        act(HOOKS, "manages", {"webhook_subscription": {**HOOK, "filter": ref("team", "team")}}),
    ),
    ("GET", f"{HOOKS}/{{id}}"): (
        look(f"{HOOKS}/{{service_hook}}", "sees"),
        look(f"{HOOKS}/{{hook}}", "sees everywhere", home="everywhere"),
    ),
    ("PUT", f"{HOOKS}/{{id}}"): (
        act(f"{HOOKS}/{{service_hook}}", "manages", CHANGED_HOOK, unseen=404),
        act(f"{HOOKS}/{{team_hook}}", "manages", CHANGED_HOOK, unseen=404),
        act(f"{HOOKS}/{{hook}}", "administers", CHANGED_HOOK, unseen=404, home="everywhere"),
    ),
    ("DELETE", f"{HOOKS}/{{id}}"): (
        act(f"{HOOKS}/{{service_hook}}", "manages", unseen=404),
        act(f"{HOOKS}/{{hook}}", "administers", unseen=404, home="everywhere"),
    ),
    ("POST", f"{HOOKS}/{{id}}/enable"): (
        act(f"{HOOKS}/{{service_hook}}/enable", "manages", acts=False, unseen=404),
    ),
    ("POST", f"{HOOKS}/{{id}}/ping"): (
        act(f"{HOOKS}/{{service_hook}}/ping", "manages", unseen=404),
    ),
}
FIXED: Rows = {
    ("GET", "/abilities"): (look("/abilities", "signed in"),),
    ("GET", "/abilities/{id}"): (look("/abilities/teams", "signed in"),),
    ("GET", "/priorities"): (look("/priorities", "signed in"),),
    ("GET", "/vendors"): (look("/vendors", "signed in"),),
    ("GET", "/vendors/{id}"): (look("/vendors/{vendor}", "signed in"),),
    ("GET", "/licenses"): (look("/licenses", "sees somewhere"),),
    ("GET", "/audit/records"): (look("/audit/records", "sees the record", unseen=None),),
    ("GET", "/extension_schemas"): (look("/extension_schemas", "signed in"),),
    ("GET", "/extension_schemas/{id}"): (
        look("/extension_schemas/{extension_schema}", "signed in"),
    ),
}
TABLE: Rows = {
    **USERS,
    **TEAMS,
    **SERVICES,
    **LADDERS,
    **INCIDENTS,
    **GRAPH,
    **WEBHOOKS,
    **FIXED,
}
