"""Costs times demand: machines for each part. Pure.

CPU is counted at the peak, with a surge of newcomers at the same time, and no core is used more
than `use_most`. A part gets as many machines as the scarcest of CPU, memory and network asks for.

Always true: nobody needs fewer machines for more people, more messages, or less use of each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hodhod_loadtest.planning.costs import Costs
from hodhod_loadtest.planning.demand import DAY_S, GIB, MIB, Demand, Terms

GATEWAY: Final = "gateway"
SIGNUP: Final = "signup"
MEDIA: Final = "media"
WORKER: Final = "worker"
POSTGRES: Final = "postgres"
VALKEY: Final = "valkey"
ENGINES: Final = (POSTGRES, VALKEY)
PARTS: Final = (GATEWAY, SIGNUP, MEDIA, WORKER, *ENGINES)
TB: Final = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one part needs."""

    name: str
    cores: int
    """That its processes have to themselves."""

    busy: float
    """Of them, at the peak."""

    memory_gib: float
    network_gbit_s: float
    disk_tb: float
    machines: int
    spare: int
    bound_by: str
    """What there would have to be more of on a machine, for fewer machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All parts, and what must be known about the numbers."""

    parts: Sequence[Part]
    messages_per_s: float
    online: float
    signups_per_s: float
    messages_per_gateway_s: float
    remarks: Sequence[str]

    @property
    def machines(self) -> int:
        """Of all parts, with what is to spare."""
        return sum(part.machines + part.spare for part in self.parts)


def plan(demand: Demand, terms: Terms, costs: Costs) -> Plan:
    """Machines for each part."""
    gateways = _gateways(demand, terms, costs)
    cores = _cores(demand, costs, gateways)
    parts = [_gateway(demand, terms, costs, gateways, cores[GATEWAY])]
    parts += [_other(name, demand, terms, costs, cores[name]) for name in PARTS[1:]]
    return Plan(
        parts=parts,
        messages_per_s=demand.messages_per_s,
        online=demand.online,
        signups_per_s=demand.signups_per_s,
        messages_per_gateway_s=demand.messages_per_s / gateways,
        remarks=_remarks(demand, terms, costs, parts),
    )


def gateway_cores(demand: Demand, costs: Costs, gateways: int) -> float:
    """Of one process, where there are so many."""
    per_s = demand.messages_per_s / gateways
    used = costs.message.cores(GATEWAY, per_s) if costs.message else 0.0
    if demand.online / gateways > costs.online_measured / 2:
        used *= max(1.0, costs.online_growth or 1.0)
    # With two gateways every second reader is on the other one; with many nearly all are.
    measured = 1 - 1 / costs.gateways
    if measured > 0:
        used += per_s * (costs.crossing_s or 0.0) * max(0.0, (1 - 1 / gateways) / measured - 1)
    used += per_s * max(0.0, demand.readers_per_message - 1) * (costs.delivery_s or 0.0)
    return used + demand.connects_per_s / gateways * (costs.connect or {}).get(GATEWAY, 0.0)


def _gateways(demand: Demand, terms: Terms, costs: Costs) -> int:
    """The fewest processes of which none holds or does too much."""
    least = max(1, math.ceil(demand.online / terms.connections_per_gateway))

    def is_enough(count: int) -> bool:
        return gateway_cores(demand, costs, count) <= terms.use_most

    if not is_enough(1 << 30):
        raise ValueError("a gateway that stands by is busier than `use_most`: allow it more")
    most = least
    while not is_enough(most):
        least, most = most + 1, most * 2
    while least < most:
        middle = (least + most) // 2
        if is_enough(middle):
            most = middle
        else:
            least = middle + 1
    return most


def _cores(demand: Demand, costs: Costs, gateways: int) -> Mapping[str, float]:
    """Busy at the peak, by part."""
    cores = dict.fromkeys(PARTS, 0.0)
    cores[GATEWAY] = gateways * gateway_cores(demand, costs, gateways)
    if costs.message is not None:
        for name in ENGINES:
            per_s = demand.messages_per_s / gateways
            cores[name] += gateways * costs.message.cores(name, per_s)
    rates = (
        (costs.connect, demand.connects_per_s, ENGINES),
        (costs.signup, demand.signups_per_s, (SIGNUP, *ENGINES)),
        (costs.upload_mib, demand.upload_mib_per_s, (MEDIA, *ENGINES)),
        (
            costs.download_mib,
            demand.upload_mib_per_s * demand.downloads_per_upload,
            (MEDIA, *ENGINES),
        ),
    )
    for cost, per_s, names in rates:
        for name in names:
            cores[name] += per_s * (cost or {}).get(name, 0.0)
    return cores


