"""Alerts and incidents together: they share an invariant, that an open alert keeps one open."""
