"""A provider that answers as a test tells it: refuses, lies, stalls or dies."""

from __future__ import annotations

import asyncio

from hodhod_server.sms.provider import Channel, CodeMessage, Outcome, OutcomeClass
from tests.providers import terms


class ScriptedProvider:
    """Gives the outcomes of its script in order, then takes everything; remembers the codes."""

    def __init__(
        self, *script: OutcomeClass | BaseException, name: str = "first", channel: str = "sms"
    ) -> None:
        self.terms = terms(name, Channel(channel))
        self.script = list(script)
        self.always: OutcomeClass = OutcomeClass.ACCEPTED
        self.messages: list[CodeMessage] = []
        self.gate = asyncio.Event()
        """Answers wait until it is set."""
        self.gate.set()

    async def send(self, message: CodeMessage) -> Outcome:
        self.messages.append(message)
        number = len(self.messages)
        await self.gate.wait()
        step = self.script.pop(0) if self.script else self.always
        if isinstance(step, BaseException):
            raise step
        retry_after_s = 7 if step is OutcomeClass.THROTTLED else None
        return Outcome(kind=step, message_id=f"m{number}", retry_after_s=retry_after_s)

    @property
    def codes(self) -> list[str]:
        return [message.code.digits for message in self.messages]
