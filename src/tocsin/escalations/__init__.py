"""The escalations area."""
