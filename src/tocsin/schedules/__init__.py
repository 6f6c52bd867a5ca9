"""Schedules: who is on call at an instant, and why.

`model` holds the values, `rotation`, `restrictions`, `shifts`, `coverage`, `overrides`, `revisions`
and `validation` decide, `store` keeps, `actions` is the door for everybody else.
"""
