"""The door of escalations: policies for people, ladders for incidents."""

from tocsin.escalations.actions.climbing import (
    catch_all,
    climb,
    hurry,
    ladders,
    people,
    preview,
    push_back,
    runs,
    write_runs,
)
from tocsin.escalations.actions.policies import (
    PolicyFilter,
    count_policies,
    create_policy,
    delete_policy,
    get_policy,
    list_policies,
    policies_by_ids,
    schedules_told_of,
    update_policy,
)

__all__ = [
    "PolicyFilter",
    "catch_all",
    "climb",
    "count_policies",
    "create_policy",
    "delete_policy",
    "get_policy",
    "hurry",
    "ladders",
    "list_policies",
    "people",
    "policies_by_ids",
    "preview",
    "push_back",
    "runs",
    "schedules_told_of",
    "update_policy",
    "write_runs",
]
