"""What a running server leaves in its data directory, so that commands find its database."""

from pathlib import Path

URL_FILE = "database.url"


def leave_dsn(data_dir: Path, dsn: str) -> None:
    """Write where the embedded database listens; only the user that runs Tocsin may read it."""
    file = data_dir / URL_FILE
    file.touch(mode=0o600)
    file.write_text(dsn + "\n")


def forget_dsn(data_dir: Path) -> None:
    """The server is going away."""
    (data_dir / URL_FILE).unlink(missing_ok=True)


def shared_dsn(data_dir: Path) -> str | None:
    """The DSN of a running server's embedded database, when one was left on this directory.

    It may be stale after a crash: whoever reads it has to see whether the server answers.
    """
    try:
        return (data_dir / URL_FILE).read_text().strip() or None
    except OSError:
        return None
