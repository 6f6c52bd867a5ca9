"""The declared access matrix: for every route, who may use it, with what body, and what it does.

The people's reach is written down here and not asked of the code that it is compared with. A route
may have several trials, such as one's own page and somebody else's.
"""

from typing import Any, NamedTuple

from tests.support.access_scene import BASE, IN_TEAMS, SIGNED_OUT, Persona

EVERYBODY = (SIGNED_OUT, *BASE, *IN_TEAMS)

# How far somebody reaches on a thing of the team: by base role, then by what they are in that team
# (nothing, observer, responder, manager; and last: manager of another team).
NOTHING, SEES, RESPONDS, MANAGES = range(4)
REACH: dict[str, tuple[int, ...]] = {
    "owner": (MANAGES,) * 5,
    "admin": (MANAGES,) * 5,
    "user": (MANAGES,) * 5,
    "limited_user": (RESPONDS, RESPONDS, RESPONDS, MANAGES, RESPONDS),
    "observer": (SEES, SEES, RESPONDS, MANAGES, SEES),
    "restricted_access": (NOTHING, SEES, RESPONDS, MANAGES, NOTHING),
    "read_only_user": (SEES,) * 5,
    "read_only_limited_user": (NOTHING, SEES, SEES, SEES, NOTHING),
}
RELATION = {"none": 0, "observer": 1, "responder": 2, "manager": 3, "elsewhere": 4}


def reach(persona: Persona) -> int:
    """On a thing of the team."""
    return REACH[persona.role][RELATION[persona.relation]]


def reach_somewhere(persona: Persona) -> int:
    """On the things of whatever team; this opens lists."""
    elsewhere = persona.relation == "elsewhere"
    return REACH[persona.role][RELATION["manager"]] if elsewhere else reach(persona)


def reach_everywhere(persona: Persona) -> int:
    """On things of no team."""
    return REACH[persona.role][0]


def may(persona: Persona, needs: str) -> bool:
    """Whether somebody who is signed in has what a trial needs."""
    if needs in OPEN:
        return OPEN[needs]
    if needs in ROLES:
        return persona.role in ROLES[needs]
    verb, _, where = needs.partition(" ")
    return WHERE[where](persona) >= VERBS[verb]


OPEN = {"anyone": True, "signed in": True, "nobody": False}
ROLES = {
    "administers": ("owner", "admin"),
    "sees the record": ("owner", "admin"),
    "owns": ("owner",),
}
VERBS = {"sees": SEES, "responds": RESPONDS, "manages": MANAGES}
WHERE = {"": reach, "somewhere": reach_somewhere, "everywhere": reach_everywhere}
BY_TEAM = {f"{verb} {where}".strip() for verb in VERBS for where in WHERE}


class Trial(NamedTuple):
    """One way to use a route. `at` and the values of `body` may name things of the scene in braces.

    `acts` says whether rows change when it is allowed. `refusal` is the status for somebody who may
    not, `unseen` the one for somebody who may not even see the thing (the same unless it says so).
    `before` is SQL that sets the rows up for this trial.
    """

    at: str
    needs: str
    body: dict[str, Any] | None = None
    acts: bool = True
    status: int = 303
    refusal: int = 403
    unseen: int | None = None
    before: str = ""
    bare: bool = False
    signed_out: int | None = None

    def people(self) -> tuple[Persona, ...]:
        """Who tries it: everybody where teams matter, else one of each base role."""
        return EVERYBODY if self.needs in BY_TEAM or self.bare else (SIGNED_OUT, *BASE)


def look(at: str, needs: str, **more: Any) -> Trial:
    """A trial that only looks."""
    return Trial(at, needs, **{"acts": False, "status": 200, **more})


def act(at: str, needs: str, body: dict[str, Any] | None = None, **more: Any) -> Trial:
    """A trial that acts."""
    return Trial(at, needs, body or {}, **more)


