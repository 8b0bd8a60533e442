"""Who may have a text, at what price, and who not: the limits of the door.

Everything is counted in this process, in tables that never grow beyond their bound, by keyed
hashes that mean nothing outside. What several processes have counted is added up from snapshots;
without them each counts for itself: starts fail open. A code that comes back forgives starts,
so an address where people enter codes is a NAT and not a bot, and no city is refused for it.

Always true: a soft limit only raises the price; an address alone never refuses anybody.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from hodhod_server.domain.addresses import REMEMBERED, AnyAddress, Networks, origin_of
from hodhod_server.domain.counting import Baselines, Conversions, Counts
from hodhod_server.domain.keys import sign
from hodhod_server.domain.phone import Phone
from hodhod_server.domain.secret import Secret
from hodhod_server.settings.door import DoorSettings
from hodhod_server.telemetry import logs, metrics

log = logs.get("door")
MINUTES_S: Final = 600.0
HOUR_S: Final = 3_600.0
DAY_S: Final = 86_400.0
WEEK_S: Final = 604_800.0
LEVEL_MAX: Final = 3
STEEP: Final = 4.0  # so many times over a soft limit, the price is the highest
UNKNOWN: Final = 4  # of the soft limit, so many times less where nobody has answered yet
BLOCK_DIGITS: Final = 4
ALL: Final = 0
KEY_BYTES: Final = 8
HOLDER_BYTES: Final = 12
FEW_ANSWER: Final = 0.5  # of the texts that were sent; of people, nine in ten do
WRONG_USUAL_MIN: Final = 20.0


class Place(msgspec.Struct, frozen=True):
    """Where somebody comes from: the customer's address, the network and the neighbourhood around,
    as keys."""

    customer: int
    network: int
    neighbourhood: int
    is_v6: bool
    is_carrier: bool


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody at the door, as keys; a key means nothing without the installation's secret."""

    phone: int
    block: int
    country: str | None
    device: int | None
    pair: int
    place: Place | None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the limits say: a price, a refusal until later, or no text at all."""

    level: int = 0
    retry_after_s: float | None = None
    is_served: bool = True
    is_inbound_only: bool = False
    reasons: tuple[str, ...] = ()


class NewcomerLimits:
    """All limits of `[door]` but the waiting room's."""

    def __init__(self, settings: DoorSettings, key: Secret) -> None:
        own, most = settings, settings.remembered_max
        self._settings = settings
        self._key = key.reveal()
        self._holder_key = key
        self._carriers = Networks(own.carrier_networks)
        self._country_keys = {
            country: self._hash(b"country", country.encode()) for country in ("", *own.countries)
        }
        # Somebody is asked for at the start, at its payment, at the code and at the welcome.
        self._place_of = functools.lru_cache(REMEMBERED)(self._find_place)
        self._pairs = Counts(WEEK_S, most, shared_from=1 << 20)
        self._recent = Counts(MINUTES_S, most, shared_from=1 << 20)
        self._phones = Counts(HOUR_S, most)
        self._device_days = Counts(DAY_S, most)
        self._device_weeks = Counts(WEEK_S, most)
        self._customers = Counts(MINUTES_S, most, shared_from=max(2, own.ipv6_soft // 2))
        self._blocks = Counts(HOUR_S, most, shared_from=max(2, own.block_soft // 4))
        self._neighbourhoods = Counts(HOUR_S, most // 4, shared_from=2)
        self._countries = Counts(DAY_S, 1_000, shared_from=1)
        self._unproven = Counts(HOUR_S, 1, shared_from=1)
        self._wrong = Counts(MINUTES_S, most, shared_from=max(2, own.wrong_codes_network // 4))
        self._networks = Baselines(MINUTES_S, most // 4, usual_min=own.network_usual_min)
        self._all_wrong = Baselines(MINUTES_S, 1, usual_min=WRONG_USUAL_MIN)
        self._block_texts = Conversions(most)
        self._all_texts = Conversions(1)
        self._customer_texts = Conversions(most // 4)
        self._neighbourhood_texts = Conversions(most // 4)
        self._knocks = Conversions(most // 4)
        self._barred = Counts(own.barren_s, most // 4, shared_from=1)
        self._shared: Mapping[str, Counts] = {
            "phones": self._phones,
            "device_days": self._device_days,
            "device_weeks": self._device_weeks,
            "customers": self._customers,
            "neighbourhoods": self._neighbourhoods,
            "blocks": self._blocks,
            "countries": self._countries,
            "unproven": self._unproven,
            "wrong": self._wrong,
            "barred": self._barred,
        }

    def source(self, phone: Phone, device_key: bytes | None, address: AnyAddress | None) -> Source:
        """Who is asking, as keys."""
        e164 = phone.e164
        place = self._place_of(address)
        device = None if device_key is None else self._hash(b"device", device_key)
        whence = device_key or (b"" if place is None else place.customer.to_bytes(KEY_BYTES))
        return Source(
            phone=self._hash(b"phone", e164.encode()),
            block=self._hash(b"block", e164[:-BLOCK_DIGITS].encode()),
            country=self._country(e164),
            device=device,
            pair=self._pair(phone, whence),
            place=place,
        )

    def judge(self, source: Source, now_s: float) -> Verdict:
        """What this start costs, if it may be. Looks only; `note_knock` and `note_start` count."""
        if source.country is None:
            return Verdict(is_served=False, reasons=("country",))
        refusal = self._refusal(source, now_s)
        if refusal is not None:
            return refusal
        prices = dict(self._prices(source, now_s))
        level = max(prices.values(), default=0)
        if len(prices) > 1:  # two small suspicions make a bigger one
            level = min(LEVEL_MAX, level + 1) if "calm_is_over" not in prices else level
        bars = tuple(self._bars(source, now_s))
        return Verdict(level=level, is_inbound_only=bool(bars), reasons=bars or tuple(prices))

    def note_knock(self, source: Source, now_s: float) -> None:
        """Somebody asks, whether or not they get what they ask for."""
        place = source.place
        if place is not None:
            self._customers.add(place.customer, now_s)
            self._networks.add(place.network, now_s)
            self._knocks.note_sent(place.customer, now_s)
            self._knocks.note_sent(place.network, now_s)

    def is_repeat(self, source: Source, now_s: float) -> bool:
        """Was this device let in for this number a moment ago? Then no second text goes out."""
        return source.device is not None and self._recent.estimate(source.pair, now_s) > 0

    def was_let_in(self, phone: Phone, device_key: bytes | None, now_s: float) -> bool:
        """The same, before anything else is known of them."""
        if device_key is None:
            return False
        return self._recent.estimate(self._pair(phone, device_key), now_s) > 0

    def note_let_in(self, source: Source, now_s: float) -> None:
        """Their turn has come."""
        self._recent.add(source.pair, now_s)

    def note_start(self, source: Source, now_s: float, *, gets_text: bool) -> None:
        """Somebody was let in, or into the room, and is going to get a text."""
        if not self._pairs.estimate(source.pair, now_s):
            self._phones.add(source.phone, now_s)
            if source.device is not None:
                self._device_days.add(source.device, now_s)
                self._device_weeks.add(source.device, now_s)
        self._pairs.add(source.pair, now_s)
        if not gets_text:
            return
        self._unproven.add(ALL, now_s)
        self._all_texts.note_sent(ALL, now_s)
        self._blocks.add(source.block, now_s)
        self._block_texts.note_sent(source.block, now_s)
        self._countries.add(self._country_keys[source.country or ""], now_s)
        place = source.place
        if place is not None:
            self._neighbourhoods.add(place.neighbourhood, now_s)
            self._neighbourhood_texts.note_sent(place.neighbourhood, now_s)
            self._customer_texts.note_sent(place.customer, now_s)
        self._bar_if_barren(source, now_s)

    def note_verified(self, phone: Phone, now_s: float) -> None:
        """The number has been proved: its block is alive."""
        block = self._hash(b"block", phone.e164[:-BLOCK_DIGITS].encode())
        self._block_texts.note_answered(block, now_s)
        self._blocks.forgive(block, now_s, self._settings.forgiven_per_code)
        self._unproven.forgive(ALL, now_s, 1)
        self._all_texts.note_answered(ALL, now_s)

    def note_welcome(self, address: AnyAddress | None, now_s: float) -> None:
        """Somebody at this address has entered the right code: people live there."""
        place = self._place_of(address)
        if place is None:
            return
        forgiven = self._settings.forgiven_per_code
        self._customer_texts.note_answered(place.customer, now_s)
        self._customers.forgive(place.customer, now_s, forgiven)
        self._knocks.note_answered(place.customer, now_s)
        self._knocks.note_answered(place.network, now_s)
        self._networks.add(place.network, now_s, -forgiven)
        self._neighbourhoods.forgive(place.neighbourhood, now_s, forgiven)
        self._neighbourhood_texts.note_answered(place.neighbourhood, now_s)

    def note_wrong(self, address: AnyAddress | None, now_s: float) -> None:
        """A wrong code came from this address."""
        was = self._all_wrong.ratio(ALL, now_s)
        self._all_wrong.add(ALL, now_s)
        if was < self._settings.wrong_codes_alarm <= self._all_wrong.ratio(ALL, now_s):
            metrics.DOOR_ALARMS.labels("wrong_codes").inc()
            log.warning("door.wrong_codes_rose")
        place = self._place_of(address)
        if place is not None:
            self._wrong.add(place.network, now_s)

    def price_of_verifying(self, address: AnyAddress | None, now_s: float) -> int:
        """The price of one more try from there."""
        place = self._place_of(address)
        if place is None:
            return 0
        wrong = self._wrong.estimate(place.network, now_s)
        most = self._settings.wrong_codes_network * self._factor(place)
        return 0 if wrong < most else 1 if wrong < STEEP * most else 2

    def shared(self) -> dict[str, dict[int, int]]:
        """What the other processes, and our own successor, should know."""
        return {name: counts.shared() for name, counts in self._shared.items()}

    def learn(self, others: Iterable[Mapping[str, Mapping[int, int]]]) -> None:
        """What the others have counted, instead of what they had before."""
        told = list(others)
        for name, counts in self._shared.items():
            counts.learn(snapshot.get(name, {}) for snapshot in told)

    def restore(self, snapshot: Mapping[str, Mapping[int, int]]) -> None:
        """Go on where an earlier process has stopped."""
        for name, counts in self._shared.items():
            counts.restore(snapshot.get(name, {}))

    def holder(self, phone: Phone, device_key: bytes | None) -> bytes:
        """Who a place in line belongs to: the number, on this device."""
        parts = (b"holder", phone.e164.encode(), device_key or b"")
        return sign(self._holder_key, *parts)[:HOLDER_BYTES]

    def _hash(self, kind: bytes, *parts: bytes) -> int:
        """Keyed BLAKE2b: one call, a third of what an HMAC costs; `kind` keeps tables apart."""
        digest = hashlib.blake2b(
            b"\0".join(parts), digest_size=KEY_BYTES, key=self._key, person=kind
        )
        return int.from_bytes(digest.digest())

    def _pair(self, phone: Phone, whence: bytes) -> int:
        return self._hash(b"pair", phone.e164.encode(), whence)

    def _find_place(self, address: AnyAddress | None) -> Place | None:
        origin = origin_of(address, self._carriers)
        if origin is None:
            return None
        return Place(
            customer=self._hash(b"address", origin.customer.encode()),
            network=self._hash(b"network", origin.network.encode()),
            neighbourhood=self._hash(b"neighbourhood", origin.neighbourhood.encode()),
            is_v6=origin.is_v6,
            is_carrier=origin.is_carrier,
        )

    def _country(self, e164: str) -> str | None:
        digits = e164[1:]
        served = [code for code in self._settings.countries if digits.startswith(code)]
        return max(served, key=len, default=None)

    def _factor(self, place: Place) -> int:
        return self._settings.carrier_factor if place.is_carrier else 1

    def _refusal(self, source: Source, now_s: float) -> Verdict | None:
        own = self._settings
        if not self._pairs.estimate(source.pair, now_s):
            wait_s = self._phones.free_in_s(source.phone, now_s, own.phone_devices_hard)
            if wait_s:
                return Verdict(retry_after_s=wait_s, reasons=("phone_devices",))
            if source.device is not None:
                wait_s = max(
                    self._device_days.free_in_s(source.device, now_s, own.device_phones_hard),
                    self._device_weeks.free_in_s(source.device, now_s, own.device_phones_week),
                )
                if wait_s:
                    return Verdict(retry_after_s=wait_s, reasons=("device_phones",))
        return self._refusal_of_address(source, now_s)

    def _refusal_of_address(self, source: Source, now_s: float) -> Verdict | None:
        """Too much from there, and nobody there enters codes: never one without the other."""
        own, place = self._settings, source.place
        if place is None or place.is_carrier:
            return None
        floor = (own.barren_sent, own.barren_share)
        hard = own.ipv6_hard if place.is_v6 else own.ipv4_hard
        wait_s = self._customers.free_in_s(place.customer, now_s, hard + 1)
        if wait_s and self._knocks.is_barren(place.customer, now_s, *floor):
            return Verdict(retry_after_s=wait_s, reasons=("address",))
        is_much = self._networks.ratio(place.network, now_s) > own.network_hard
        if is_much and self._knocks.is_barren(place.network, now_s, *floor):
            wait_s = self._networks.ends_in_s(now_s)
            return Verdict(retry_after_s=wait_s, reasons=("network",))
        return None

    def _prices(self, source: Source, now_s: float) -> Iterable[tuple[str, int]]:
        own = self._settings
        if self._unproven.estimate(ALL, now_s) >= own.unproven_max:
            yield "calm_is_over", self._price_for_all(now_s)
        if not self._pairs.estimate(source.pair, now_s):
            if self._phones.estimate(source.phone, now_s) >= own.phone_devices_soft:
                yield "phone_devices", 2
            device = source.device
            if device is not None and (
                self._device_days.estimate(device, now_s) >= own.device_phones_soft
            ):
                yield "device_phones", 2
        if self._blocks.estimate(source.block, now_s) >= self._soft_of_block(source, now_s):
            yield "block", 2
        yield from self._prices_of_address(source, now_s)

    def _prices_of_address(self, source: Source, now_s: float) -> Iterable[tuple[str, int]]:
        own, place = self._settings, source.place
        if place is None:
            return
        soft = (own.ipv6_soft if place.is_v6 else own.ipv4_soft) * self._factor(place)
        starts = self._customers.estimate(place.customer, now_s)
        if starts > soft:
            dear = LEVEL_MAX if starts > STEEP * soft else 2
            yield "address", 1 if place.is_carrier else dear
        if place.is_carrier:
            return
        if self._networks.ratio(place.network, now_s) > own.network_soft:
            yield "network", 2
        around = place.neighbourhood
        credit = own.neighbourhood_soft + self._neighbourhood_texts.answered(around, now_s)
        if self._neighbourhoods.estimate(around, now_s) >= credit:
            yield "neighbourhood", 2

    def _soft_of_block(self, source: Source, now_s: float) -> float:
        """A block is given credit once somebody there has entered a code."""
        soft = self._settings.block_soft
        return soft if self._block_texts.answered(source.block, now_s) else soft / UNKNOWN

    def _price_for_all(self, now_s: float) -> int:
        """It rises when fewer codes come back than people would enter: somebody pays and floods."""
        own, sent_min = self._settings, self._settings.unproven_max
        if not self._all_texts.is_barren(ALL, now_s, sent_min, FEW_ANSWER):
            return 1
        return 3 if self._all_texts.is_barren(ALL, now_s, sent_min, own.barren_share) else 2

    def _bars(self, source: Source, now_s: float) -> Iterable[str]:
        """Why there is no text for this one."""
        own = self._settings
        if self._barred.estimate(source.block, now_s):
            yield "barren_block"
        elif self._blocks.estimate(source.block, now_s) >= own.block_hard:
            yield "block"
        place = source.place
        if place is not None and self._barred.estimate(place.customer, now_s):
            yield "barren_address"
        cap = own.countries.get(source.country or "", 0)
        if cap and self._countries.estimate(self._country_keys[source.country or ""], now_s) >= cap:
            yield "country_cap"

    def _bar_if_barren(self, source: Source, now_s: float) -> None:
        own = self._settings
        floor = (own.barren_sent, own.barren_share)
        if self._block_texts.is_barren(source.block, now_s, *floor):
            self._raise_bar("block", source.block, self._block_texts, now_s)
        place = source.place
        if place is None or place.is_carrier:
            return
        if self._customer_texts.is_barren(place.customer, now_s, *floor):
            self._raise_bar("address", place.customer, self._customer_texts, now_s)

    def _raise_bar(self, kind: str, key: int, texts: Conversions, now_s: float) -> None:
        texts.forget(key)
        self._barred.add(key, now_s)
        metrics.DOOR_ALARMS.labels(f"barren_{kind}").inc()
        log.warning("door.barren", kind=kind)
