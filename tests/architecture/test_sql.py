"""Every SQL constant of the product is prepared against the real schema: no typo waits for 3 AM."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

import tocsin

STATEMENT = re.compile(r"\s*(select|insert|update|delete|with)\b", re.I)


def constants() -> Iterator[tuple[str, str]]:
    for info in pkgutil.walk_packages(tocsin.__path__, "tocsin."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for name, value in sorted(vars(module).items()):
            if name.isupper() and isinstance(value, str) and STATEMENT.match(value):
                yield f"{info.name}.{name}", value


def numbered(statement: str) -> str:
    """The statement with $1, $2 ... in place of its named parameters."""
    if "%(" not in statement:
        return statement.replace("%%", "%")
    names = set(re.findall(r"%\((\w+)\)", statement))
    query = PostgresQuery(Transformer())
    query.convert(statement, dict.fromkeys(names))
    return query.query.decode()


def test_there_are_statements_to_check() -> None:
    assert len(list(constants())) > 50


@pytest.mark.parametrize("name", [name for name, _ in constants()])
def test_a_statement_fits_the_schema(name: str, prepared: dict[str, str]) -> None:
    assert prepared[name] == "ok"


@pytest.fixture(scope="module")
def prepared(server_dsn: str, worker_id: str) -> dict[str, str]:
    dsn = psycopg.conninfo.make_conninfo(server_dsn, dbname=f"tocsin_template_{worker_id}")
    results = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name, statement in constants():
            try:
                connection.execute(f"prepare check_it as {numbered(statement)}".encode())
                connection.execute("deallocate check_it")
                results[name] = "ok"
            except psycopg.Error as error:
                results[name] = str(error)
    return results
