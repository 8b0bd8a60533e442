"""People who sign in at a real server, with the codes from their phones."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from hodhod import Client, User
from tests.node import Node

SARA, REZA = "+989123456789", "+989351112233"


async def sign_in(node: Node, client: Client, phone: str, name: str) -> User:
    """The whole way, with the code from the phone."""
    challenge = await client.request_code(phone)
    await challenge.wait_sent()
    return await challenge.verify(await node.code(phone), name=name)


@contextlib.asynccontextmanager
async def two_signed_in(node: Node) -> AsyncIterator[tuple[Client, Client, int]]:
    """Sara, Reza and their chat."""
    async with Client(node.url) as sara, Client(node.url) as reza:
        await sign_in(node, reza, REZA, "Reza")
        await sign_in(node, sara, SARA, "Sara")
        yield sara, reza, (await sara.open_private_chat(phone=REZA)).id
