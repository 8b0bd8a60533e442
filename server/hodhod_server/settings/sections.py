"""The sections of the settings, each for one component, each field with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from hodhod_server.domain.secret import Secret
from hodhod_server.settings.fields import (
    SECTION,
    Niceness,
    Port,
    Positive,
    PositiveS,
    SecretSetting,
)
from hodhod_server.settings.s3 import S3Settings


@dataclass(config=SECTION, kw_only=True)
class DatabaseSettings:
    """[database] PostgreSQL, where everything durable lives."""

    url: str = Field(default="", repr=False)
    """`postgresql://user@host/name`. `hodhod up` fills it in with its own engine."""

    pool_max: Annotated[int, Field(ge=2)] = 8
    """Connections of one process. A gateway's writer has one; a burst of reads takes the rest."""

    statement_timeout_s: PositiveS = 10.0
    """A statement that runs longer is cancelled: no request waits for it any more."""


@dataclass(config=SECTION, kw_only=True)
class RedisSettings:
    """[redis] Redis or Valkey: routing and fan-out. Losing it slows things down, loses nothing."""

    url: str = Field(default="", repr=False)
    """`redis://host/0` or `unix:///path`. `hodhod up` fills it in with its own engine."""

    prefix: str = "hodhod"
    """Before every key and channel, so that several installations can share one store."""


@dataclass(config=SECTION, kw_only=True)
class ListenSettings:
    """[listen] The sockets of this process."""

    host: str = "127.0.0.1"
    """Address to bind. TLS ends in the proxy in front."""

    port: Port = 8080
    """Port of this process: its API, `/live`, `/ready` and `/metrics`."""

    shared_port: Port = 0
    """A port that several gateways listen on together (SO_REUSEPORT); 0: none."""


@dataclass(config=SECTION, kw_only=True)
class PublicSettings:
    """[public] Addresses as clients see them; empty ones follow from the request and the ports."""

    gateway_url: str = ""
    """Base address of the gateways, `https://…`."""

    signup_url: str = ""
    """Base address of sign-up."""

    media_url: str = ""
    """Base address of uploads and downloads."""

    signup_port: Port = 8081
    """Port of sign-up where `signup_url` is empty."""

    media_port: Port = 8082
    """Port of media where `media_url` is empty."""


@dataclass(config=SECTION, kw_only=True)
class SecuritySettings:
    """[security] Keys and the life of tokens."""

    master_key: SecretSetting = Field(default_factory=lambda: Secret(b""), repr=False)
    """At least 32 random bytes, parent of every other key. `hodhod up` makes one."""

    access_token_s: Positive = 900
    """How long an access token proves its caller. Short: it is checked without the database."""

    refresh_token_days: Positive = 90
    """A device unused for longer has to come back by its key or by a code."""

    clock_skew_s: Positive = 300
    """How far a device's signed time may be off."""


@dataclass(config=SECTION, kw_only=True)
class GroupCommitSettings:
    """[group_commit] How messages are gathered into transactions."""

    batch_rows_max: Positive = 256
    """Rows in one transaction. Higher: more throughput, longer tail."""

    queue_rows_max: Positive = 1_000
    """Drafts waiting for a batch. Beyond, senders wait in line and are not read meanwhile."""

    queue_s_max: PositiveS = 2.0
    """How long somebody waits in line; whose turn would come later is refused as overloaded."""

    linger_ms: Annotated[float, Field(ge=0, le=100)] = 3.0
    """How long at most a batch waits for company, at rates where waiting saves CPU. 0: never."""


@dataclass(config=SECTION, kw_only=True)
class GatewaySettings:
    """[gateway] Connections of people."""

    heartbeat_s: PositiveS = 30.0
    """A ping this often; a peer silent half of it longer is gone. Mobile NATs forget in 60 s."""

    hello_timeout_s: PositiveS = 10.0
    """A connection that has not said `hello` by then is closed."""

    send_queue_bytes_max: Annotated[int, Field(ge=65_536)] = 1_048_576
    """Bytes waiting for one slow client; more disconnects it, and it resumes where it was."""

    requests_in_flight_max: Positive = 64
    """Requests of one connection being worked on; the next is read when one is done."""

    requests_at_work_max: Annotated[int, Field(ge=2)] = 16
    """Catching up (two thirds) and small requests at work at once. About twice the pool."""

    connections_max: Positive = 50_000
    """Connections of one process; one more is refused with 503 and `Retry-After`."""

    reconnects_per_s: Positive = 300
    """Returning people that the others take in a second when this one dies; a core takes 300."""

    errors_max: Positive = 100
    """Refused frames of one connection in a minute; more closes it."""


