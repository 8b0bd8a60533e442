"""`hodhod signup explain`: what happened to one code, and why."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import click
import msgspec

from hodhod_server import settings
from hodhod_server.cli.database_choice import chosen_database, database_options
from hodhod_server.domain.challenges import UNPROVEN
from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.errors import ChallengeNotFound
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.ladder import LadderRules
from hodhod_server.services.signup import rules_of
from hodhod_server.services.stories import Happening, Stories, Story, Weighed, What
from hodhod_server.settings import DatabaseSettings, SignupSettings
from hodhod_server.store.database import open_database

DASHED_ID: Final = re.compile(r"-[\w-]{21}", re.ASCII)
INDENT: Final = " " * 26


class _OfOne(click.Command):
    """Takes an id that begins with a dash, as one in 64 does, for an id."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ids = [word for word in args if DASHED_ID.fullmatch(word)]
        if ids and "--" not in args:
            args = [*(word for word in args if word not in ids), "--", *ids]
        return super().parse_args(ctx, args)


@click.command(cls=_OfOne)
@click.argument("challenge", metavar="ID")
@database_options
def explain(challenge: str, data_dir: Path | None, as_json: bool) -> None:
    """What happened to the code of one challenge, and why.

    ID is what `POST /v1/signup` answered with. Told is what was done; never the number, the code
    or the text.

    \b
    Examples:
      hodhod signup explain QcZP0pZcTJmLYb1b2u7F1A
      hodhod signup explain QcZP0pZcTJmLYb1b2u7F1A --json
    """
    own = settings.load().signup
    try:
        story = asyncio.run(_tell(chosen_database(data_dir), own, ChallengeId(challenge)))
    except ChallengeNotFound:
        raise click.ClickException(
            "there is no such challenge: the id is wrong, or it is older than what is kept"
        ) from None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(story)).decode())
        return
    for line in _lines(story):
        click.echo(line)


async def _tell(database: DatabaseSettings, own: SignupSettings, challenge: ChallengeId) -> Story:
    ladder = LadderRules(hedge_s=own.hedge_s)
    async with open_database(database, "signup-explain") as opened:
        return await Stories(opened, SystemClock(), rules_of(own), ladder).tell(challenge)


def _lines(story: Story) -> Iterator[str]:
    about = [f"operator {story.operator or 'unknown'}"]
    if story.client is not None:
        about.append(f"program {story.client}")
    yield f"challenge {story.challenge}: {', '.join(about)}"
    day = None
    for item in story.happenings:
        if item.at.date() != day:
            day = item.at.date()
            yield f"{day} UTC"
        yield f"{item.at:%H:%M:%S.%f}"[:-3] + f"  {f'+{item.after_s:.1f} s':>9}   {_words(item)}"
        if item.why is not None:
            for weighed in item.why.candidates:
                yield f"{INDENT}{_weighed(weighed)}"
    yield _end(story)


def _words(item: Happening) -> str:
    return TELLERS[item.what](item)


def _handed_over(item: Happening) -> str:
    why = f": {item.why.words}" if item.why is not None and item.why.words else ""
    return (
        f"hand-off {item.number}, {item.kind}, {item.channel}, code {item.code}, "
        f"through {item.provider}{why}"
    )


def _answered(item: Happening) -> str:
    answer = f" ({item.answer})" if item.answer else ""
    cost = "" if item.cost is None else f", cost {item.cost:,}"
    return f"hand-off {item.number}: {item.provider} answers {item.outcome}{answer}{cost}"


def _wrong_codes(item: Happening) -> str:
    words = "wrong code" if item.count == 1 else "wrong codes"
    return f"{item.count} {words} in all; this is when the last came"


def _signed_in(item: Happening) -> str:
    return f"signed in: {'a new account' if item.is_new else 'an account that was there'}"


TELLERS: Final[Mapping[What, Callable[[Happening], str]]] = {
    What.ASKED: lambda _: "a code was asked for",
    What.HANDED_OVER: _handed_over,
    What.ANSWERED: _answered,
    What.RECEIPT: lambda item: f"hand-off {item.number}: {item.provider} reports {item.receipt}",
    What.SEEN: lambda _: "the program has the text",
    What.CALL_WANTED: lambda _: "a call was asked for",
    What.WRONG_CODES: _wrong_codes,
    What.ACCEPTED: lambda item: f"the number is proved, by {item.by}",
    What.SIGNED_IN: _signed_in,
    What.CANCELLED: lambda _: "cancelled by the newcomer",
}


def _weighed(item: Weighed) -> str:
    if item.score_s is None:
        return f"{item.provider}: left out, {item.why_not or 'reason unknown'} ({item.state})"
    wait = "" if not item.wait_s else f", of it waiting {item.wait_s:.1f} s"
    return (
        f"{item.provider}: {item.score_s:.1f} s expected{wait}, "
        f"success {100 * item.success:.0f} %, cost {item.cost:,} ({item.state})"
    )


def _end(story: Story) -> str:
    if story.state is None:
        return "now: how it ended is not kept any more, only its hand-offs"
    if story.next is not None:
        step = story.next
        return f"now: {story.state}; next: {step.kind}, {step.channel}, at {step.at:%H:%M:%S} UTC"
    if story.state not in UNPROVEN:
        return f"now: {story.state}"
    if not story.is_dispatched:
        return f"now: {story.state}; nothing follows while no process dispatches"
    return f"now: {story.state}; nothing more is planned"
