"""Providers in the settings: TOML and the environment, complaints, what is shown, callbacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hodhod_server.cli.commands import hodhod
from tests.sms import entries

VARIABLE = "HODHOD__SIGNUP__PROVIDERS"
MASTER = "HODHOD__SECURITY__MASTER_KEY"
MASTER_KEY = {MASTER: "m" * 40}
TOML = """
[public]
signup_url = "https://signup.example.org/"

[[signup.providers]]
kind = "kavenegar"
name = "kavenegar"
api_key = {file = "KEYFILE"}
rate_per_s = 80
templates = {generic = "login", android = "login-android"}

[[signup.providers]]
kind = "kavenegar"
name = "kavenegar-voice"
channel = "voice"
failure_domain = "kavenegar"
api_key = {file = "KEYFILE"}
templates = {generic = "login"}

[[signup.providers]]
kind = "smsir"
name = "smsir"
api_key = {file = "KEYFILE"}
templates = {generic = 100}

[[signup.providers]]
kind = "generic"
name = "mine"
base_url = "https://sms.example.org"
secret = {file = "KEYFILE"}
form = {to = "{to_local}", text = "{text}", key = "{secret}"}
receipt_id_field = "id"
receipt_state_field = "state"
"""


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.fixture
def config(tmp_path: Path) -> dict[str, str]:
    """The environment of a process with that file."""
    key = tmp_path / "key"
    key.write_text("hunter2\n")
    file = tmp_path / "hodhod.toml"
    file.write_text(TOML.replace("KEYFILE", str(key)))
    return {"HODHOD_CONFIG": str(file), **MASTER_KEY}


def _named(*providers: dict[str, Any]) -> dict[str, str]:
    named = [{"name": f"p{number}", **entry} for number, entry in enumerate(providers)]
    return {VARIABLE: json.dumps(named)}


def test_a_file_may_name_several_providers_of_one_kind(
    runner: CliRunner, config: dict[str, str]
) -> None:
    shown = runner.invoke(hodhod, ["show-settings", "--json"], env=config)
    providers = json.loads(shown.stdout)["signup"]["providers"]
    assert [provider["name"] for provider in providers] == [
        *("kavenegar", "kavenegar-voice", "smsir", "mine")
    ]
    assert providers[2]["templates"]["generic"] == "100"
    as_text = runner.invoke(hodhod, ["show-settings"], env=config)
    assert "signup.providers.0.api_key = ***\n" in as_text.stdout
    assert "signup.providers.3.secret = ***\n" in as_text.stdout
    assert "hunter2" not in shown.output + as_text.output


def test_the_environment_may_name_providers_of_every_kind(runner: CliRunner) -> None:
    plain = [{"base_url": "https://sms.example.org", **entry} for entry in entries.ALL]
    shown = runner.invoke(hodhod, ["show-settings", "--json"], env=_named(*plain))
    providers = json.loads(shown.stdout)["signup"]["providers"]
    assert [provider["kind"] for provider in providers] == [entry["kind"] for entry in plain]
    assert "sekret" not in shown.output


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({VARIABLE: "[]"}, "signup.providers: Value error, nobody carries codes"),
        ({VARIABLE: '[{"kind": "console", "name": "Two Words"}]'}, "0.console.name: "),
        ({VARIABLE: '[{"kind": "console", "name": "a"}, {"kind": "console", "name": "a"}]'}, "a:"),
        ({VARIABLE: '[{"kind": "pigeon", "name": "a"}]'}, "Input tag 'pigeon'"),
        (_named({**entries.KAVENEGAR, "api_key": "two\nlines"}), "one word of ASCII"),
        (_named({**entries.KAVENEGAR, "api_key": ""}), "one word of ASCII"),
        (_named({**entries.KAVENEGAR, "base_url": "kavenegar.com"}), "0.kavenegar.base_url"),
        (_named({**entries.KAVENEGAR, "templates": {}}), "templates.generic: Field required"),
        (_named({**entries.KAVENEGAR, "sender": "1"}), "0.kavenegar.sender: "),
        (_named({**entries.SMSIR, "templates": {"generic": "login"}}), "templates have numbers"),
        (
            _named({**entries.GENERIC, "base_url": "http://a", "form": {"a": "b"}}),
            "a request has one body",
        ),
        (
            {"HODHOD__TEXTS__SERVICE_FA": "پیام" * 20},
            "the fa text for android does not fit one SMS",
        ),
        ({"HODHOD__TEXTS__SERVICE_EN": "two\nlines"}, "texts.service_en: "),
        ({"HODHOD__TEXTS__APP_HASH": "short"}, "texts.app_hash: "),
        ({"HODHOD__TEXTS__WEB_HOST": "https://x"}, "texts.web_host: "),
    ],
)
def test_what_cannot_work_is_said_without_the_keys(
    runner: CliRunner, environment: dict[str, str], said: str
) -> None:
    failed = runner.invoke(hodhod, ["show-settings"], env=environment)
    assert failed.exit_code == 1
    assert said in failed.stderr
    assert "sekret" not in failed.output
    assert "two\nlines" not in failed.output


def test_callback_addresses_are_told_of_those_who_call(
    runner: CliRunner, config: dict[str, str]
) -> None:
    as_json = runner.invoke(hodhod, ["signup", "callbacks", "--json"], env=config)
    addresses = json.loads(as_json.stdout)
    assert list(addresses) == ["kavenegar", "kavenegar-voice", "mine"]
    start = "https://signup.example.org/v1/signup/callbacks/"
    assert all(address.startswith(f"{start}{name}/") for name, address in addresses.items())
    secrets = {address.rpartition("/")[2] for address in addresses.values()}
    assert len(secrets) == 3
    as_text = runner.invoke(hodhod, ["signup", "callbacks"], env=config)
    assert as_text.stdout.splitlines()[0] == f"kavenegar  {addresses['kavenegar']}"
    other = runner.invoke(
        hodhod, ["signup", "callbacks", "--json"], env={**config, MASTER: "n" * 40}
    )
    assert secrets & {one.rpartition("/")[2] for one in json.loads(other.stdout).values()} == set()


def test_what_is_missing_for_callbacks_is_said(runner: CliRunner, config: dict[str, str]) -> None:
    failed = runner.invoke(hodhod, ["signup", "callbacks"], env={**config, MASTER: ""})
    assert failed.exit_code == 1
    assert "security.master_key" in failed.stderr
    bare = {**MASTER_KEY, **_named(entries.KAVENEGAR)}
    shown = runner.invoke(hodhod, ["signup", "callbacks"], env=bare)
    assert shown.stdout.startswith("p0  /v1/signup/callbacks/p0/")
    assert "public.signup_url is not set" in shown.stderr
    nobody = runner.invoke(hodhod, ["signup", "callbacks"], env=MASTER_KEY)
    assert "no provider in the settings calls back" in nobody.stderr
