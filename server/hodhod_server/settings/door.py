"""The settings of the door: what a newcomer pays, when one waits, and whom limits stop.

A soft limit is a price (proof of work), a hard one a refusal or, where texts are abused, the
invitation to text us instead. `docs/explanation/newcomers-at-the-door.md` tells against whom.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from hodhod_server.settings.fields import SECTION, Positive, PositiveS

Share = Annotated[float, Field(ge=0, le=1)]
Countries = dict[Annotated[str, Field(pattern=r"[1-9][0-9]{0,5}")], Annotated[int, Field(ge=0)]]


@dataclass(config=SECTION, kw_only=True)
class DoorSettings:
    """[door] Newcomers: limits, proof of work, the waiting room."""

    trusted_proxies: tuple[str, ...] = ()
    """Networks whose `X-Forwarded-For` is believed. Nobody else's: it can be made up."""

    carrier_networks: tuple[str, ...] = ("100.64.0.0/10",)
    """Where a carrier's NAT puts many people behind one address: ten times as much is usual there,
    and nobody is refused because of the address."""

    carrier_factor: Positive = 10
    """How many times the limits of an address count in `carrier_networks`."""

    countries: Countries = Field(default_factory=lambda: {"98": 0})
    """Calling codes that get texts, with the most in a day; 0: no cap. Toll fraud is foreign."""

    phone_devices_soft: Positive = 2
    """Devices that ask for one number in an hour; more pay. People have a phone and a laptop."""

    phone_devices_hard: Positive = 5
    """Devices that ask for one number in an hour; more are refused: somebody is being bombed."""

    device_phones_soft: Positive = 2
    """Numbers one device key asks for in a day; more pay. Two SIM cards are usual."""

    device_phones_hard: Positive = 3
    """Numbers one device key asks for in a day; more are refused."""

    device_phones_week: Positive = 5
    """Numbers one device key asks for in a week; more are refused."""

    ipv4_soft: Positive = 20
    """Unanswered starts of an IPv4 address in ten minutes; more pay. A school or an office."""

    ipv4_hard: Positive = 300
    """Unanswered starts of an IPv4 address in ten minutes; more are refused where nobody enters
    codes (`barren_…`), unless the address is a carrier's."""

    ipv6_soft: Positive = 10
    """The same for an IPv6 /64, which is one customer."""

    ipv6_hard: Positive = 60
    """The same for an IPv6 /64."""

    network_usual_min: PositiveS = 20.0
    """Unanswered starts in ten minutes that are usual for any /24 (IPv6: /48)."""

    network_soft: PositiveS = 8.0
    """Multiple of its own usual number from which a network pays. Relative: a surge is no crime."""

    network_hard: PositiveS = 30.0
    """Multiple of its own usual number from which a network is refused, as an address is."""

    neighbourhood_soft: Positive = 4
    """Unanswered texts in an hour that a /16 (IPv6: /32) has asked for; more pay 2 s. Each code
    that came back from there allows one more. So bots that pay 0.3 s stop before it can be known
    that no code comes back; a carrier's people bring theirs back within seconds."""

    block_soft: Positive = 20
    """Unanswered texts in an hour to a block of 10,000 numbers; more pay. A surge brings 1.5. A
    quarter of it where none was answered so far."""

    block_hard: Positive = 50
    """Unanswered texts in an hour to a block of 10,000 numbers; more: text us instead."""

    barren_sent: Positive = 30
    """Texts to a block, or starts at an address, after which it is looked who enters codes."""

    barren_share: Share = 0.15
    """Fewer codes entered than this share: nobody is there. People enter codes, pumping never."""

    barren_s: Positive = 21_600
    """At least so long, and at most twice, a barren block or address gets no text; it texts us."""

    unproven_max: Positive = 200
    """Unanswered texts in an hour, all in all, that cost nothing. Beyond it everybody pays 0.3 s:
    a flood that does not pay gets no more than these."""

    forgiven_per_code: Positive = 2
    """Starts forgiven for each code that was entered: who enters codes is a NAT and not a bot."""

    wrong_codes_network: Positive = 100
    """Wrong codes from a /24 in ten minutes; then `verify` has a price there. Against spraying."""

    wrong_codes_alarm: PositiveS = 5.0
    """Multiple of the usual rate of wrong codes that raises the alarm."""

    budget_per_day: Annotated[int, Field(ge=0)] = 0
    """Money for texts in a day (UTC), in the unit of `cost`; 0: no limit. Spent: text us instead;
    at 50 % and 80 % there is an alert."""

    remembered_max: Positive = 50_000
    """Keys of each kind of limit (twice as many at most) in one process; the least recent go."""

    proof_cost: Positive = 100
    """PBKDF2 iterations of one guess. The server makes one itself for each price it names."""

    proof_guesses: tuple[Positive, Positive, Positive] = (3_000, 20_000, 80_000)
    """Guesses for the prices 1 to 3: about 0.3 s, 2 s and 8 s of a middling phone."""

    proof_s: Positive = 120
    """How long a price is good for. Short: nobody saves proofs up."""

    proofs_max: Positive = 200_000
    """Proofs remembered so that each is used once; more at a time are refused as overloaded."""

    room_opens_s: PositiveS = 3.0
    """Predicted wait for a text from which newcomers wait in the room. Longer looks broken."""

    room_fill: Share = 0.75
    """The queue behind the room is kept at this share of `room_opens_s`, so no capacity idles."""

    room_returns_s: PositiveS = 60.0
    """Who does not come back for so long after their time is parked: nobody waits for them."""

    room_parked_s: PositiveS = 900.0
    """So long a parked place is kept."""

    room_text_us_s: PositiveS = 180.0
    """Promised wait from which people are told to text us first: that needs no capacity of ours."""

    room_wait_max_s: PositiveS = 1_800.0
    """Promised wait from which nobody else is let into the room: come back later."""

    invited_share: Share = 0.1
    """Share of the room's capacity for people an active account has invited."""

    invites_per_week: Positive = 10
    """Vouchers of one account in a week: friends and family. More would be a trade in places."""

    invites_from_s: Annotated[float, Field(ge=0)] = 86_400.0
    """How old an account has to be to vouch for others. A surge is over by then, so a farm's new
    accounts cannot fill the lane of invited people."""
