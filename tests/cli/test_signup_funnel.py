"""`hodhod signup funnel` and `explain`: what operators see of codes, from the real tables."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec
import pytest
from click.testing import CliRunner, Result

from hodhod_server.cli.commands import hodhod
from hodhod_server.domain.challenges import Challenge
from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.ids import ChallengeId, random_public_id
from hodhod_server.domain.ladder import SendKind, Ways
from hodhod_server.services.outlook import Prospect
from hodhod_server.services.signup import rules_of
from hodhod_server.settings import DatabaseSettings, SignupSettings
from hodhod_server.sms.breaker import BreakerSnapshot, Cause, Health
from hodhod_server.sms.choice import Candidate, Reason
from hodhod_server.sms.router import RoadSnapshot, RouterSnapshot
from hodhod_server.store import challenges, sends
from hodhod_server.store.database import Database

RULES: Final = rules_of(SignupSettings())
NOW: Final = SystemClock().now()
BEGAN: Final = NOW - timedelta(minutes=10)
PHONE: Final = b"+989121234567"
REASON: Final = Reason(
    SendKind.FIRST,
    (
        Candidate("alpha", 7.25, 1.5, 0.914, 120, Health.OK, ""),
        Candidate("beta", float("inf"), 0.0, 0.0, 90, Health.DEAD, str(Cause.SILENCE)),
    ),
    "least expected time to a code",
)


class Codes:
    """Challenges and hand-offs as the store writes them, at chosen seconds after `BEGAN`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, operator: str = "mci", at_s: float = 0.0, name: str = "") -> ChallengeId:
        challenge = ChallengeId(name or random_public_id())
        draft = Challenge(
            challenge=challenge,
            phone_hash=challenge.encode(),
            phone_sealed=PHONE,
            device_key=None,
            device_name="Pixel",
            platform="android",
            locale="fa",
            key_epoch=1,
            created_at=BEGAN + timedelta(seconds=at_s),
            operator=operator,
        )
        async with self._database.transaction() as tx:
            await challenges.start(tx, [draft], RULES)
        return challenge

    async def hand_over(
        self,
        name: ChallengeId,
        provider: str,
        at_s: float,
        *,
        kind: str = "first",
        outcome: str | None = "accepted",
        cost: int | None = None,
        receipt: str = "",
    ) -> None:
        began_at = BEGAN + timedelta(seconds=at_s)
        async with self._database.transaction() as tx:
            (known,) = await challenges.find_many(tx, [name])
            number = len(known.sends) + 1
            beginning = sends.Beginning(
                challenge=name,
                number=number,
                provider=provider,
                channel="sms",
                kind=kind,
                reason=msgspec.json.encode(REASON).decode(),
                began_at=began_at,
            )
            assert await sends.begin(tx, [beginning], RULES)
            if outcome is None:
                return
            answered = sends.Answered(
                challenge=name,
                number=number,
                outcome=outcome,
                answer="status 418, 989121234567",
                message_id=f"{name}{number}",
                cost=cost,
                answered_at=began_at + timedelta(seconds=0.5),
            )
            await sends.answer(tx, [answered])
            told = [sends.Told(provider, f"{name}{number}", receipt)] if receipt else []
            await sends.note_receipts(tx, told, began_at + timedelta(seconds=4))

    async def see(self, name: ChallengeId, at_s: float) -> None:
        async with self._database.transaction() as tx:
            await challenges.note_seen(tx, name, BEGAN + timedelta(seconds=at_s))

    async def mistype(self, name: ChallengeId, at_s: float) -> None:
        async with self._database.transaction() as tx:
            await challenges.add_wrong_try(tx, name, BEGAN + timedelta(seconds=at_s))

    async def prove(self, name: ChallengeId, at_s: float, by: str = "code") -> None:
        async with self._database.transaction() as tx:
            await challenges.accept(tx, name, BEGAN + timedelta(seconds=at_s), by)

    async def forget(self, name: ChallengeId) -> None:
        async with self._database.transaction() as tx:
            await tx.execute("DELETE FROM challenges WHERE challenge_id = $1", name)

    async def dispatch(self, *states: Health, ago_s: float = 0.0) -> None:
        """A dispatcher has told how alpha, beta … stand."""
        roads = tuple(
            RoadSnapshot(
                provider=name,
                breaker=BreakerSnapshot(
                    state=state,
                    cause=Cause.NONE if state is Health.OK else Cause.SILENCE,
                    openings=int(state is not Health.OK),
                    open_for_s=0.0 if state is Health.OK else 40.0,
                ),
                expected=1.0,
                observed=1.0,
                waited_s=1.0,
                pace_factor=1.0,
            )
            for name, state in zip(("alpha", "beta"), states, strict=False)
        )
        prospect = msgspec.msgpack.encode(Prospect((0.0, 0.5), Ways(sms_domains=2)))
        snapshot = msgspec.msgpack.encode(RouterSnapshot(roads=roads))
        async with self._database.transaction() as tx:
            at = SystemClock().now() - timedelta(seconds=ago_s)
            await sends.write_dispatch(tx, at, prospect, snapshot)


