"""What nobody may find: a code, a number or a token in a log line, a metric or the database."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from hodhod_server import app
from hodhod_server.settings import Settings
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.newcomers import Door, Newcomer, ask, refresh
from tests.returners import by_recovery_key, inside, recovery_key, set_pin
from tests.signup_api.conftest import running, served


async def _live_through_everything(newcomer: Newcomer, clock: FakeClock) -> set[str]:
    """Each kind of answer once; returns what must not show anywhere."""
    newcomer.phone = "+989123456789"
    await newcomer.start_and_wait()
    assert (await newcomer.send_again()).status == 200
    clock.advance(490)
    await newcomer.texts(2)
    old, new = await newcomer.codes()
    assert old != new
    await newcomer.tell("seen")
    await newcomer.verify(await newcomer.wrong_code())
    await newcomer.verify("not a code")
    await newcomer.verify(new, None)
    session = await newcomer.verify(new, "نام رازآلود")
    assert session.status == 200
    next_session = await refresh(newcomer.door, session["refresh_token"])
    returned = await newcomer.return_by_key(session["device"])
    await refresh(newcomer.door, "unknown token")
    await ask(newcomer.door, "POST", "/v1/signup", json={"phone": "+989123456789"})
    tokens = [
        answer[name]
        for answer in (session, next_session, returned)
        for name in ("refresh_token", "access_token")
    ]
    spellings = ("+989123456789", "989123456789", "09123456789", "9123456789")
    return {old, new, newcomer.secret, *tokens, *spellings}


async def test_nothing_secret_is_logged_or_counted(
    newcomer: Newcomer,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as events:
        secrets = await _live_through_everything(newcomer, clock)
        assert events
    async with newcomer.door.get("/metrics") as response:
        metrics = await response.text()
    shown = capfd.readouterr()
    seen = "\n".join((json.dumps(events, default=repr), caplog.text, shown.out, shown.err, metrics))
    assert [secret for secret in secrets if secret in seen] == []
    assert "نام رازآلود" not in seen


async def test_neither_code_nor_number_nor_token_is_in_the_database(
    newcomer: Newcomer, clock: FakeClock, database: Database
) -> None:
    secrets = await _live_through_everything(newcomer, clock)
    async with database.connection() as connection:
        columns = await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type IN ('text', 'bytea')"
        )
        assert len(columns) > 10
        for table, column in columns:
            values = await connection.fetch(f"SELECT {column} AS value FROM {table}")
            for value in (row["value"] for row in values if row["value"] is not None):
                raw = value if isinstance(value, bytes) else value.encode()
                found = [item for item in secrets if item.encode() in raw]
                assert found == [], (table, column)


async def test_what_guards_an_account_is_neither_logged_nor_in_the_database(
    newcomer: Newcomer, gate: Door, clock: FakeClock, database: Database
) -> None:
    pin, wrong_pin = "pin-48151623", "pin-42108151"
    with structlog.testing.capture_logs() as events:
        session = await newcomer.sign_up()
        key = await recovery_key(gate, session)
        await set_pin(gate, session, pin)
        app = (await inside(gate, session, "POST", "/v1/me/totp"))["secret"]
        elsewhere = Newcomer(newcomer.door, clock, newcomer.phone)
        for shown in (wrong_pin, pin):
            await by_recovery_key(newcomer.door, elsewhere, key, pin=shown)
        token = (await inside(gate, session, "POST", "/v1/me/sign-out"))["return_token"]
        assert events
    secrets = (pin, wrong_pin, key, app, token)
    async with database.connection() as connection:
        rows = [
            await connection.fetch(f"SELECT * FROM {table}")
            for table in ("guards", "return_keys", "tries", "devices", "users")
        ]
    for secret in secrets:
        assert secret not in json.dumps(events, default=repr)
        assert secret not in repr(rows)


async def test_a_defect_does_not_write_the_number_to_the_log(
    settings: Settings, clock: FakeClock, database: Database
) -> None:
    async with database.connection() as connection:
        await connection.execute("ALTER TABLE challenges RENAME platform TO hidden")
    try:
        async with (
            app.signup(settings, clock) as parts,
            running(parts.loops),
            served(parts.app) as door,
        ):
            with structlog.testing.capture_logs(
                processors=[structlog.processors.format_exc_info]
            ) as events:
                answer = await Newcomer(door, clock, "+989123456789").start()
    finally:
        async with database.connection() as connection:
            await connection.execute("ALTER TABLE challenges RENAME hidden TO platform")
    assert answer.refusal == (500, "internal")
    assert "Traceback" in str(events)
    assert "9123456789" not in str(events)
