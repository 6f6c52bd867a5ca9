"""Settings: three spellings, one value; every problem at once; secrets are never shown."""

from pathlib import Path

import pytest

from tests.support.commands import run
from tocsin.cli.https import HttpsError, port_of
from tocsin.core.config import SETTINGS, ConfigError, Settings, load, shown


def test_defaults_are_safe_for_one_machine() -> None:
    settings = load({}, {})
    assert (settings.host, settings.port, settings.role) == ("127.0.0.1", 8080, "all")
    assert settings.base_url == "http://127.0.0.1:8080"
    assert settings.simulated_channel is False
    assert settings.outbound_allow == ""


def test_a_flag_wins_over_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("7000\n")
    assert load({}, {"TOCSIN_PORT": "9000"}).port == 9000
    assert load({}, {"TOCSIN_PORT_FILE": str(file)}).port == 7000
    assert load({"port": "1234"}, {"TOCSIN_PORT": "9000"}).port == 1234
    assert load({"port": None}, {"TOCSIN_PORT": "9000"}).port == 9000


def test_a_file_keeps_its_inner_newlines_and_spaces(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" a b \r\n")
    assert load({}, {"TOCSIN_SMTP_PASSWORD_FILE": str(file)}).smtp_password == " a b "


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    environment = {
        "TOCSIN_PORT": "http",
        "TOCSIN_ROLE": "boss",
        "TOCSIN_PUBLIC_URL": "tocsin.example",
        "TOCSIN_SIMULATED_CHANNEL": "maybe",
        "TOCSIN_NTFY_TOKEN_FILE": str(tmp_path / "missing"),
        "TOCSIN_SMTP_PROT": "25",
    }
    with pytest.raises(ConfigError) as raised:
        load({}, environment)
    lines = str(raised.value).splitlines()
    assert len(lines) == len(environment)
    for name in environment:
        assert any(name.removesuffix("_FILE") in line for line in lines), name
    assert any("must be one of all, web, engine" in line for line in lines)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TOCSIN_DATABASE_URL", "mysql://db/tocsin", "postgresql://USER:PASSWORD@HOST/DATABASE"),
        ("TOCSIN_OUTBOUND_ALLOW", "10.0.0.0/99", "'10.0.0.0/99' is neither a network"),
        ("TOCSIN_OUTBOUND_ALLOW", "ntfy.lan:99999", "the port must be from 1 to 65535"),
        ("TOCSIN_SMTP_USER_FILE", "/no/such", "TOCSIN_SMTP_USER_FILE names /no/such: No such file"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(variable: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load({}, {variable: value})
    assert variable.removesuffix("_FILE") in str(raised.value)
    assert says in str(raised.value)


@pytest.mark.parametrize("url", ["postgresql://a:b@h/d", "postgres:///d", "host=/run dbname=d", ""])
def test_each_form_of_a_database_url(url: str) -> None:
    assert load({}, {"TOCSIN_DATABASE_URL": url}).database_url == (url or None)


def test_a_name_in_the_table_can_be_copied() -> None:
    shown_names = run("config", "print").out.split()
    assert {setting.variable for setting in SETTINGS} <= set(shown_names)


@pytest.mark.parametrize("port", ["-1", "65536", "8 080", ""])
def test_a_port_is_a_port(port: str) -> None:
    with pytest.raises(ConfigError, match="TOCSIN_PORT"):
        load({}, {"TOCSIN_PORT": port})


def test_value_and_file_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pytest.raises(ConfigError, match="set twice"):
        load({}, {"TOCSIN_SMTP_USER": "a", "TOCSIN_SMTP_USER_FILE": str(tmp_path / "x")})


def test_settings_and_their_table_agree() -> None:
    assert list(Settings.__struct_fields__) == [setting.name for setting in SETTINGS]
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS)
    for setting in SETTINGS:
        assert setting.help.endswith("."), setting.name


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "0.0.0.0", "port": "80"}, "http://127.0.0.1:80"),
        ({"host": "::1"}, "http://[::1]:8080"),
        ({"public_url": "https://t.example/"}, "https://t.example"),
    ],
)
def test_the_base_of_links(given: dict[str, str], url: str) -> None:
    assert load(given, {}).base_url == url


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    secret = "hunter2hunter2"
    names = [setting.name for setting in SETTINGS if setting.secret]
    assert {"smtp_password", "master_key", "database_url", "admin_password"} <= set(names)
    given = {name: f"https://{secret}" for name in names}
    given["database_url"] = f"postgresql://{secret}:{secret}@{secret}/{secret}"
    for setting, text in shown(load(given, {})):
        assert secret not in text, setting.name
        assert (text == "********") == (setting.name in names)


def test_config_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_SMTP_PASSWORD", "hunter2")
    ran = run("config", "print", "--json", "--port", "9999")
    assert ran.code == 0
    assert ran.json["port"] == "9999"
    assert ran.json["smtp_password"] == "********"
    assert "hunter2" not in ran.out
    wrong = run("config", "print", "--port", "x")
    assert wrong.code == 2
    assert "TOCSIN_PORT (or --port)" in wrong.err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"TOCSIN_TLS_KEY": "/k.pem"}, "TOCSIN_TLS_KEY: set TOCSIN_TLS_CERTIFICATE as well"),
        ({"TOCSIN_TLS_CERTIFICATE": "-----BEGIN CERTIFICATE-----"}, "must be the path of a PEM"),
        ({"TOCSIN_TLS_PORT": "70000"}, "TOCSIN_TLS_PORT (or --tls-port): must be from 0 to 65535"),
        ({"TOCSIN_TLS": "maybe"}, "TOCSIN_TLS (or --tls): must be true or false"),
    ],
)
def test_settings_of_https_that_cannot_be(given: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load({}, given)
    assert says in str(refused.value)


def test_https_has_a_port_beside_that_of_http() -> None:
    assert port_of(load({}, {})) == 8443
    assert port_of(load({"port": "80"}, {})) == 443
    assert port_of(load({"tls_port": "9443"}, {})) == 9443
    assert port_of(load({"port": "0"}, {})) == 0
    with pytest.raises(HttpsError, match="there is no port 65863"):
        port_of(load({"port": "65500"}, {}))
    assert load({"host": "0.0.0.0", "tls_host": "10.0.0.1"}, {}).tls_listen_host == "10.0.0.1"
