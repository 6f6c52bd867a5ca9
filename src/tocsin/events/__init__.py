"""The events area."""
