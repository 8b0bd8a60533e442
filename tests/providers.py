"""Terms of providers, for tests."""

from __future__ import annotations

from hodhod_server.sms.provider import Channel, Terms


def terms(
    name: str = "first",
    channel: Channel = Channel.SMS,
    *,
    failure_domain: str = "",
    rate_per_s: float = 100.0,
    in_flight_max: int = 1000,
    cost: int = 0,
) -> Terms:
    """Of a provider that shares nothing with another, unless told otherwise."""
    return Terms(
        name=name,
        channel=channel,
        failure_domain=failure_domain or name,
        rate_per_s=rate_per_s,
        in_flight_max=in_flight_max,
        cost=cost,
    )
