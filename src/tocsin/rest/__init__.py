"""The REST API: PagerDuty's shapes and rules over the same actions as the pages."""