@pytest.fixture
def codes(database: Database) -> Codes:
    return Codes(database)


class Shell:
    """Runs commands against this test's database, each in a thread: it brings its own loop."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._environment = {
            "HODHOD__DATABASE__URL": settings.url,
            "HODHOD__DATABASE__STATEMENT_TIMEOUT_S": "2",
        }

    async def say(self, *arguments: str) -> str:
        done = await self._run(arguments)
        assert done.exit_code == 0, done.output
        return done.stdout

    async def ask(self, *arguments: str) -> Any:
        return json.loads(await self.say(*arguments, "--json"))

    async def refuse(self, *arguments: str) -> tuple[int, str]:
        done = await self._run(arguments)
        return done.exit_code, done.stderr

    async def _run(self, arguments: Sequence[str]) -> Result:
        words = ["signup", *arguments]
        return await asyncio.to_thread(CliRunner().invoke, hodhod, words, env=self._environment)


@pytest.fixture
def shell(database_settings: DatabaseSettings) -> Shell:
    return Shell(database_settings)


def _by_name(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


async def _story_of_a_surge(codes: Codes) -> None:
    """Alpha delivers to one; to another its text is lost and beta's hedge is typed."""
    quick, hedged = await codes.ask(), await codes.ask("irancell")
    await codes.hand_over(quick, "alpha", 1, cost=120, receipt="delivered")
    await codes.see(quick, 5)
    await codes.prove(quick, 7)
    await codes.hand_over(hedged, "alpha", 1, cost=120, receipt="undelivered")
    await codes.hand_over(hedged, "beta", 21, kind="hedge", cost=90)
    await codes.prove(hedged, 31)


async def test_a_typed_code_counts_for_the_newest_text_and_for_no_other(
    codes: Codes, shell: Shell
) -> None:
    await _story_of_a_surge(codes)
    told = await shell.ask("funnel")
    rows = _by_name(told["rows"])
    assert [rows[name]["verified"] for name in ("alpha", "beta")] == [1, 1]
    assert [rows[name]["taken"] for name in ("alpha", "beta")] == [2, 1]
    assert [rows[name]["share_verified"] for name in ("alpha", "beta")] == [0.5, 1.0]
    assert [rows[name]["p50_s"] for name in ("alpha", "beta")] == [6.0, 10.0]
    assert [rows[name]["cost"] for name in ("alpha", "beta")] == [240, 90]
    assert (rows["alpha"]["delivered"], rows["alpha"]["undelivered"]) == (1, 1)
    assert (rows["alpha"]["seen"], rows["beta"]["seen"]) == (1, 0)
    total = told["total"]
    assert (total["asked"], total["handed_over"], total["verified"]) == (2, 3, 2)
    assert (total["share_verified"], total["texts_per_success"], total["cost"]) == (1.0, 1.5, 330)
    assert (total["p50_s"], total["p95_s"]) == (18.0, pytest.approx(28.8))