INCIDENT = "/app/incidents/{incident}"
SERVICE = "/app/services/{service}"
INTEGRATION = "/app/services/{service}/integrations/{service_integration}"
PERSON, SELF, BOSS = "/app/people/{vera}", "/app/people/{self}", "/app/people/{boss}"
POLICY_FORM = {"name": "drill", "level_count": "1", "delay_1": "5", "targets_1": "user:{vera}"}
SCHEDULE_FORM = {
    "name": "drill",
    "time_zone": "Etc/UTC",
    "layer_count": "1",
    "layer_name_1": "L",
    "members_1": "{vera}",
    "do": "save",
}
PROFILE = {"name": "changed", "time_zone": "Etc/UTC", "job_title": "", "description": ""}
# Somebody asks the persona to join the incident.
ASKED = """
with request as (
    insert into responder_requests (id, incident_id, requester_label, message, at)
    values ('QR' || %(self)s, %(incident)s, 'drill', 'drill', '2026-01-01')
    on conflict do nothing returning id, incident_id
), target as (
    insert into responder_targets (id, request_id, incident_id, kind, target_id, label, state,
        reason, changed_at)
    select 'QT' || %(self)s, id, incident_id, 'user', %(self)s, 'drill', 'pending',
        'responder_asked', '2026-01-01' from request returning id
)
insert into responders (id, target_id, request_id, incident_id, user_id, step, level, state,
    reason, asked_at, changed_at)
select 'QP' || %(self)s, 'QT' || %(self)s, 'QR' || %(self)s, %(incident)s, %(self)s, 0, 0,
    'pending', 'responder_asked', '2026-01-01', '2026-01-01'
on conflict do nothing
"""
# Somebody else's note, and an open alert.
NOTE_OF_VERA = """
insert into notes (id, incident_id, user_id, label, content, at)
values ('PNOTEDRILL', %(incident)s, %(vera)s, 'vera', 'x', '2026-01-01')
on conflict (id) do update set content = 'x', deleted_at = null
"""
ALERT = """
insert into alerts (id, service_id, incident_id, dedup_key, status, severity, summary, created_at,
    last_event_at)
select 'QALERTDRILL', service_id, id, 'drill', 'triggered', 'info', 'x', created_at, created_at
from incidents where id = %(incident)s
on conflict (id) do update set status = 'triggered'
"""
FOLLOWS = """
insert into incident_subscribers (incident_id, kind, subscriber_id, added_by, at)
values (%(incident)s, 'user', %(self)s, 'drill', '2026-01-01')
"""
VERA_FOLLOWS = """
insert into incident_subscribers (incident_id, kind, subscriber_id, added_by, at)
values (%(incident)s, 'user', %(vera)s, 'drill', '2026-01-01')
"""
WINDOW_FORM = {
    "description": "drill",
    "start_time": "2030-01-01T10:00",
    "end_time": "2030-01-01T12:00",
    "services": "{service}",
}
NOT_SET_UP = "delete from instance where name = 'first_setup'"
TO_SELF = "update schedule_overrides set user_id = %(self)s where id = %(override)s"
EVENT = {
    "event_action": "trigger",
    "dedup_key": "drill",
    "payload": {"summary": "drill", "source": "drill", "severity": "info"},
}

Routes = dict[tuple[str, str], tuple[Trial, ...]]

