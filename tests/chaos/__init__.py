"""The chaos harness: a real server under faults, and a checker that misses nothing.

See docs/guides/reliability.md for what is promised and how to run it.
"""
