"""The numbers of the router, each with its reason. They become settings.

Where a number is called simulated, `tests/sms/carrier_world.py` is what it was tried in: its
carriers are assumptions, good for ranking policies and not for predicting a carrier.
"""

from __future__ import annotations

import msgspec


class HealthRules(msgspec.Struct, frozen=True, kw_only=True):
    """How it is judged whether codes arrive, and when a provider is left out."""

    band_start_s: int = 8
    """The youngest sends that say anything: reading and typing take 5 s at least."""

    band_end_s: int = 18
    """The oldest age at which a conversion is counted: at 20 s the hedge leaves, and after it
    nobody knows which of two texts was typed."""

    windows_s: tuple[int, ...] = (18, 30, 60, 120, 300)
    """How far back is looked, the first that expects `expected_min` conversions: seconds in a
    surge, minutes at night."""

    half_life_s: float = 120.0
    """After which evidence weighs half in the score: a carrier's trouble lasts minutes."""

    sample_max: float = 400.0
    """What evidence may weigh at most, in sends: the score stays curious."""

    shrinkage: float = 50.0
    """A finer cell (operator, kind of client) counts as much as its provider at so many sends."""

    cells_max: int = 512
    """Finer cells kept; beyond, the provider alone decides."""

    expected_min: float = 20.0
    """No verdict on less: with 20 expected, chance gives under 5 once in a million."""

    dead_ratio: float = 0.25
    """Observed by expected under which a provider counts as silent. Weak ones (60 % loss) are
    above it: the score avoids them, and their capacity is still there in need."""

    dead_sigmas: float = 3.3
    """One chance in two thousand for a healthy one, and both conditions must hold."""

    dead_of_best: float = 0.5
    """Silent only if another does twice as well: else it is not the provider."""

    weak_ratio: float = 0.7
    """Shown as weak below this; the score has long acted."""

    proven_ratio: float = 0.6
    """A provider that does this well is alive: closes a breaker, ends an incident."""

    proven_min: float = 8.0
    """Expected conversions that prove it."""

    incident_s: float = 60.0
    """Two that fall silent within this time fail together: then it is us, or the country."""

    hard_errors_min: float = 10.0
    """Refusals in `hard_window_s` before they count, "maybe sent" as half of one."""

    hard_share: float = 0.5
    """The share of hand-offs that refusals must exceed."""

    hopeless_share: float = 0.95
    """The share from which the last that is left takes nothing: then it is asked seldom."""

    hard_window_s: int = 10
    """Long enough for ten answers, short enough for a failing host."""

    open_s: float = 30.0
    """How long a breaker stays open at first; it doubles."""

    open_max_s: float = 300.0
    """The longest: one user in five minutes may pay for finding out."""

    forgive_s: float = 600.0
    """Closed for so long, the next opening is short again."""

    probe_s: float = 5.0
    """A half-open provider gets one send in this time at least."""

    probe_share: float = 0.02
    """And this share of first sends."""

    probes_taken: int = 3
    """Hand-offs in a row that close a breaker opened by refusals: the answer itself is proof."""


