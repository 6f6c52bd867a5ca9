"""`python -m tests.simulation`: run seeds; each that fails is printed, to be run again."""

import argparse
import asyncio
import itertools
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from tests.simulation.run import run_seed
from tests.support.postgres import as_superuser, make_template, with_database
from tocsin.core.embedded_postgres import EmbeddedPostgres

TEMPLATE = "simulation_template"


def main() -> None:
    """Exit code 1 when a seed fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, help="how many seeds to run")
    parser.add_argument("--seconds", type=float, help="or for how long")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this one seed")
    options = parser.parse_args()
    data_dir = Path(tempfile.mkdtemp(prefix="tocsin-sim-"))
    data_dir.chmod(0o755)
    server = EmbeddedPostgres(data_dir)
    try:
        dsn = server.start()
        make_template(dsn, TEMPLATE)
        sys.exit(1 if _run(options, dsn, data_dir) else 0)
    finally:
        server.stop(immediate=True)
        shutil.rmtree(data_dir, ignore_errors=True)


def _run(options: argparse.Namespace, dsn: str, data_dir: Path) -> int:
    if options.seed is not None:
        seeds: itertools.count[int] | list[int] = [options.seed]
    elif options.seeds is not None:
        seeds = list(range(options.first, options.first + options.seeds))
    else:
        seeds = itertools.count(options.first)
    began = time.monotonic()
    passed = failed = events = messages = crashes = held = 0
    for seed in seeds:
        name = f"simulation_{seed}"
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f'create database "{name}" template "{TEMPLATE}"')
        try:
            result = asyncio.run(run_seed(seed, with_database(dsn, name), data_dir))
            problems = result.violations
            events += result.events
            messages += result.messages
            crashes += result.crashes
            held += result.held
        except Exception as error:
            problems = [f"{type(error).__name__}: {error}"]
        with psycopg.connect(as_superuser(dsn), autocommit=True) as connection:
            connection.execute(f'drop database "{name}" with (force)')
        if problems:
            failed += 1
            print(f"seed {seed} failed; again with: make sim SEED={seed}", flush=True)
            for problem in problems:
                print(f"  {problem}")
        else:
            passed += 1
        if options.seconds and time.monotonic() - began > options.seconds:
            break
    print(f"{events} events ({held} in maintenance), {messages} messages, {crashes} crashes")
    print(f"simulation: {passed} passed, {failed} failed")
    return failed


main()