def _gateway(demand: Demand, terms: Terms, costs: Costs, gateways: int, cores: float) -> Part:
    kib = demand.online * ((costs.connection_kib or 0.0) + terms.kernel_kib_per_connection)
    memory_gib = kib * 1024 / GIB + gateways * (costs.process_mib or 0.0) * MIB / GIB
    frames_per_s = demand.messages_per_s * (1 + demand.readers_per_message)
    network = frames_per_s * terms.frame_bytes * 8 / 1e9
    needs = _Needs(gateways, cores, memory_gib, network)
    return _part(GATEWAY, needs, terms)


@dataclass(frozen=True, slots=True)
class _Needs:
    cores: int
    busy: float
    memory_gib: float = 0.0
    network_gbit_s: float = 0.0
    disk_tb: float = 0.0


def _other(name: str, demand: Demand, terms: Terms, costs: Costs, cores: float) -> Part:
    processes = max(1, math.ceil(cores / terms.use_most))
    each_mib = costs.upload_memory_mib if name == MEDIA else costs.process_mib
    memory_gib = 0.0 if name in ENGINES else processes * (each_mib or 0.0) * MIB / GIB
    network = disk_tb = 0.0
    if name == MEDIA:
        moved = demand.upload_mib_per_s * (1 + demand.downloads_per_upload) * MIB
        network = moved * 8 / 1e9
        disk_tb = demand.media_gb_day * 1e9 * terms.retention_days * terms.media_copies / TB
    if name == POSTGRES:
        a_day = demand.messages_per_s / demand.peak_to_mean * DAY_S
        disk_tb = a_day * terms.row_bytes * terms.retention_days / TB
    return _part(name, _Needs(processes, cores, memory_gib, network, disk_tb), terms)


def _part(name: str, needs: _Needs, terms: Terms) -> Part:
    """A process takes a core to itself, and its event loop takes no other."""
    by = {
        "cores": needs.cores / terms.machine_cores,
        "memory": needs.memory_gib / (terms.machine_memory_gib * terms.use_most),
        "network": needs.network_gbit_s / (terms.machine_network_gbit_s * terms.use_most),
    }
    scarcest = max(by, key=by.__getitem__)
    machines = max(1, math.ceil(by[scarcest]))
    return Part(
        name=name,
        cores=needs.cores,
        busy=needs.busy,
        memory_gib=needs.memory_gib,
        network_gbit_s=needs.network_gbit_s,
        disk_tb=needs.disk_tb,
        machines=machines,
        spare=machines if name in ENGINES else terms.spare_machines,
        bound_by=scarcest,
    )


def _remarks(demand: Demand, terms: Terms, costs: Costs, parts: Sequence[Part]) -> list[str]:
    told = [f"not measured, so not planned: {name}" for name in costs.missing]
    told.append("not measured, so not planned: what films and pictures cost the worker")
    told.append("not measured, so not planned: memory of PostgreSQL and Valkey")
    by_name = {part.name: part for part in parts}
    gateways = by_name[GATEWAY].cores
    per_s = demand.messages_per_s / gateways
    if costs.message is not None and not (
        costs.message.lowest_per_s <= per_s <= costs.message.highest_per_s
    ):
        told.append(
            f"{per_s:,.0f} messages a second for each gateway is outside of what was measured"
            f" ({costs.message.lowest_per_s:,.0f} to {costs.message.highest_per_s:,.0f}):"
            " their cost is the most that it can be"
        )
    if demand.online / gateways > costs.online_measured:
        told.append(
            f"{demand.online / gateways:,.0f} people on each gateway; measured with"
            f" {costs.online_measured:,.0f}"
        )
    if gateways > costs.gateways:
        told.append(
            f"{gateways} gateways; measured with {costs.gateways}: what the bus costs between many"
            " is computed"
        )
    if by_name[POSTGRES].machines > 1:
        told.append(
            f"PostgreSQL needs more than a machine of {terms.machine_cores} cores: several"
            " primaries, chats divided among them, which this release does not do by itself"
        )
    return told