async def test_rows_may_be_of_operators_channels_and_kinds(codes: Codes, shell: Shell) -> None:
    await _story_of_a_surge(codes)
    await codes.ask("rightel")
    told = await shell.ask("funnel", "--by", "operator")
    asked = {row["name"]: (row["asked"], row["handed_over"]) for row in told["rows"]}
    assert asked == {"irancell": (1, 2), "mci": (1, 1), "rightel": (1, 0)}
    assert told["untried"] == 1
    kinds = _by_name((await shell.ask("funnel", "--by", "kind"))["rows"])
    assert {name: row["verified"] for name, row in kinds.items()} == {"first": 1, "hedge": 1}
    assert list(_by_name((await shell.ask("funnel", "--by", "channel"))["rows"])) == ["sms"]


async def test_what_is_not_known_is_said_and_is_not_zero(codes: Codes, shell: Shell) -> None:
    silent, lost, texting = await codes.ask(), await codes.ask(), await codes.ask()
    await codes.hand_over(silent, "alpha", 1)
    await codes.hand_over(lost, "beta", 1, outcome=None)
    await codes.prove(texting, 9, by="message")
    (alpha, beta) = (await shell.ask("funnel"))["rows"]
    assert (alpha["delivered"], alpha["cost"], alpha["p50_s"]) == (None, None, None)
    assert (alpha["asked"], alpha["texts_per_success"], alpha["without_receipt"]) == (None, None, 1)
    assert (beta["taken"], beta["delivered"]) == (0, None)
    said = await shell.say("funnel")
    assert "alpha: no receipt has come; `delivered` is not known" in said
    assert "1 hand-offs without an answer: under way, or their process died" in said
    assert "1 proved their number without typing a code" in said
    assert "1 texts whose cost nobody has told: not in the sum" in said
    assert "no process has ever dispatched" in said


async def test_texts_whose_challenge_is_forgotten_do_not_look_like_failures(
    codes: Codes, shell: Shell
) -> None:
    await _story_of_a_surge(codes)
    old = await codes.ask()
    await codes.hand_over(old, "alpha", 2, cost=120)
    await codes.forget(old)
    told = await shell.ask("funnel")
    assert told["forgotten"] == 1
    assert _by_name(told["rows"])["alpha"]["share_verified"] == 0.5
    assert told["total"]["texts_per_success"] == 1.5


async def test_only_what_was_asked_for_since_is_counted(codes: Codes, shell: Shell) -> None:
    await _story_of_a_surge(codes)
    assert (await shell.ask("funnel", "--since", "5m"))["total"]["asked"] == 0
    date = f"{BEGAN - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}"
    assert (await shell.ask("funnel", "--since", date))["total"]["asked"] == 2
    code, said = await shell.refuse("funnel", "--since", "yesterday")
    assert code == 2
    assert "'yesterday' is neither like 30m" in said


async def test_the_table_is_for_people(codes: Codes, shell: Shell) -> None:
    await _story_of_a_surge(codes)
    await codes.dispatch(Health.OK, Health.DEAD)
    lines = (await shell.say("funnel")).splitlines()
    assert lines[0].endswith(" UTC, by provider")
    assert lines[2].split() == [
        *("alpha", "–", "2", "2", "1", "0", "1", "1", "50.0", "%", "6.0", "6.0", "2.00", "240")
    ]
    assert len({len(line) for line in lines[1:5]}) == 1
    cause = "accepted codes are not typed"
    assert f"beta: dead ({cause}), opened 1×, tried again in 40 s" in lines
    await codes.dispatch(Health.OK, Health.OK, ago_s=60)
    assert "no process has dispatched for 6" in await shell.say("funnel")


