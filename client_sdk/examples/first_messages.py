"""Sign in, write to somebody, send a file if one is named, and print what happens.

    python first_messages.py 09123456789 --name Sara --to +989351112233 --file trip.mp4

The first time it asks for the code; afterwards the session file lets the person in. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from hodhod import Client, Message


async def main(options: argparse.Namespace) -> None:
    async with Client(options.url, state=f"{options.phone}.session") as client:
        if not client.signed_in:
            challenge = await client.request_code(options.phone)
            code = await asyncio.to_thread(input, f"code sent by {challenge.channel}: ")
            await challenge.verify(code, name=options.name)
        print(f"signed in as {client.user.name}")
        if options.to:
            chat = await client.open_private_chat(phone=options.to)
            print(await client.send(chat, options.text))
            if options.file:
                print(await client.send_file(chat, options.file, on_progress=print))
        async for event in client.events():
            print(event)
            if isinstance(event, Message) and event.file is not None:
                await client.download(event, event.file.name, on_progress=print)
            if isinstance(event, Message):
                await client.mark_read(event)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write to somebody and print what happens.")
    parser.add_argument("phone", help="your mobile number")
    parser.add_argument("--name", default="Sara", help="your name, for a new number")
    parser.add_argument("--to", help="the number of somebody who is there already")
    parser.add_argument("--text", default="سلام", help="what to write")
    parser.add_argument("--file", help="a file to send")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the server")
    return parser.parse_args()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(parse()))