@dataclass(config=SECTION, kw_only=True)
class LoadSettings:
    """[load] When a process sheds work: how late its event loop is, nine times in ten."""

    busy_ms: PositiveS = 20.0
    """Level 1: typing hints are dropped, positions gather longer, newcomers wait in a room."""

    strained_ms: PositiveS = 50.0
    """Level 2: only messages go on; all else is refused, new connections too."""

    saturated_ms: PositiveS = 100.0
    """Level 3: messages, too, beyond what the next commit takes."""

    calm_s: PositiveS = 5.0
    """A level is left after so long below half of its delay."""


@dataclass(config=SECTION, kw_only=True)
class MediaSettings:
    """[media] Uploads and downloads."""

    store: Literal["files", "s3"] = "files"
    """Where new bytes go: to `media.directory`, or to the bucket of `media.s3`."""

    read_also: Literal["", "files", "s3"] = ""
    """The store that `store` took over from, while `hodhod media move` empties it."""

    s3: S3Settings = S3Settings()
    """An object store, where `media.store` says so."""

    directory: Path = Path(".hodhod/media")
    """Where the bytes lie: one folder, seen by every media and worker process. With `store = "s3"`,
    parts on their way lie in its folder `spool`, and each process may have its own."""

    upload_bytes_max: Positive = 4 * 1024**3
    """Largest file: 4 GiB."""

    upload_expiry_s: Positive = 86_400
    """An upload untouched for so long is removed."""

    sync_bytes: Positive = 8 * 1024**2
    """Bytes between two durable offsets: the most that a power cut makes a client send again."""

    sync_s: PositiveS = 10.0
    """Seconds between two durable offsets of an upload too slow to fill `sync_bytes`."""

    niceness: Niceness = 5
    """By how much uploads and downloads give way to messages where cores are short."""

    direct_bytes: Positive = 16 * 1024**2
    """A body of at least so many bytes is read past the HTTP parser, more than twice as fast; its
    connection ends with it."""

    idle_s: PositiveS = 30.0
    """A connection that sends nothing for so long is given up; what it sent is kept."""

    writers_max: Positive = 256
    """Uploads one process writes at once; each holds up to 2.5 MiB. One more is overloaded."""

    readers_max: Positive = 1000
    """Downloads one process sends at once; each holds up to 0.4 MiB. One more is overloaded."""

    unfinished_per_user_max: Positive = 64
    """Unfinished uploads of one person: an empty one costs a file and a row."""

    free_bytes_min: Annotated[int, Field(ge=0)] = 256 * 1024**2
    """An upload that would leave less than this on the disk is refused when it is created."""

    refused_types: tuple[str, ...] = ()
    """Media types that nobody may upload, such as `application/x-msdownload` or `video/*`."""

    user_bytes_max: Annotated[int, Field(ge=0)] = 0
    """Bytes of all uploads of one person, finished or not, files in messages too; 0: no limit."""

    server_bytes_max: Annotated[int, Field(ge=0)] = 0
    """Bytes of everybody's uploads; a file sent again counts again. 0: as much as fits."""

    known_checks_per_minute: Positive = 120
    """How often one person may ask one process whether a file is known."""

    unused_days: Annotated[int, Field(ge=0)] = 30
    """A finished upload that is in no message for so long is removed; 0: never."""

    collect_s: PositiveS = 86_400.0
    """Between two looks for blobs that nothing names."""

    scrub_days: Positive = 30
    """Every file is read and compared with what was recorded once in so many days."""

    scrub_bytes_per_s: Positive = 16 * 1024**2
    """How fast a worker reads for that."""

    link_s: Positive = 3600
    """How long a download address works: long enough to play a film that was started."""

    recheck_s: PositiveS = 60.0
    """How soon a download under way notices that its reader lost sight of the message."""

    accel_location: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_./-]*[A-Za-z0-9_-])?$")] = ""
    """Location of nginx that serves `directory`; it sends files then (X-Accel-Redirect)."""


@dataclass(config=SECTION, kw_only=True)
class WorkerSettings:
    """[worker] What is done by the clock."""

    niceness: Niceness = 10
    """By how much workers, and what looks at files for them, give way to all else."""

    sweep_s: PositiveS = 60.0
    """Between two sweeps of expired uploads, challenges and tokens."""


@dataclass(config=SECTION, kw_only=True)
class LogSettings:
    """[log] Logs go to stderr, one JSON object a line."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe event that is written."""