MACHINES: Routes = {
    ("POST", "/v2/enqueue"): (
        Trial("/v2/enqueue", "anyone", {**EVENT, "routing_key": "{service_key}"}, status=202),
        Trial("/v2/enqueue", "nobody", {**EVENT, "routing_key": "0" * 32}, refusal=400),
    ),
    ("POST", "/generic/2010-04-15/create_event.json"): (
        Trial(
            "/generic/2010-04-15/create_event.json",
            "anyone",
            {"service_key": "{service_key}", "event_type": "trigger", "description": "drill"},
            status=200,
        ),
    ),
    ("POST", "/v2/change/enqueue"): (
        Trial(
            "/v2/change/enqueue",
            "anyone",
            {"routing_key": "{service_key}", "payload": {"summary": "drill"}},
            status=202,
        ),
    ),
    ("POST", "/alertmanager"): (Trial("/alertmanager", "nobody", {"alerts": []}, refusal=400),),
    ("POST", "/integration/{key}/enqueue"): (
        Trial("/integration/{service_key}/enqueue", "anyone", EVENT, status=202),
        Trial("/integration/" + "0" * 32 + "/enqueue", "nobody", EVENT, refusal=400),
    ),
    ("POST", "/integration/{key}/alertmanager"): (
        Trial("/integration/" + "0" * 32 + "/alertmanager", "nobody", EVENT, refusal=400),
    ),
    ("GET", "/healthz"): (look("/healthz", "anyone"),),
    ("GET", "/readyz"): (look("/readyz", "anyone"),),
    ("GET", "/metrics"): (look("/metrics", "anyone"),),
}
# The link is made for the persona; nobody is signed in. Without a persona it is a made-up one.
ONE_TAP: Routes = {
    ("GET", "/r/{token}"): (
        look("/r/{link}", "sees", bare=True, unseen=404),
        look("/r/made-up", "nobody", refusal=404),
    ),
    ("POST", "/r/{token}/{act}"): (
        act("/r/{link}/acknowledge", "responds", bare=True),
        act("/r/{link}/resolve", "responds", bare=True),
        act("/r/{link}/snooze", "responds", {"seconds": "1800"}, bare=True),
        act("/r/{link}/reassign", "nobody", refusal=404, bare=True),
        act("/r/made-up/acknowledge", "nobody", refusal=404),
    ),
    # Being asked is what allows it, whatever else the person may see.
    ("GET", "/r/{token}/responder"): (
        look("/r/{link}/responder", "anyone", bare=True, before=ASKED),
        look("/r/made-up/responder", "nobody", refusal=404),
    ),
    ("POST", "/r/{token}/responder/{answer}"): (
        act("/r/{link}/responder/join", "anyone", bare=True, before=ASKED),
        act("/r/{link}/responder/decline", "anyone", bare=True, before=ASKED),
        act("/r/made-up/responder/join", "nobody", refusal=404),
    ),
}
DOORS: Routes = {
    ("GET", "/"): (look("/", "anyone", status=303),),
    ("GET", "/app"): (look("/app", "anyone", status=303),),
    ("GET", "/app/sign-in"): (look("/app/sign-in", "anyone", status=303, signed_out=200),),
    ("POST", "/app/sign-in"): (
        act("/app/sign-in", "nobody", {"email": "", "password": ""}, refusal=422, signed_out=422),
    ),
    ("POST", "/app/sign-out"): (act("/app/sign-out", "anyone", signed_out=303),),
    ("GET", "/app/live"): (look("/app/live", "signed in"),),
    ("GET", "/app/components"): (look("/app/components", "signed in"),),
}
SETUP: Routes = {
    ("GET", "/app/setup"): (look("/app/setup", "administers", status=303),),
    ("GET", "/app/setup/account"): (look("/app/setup/account", "anyone", status=303),),
    ("POST", "/app/setup/account"): (
        act(
            "/app/setup/account",
            "anyone",
            {"name": "x", "email": "x@example.com", "password": "a b c d e f g h i"},
            acts=False,
        ),
    ),
    ("GET", "/app/setup/team"): (look("/app/setup/team", "administers"),),
    ("POST", "/app/setup/team"): (act("/app/setup/team", "administers", {"name": "drill"}),),
    ("GET", "/app/setup/service"): (look("/app/setup/service", "administers"),),
    ("POST", "/app/setup/service"): (
        act("/app/setup/service", "administers", {"name": "drill"}, before=NOT_SET_UP),
    ),
    ("POST", "/app/setup/finish"): (act("/app/setup/finish", "administers"),),
    ("GET", "/app/setup/oncall"): (look("/app/setup/oncall", "administers"),),
    ("POST", "/app/setup/oncall/method"): (
        act(
            "/app/setup/oncall/method", "administers", {"channel": "phone", "address": "elsewhere"}
        ),
    ),
    ("POST", "/app/setup/oncall/test"): (
        act("/app/setup/oncall/test", "administers", {"method": "{own_method}"}),
    ),
    ("POST", "/app/setup/oncall"): (
        act(
            "/app/setup/oncall",
            "administers",
            {"who": "schedule", "day": "1", "time": "09:00", "people": "{vera}"},
        ),
    ),
    ("GET", "/app/setup/key"): (look("/app/setup/key", "administers"),),
    ("POST", "/app/setup/key/event"): (act("/app/setup/key/event", "administers"),),
}
INCIDENTS: Routes = {
    ("GET", "/app/incidents"): (look("/app/incidents", "sees somewhere"),),
    ("GET", "/app/incidents/new"): (look("/app/incidents/new", "responds somewhere"),),
    ("POST", "/app/incidents/new"): (
        act("/app/incidents/new", "responds", {"service": "{service}", "title": "drill"}),
    ),
    ("GET", "/app/incidents/number/{number}"): (
        look("/app/incidents/number/{incident_number}", "signed in", status=303),
    ),
    ("POST", "/app/incidents/bulk"): (
        act("/app/incidents/bulk", "responds", {"ids": "{incident}", "act": "resolve"}),
        act("/app/incidents/bulk", "responds", {"ids": "{incident}", "act": "acknowledge"}),
    ),
    ("POST", "/app/incidents/bulk/undo"): (
        act("/app/incidents/bulk/undo?ids={taken_incident}", "responds"),
    ),
    ("GET", "/app/incidents/{id}"): (look(INCIDENT, "sees", unseen=404),),
    ("POST", "/app/incidents/{id}/acknowledge"): (act(f"{INCIDENT}/acknowledge", "responds"),),
    ("POST", "/app/incidents/{id}/unacknowledge"): (
        act("/app/incidents/{taken_incident}/unacknowledge", "responds"),
    ),
    ("POST", "/app/incidents/{id}/resolve"): (act(f"{INCIDENT}/resolve", "responds"),),
    ("POST", "/app/incidents/{id}/escalate"): (
        act(f"{INCIDENT}/escalate", "responds", {"level": "1"}),
    ),
    ("POST", "/app/incidents/{id}/reassign"): (
        act(f"{INCIDENT}/reassign", "responds", {"to": "user:{vera}"}),
    ),
    ("POST", "/app/incidents/{id}/snooze"): (
        act(f"{INCIDENT}/snooze", "responds", {"seconds": "3600"}),
    ),
    ("POST", "/app/incidents/{id}/note"): (act(f"{INCIDENT}/note", "responds", {"content": "x"}),),
    ("POST", "/app/incidents/{id}/note/change"): (
        act(
            f"{INCIDENT}/note/change",
            "manages",
            {"note": "PNOTEDRILL", "note-PNOTEDRILL": "anew"},
            before=NOTE_OF_VERA,
        ),
    ),
    ("POST", "/app/incidents/{id}/note/delete"): (
        act(f"{INCIDENT}/note/delete", "manages", {"note": "PNOTEDRILL"}, before=NOTE_OF_VERA),
    ),
    ("POST", "/app/incidents/{id}/alert"): (
        act(
            f"{INCIDENT}/alert",
            "responds",
            {"alert": "QALERTDRILL", "do": "resolve"},
            before=ALERT,
        ),
    ),
    ("POST", "/app/incidents/{id}/priority"): (
        act(f"{INCIDENT}/priority", "responds", {"priority": "P2"}),
    ),
    ("POST", "/app/incidents/{id}/conference"): (
        act(f"{INCIDENT}/conference", "responds", {"conference_number": "+1 555"}),
    ),
    ("POST", "/app/incidents/{id}/urgency"): (
        act(f"{INCIDENT}/urgency", "responds", {"urgency": "low"}),
    ),
    ("POST", "/app/incidents/{id}/title"): (
        act(f"{INCIDENT}/title", "responds", {"title": "drill"}),
    ),
    ("POST", "/app/incidents/{id}/merge"): (
        act(f"{INCIDENT}/merge", "responds", {"into": "{other_incident_number}"}),
    ),
    ("POST", "/app/incidents/{id}/responders"): (
        act(f"{INCIDENT}/responders", "responds", {"target": "user:{vera}"}),
    ),
    ("POST", "/app/incidents/{id}/responders/cancel"): (
        act(f"{INCIDENT}/responders/cancel", "responds", before=ASKED),
    ),
    ("POST", "/app/incidents/{id}/join"): (
        act(f"{INCIDENT}/join", "signed in", before=ASKED),
        act(
            "/app/incidents/{other_incident}/join",
            "nobody",
            refusal=409,
            unseen=404,
            signed_out=401,
        ),
    ),
    ("POST", "/app/incidents/{id}/decline"): (
        act(f"{INCIDENT}/decline", "signed in", before=ASKED),
    ),
    ("POST", "/app/incidents/{id}/update/preview"): (
        act(
            f"{INCIDENT}/update/preview",
            "responds",
            {"message": "drill"},
            acts=False,
            status=200,
            unseen=404,
        ),
    ),
    ("POST", "/app/incidents/{id}/update"): (
        act(f"{INCIDENT}/update", "responds", {"message": "drill"}),
    ),
    ("POST", "/app/incidents/{id}/follow"): (act(f"{INCIDENT}/follow", "sees"),),
    ("POST", "/app/incidents/{id}/unfollow"): (
        act(f"{INCIDENT}/unfollow", "signed in", before=FOLLOWS),
    ),
    ("POST", "/app/incidents/{id}/followers"): (
        act(f"{INCIDENT}/followers", "responds", {"follower": "team:{team}"}),
    ),
    ("POST", "/app/incidents/{id}/followers/remove"): (
        act(
            f"{INCIDENT}/followers/remove",
            "responds",
            {"follower": "user:{vera}"},
            before=VERA_FOLLOWS,
        ),
    ),
    ("GET", "/app/oncall"): (look("/app/oncall", "sees somewhere"),),
    ("POST", "/app/oncall/take"): (
        act("/app/oncall/take", "responds", {"schedule_id": "{schedule}"}, unseen=404),
    ),
    ("GET", "/app/deliveries"): (look("/app/deliveries", "sees somewhere"),),
    ("GET", "/app/deliveries/{id}"): (
        # A delivery is somebody's: its own person sees it, and who sees everything.
        look("/app/deliveries/{delivery}", "sees everywhere"),
    ),
}
SERVICES: Routes = {
    ("GET", "/app/services"): (look("/app/services", "sees somewhere"),),
    ("GET", "/app/services/new"): (look("/app/services/new", "manages somewhere"),),
    ("POST", "/app/services/new"): (
        act(
            "/app/services/new",
            "manages",
            {
                "name": "drill",
                "escalation_policy_id": "{policy}",
                "urgency_rule": "high",
                "kind": "events_api_v2",
            },
        ),
        act(
            "/app/services/new",
            "manages everywhere",
            {
                "name": "drill",
                "escalation_policy_id": "{free_policy}",
                "urgency_rule": "high",
                "kind": "events_api_v2",
            },
        ),
    ),
    ("GET", "/app/services/{id}"): (look(SERVICE, "sees", unseen=404),),
    ("POST", "/app/services/{id}"): (
        act(
            SERVICE,
            "manages",
            {
                "name": "drill",
                "escalation_policy_id": "{policy}",
                "urgency_rule": "high",
                "acknowledgement_minutes": "0",
                "auto_resolve_minutes": "0",
            },
        ),
    ),
    ("POST", "/app/services/{id}/maintenance"): (
        act(f"{SERVICE}/maintenance", "responds", {"minutes": "30"}, unseen=404),
    ),
    ("GET", "/app/maintenance"): (look("/app/maintenance", "sees somewhere"),),
    ("GET", "/app/maintenance/new"): (look("/app/maintenance/new", "responds somewhere"),),
    ("POST", "/app/maintenance/new"): (act("/app/maintenance/new", "responds", WINDOW_FORM),),
    ("GET", "/app/maintenance/{id}"): (look("/app/maintenance/{window}", "sees", unseen=404),),
    ("POST", "/app/maintenance/{id}"): (
        act("/app/maintenance/{window}", "responds", WINDOW_FORM, unseen=404),
    ),
    ("POST", "/app/maintenance/{id}/end"): (
        act("/app/maintenance/{window}/end", "responds", unseen=404),
    ),
    ("POST", "/app/services/{id}/grouping"): (
        act(f"{SERVICE}/grouping", "manages", {"way": "time", "timeout_minutes": "5"}, unseen=404),
    ),
    ("POST", "/app/services/{id}/pause"): (
        act(f"{SERVICE}/pause", "manages", {"pause_seconds": "120"}),
    ),
    ("POST", "/app/services/{id}/hours"): (
        act(
            f"{SERVICE}/hours",
            "manages",
            {
                "by_hours": "yes",
                "days": "1",
                "start": "09:00",
                "end": "17:00",
                "time_zone": "Etc/UTC",
                "urgency_within": "high",
                "urgency_outside": "low",
            },
        ),
    ),
    ("POST", "/app/services/{id}/disable"): (act(f"{SERVICE}/disable", "manages"),),
    ("POST", "/app/services/{id}/enable"): (
        act(
            f"{SERVICE}/enable",
            "manages",
            before="update services set disabled_at = created_at where id = %(service)s",
        ),
    ),
    ("POST", "/app/services/{id}/delete"): (
        act("/app/services/{spare_service}/delete", "manages", unseen=404),
    ),
    ("POST", "/app/services/{id}/integrations"): (
        act(
            f"{SERVICE}/integrations",
            "manages",
            {"integration_name": "drill", "kind": "events_api_v2"},
            status=200,
        ),
    ),
    ("POST", "/app/services/{id}/integrations/{integration_id}/reveal"): (
        act(f"{INTEGRATION}/reveal", "manages", status=200, acts=False, unseen=404),
    ),
    ("POST", "/app/services/{id}/integrations/{integration_id}/rotate"): (
        act(f"{INTEGRATION}/rotate", "manages", status=200, unseen=404),
    ),
    ("POST", "/app/services/{id}/integrations/{integration_id}/remove"): (
        act(f"{INTEGRATION}/remove", "manages", unseen=404),
    ),
    ("POST", "/app/services/{id}/integrations/{integration_id}/test"): (
        act(f"{INTEGRATION}/test", "manages", unseen=404),
    ),
}
POLICIES = "/app/escalation-policies"
LADDERS: Routes = {
    ("GET", POLICIES): (look(POLICIES, "signed in"),),
    ("GET", f"{POLICIES}/new"): (look(f"{POLICIES}/new", "manages somewhere"),),
    ("POST", f"{POLICIES}/new"): (
        act(f"{POLICIES}/new", "manages", {**POLICY_FORM, "team_id": "{team}"}),
        act(f"{POLICIES}/new", "manages everywhere", POLICY_FORM),
    ),
    ("GET", f"{POLICIES}/{{id}}"): (look(f"{POLICIES}/{{policy}}", "sees"),),
    ("GET", f"{POLICIES}/{{id}}/edit"): (look(f"{POLICIES}/{{policy}}/edit", "manages"),),
    ("POST", f"{POLICIES}/{{id}}/edit"): (
        act(f"{POLICIES}/{{policy}}/edit", "manages", {**POLICY_FORM, "team_id": "{team}"}),
        # Out of the team: needs the right on both sides.
        act(f"{POLICIES}/{{policy}}/edit", "manages everywhere", {**POLICY_FORM, "team_id": ""}),
    ),
    ("POST", f"{POLICIES}/{{id}}/delete"): (act(f"{POLICIES}/{{spare_policy}}/delete", "manages"),),
    ("GET", "/app/schedules"): (look("/app/schedules", "sees somewhere"),),
    ("GET", "/app/schedules/new"): (look("/app/schedules/new", "manages somewhere"),),
    ("POST", "/app/schedules/new"): (
        act("/app/schedules/new", "manages", {**SCHEDULE_FORM, "team_id": "{team}"}),
        act("/app/schedules/new", "manages everywhere", SCHEDULE_FORM),
    ),
    ("GET", "/app/schedules/{id}"): (look("/app/schedules/{schedule}", "sees", unseen=404),),
    ("GET", "/app/schedules/{id}/edit"): (
        look("/app/schedules/{schedule}/edit", "manages", unseen=404),
    ),
    ("POST", "/app/schedules/{id}/edit"): (
        act(
            "/app/schedules/{schedule}/edit",
            "manages",
            {**SCHEDULE_FORM, "team_id": "{team}"},
            unseen=404,
        ),
    ),
    ("POST", "/app/schedules/{id}/overrides"): (
        act(
            "/app/schedules/{schedule}/overrides",
            "responds",
            {"user_id": "{self}", "start": "2026-03-05T09:00", "end": "2026-03-05T17:00"},
            unseen=404,
        ),
        act(
            "/app/schedules/{schedule}/overrides",
            "manages",
            {"user_id": "{leaver}", "start": "2026-03-05T09:00", "end": "2026-03-05T17:00"},
            unseen=404,
        ),
    ),
    ("POST", "/app/schedules/{id}/overrides/{override_id}/remove"): (
        act(
            "/app/schedules/{schedule}/overrides/{override}/remove",
            "responds",
            before=TO_SELF,
            unseen=404,
        ),
        act("/app/schedules/{schedule}/overrides/{override}/remove", "manages", unseen=404),
    ),
    ("POST", "/app/schedules/{id}/delete"): (
        act("/app/schedules/{schedule}/delete", "manages", unseen=404),
    ),
}
TEAMS: Routes = {
    ("GET", "/app/teams"): (look("/app/teams", "sees somewhere"),),
    ("POST", "/app/teams"): (act("/app/teams", "manages everywhere", {"name": "drill"}),),
    ("GET", "/app/teams/{id}"): (look("/app/teams/{team}", "sees", unseen=404),),
    ("POST", "/app/teams/{id}"): (
        act("/app/teams/{team}", "manages", {"name": "drill", "description": ""}),
    ),
    ("POST", "/app/teams/{id}/members"): (
        act("/app/teams/{team}/members", "manages", {"user_id": "{leaver}", "role": "observer"}),
        act("/app/teams/{team}/members", "manages", {"user_id": "{vera}", "role": "manager"}),
    ),
    ("POST", "/app/teams/{id}/members/remove"): (
        act("/app/teams/{team}/members/remove", "manages", {"user_id": "{vera}"}),
    ),
    ("POST", "/app/teams/{id}/delete"): (
        act("/app/teams/{spare_team}/delete", "manages", unseen=404),
    ),
}
BUSINESS = "/app/business-services"
BUSINESS_FORM = {"name": "drill", "description": "", "point_of_contact": ""}
GRAPH: Routes = {
    ("GET", BUSINESS): (look(BUSINESS, "sees somewhere"),),
    ("GET", f"{BUSINESS}/new"): (look(f"{BUSINESS}/new", "manages somewhere"),),
    ("POST", f"{BUSINESS}/new"): (
        act(f"{BUSINESS}/new", "manages", {**BUSINESS_FORM, "team_id": "{team}"}),
        act(f"{BUSINESS}/new", "manages everywhere", {**BUSINESS_FORM, "team_id": ""}),
    ),
    ("POST", f"{BUSINESS}/threshold"): (
        act(f"{BUSINESS}/threshold", "manages everywhere", {"priority": "P2"}),
    ),
    ("GET", f"{BUSINESS}/{{id}}"): (look(f"{BUSINESS}/{{business}}", "sees", unseen=404),),
    ("POST", f"{BUSINESS}/{{id}}"): (
        act(
            f"{BUSINESS}/{{business}}",
            "manages",
            {**BUSINESS_FORM, "team_id": "{team}"},
            unseen=404,
        ),
        # Out of the team: needs the right on both sides.
        act(
            f"{BUSINESS}/{{business}}",
            "manages everywhere",
            {**BUSINESS_FORM, "team_id": ""},
            unseen=404,
        ),
    ),
    ("POST", f"{BUSINESS}/{{id}}/delete"): (
        act(f"{BUSINESS}/{{business}}/delete", "manages", unseen=404),
    ),
    ("POST", f"{BUSINESS}/{{id}}/dependencies"): (
        act(
            f"{BUSINESS}/{{business}}/dependencies",
            "manages",
            {"supporting": "service:{service}"},
            unseen=404,
        ),
    ),
    ("POST", f"{BUSINESS}/{{id}}/dependencies/remove"): (
        act(
            f"{BUSINESS}/{{business}}/dependencies/remove",
            "manages",
            {"id": "{business_dependency}"},
            unseen=404,
        ),
    ),
    ("POST", "/app/services/{id}/dependencies"): (
        act(
            f"{SERVICE}/dependencies",
            "manages",
            {"supporting": "business_service:{business}"},
            unseen=404,
        ),
    ),
    ("POST", "/app/services/{id}/dependencies/remove"): (
        act(f"{SERVICE}/dependencies/remove", "manages", {"id": "{dependency}"}, unseen=404),
    ),
    ("GET", "/app/service-map"): (look("/app/service-map", "sees somewhere"),),
    ("GET", "/app/tags"): (look("/app/tags", "sees somewhere"),),
    ("POST", "/app/tags"): (act("/app/tags", "manages somewhere", {"label": "drill"}),),
    ("POST", "/app/tags/{id}/delete"): (act("/app/tags/{tag}/delete", "manages everywhere"),),
    ("POST", "/app/people/{id}/tags"): (act(f"{PERSON}/tags", "administers", {"add": "drill"}),),
    ("POST", "/app/teams/{id}/tags"): (
        act("/app/teams/{team}/tags", "manages", {"add": "drill"}, unseen=404),
        act("/app/teams/{team}/tags", "manages", {"remove": "{tag}"}, unseen=404),
    ),
    ("POST", f"{POLICIES}/{{id}}/tags"): (
        act(f"{POLICIES}/{{policy}}/tags", "manages", {"add": "drill"}),
    ),
}
HOOK, WHOLE = "/app/webhooks/{webhook}", "/app/webhooks/{whole_webhook}"
HOOK_FORM = {
    "url": "https://hooks.example.com/drill",
    "listens": "team:{team}",
    "events": "incident.resolved",
    "active": "1",
}
OFF = "update webhook_subscriptions set disabled_at = created_at, disabled_reason = 'drill'"
WEBHOOKS: Routes = {
    ("GET", "/app/webhooks"): (look("/app/webhooks", "sees somewhere"),),
    ("GET", "/app/webhooks/new"): (look("/app/webhooks/new", "manages somewhere"),),
    ("POST", "/app/webhooks/new"): (
        act("/app/webhooks/new", "manages", HOOK_FORM, status=200),
        act("/app/webhooks/new", "administers", {**HOOK_FORM, "listens": "account"}, status=200),
    ),
    ("GET", "/app/webhooks/{id}"): (
        look(HOOK, "sees", unseen=404),
        look(WHOLE, "sees everywhere", refusal=404),
    ),
    ("POST", "/app/webhooks/{id}"): (
        act(HOOK, "manages", HOOK_FORM, unseen=404),
        act(HOOK, "administers", {**HOOK_FORM, "listens": "account"}, unseen=404),
        act(WHOLE, "administers", {**HOOK_FORM, "listens": "account"}, unseen=404),
    ),
    ("POST", "/app/webhooks/{id}/enable"): (
        act(f"{HOOK}/enable", "manages", unseen=404, before=OFF),
    ),
    ("POST", "/app/webhooks/{id}/ping"): (act(f"{HOOK}/ping", "manages", unseen=404),),
    ("POST", "/app/webhooks/{id}/secrets"): (
        act(f"{HOOK}/secrets", "manages", status=200, unseen=404),
    ),
    ("POST", "/app/webhooks/{id}/secrets/{secret_id}/remove"): (
        act(f"{HOOK}/secrets/{{webhook_secret}}/remove", "manages", unseen=404),
    ),
    ("POST", "/app/webhooks/{id}/delete"): (
        act(f"{HOOK}/delete", "manages", unseen=404),
        act(f"{WHOLE}/delete", "administers", unseen=404),
    ),
}
INSTALLATION: Routes = {
    ("GET", "/app/health"): (look("/app/health", "sees everywhere"),),
    ("POST", "/app/health/events/try-again"): (act("/app/health/events/try-again", "administers"),),
    ("POST", "/app/health/events/{seq}/try-again"): (
        act("/app/health/events/{quarantined}/try-again", "administers"),
    ),
    ("POST", "/app/health/events/{seq}/set-aside"): (
        act("/app/health/events/{quarantined}/set-aside", "administers"),
    ),
    ("POST", "/app/health/watch-again"): (act("/app/health/watch-again", "administers"),),
    ("GET", "/app/audit"): (look("/app/audit", "sees the record"),),
    ("POST", "/app/audit/verify"): (
        act("/app/audit/verify", "sees the record", status=200, acts=False),
    ),
    ("GET", "/app/settings"): (look("/app/settings", "signed in"),),
    ("POST", "/app/settings/instance"): (
        act("/app/settings/instance", "administers", {"public_name": "drill"}),
    ),
    ("POST", "/app/settings/keys"): (
        act(
            "/app/settings/keys",
            "administers",
            {"key_name": "drill", "role": "observer"},
            status=200,
        ),
    ),
    ("POST", "/app/settings/keys/{key_id}/revoke"): (
        act("/app/settings/keys/{account_key}/revoke", "administers"),
    ),
}
PEOPLE: Routes = {
    ("GET", "/app/people"): (look("/app/people", "sees somewhere"),),
    ("GET", "/app/people/new"): (look("/app/people/new", "administers"),),
    ("POST", "/app/people/new"): (
        act(
            "/app/people/new",
            "administers",
            {**PROFILE, "email": "d@example.com", "role": "observer", "password": "{password}"},
        ),
        act(
            "/app/people/new",
            "owns",
            {**PROFILE, "email": "d@example.com", "role": "owner", "password": "{password}"},
        ),
    ),
    ("GET", "/app/people/{id}"): (
        look(PERSON, "sees somewhere"),
        look(SELF, "signed in"),
    ),
    ("POST", "/app/people/{id}"): (
        act(PERSON, "administers", {**PROFILE, "email": "vera@example.com"}),
        act(SELF, "signed in", {**PROFILE, "email": "self@example.com"}),
        act(SELF, "owns", {**PROFILE, "email": "self@example.com", "role": "owner"}),
        act(PERSON, "owns", {**PROFILE, "email": "vera@example.com", "role": "owner"}),
        act(BOSS, "owns", {**PROFILE, "email": "boss@example.com"}),
    ),
    ("POST", "/app/people/{id}/password"): (
        act(f"{PERSON}/password", "administers", {"new_password": "nine brown cows jump"}),
        act(f"{BOSS}/password", "owns", {"new_password": "nine brown cows jump"}),
        act(
            f"{SELF}/password",
            "signed in",
            {"current_password": "{password}", "new_password": "nine brown cows jump"},
        ),
    ),
    ("POST", "/app/people/{id}/keys"): (
        act(f"{PERSON}/keys", "administers", {"key_name": "drill"}, status=200),
        act(f"{BOSS}/keys", "owns", {"key_name": "drill"}, status=200),
        act(f"{SELF}/keys", "signed in", {"key_name": "drill"}, status=200),
    ),
    ("POST", "/app/people/{id}/keys/{key_id}/revoke"): (
        act(f"{PERSON}/keys/{{vera_key}}/revoke", "administers"),
        act(f"{SELF}/keys/{{own_key}}/revoke", "signed in"),
        act(f"{SELF}/keys/{{vera_key}}/revoke", "administers"),
    ),
    ("POST", "/app/people/{id}/sessions/end"): (
        act(f"{PERSON}/sessions/end", "administers"),
        act(f"{BOSS}/sessions/end", "owns"),
        act(f"{SELF}/sessions/end", "signed in"),
    ),
    ("POST", "/app/people/{id}/deactivate"): (
        act("/app/people/{leaver}/deactivate", "administers"),
        act(f"{BOSS}/deactivate", "owns"),
    ),
    ("POST", "/app/people/{id}/contact-methods"): (
        act(f"{PERSON}/contact-methods", "administers", {"channel": "mail", "address": "v"}),
        act(f"{SELF}/contact-methods", "signed in", {"channel": "mail", "address": "me"}),
    ),
    ("POST", "/app/people/{id}/contact-methods/check"): (
        act(
            f"{PERSON}/contact-methods/check",
            "signed in",
            {"channel": "phone", "address": "x"},
            status=200,
            acts=False,
        ),
    ),
    ("POST", "/app/people/{id}/contact-methods/{method_id}/test"): (
        act(f"{PERSON}/contact-methods/{{vera_method}}/test", "administers"),
        act(f"{SELF}/contact-methods/{{own_method}}/test", "signed in"),
        act(f"{SELF}/contact-methods/{{vera_method}}/test", "administers"),
    ),
    ("POST", "/app/people/{id}/contact-methods/{method_id}/remove"): (
        act(f"{PERSON}/contact-methods/{{vera_method}}/remove", "administers"),
        act(f"{SELF}/contact-methods/{{own_method}}/remove", "signed in"),
        act(f"{SELF}/contact-methods/{{vera_method}}/remove", "administers"),
    ),
    ("POST", "/app/people/{id}/rules"): (
        act(
            f"{PERSON}/rules",
            "administers",
            {"delay_minutes": "7", "urgency": "high", "contact_method_id": "{vera_method}"},
        ),
        act(
            f"{SELF}/rules",
            "signed in",
            {"delay_minutes": "7", "urgency": "high", "contact_method_id": "{own_method}"},
        ),
    ),
    ("POST", "/app/people/{id}/handoff-rules"): (
        act(
            f"{PERSON}/handoff-rules",
            "administers",
            {
                "advance_minutes": "7",
                "direction": "both",
                "contact_method_id": "{vera_method}",
            },
        ),
        act(
            f"{SELF}/handoff-rules",
            "signed in",
            {"advance_minutes": "7", "direction": "both", "contact_method_id": "{own_method}"},
        ),
    ),
    ("POST", "/app/people/{id}/handoff-rules/{rule_id}/remove"): (
        act(f"{PERSON}/handoff-rules/{{vera_handoff_rule}}/remove", "administers"),
        act(f"{SELF}/handoff-rules/{{own_handoff_rule}}/remove", "signed in"),
        # A rule is looked for among those of the person in the address.
        act(
            f"{SELF}/handoff-rules/{{vera_handoff_rule}}/remove",
            "nobody",
            refusal=404,
            signed_out=401,
        ),
    ),
    ("POST", "/app/people/{id}/rules/{rule_id}/remove"): (
        act(f"{PERSON}/rules/{{vera_rule}}/remove", "administers"),
        act(f"{SELF}/rules/{{own_rule}}/remove", "signed in"),
        act(f"{SELF}/rules/{{vera_rule}}/remove", "administers"),
    ),
}
TABLE: Routes = {
    **MACHINES,
    **ONE_TAP,
    **DOORS,
    **SETUP,
    **INCIDENTS,
    **SERVICES,
    **LADDERS,
    **TEAMS,
    **GRAPH,
    **WEBHOOKS,
    **INSTALLATION,
    **PEOPLE,
}