async def test_a_challenge_is_told_from_beginning_to_end(codes: Codes, shell: Shell) -> None:
    name = await codes.ask("irancell")
    await codes.hand_over(name, "beta", 1, outcome="provider_fault")
    await codes.hand_over(name, "alpha", 2, kind="failover", cost=120, receipt="delivered")
    await codes.mistype(name, 8)
    await codes.see(name, 9)
    await codes.prove(name, 10)
    told = await shell.ask("explain", name)
    assert [item["what"] for item in told["happenings"]] == [
        *("asked", "handed_over", "answered", "handed_over", "answered", "receipt"),
        *("wrong_codes", "seen", "accepted"),
    ]
    assert told["happenings"][1]["why"]["candidates"][0]["score_s"] == 7.25
    assert told["happenings"][1]["why"]["candidates"][1]["score_s"] is None
    said = await shell.say("explain", name)
    assert f"challenge {name}: operator irancell, program generic" in said
    assert "+1.0 s   hand-off 1, first, sms, code 1, through beta: least expected" in said
    assert "alpha: 7.2 s expected, of it waiting 1.5 s, success 91 %, cost 120 (ok)" in said
    assert "beta: left out, accepted codes are not typed (dead)" in said
    assert "hand-off 1: beta answers provider_fault (status 418, …)" in said
    assert "hand-off 2: alpha answers accepted (status 418, …), cost 120" in said
    assert "+6.0 s   hand-off 2: alpha reports delivered" in said
    assert "1 wrong code in all" in said
    assert "+10.0 s   the number is proved, by code" in said


async def test_a_story_names_no_person(codes: Codes, shell: Shell) -> None:
    name = await codes.ask()
    await codes.hand_over(name, "alpha", 1)
    for said in (await shell.say("explain", name), await shell.say("explain", name, "--json")):
        assert "1234567" not in said
        assert "Pixel" not in said


@pytest.mark.parametrize("name", ["-hZP0pZcTJmLYb1b2u7F1A", "--jsonZcTJmLYb1b2u7F1-"])
async def test_an_id_may_begin_with_a_dash(codes: Codes, shell: Shell, name: str) -> None:
    await codes.ask(name=name)
    assert (await shell.ask("explain", name))["challenge"] == name
    assert f"challenge {name}: " in await shell.say("explain", name)


async def test_a_challenge_that_lives_is_told_with_its_next_step(
    codes: Codes, shell: Shell
) -> None:
    late_s = (SystemClock().now() - BEGAN).total_seconds()
    name = await codes.ask(at_s=late_s)
    assert "now: queued; nothing follows while no process dispatches" in await shell.say(
        "explain", name
    )
    await codes.dispatch(Health.OK, Health.OK)
    await codes.hand_over(name, "alpha", late_s)
    told = await shell.ask("explain", name)
    assert (told["state"], told["next"]["kind"], told["next"]["channel"]) == (
        "sent",
        "hedge",
        "sms",
    )
    assert "now: sent; next: hedge, sms, at " in await shell.say("explain", name)
    await codes.prove(name, late_s + 1)
    assert (await shell.ask("explain", name))["next"] is None


async def test_hand_offs_that_outlive_their_challenge_are_still_told(
    codes: Codes, shell: Shell
) -> None:
    name = await codes.ask("irancell")
    await codes.hand_over(name, "alpha", 1)
    await codes.forget(name)
    said = await shell.say("explain", name)
    assert "through alpha" in said
    assert said.endswith("now: how it ended is not kept any more, only its hand-offs\n")


async def test_an_unknown_challenge_is_said_in_one_sentence(shell: Shell) -> None:
    code, said = await shell.refuse("explain", "nobody")
    assert code == 1
    assert said == (
        "Error: there is no such challenge: the id is wrong, or it is older than what is kept\n"
    )


async def test_a_database_that_gives_up_is_said_in_one_sentence(
    database: Database, shell: Shell
) -> None:
    async with database.transaction() as tx:
        await tx.execute("LOCK TABLE sends IN ACCESS EXCLUSIVE MODE")
        code, said = await shell.refuse("funnel")
    assert code == 1
    assert said.splitlines()[-1].startswith("Error: the database is gone, or gave up counting")
