"""Read-only joins over several areas, for screens and lists. Nothing here changes anything."""
