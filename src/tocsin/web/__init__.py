"""Pages for people: routes, templates and the built static files. Decides nothing."""
