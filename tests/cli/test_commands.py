"""Commands say what they do, print data as JSON when asked, and fail with one sentence."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hodhod_server.cli.commands import hodhod
from hodhod_server.settings import DatabaseSettings, Settings

COMMANDS = (
    *(["up"], ["serve"], ["migrate"], ["migrate", "up"], ["migrate", "status"]),
    *(["signup"], ["signup", "callbacks"], ["signup", "funnel"], ["signup", "explain"]),
)
STORES = {"HODHOD__DATABASE__URL": "postgresql://h@/h", "HODHOD__REDIS__URL": "redis://h/0"}


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.mark.parametrize("command", [*COMMANDS, ["show-settings"]], ids=" ".join)
def test_every_command_has_help_with_examples(runner: CliRunner, command: list[str]) -> None:
    shown = runner.invoke(hodhod, [*command, "--help"])
    assert shown.exit_code == 0
    assert "Examples:" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["serve", "--role", "gateway"], {}, "database.url is not set"),
        (
            ["serve", "--role", "gateway"],
            {"HODHOD__DATABASE__URL": "postgresql://h@/h"},
            "redis.url is not set",
        ),
        (["serve", "--role", "all"], STORES, "security.master_key: the master key needs"),
        (["show-settings"], {"HODHOD__LISTEN__PORT": "http"}, "listen.port: "),
        (["show-settings"], {"HODHOD__LISTENING__PORT": "1"}, "no such section"),
        (["show-settings"], {"HODHOD__LISTEN": "9001"}, "listen: "),
        (["show-settings"], {"HODHOD_CONFIG": "/nowhere.toml"}, "/nowhere.toml: No such file"),
        (["show-settings"], {"HODHOD_CONFIG": __file__}, f"{__file__}: "),
        (["migrate", "status"], {}, "database.url is not set"),
        (["migrate", "status", "--data-dir", "/nowhere"], {}, "no `hodhod up` runs on /nowhere"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(
    runner: CliRunner, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    failed = runner.invoke(hodhod, arguments, env=environment)
    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert said in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_an_unreachable_database_is_said_in_one_sentence(runner: CliRunner) -> None:
    url = "postgresql://hodhod@/hodhod?host=/nowhere"
    failed = runner.invoke(hodhod, ["migrate", "up"], env={"HODHOD__DATABASE__URL": url})
    assert failed.exit_code == 1
    assert failed.stderr.startswith("Error: ")
    assert failed.stderr.count("\n") == 1


def test_migrate_lists_what_the_database_has(
    runner: CliRunner, database_settings: DatabaseSettings
) -> None:
    environment = {"HODHOD__DATABASE__URL": database_settings.url}
    shown = runner.invoke(hodhod, ["migrate", "status"], env=environment)
    assert shown.stdout.startswith("applied  0001_pre_accounts.sql\n")
    applied = runner.invoke(hodhod, ["migrate", "up"], env=environment)
    assert applied.stdout == "nothing to apply\n"
    as_json = runner.invoke(hodhod, ["migrate", "up", "--json"], env=environment)
    assert json.loads(as_json.stdout) == []


def test_show_settings_tells_values_and_hides_secrets(runner: CliRunner) -> None:
    environment = {
        "HODHOD__DATABASE__URL": "postgresql://hodhod:hunter2@db/hodhod",
        "HODHOD__SECURITY__MASTER_KEY": "hunter2" * 6,
        "HODHOD__LISTEN__PORT": "9001",
    }
    as_text = runner.invoke(hodhod, ["show-settings"], env=environment)
    as_json = runner.invoke(hodhod, ["show-settings", "--json"], env=environment)
    assert "listen.port = 9001\n" in as_text.stdout
    assert "redis.url = (not set)\n" in as_text.stdout
    values = json.loads(as_json.stdout)
    assert values["listen"]["port"] == 9001
    assert values["database"]["url"] == values["security"]["master_key"] == "***"
    assert "hunter2" not in as_text.output + as_json.output


def test_the_reference_of_settings_has_every_setting(runner: CliRunner) -> None:
    page = runner.invoke(hodhod, ["show-settings", "--markdown"]).stdout
    for section, field in Settings.model_fields.items():
        assert f"\n## {section}\n" in page
        model = field.annotation
        assert model is not None
        for name in model.__dataclass_fields__:
            variable = f"HODHOD__{section}__{name}".upper()
            row = next(line for line in page.splitlines() if f"`{variable}`" in line)
            assert all(cell.strip() for cell in row.strip("|").split(" | ")), row
