"""Shared fixtures: one PostgreSQL server for the run, one fresh database for each test."""

pytest_plugins = ["tests.support.postgres"]
