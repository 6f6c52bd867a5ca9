"""Seeded simulation: the whole engine against random events, people, crashes and bad providers."""
