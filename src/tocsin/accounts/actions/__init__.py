"""The door of accounts: people, teams, sign-in, REST keys, and the installation's own settings."""

from tocsin.accounts.actions.credentials import change_password, has_password, set_password
from tocsin.accounts.actions.hashing import prepare_decoy
from tocsin.accounts.actions.instance import (
    change_instance,
    complete_setup,
    instance,
    read_value,
    write_value,
)
from tocsin.accounts.actions.keys import actor_for_key, create_key, list_keys, revoke_key
from tocsin.accounts.actions.members import (
    STAKEHOLDERS,
    count_members,
    list_members,
    memberships,
    remove_member,
    set_member,
    teams_of,
)
from tocsin.accounts.actions.people import (
    acting_for,
    count_users,
    create_user,
    deactivate_user,
    get_user,
    list_users,
    update_user,
    user_by_email,
    users_by_ids,
)
from tocsin.accounts.actions.sessions import (
    actor_for_session,
    list_sessions,
    revoke_session,
    revoke_sessions,
    sign_in,
    sign_out,
    sweep,
)
from tocsin.accounts.actions.setup import first_run, needs_first_run
from tocsin.accounts.actions.teams import (
    count_teams,
    create_team,
    delete_team,
    get_team,
    list_teams,
    teams_by_ids,
    update_team,
)

__all__ = [
    "STAKEHOLDERS",
    "acting_for",
    "actor_for_key",
    "actor_for_session",
    "change_instance",
    "change_password",
    "complete_setup",
    "count_members",
    "count_teams",
    "count_users",
    "create_key",
    "create_team",
    "create_user",
    "deactivate_user",
    "delete_team",
    "first_run",
    "get_team",
    "get_user",
    "has_password",
    "instance",
    "list_keys",
    "list_members",
    "list_sessions",
    "list_teams",
    "list_users",
    "memberships",
    "needs_first_run",
    "prepare_decoy",
    "read_value",
    "remove_member",
    "revoke_key",
    "revoke_session",
    "revoke_sessions",
    "set_member",
    "set_password",
    "sign_in",
    "sign_out",
    "sweep",
    "teams_by_ids",
    "teams_of",
    "update_team",
    "update_user",
    "user_by_email",
    "users_by_ids",
    "write_value",
]
