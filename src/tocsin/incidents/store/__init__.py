"""The SQL of incidents and alerts. Only this area uses it."""
