"""The tags area: labels on people, teams and escalation policies."""
