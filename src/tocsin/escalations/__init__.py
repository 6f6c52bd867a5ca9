"""Escalation policies, and the ladder that finds the next person when the last did not answer."""
