"""Settings: one table, three spellings; `TOCSIN_PORT`, `TOCSIN_PORT_FILE`, `--port` are the same.

A flag wins over an environment variable, which wins over the default. `..._FILE` names a file whose
content (without the final newline) is the value, so that secrets need not stand in the environment.
Every problem is reported at once, each with the setting's name and what would be right.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tocsin.core.outbound_guard import parse_allow_list

PREFIX = "TOCSIN_"
# 443 beside 80, and so 8443 beside 8080: each port of http has one of https.
TLS_PORT_DISTANCE = 363


class ConfigError(Exception):
    """One or more settings are wrong; the message has one line for each."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a person may set. `name` is the flag without dashes, in snake case."""

    name: str
    parse: Callable[[str], Any]
    default: Any
    help: str
    secret: bool = False
    shown_default: str | None = None

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The command-line option."""
        return "--" + self.name.replace("_", "-")


def _text(value: str) -> str:
    return value


def _optional(value: str) -> str | None:
    return value or None


def _path(value: str) -> Path:
    return Path(value).expanduser()


def _switch(value: str) -> bool:
    word = value.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("must be true or false")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError(f"must be a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise ValueError(f"must be from {low} to {high}")
        return number

    return parse


def _tls_port(value: str) -> int | None:
    return _whole(0, 65535)(value) if value else None


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return parse


def _url(value: str) -> str | None:
    if not value:
        return None
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return value.rstrip("/")


def _database_url(value: str) -> str | None:
    if not value:
        return None
    # PostgreSQL also knows the form "host=... dbname=...".
    if not value.startswith(("postgresql://", "postgres://")) and "=" not in value:
        raise ValueError("must look like postgresql://USER:PASSWORD@HOST/DATABASE")
    return value


def _tls_file(value: str) -> Path | None:
    if value.lstrip().startswith("-----BEGIN"):
        raise ValueError("must be the path of a PEM file, so that a renewed one is noticed")
    return _path(value) if value else None


def _allow_list(value: str) -> str:
    parse_allow_list(value)
    return value


SETTINGS: tuple[Setting, ...] = (
    Setting(name="host", parse=_text, default="127.0.0.1", help="Address to listen on."),
    Setting(name="port", parse=_whole(0, 65535), default=8080, help="Port to listen on."),
    Setting(
        name="public_url",
        parse=_url,
        default=None,
        shown_default="http://HOST:PORT",
        help="How people and machines reach this server; used in links and one-tap buttons.",
    ),
    Setting(
        name="tls",
        parse=_switch,
        default=True,
        help="Serve https too, on a port of its own; false leaves it to a proxy.",
    ),
    Setting(
        name="tls_host",
        parse=_optional,
        default=None,
        shown_default="HOST",
        help="Address to listen on for https.",
    ),
    Setting(
        name="tls_port",
        parse=_tls_port,
        default=None,
        shown_default="PORT + 363",
        help="Port for https: 8443 beside 8080, 443 beside 80. One that is set must be free.",
    ),
    Setting(
        name="tls_certificate",
        parse=_tls_file,
        default=None,
        shown_default="made by a local authority in DATA_DIR/tls",
        help="PEM file of the certificate and those it hangs from; read again when it changes.",
    ),
    Setting(
        name="tls_key",
        parse=_tls_file,
        default=None,
        shown_default="in the certificate's file",
        help="PEM file of its private key, without a passphrase.",
    ),
    Setting(
        name="data_dir",
        parse=_path,
        default=Path("var"),
        help="Where the embedded database and the master key live.",
    ),
    Setting(
        name="database_url",
        parse=_database_url,
        default=None,
        secret=True,
        shown_default="the embedded PostgreSQL",
        help="A PostgreSQL 15 or newer to use instead of the embedded one.",
    ),
    Setting(
        name="database_connections",
        parse=_whole(4, 200),
        default=12,
        help="How many database connections this process may hold.",
    ),
    Setting(
        name="postgres_bin_dir",
        parse=lambda value: _path(value) if value else None,
        default=None,
        shown_default="found by itself",
        help="Directory of the PostgreSQL programs for the embedded database.",
    ),
    Setting(
        name="role",
        parse=_one_of("all", "web", "engine"),
        default="all",
        help="What this process does: serve requests, run the engine, or both.",
    ),
    Setting(
        name="web_processes",
        parse=_whole(1, 64),
        default=1,
        help="How many processes take requests on the port; more than one uses more cores.",
    ),
    Setting(
        name="node_name",
        parse=_optional,
        default=None,
        shown_default="the host's name",
        help="How this process calls itself in the delivery ledger and the list of nodes.",
    ),
    Setting(
        name="master_key",
        parse=_optional,
        default=None,
        secret=True,
        shown_default="made on first start, in DATA_DIR/master.key",
        help="The key that seals secrets at rest; the same on every node.",
    ),
    Setting(
        name="admin_email",
        parse=_optional,
        default=None,
        help="E-mail address of the owner made on first start.",
    ),
    Setting(
        name="admin_password",
        parse=_optional,
        default=None,
        secret=True,
        help="Password of the owner made on first start.",
    ),
    Setting(
        name="outbound_allow",
        parse=_allow_list,
        default="",
        help="Private networks and hosts that may be called, with commas: 10.0.0.0/8, ntfy.lan.",
    ),
    Setting(
        name="trusted_proxies",
        parse=_text,
        default="",
        help="Addresses of proxies whose X-Forwarded headers are believed, with commas.",
    ),
    Setting(
        name="events_per_minute",
        parse=_whole(0, 100_000_000),
        default=60_000,
        help="Events a minute that one integration key may send; 0 is no limit.",
    ),
    Setting(name="smtp_host", parse=_optional, default=None, help="Mail server for e-mail pages."),
    Setting(name="smtp_port", parse=_whole(1, 65535), default=587, help="Its port."),
    Setting(name="smtp_user", parse=_optional, default=None, help="User name, if it wants one."),
    Setting(
        name="smtp_password", parse=_optional, default=None, secret=True, help="Password, likewise."
    ),
    Setting(
        name="smtp_tls",
        parse=_one_of("starttls", "tls", "none"),
        default="starttls",
        help="How the connection is protected.",
    ),
    Setting(
        name="smtp_from",
        parse=_optional,
        default=None,
        shown_default="tocsin@ and the mail server's name",
        help="Sender of e-mail pages.",
    ),
    Setting(
        name="ntfy_url",
        parse=_url,
        default="https://ntfy.sh",
        help="The ntfy server for topics given without one.",
    ),
    Setting(
        name="ntfy_token", parse=_optional, default=None, secret=True, help="Its access token."
    ),
    Setting(
        name="dead_man_url",
        parse=_url,
        default=None,
        secret=True,
        help="An outside heartbeat URL that is fetched each minute while the engine is well.",
    ),
    Setting(
        name="log_format",
        parse=_one_of("auto", "json", "text"),
        default="auto",
        help="JSON lines, readable text, or text on a terminal and JSON elsewhere.",
    ),
    Setting(
        name="log_level",
        parse=_one_of("debug", "info", "warning", "error"),
        default="info",
        help="The least serious line to write.",
    ),
    Setting(
        name="simulated_channel",
        parse=_switch,
        default=False,
        help="Offer a channel that records messages and sends nothing; for trials and tests.",
    ),
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, parsed. Field names and order are those of SETTINGS."""

    host: str
    port: int
    public_url: str | None
    tls: bool
    tls_host: str | None
    tls_port: int | None
    tls_certificate: Path | None
    tls_key: Path | None
    data_dir: Path
    database_url: str | None
    database_connections: int
    postgres_bin_dir: Path | None
    role: str
    web_processes: int
    node_name: str | None
    master_key: str | None
    admin_email: str | None
    admin_password: str | None
    outbound_allow: str
    trusted_proxies: str
    events_per_minute: int
    smtp_host: str | None
    smtp_port: int
    smtp_user: str | None
    smtp_password: str | None
    smtp_tls: str
    smtp_from: str | None
    ntfy_url: str
    ntfy_token: str | None
    dead_man_url: str | None
    log_format: str
    log_level: str
    simulated_channel: bool

    @property
    def base_url(self) -> str:
        """The public URL without a trailing slash."""
        return self.public_url or self.listen_url

    @property
    def listen_url(self) -> str:
        """Where this process itself answers, seen from its own machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def tls_listen_host(self) -> str:
        """The address that https listens on."""
        return self.tls_host or self.host


def load(
    flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings. `flags` holds those given on the command line, by name.

    Raises ConfigError naming every setting that is wrong, and every unknown TOCSIN_ variable.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    problems = _unknown(environment)
    for setting in SETTINGS:
        try:
            given = _given(setting, flags or {}, environment)
            values[setting.name] = setting.default if given is None else setting.parse(given)
        except ValueError as error:
            problems.append(f"{setting.variable} (or {setting.flag}): {error}")
    if values.get("tls_key") and not values.get("tls_certificate"):
        problems.append("TOCSIN_TLS_KEY: set TOCSIN_TLS_CERTIFICATE as well, or neither")
    if problems:
        raise ConfigError("\n".join(problems))
    return Settings(**values)


def _given(
    setting: Setting, flags: Mapping[str, Any], environment: Mapping[str, str]
) -> str | None:
    flag = flags.get(setting.name)
    if flag is not None:
        return str(flag)
    file = environment.get(setting.variable + "_FILE")
    if file is not None:
        if setting.variable in environment:
            raise ValueError(f"is set twice, also as {setting.variable}_FILE: keep one")
        return _content(Path(file), setting.variable + "_FILE")
    return environment.get(setting.variable)


def _content(file: Path, variable: str) -> str:
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"{variable} names {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{variable} names {file}, which is not UTF-8 text") from None


def _unknown(environment: Mapping[str, str]) -> list[str]:
    known = {setting.variable for setting in SETTINGS}
    # Read by the crash-point hook and by the tests, never by the product's own logic.
    known |= {"TOCSIN_CRASH_AT", "TOCSIN_PLANTED_DEFECT", "TOCSIN_SKIP_FRONTEND"}
    return [
        f"{name}: there is no such setting; `tocsin config print` lists them all"
        for name in sorted(environment)
        if name.startswith(PREFIX)
        and not name.startswith("TOCSIN_TEST_")
        and name.removesuffix("_FILE") not in known
    ]


def shown(settings: Settings) -> list[tuple[Setting, str]]:
    """Each setting with its value as it may be shown: secrets masked."""
    rows = []
    for setting in SETTINGS:
        value = getattr(settings, setting.name)
        if value is None or value == "":
            text = ""
        elif setting.secret:
            text = "********"
        elif isinstance(value, bool):
            text = "true" if value else "false"
        else:
            text = str(value)
        rows.append((setting, text))
    return rows
