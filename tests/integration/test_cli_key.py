"""`tocsin key`: made once, works at the door, listed without its secret, revoked."""

import json

import pytest

from tests.support.commands import in_database
from tests.support.postgres import START
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Actor, NewUser, User
from tocsin.cli import main


@pytest.fixture
def dsn(fresh_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that the commands reach by its URL."""
    monkeypatch.setenv("TOCSIN_DATABASE_URL", fresh_dsn)
    return fresh_dsn


@pytest.fixture
def alice(dsn: str) -> User:
    new = NewUser(name="Alice", email="alice@example.com", role="limited_user")
    return in_database(dsn, lambda tx: accounts.create_user(tx, SYSTEM, new, START))


def run(*arguments: str) -> None:
    main(list(arguments), standalone_mode=False)


def actor(dsn: str, token: str) -> Actor | None:
    return in_database(dsn, lambda tx: accounts.actor_for_key(tx, token, START))


def test_a_key_is_printed_alone_and_opens_the_door(
    dsn: str, alice: User, capsys: pytest.CaptureFixture[str]
) -> None:
    run("key", "create", "--name", "terraform", "--user", "Alice@Example.com")
    printed = capsys.readouterr()
    token = printed.out.strip()
    assert len(token) == 20
    found = actor(dsn, token)
    assert found is not None
    assert (found.id, found.role, found.read_only) == (alice.id, "limited_user", False)
    assert "not shown again" in printed.err
    assert token not in printed.err


def test_json_and_read_only(dsn: str, alice: User, capsys: pytest.CaptureFixture[str]) -> None:
    run("key", "create", "--name", "dash", "--user", alice.email, "--read-only", "--json")
    made = json.loads(capsys.readouterr().out)
    found = actor(dsn, made["key"])
    assert found is not None
    assert found.read_only is True
    assert made["hint"] == made["key"][-4:]


def test_an_account_key_has_a_role_of_its_own(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("key", "create", "--name", "backup", "--role", "observer")
    found = actor(dsn, capsys.readouterr().out.strip())
    assert found is not None
    assert (found.id, found.role) == (None, "observer")


def test_the_list_shows_no_secret_and_a_revoked_key_is_dead(
    dsn: str, alice: User, capsys: pytest.CaptureFixture[str]
) -> None:
    run("key", "create", "--name", "terraform", "--user", alice.email, "--json")
    made = json.loads(capsys.readouterr().out)
    run("key", "list", "--json")
    listed = capsys.readouterr().out
    assert made["key"] not in listed
    (row,) = json.loads(listed)["keys"]
    assert (row["id"], row["name"], row["user"]) == (made["id"], "terraform", alice.email)
    run("key", "list")
    assert "terraform" in capsys.readouterr().out
    run("key", "revoke", made["id"])
    assert actor(dsn, made["key"]) is None
    run("key", "list", "--json")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"keys": []}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--name", "x", "--user", "nobody@example.com"], 1, "nobody has the e-mail address"),
        (["--name", "x"], 2, "give either --user or --role"),
        (["--name", "", "--role", "admin"], 1, "name"),
    ],
)
def test_a_refusal_is_one_sentence(
    dsn: str,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    says: str,
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["key", "create", *arguments])
    assert exit.value.code == code
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.out == ""


def test_revoking_what_is_not_there(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["key", "revoke", "PNOTHING1"])
    assert exit.value.code == 1
    assert "no key PNOTHING1" in capsys.readouterr().err


def test_a_database_without_our_schema_is_not_touched(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    in_database(dsn, lambda tx: tx.execute("delete from schema_migrations where number = 5"))
    with pytest.raises(SystemExit):
        main(["key", "list"])
    assert "tocsin db migrate" in capsys.readouterr().err


def test_a_database_that_does_not_answer_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOCSIN_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(SystemExit) as exit:
        main(["key", "list"])
    assert exit.value.code == 1
    assert "no connection to PostgreSQL" in capsys.readouterr().err
