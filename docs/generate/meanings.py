"""What each member of a frame means, in a sentence; the structs themselves say type and limits.

Looked up as `struct.member` first, then as `member`, where a struct is named by its tag, or by its
class where it has none. A member without a meaning fails the generation.
"""

from __future__ import annotations

from typing import Final

from hodhod_wire.close_codes import CloseCode

MEMBERS: Final = {
    "ref": "Names the request; its one reply repeats it. 0 asks for no reply.",
    "chat": "The chat's id.",
    "user": "The person's id.",
    "client_id": "The client's own name for the message: random, used once, repeated in a resend.",
    "body": "What was written.",
    "seq": "A place in the chat's log.",
    "at": "When the message was committed, by the server's clock.",
    "name": "The person's name.",
    "delivered": "Every event up to this one is on one of the person's devices.",
    "read": "The person has seen every event up to this one.",
    "more": "There are further events in the direction that was asked for.",
    "account_notice.kind": "`signed_in`, `pin_wrong`, `number_changed` …: one word.",
    "account_notice.at": "When it happened.",
    "account_notice.device": "The new device of `signed_in`.",
    "account_notice.name": "What the new device says of itself.",
    "platform": "What kind of device it says it is.",
    "challenge": "Names the sign-in in the answer to it.",
    "sign_in_asked.at": "When it was asked.",
    "sign_in_asked.name": "What the new device says of itself.",
    "numbers": "One of them stands on the new device's screen.",
    # requests
    "hello.token": "The access token, where no `Authorization` header carried it.",
    "hello.agent": "The client's name and version, for the operator's eyes.",
    "sync.positions": "How far the client has each of its chats with ids in (`after`, `until`].",
    "sync.after": "Only chats with greater ids: the `next` of the page before.",
    "sync.until": "Only chats with ids up to this one. Absent: all.",
    "sync.since": "Only chats that changed since: `as_of` of an earlier sync. Absent: all.",
    "history.before": "The newest events with a smaller seq. Absent, like `after`: the newest.",
    "history.after": "The oldest events with a greater seq. Not together with `before`.",
    "history.limit": "At most so many events.",
    "sync.limit": "At most so many chats, and so many events of them in all.",
    "open_chat.user": "The other person, by id. Exactly one of `user` and `phone` is given.",
    "open_chat.phone": "The other person, by number, in any usual spelling.",
    "delivered.seq": "The newest event that is stored on this device, without a gap before it.",
    "read.seq": "The newest event that the person has seen.",
    "media_link.seq": "The message that holds the file.",
    # what frames are made of
    "Position.seq": "Every event up to and including this one is there, without a gap.",
    "Chat.kind": "`private`: two people; `group`; `channel`. Later versions add kinds.",
    "Chat.last_seq": "The newest event's seq; 0 while there is none.",
    "Chat.members": "Private chats: who is in it, the caller included.",
    "title": "What the group or channel is called.",
    "about": "What it says about itself.",
    "Chat.member_count": "How many are in it, the caller included.",
    "OwnMembership.role": "The caller's: `owner`, `admin` or `member`.",
    "OwnMembership.permissions": "What the caller may do now, mutes aside.",
    "default_permissions": "What members may do who have no permissions of their own.",
    "OwnMembership.own_permissions": (
        "An admin's: given on top of the default. A member's: the most they keep of the default."
    ),
    "OwnMembership.muted_until": "The caller may not write until then.",
    "slow_mode_s": "A member writes at most once in so many seconds; 0: as often as they like.",
    "history": "What new members see of the time before: `all`, or nothing (`from_joining`).",
    "OwnMembership.first_seq": "The first event that the caller sees.",
    "Chat.me": "The caller's own part of it. Absent in private chats.",
    "signs_posts": "Channels: posts show who wrote them.",
    "broadcast": (
        "The chat has or had more members than are named one by one: joining and leaving are no "
        "events any more, and `member_count` is news only in a fresh chat. Never taken back."
    ),
    "ChatDelta.chat": "The chat as it stands.",
    "ChatDelta.events": "The first events after the client's position, oldest first.",
    "ChatDelta.more": "Events remain after the last of these: fetch them with `history`.",
    "Titles.en": "In English.",
    "Titles.fa": "In Persian.",
    # replies
    "error.ref": "The request's, as far as it could be read; else 0.",
    "welcome.user": "Who the token proves.",
    "welcome.device": "And on which device.",
    "welcome.at": "The server's clock.",
    "welcome.heartbeat_s": "The server pings this often; silence twice as long is a dead link.",
    "welcome.reconnect_within_ms": "After a connection that ended by itself, or with 4000 or 4003:"
    " come back after a random time up to this, so that not all come at once.",
    "error.code": "One of the [error codes](#error-codes); programs branch on it.",
    "error.titles": "The same sentence for people, in two languages.",
    "error.detail": "For developers: which member, which limit. Never what was sent.",
    "error.retry_after": "Seconds after which the same request may succeed.",
    "sent.seq": "The message's place in the log.",
    "synced.chats": "The caller's chats in the range, by id, with what the client lacks of each.",
    "synced.next": "The `after` of the next page. Absent on the last.",
    "synced.as_of": "The time before it was looked; the first page's is a later `since`.",
    "page.events": "Oldest first, in both directions.",
    "chat.chat": "The chat as it stands.",
    "link.url": "Where the file is served; a relative one is relative to `media`.",
    "link.expires_at": "Until when.",
    # pushes
    "event.event": "The event.",
    "chat_state.chat": "The chat as the caller sees it now.",
    "resync.within_ms": "Sync after a random time up to this, so that not all come at once.",
    # events and bodies
    "message.seq": "Its place in the log: one more than the event's before it.",
    "message.sender": "Who wrote it; 0: the channel.",
    "users": "Their ids.",
    "text.text": "At least one character that can be seen.",
    "file.media": "The id of an upload of the sender's, finished or not.",
    "file.name": "Its file name, for people.",
    "file.size": "Its length in bytes; must be the upload's.",
    "file.type": "Its media type.",
    "file.caption": "A text beneath it.",
    "file.awaited": "Set by the server: the upload had not ended, and `media_ready` follows.",
    "media_ready.media": "The file that messages of this chat name.",
    "media_ready.size": "Its length in bytes.",
    "media_ready.type": "Its media type.",
    "width": "In pixels.",
    "height": "In pixels.",
    "duration_ms": "How long it plays.",
    "blur": "A picture of a few bytes, shown until the true one is there.",
    "waveform": "Of sound: up to 100 bars from `0` to `v` (32 levels).",
    "problem": "`failed`; or `refused`, `infected`, `lost` (it never came): nobody is served it.",
    "objects": "What was made of the file.",
    "MediaObject.name": "What it is, and its name in addresses: `thumb`, `poster`, `play` …",
    "MediaObject.type": "Its media type.",
    "MediaObject.size": "Its length in bytes.",
}

CLOSE_CODES: Final = {
    CloseCode.GOING_AWAY: "The server process stops; another one, or its successor, is there.",
    CloseCode.SLOW_CONSUMER: "The client did not read fast enough; nothing is lost, it syncs.",
    CloseCode.HELLO_TIMEOUT: "No `hello` came in time.",
    CloseCode.OVERLOADED: "No more connections are taken now; the `error` before it says when.",
    CloseCode.TOKEN_REJECTED: "The access token is missing, wrong or expired.",
    CloseCode.SESSION_ENDED: "The session was ended, here or from another device: sign in again.",
    CloseCode.TOO_MANY_ERRORS: "The client does nothing but err; it is defective.",
}