class CurveRules(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of a healthy channel, until it has been learned."""

    arrival_median_s: float = 4.0
    """Time to the handset, half of all (simulated)."""

    arrival_sigma: float = 0.5
    """Spread of it, of the logarithm (simulated)."""

    entry_min_s: float = 5.0
    """The quickest reading and typing."""

    entry_max_s: float = 12.0
    """The slowest of most."""

    completion: float = 0.92
    """The share that ever answers in healthy times: 5 % lost, 3 % slow (simulated)."""

    prior_weight: float = 500.0
    """Sends that the prior stands for."""

    learned_per_s: float = 0.04
    """Sends that may be learned from in a second, on average: ten bad minutes move what is
    expected by less than 5 %, a day of other habits by most of the way."""

    learned_burst: float = 20.0
    """Saved for thin traffic."""

    half_life_s: float = 7 * 86_400.0
    """A week of habits."""


class PaceRules(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a provider is sent to."""

    burst_s: float = 0.5
    """Tokens kept, in seconds of contract: turns of the dispatcher that last long lose none."""

    wary_share: float = 0.98
    """Of the pace at which it throttled: its clock and ours differ, or it keeps less than it
    says."""

    dared_per_s: float = 0.0002
    """Of the contract, by which more is dared each second after that: the two in a hundred are
    back after 100 s."""

    throttled_factor: float = 0.7
    """On a throttling answer, once in `throttled_pause_s`: the answers to one burst are one."""

    throttled_pause_s: float = 1.0
    """See above."""

    regained_per_s: float = 0.05
    """Of the full pace, each second without throttling: 30 % in six."""

    factor_min: float = 0.05
    """It must be asked to find out that it has room again."""

    refused_per_s: float = 5.0
    """Where all is refused and no other is left: enough to see at once that it has ended. Each try
    costs a hand-off that is written down, and people write to us meanwhile."""

    in_flight_factor: float = 1.5
    """In flight: pace times the slowest answer of a hundred times this, and a turn more."""

    turn_s: float = 0.25
    """Who may leave is asked in turns, which are this long on a busy machine: a place that an
    answer has freed is taken again no sooner."""

    in_flight_min: int = 4
    """And never fewer, so that slow answers do not stop a provider."""

    answer_s: float = 1.0
    """The slowest answer of a hundred, until measured."""

    answer_max_s: float = 5.0
    """What `send` may take."""

    lost_s: float = 15.0
    """A hand-off without an outcome is forgotten: three times what `send` may take."""


class QueueRules(msgspec.Struct, frozen=True, kw_only=True):
    """Who goes first, and how many may wait."""

    weights: tuple[float, float, float] = (0.70, 0.25, 0.05)
    """First sends, hedges and resends, late ones, when all of them wait. A first text helps most;
    were it alone, second ones would never leave in a surge."""

    waiting_max: int = 20_000
    """Of a channel; two and a half minutes at 130/s. Refused beyond: the waiting room is for it."""

    second_share_max: float = 0.35
    """Of `waiting_max` for hedges and resends, and a quarter of that for late ones."""

    buckets: int = 256
    """Sources share these: a flood from one place fills one of them."""

    bucket_share_max: float = 0.0625
    """Of `waiting_max` in one bucket."""

    fair_factor: float = 4.0
    """A source may take so many times its equal share before its tickets are dated later: people
    behind one carrier's address come in clumps."""

    blocked_credit_max: float = 8.0
    """Turns a class may save while its providers are busy."""


class HedgeRules(msgspec.Struct, frozen=True, kw_only=True):
    """How many second texts may be sent on suspicion."""

    share: float = 0.15
    """Of first sends in `window_s`. Healthy traffic needs 9 % (simulated)."""

    burst: int = 20
    """So that the first minute and a small house are not without."""

    window_s: int = 60
    """Long enough for a share of a thin stream to mean something."""

    lag_s: int = 20
    """How long after its first send a hedge comes."""

    share_max: float = 0.5
    """With the share that conversions prove lost added (no suspicion, then), no more than this."""


class RouterRules(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the router decides by."""

    health: HealthRules = HealthRules()
    curve: CurveRules = CurveRules()
    pace: PaceRules = PaceRules()
    queue: QueueRules = QueueRules()
    hedge: HedgeRules = HedgeRules()

    hedge_after_s: float = 20.0
    """What a lost text costs: the time until the next, as the ladder has it."""

    exploration: float = 0.02
    """The share of sends that goes anywhere open: who is not tried is not known."""

    cost_doubling_s: float = 1.0
    """Seconds that half the price is worth; 5 % of a lost text, as Signal weighs it."""

    sends_per_call_max: int = 256
    """What one `next` returns at most, so that its caller's loop is not held."""
