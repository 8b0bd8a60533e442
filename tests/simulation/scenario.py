"""What happens in a run, drawn from its seed before it begins: people, chats, messages, faults."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hodhod_server.domain.memberships import ChatKind

TALK_S: Final = (2.0, 20.0)  # how long people write and things break
SENTENCES: Final = (4, 30)
MANY_SENTENCES: Final = (60, 150)  # more than a page of a sync holds
AROUND_S: Final = (-5.0, -0.5, -0.02, 0.02, 0.5)
BROADCAST_MEMBERS: Final = 3  # in the world there are 256
LONG_TEXT: Final = "x" * 4000  # enough of them fill a send queue


class Kind(StrEnum):
    """What may go wrong."""

    KILL_GATEWAY = "kill_gateway"
    STOP_GATEWAY = "stop_gateway"
    CRASH_REDIS = "crash_redis"
    CUT_BUS = "cut_bus"
    CRASH_POSTGRES = "crash_postgres"
    FREEZE_POSTGRES = "freeze_postgres"
    FAIL_STATEMENTS = "fail_statements"
    CHANGE_CHAT = "change_chat"
    CRASH_DEVICE = "crash_device"
    STOP_DEVICE = "stop_device"
    CUT_LINK = "cut_link"
    STALL_LINK = "stall_link"
    SLOW_LINK = "slow_link"
    PARTITION = "partition"


LASTS_S: Final[dict[Kind, tuple[float, float]]] = {
    Kind.KILL_GATEWAY: (0.1, 10.0),
    Kind.STOP_GATEWAY: (0.1, 5.0),
    Kind.CRASH_REDIS: (0.1, 8.0),
    Kind.CUT_BUS: (0.5, 25.0),
    Kind.CRASH_POSTGRES: (0.1, 8.0),
    Kind.FREEZE_POSTGRES: (0.1, 10.0),
    Kind.FAIL_STATEMENTS: (0.5, 10.0),
    Kind.CHANGE_CHAT: (0.0, 0.0),
    Kind.CRASH_DEVICE: (0.1, 10.0),
    Kind.STOP_DEVICE: (5.0, 10.0),
    Kind.CUT_LINK: (0.0, 0.0),
    Kind.STALL_LINK: (0.5, 60.0),
    Kind.SLOW_LINK: (1.0, 30.0),
    Kind.PARTITION: (0.5, 30.0),
}


HEALS_ALONE: Final = frozenset({Kind.CHANGE_CHAT, Kind.CUT_LINK, Kind.STALL_LINK, Kind.SLOW_LINK})


@dataclass(frozen=True, slots=True)
class Sentence:
    """A person writes a message on a device."""

    at_s: float
    device: int
    chat: int
    client_id: int
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something breaks, and heals after a while. `target` is taken modulo what there is."""

    at_s: float
    kind: Kind
    target: int
    lasts_s: float
    coin: bool


@dataclass(frozen=True, slots=True)
class Talk:
    """A chat and the users in it."""

    members: list[int]
    kind: ChatKind
    is_broadcast: bool


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run. `devices` are the users they belong to."""

    talk_s: float
    gateways: int
    users: int
    devices: list[int]
    chats: list[Talk]
    sentences: list[Sentence]
    faults: list[Fault]
    latency_s: float
    bus_latency_s: float
    doubles: float


def draw(dice: random.Random, kinds: Sequence[Kind] = tuple(Kind)) -> Scenario:
    """A scenario. Some have no faults: what breaks there is broken without any."""
    talk_s = dice.uniform(*TALK_S)
    users = dice.randint(2, 4)
    devices = [
        *range(1, users + 1),
        *(dice.randint(1, users) for _ in range(dice.choice([0, 0, 1, 2]))),
    ]
    chats = [_talk(dice, users) for _ in range(dice.randint(1, 3))]
    return Scenario(
        talk_s=talk_s,
        gateways=dice.choice([1, 2, 2, 3]),
        users=users,
        devices=devices,
        chats=chats,
        sentences=(sentences := _sentences(dice, talk_s, devices, chats)),
        faults=_faults(dice, sentences, kinds),
        latency_s=dice.choice([0.002, 0.02, 0.15]),
        bus_latency_s=dice.choice([0.001, 0.001, 0.1]),
        doubles=dice.choice([0.0, 0.0, 0.2]),
    )


def _talk(dice: random.Random, users: int) -> Talk:
    """Two people, or a group that names its members, or one that is broadcast to."""
    members = sorted(dice.sample(range(1, users + 1), dice.randint(2, users)))
    kind = ChatKind.PRIVATE if len(members) == 2 and dice.random() < 0.5 else ChatKind.GROUP
    is_large = len(members) > BROADCAST_MEMBERS or dice.random() < 0.3
    return Talk(members, kind, is_broadcast=kind is ChatKind.GROUP and is_large)


def _sentences(
    dice: random.Random, talk_s: float, devices: list[int], chats: list[Talk]
) -> list[Sentence]:
    """People write in bursts; one in four runs has long texts."""
    sentences: list[Sentence] = []
    text = LONG_TEXT if dice.random() < 0.25 else "hi"
    wanted = dice.randint(*(MANY_SENTENCES if dice.random() < 0.05 else SENTENCES))
    while len(sentences) < wanted:
        chat = dice.randrange(len(chats))
        device = dice.choice([i for i, user in enumerate(devices) if user in chats[chat].members])
        at_s = dice.uniform(0.0, talk_s)
        for _ in range(dice.choice([1, 1, 2, 5, 12])):
            name = dice.getrandbits(52) + 1
            sentences.append(Sentence(at_s, device, chat + 1, name, text))
            at_s += dice.choice([0.0, 0.0, 0.05])
    return sorted(sentences, key=lambda one: one.at_s)


def _faults(
    dice: random.Random, sentences: list[Sentence], possible: Sequence[Kind]
) -> list[Fault]:
    """A few kinds at a time: with all of them at once little ever gets through.

    Most fall into the moments around a message, where there is something to break.
    """
    kinds = dice.sample(possible, min(len(possible), dice.randint(1, 4)))
    moments = dice.choice(
        [sentences, sentences[-3:]]
    )  # after the last ones nothing tells of a loss
    return [
        Fault(
            at_s=max(0.0, dice.choice(moments).at_s + dice.choice(AROUND_S) * dice.random()),
            kind=(kind := dice.choice(kinds)),
            target=dice.randrange(60),
            lasts_s=dice.uniform(*LASTS_S[kind]),
            coin=dice.random() < 0.5,
        )
        for _ in range(dice.choice([0, 1, 2, 4, 8, 12]))
    ]
