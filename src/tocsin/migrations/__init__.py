"""Forward-only numbered SQL migrations, run by core/migrate."""
