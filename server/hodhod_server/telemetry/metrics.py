"""Every metric of the server, declared once: unit in the name, labels from closed sets.

No user, chat or path is ever a label. Each queue has a depth, each wait a histogram, each refusal a
counter. `docs/reference/metrics.md` is generated from here.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

LATENCY_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
TYPING_S: Final = (1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 300, 600)
POWERS_OF_TWO: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

HTTP_REQUESTS: Final = Counter(
    "hodhod_http_requests_total", "HTTP requests answered.", ["method", "status"]
)
HTTP_SECONDS: Final = Histogram(
    "hodhod_http_request_seconds", "From request line to answer.", buckets=LATENCY_S
)
REFUSALS: Final = Counter("hodhod_refusals_total", "Requests and frames refused.", ["code"])

LOOP_LAG_SECONDS: Final = Histogram(
    "hodhod_loop_lag_seconds",
    "How late the event loop was, fifty times a second.",
    buckets=LATENCY_S,
)
LOAD_LEVEL: Final = Gauge("hodhod_load_level", "0: calm; 1 to 3: what the process sheds.")
SHED: Final = Counter("hodhod_shed_total", "Work refused because of the load.", ["work"])
TURN_WAIT_SECONDS: Final = Histogram(
    "hodhod_turn_wait_seconds", "Waits of requests that did not begin at once.", buckets=LATENCY_S
)
POOL_WAIT_SECONDS: Final = Histogram(
    "hodhod_pool_wait_seconds", "Waits for a database connection of the pool.", buckets=LATENCY_S
)

COMMIT_ROWS: Final = Histogram(
    "hodhod_group_commit_rows", "Drafts per transaction.", buckets=POWERS_OF_TWO
)
COMMIT_SECONDS: Final = Histogram(
    "hodhod_group_commit_seconds", "One batch, from taking it to COMMIT.", buckets=LATENCY_S
)
COMMIT_QUEUE: Final = Gauge("hodhod_group_commit_queue_rows", "Drafts waiting for their batch.")
COMMIT_CONFLICTS: Final = Counter(
    "hodhod_group_commit_conflicts_total", "Batches that held the resend of a message."
)
COMMIT_RECHECKED: Final = Counter(
    "hodhod_group_commit_rechecked_total",
    "Drafts whose chat had changed between check and commit.",
)

BUS_LOST: Final = Counter("hodhod_bus_lost_total", "Failed attempts to hear the other gateways.")
GATEWAYS_DIED: Final = Counter(
    "hodhod_gateways_died_total", "Gateways found dead by this one; everybody was told to sync."
)
FANOUT_QUEUE: Final = Gauge("hodhod_fanout_queue_envelopes", "Pushes waiting to be routed.")
FANOUT_SECONDS: Final = Histogram(
    "hodhod_fanout_seconds", "One batch of pushes, routed and published.", buckets=LATENCY_S
)
FANOUT_DROPPED: Final = Counter(
    "hodhod_fanout_dropped_total", "Pushes given up; their people are told to sync.", ["reason"]
)
CONNECTIONS: Final = Gauge("hodhod_connections", "Authenticated connections of this process.")
CONNECTIONS_CLOSED: Final = Counter(
    "hodhod_connections_closed_total", "Connections ended by the server.", ["code"]
)
FRAMES_IN: Final = Counter("hodhod_frames_in_total", "Frames from clients.", ["frame"])
FRAMES_PUSHED: Final = Counter("hodhod_frames_pushed_total", "Frames pushed to connections.")
POSITIONS_WRITTEN: Final = Counter("hodhod_positions_written_total", "Positions that moved.")

UPLOAD_WRITERS: Final = Gauge("hodhod_upload_writers", "Uploads being written by this process.")
UPLOADED_BYTES: Final = Counter("hodhod_uploaded_bytes_total", "Bytes made durable.")
UPLOADS_FINISHED: Final = Counter("hodhod_uploads_finished_total", "Uploads that became files.")
SCRUBBED: Final = Counter(
    "hodhod_scrubbed_files_total", "Files read and compared, by what was found.", ["finding"]
)
S3_RETRIES: Final = Counter(
    "hodhod_s3_retries_total", "Requests to the object store that had to be repeated."
)
DOWNLOADS_RUNNING: Final = Gauge("hodhod_downloads_running", "Files being sent by this process.")
DOWNLOADED_BYTES: Final = Counter("hodhod_downloaded_bytes_total", "Bytes of files sent.")
PROCESSED: Final = Counter(
    "hodhod_media_processed_total", "Files whose processing ended.", ["outcome"]
)
PROCESSING_TRIES: Final = Counter(
    "hodhod_media_processing_failures_total",
    "Tries that failed, by why; the file is tried again or given up.",
    ["reason"],
)
PROCESSING_SECONDS: Final = Histogram(
    "hodhod_media_processing_seconds", "One try, from its beginning to its end.", buckets=TYPING_S
)
PROCESSING_WAITING: Final = Gauge(
    "hodhod_media_waiting", "Finished files that nobody has looked at to the end yet."
)
PROCESSING_RUNNING: Final = Gauge("hodhod_media_processing_running", "Files this worker looks at.")
OBJECTS_MADE: Final = Counter("hodhod_media_objects_total", "Copies made of files.", ["object"])
SCANS: Final = Counter("hodhod_virus_scans_total", "Files shown to the virus scanner.", ["result"])
SWEPT: Final = Counter(
    "hodhod_swept_total", "Things removed because their time was over.", ["kind"]
)

SIGNUP_REQUESTED: Final = Counter("hodhod_signup_requested_total", "Codes asked for.", ["operator"])
SIGNUP_HANDOFFS: Final = Counter(
    "hodhod_signup_handoffs_total",
    "Codes given to a provider, by why and by what it said.",
    ["provider", "operator", "kind", "outcome"],
)
SIGNUP_HANDOFF_SECONDS: Final = Histogram(
    "hodhod_signup_handoff_seconds",
    "How long a provider took to answer.",
    ["provider"],
    buckets=LATENCY_S,
)
SIGNUP_RECEIPTS: Final = Counter(
    "hodhod_signup_receipts_total",
    "What providers say became of messages.",
    ["provider", "operator", "state"],
)
SIGNUP_VERIFIED: Final = Counter(
    "hodhod_signup_verified_total",
    "Codes that were typed, by the provider of the newest text.",
    ["provider", "operator"],
)
SIGNUP_SEEN: Final = Counter(
    "hodhod_signup_seen_total",
    "Texts that newcomers' programs say have come, by the provider of the newest.",
    ["provider", "operator"],
)
SIGNUP_VERIFIED_SECONDS: Final = Histogram(
    "hodhod_signup_verified_seconds",
    "From the first hand-off through that provider until the code was typed.",
    ["provider"],
    buckets=TYPING_S,
)
SIGNUP_COST: Final = Counter(
    "hodhod_signup_cost_total",
    "What texts cost, in the operator's unit: as told by the provider, or as agreed.",
    ["provider", "operator"],
)
SIGNUP_INBOUND: Final = Counter(
    "hodhod_signup_inbound_total", "Texts that people sent to our lines.", ["result"]
)
SIGNUP_PUT_OFF: Final = Counter(
    "hodhod_signup_put_off_total", "Hand-offs that had to wait, by what for.", ["reason"]
)
SIGNUP_ORDERS: Final = Gauge(
    "hodhod_signup_orders", "Challenges that may still get a code; 0 where another dispatches."
)
SIGNUP_DISPATCHING: Final = Gauge(
    "hodhod_signup_dispatching", "1 in the one process that hands codes over."
)
SIGNUP_QUEUE: Final = Gauge(
    "hodhod_signup_queue_sends", "Hand-offs that wait for their turn.", ["channel"]
)
SIGNUP_QUEUE_SECONDS: Final = Histogram(
    "hodhod_signup_queue_seconds",
    "From asking for a code to its first hand-off.",
    ["channel"],
    buckets=(0.05, 0.1, 0.25, 0.5, *TYPING_S),
)
SIGNUP_WAIT_SECONDS: Final = Gauge(
    "hodhod_signup_wait_seconds",
    "The wait that newcomers are told, by the share of them who wait no longer.",
    ["channel", "quantile"],
)
SIGNUP_INCIDENT: Final = Gauge(
    "hodhod_signup_incident", "1: texts fail with every provider; newcomers are shown other ways."
)
SIGNUP_BREAKER_EVENTS: Final = Counter(
    "hodhod_signup_breaker_events_total",
    "Changes of how a provider stands, by what it became and why.",
    ["provider", "health", "cause"],
)
SIGNUP_PROVIDER_PACE: Final = Gauge(
    "hodhod_signup_provider_pace_per_second", "Hand-offs that may leave in a second.", ["provider"]
)
SIGNUP_PROVIDER_IN_FLIGHT: Final = Gauge(
    "hodhod_signup_provider_in_flight", "Hand-offs without an answer yet.", ["provider"]
)
SIGNUP_PROVIDER_SUCCESS: Final = Gauge(
    "hodhod_signup_provider_success",
    "Of the first texts, against what is usual by then, the share that the router believes in.",
    ["provider"],
)
SIGNUP_PROVIDER_HEALTH: Final = Gauge(
    "hodhod_signup_provider_health", "1 for how a provider stands.", ["provider", "health"]
)
SIGNUP_WATCHERS: Final = Gauge(
    "hodhod_signup_watchers", "Questions after a challenge that wait for news."
)
SIGNUP_WATCHERS_REFUSED: Final = Counter(
    "hodhod_signup_watchers_refused_total", "Questions that found too many waiting."
)
LINES_UP: Final = Gauge(
    "hodhod_provider_line_up", "Is the line to a provider of codes bound? 1 or 0.", ["provider"]
)
ARRIVALS_REFUSED: Final = Counter(
    "hodhod_provider_arrivals_refused_total",
    "Receipts and texts that a line must bring again: the queue to the database was full.",
    ["provider"],
)
SIGNUP_TRIES: Final = Counter("hodhod_signup_tries_total", "Codes entered.", ["result"])
GUARD_TRIES: Final = Counter(
    "hodhod_guard_tries_total", "PINs and one-time codes entered.", ["result"]
)
SIGN_INS_UNASKED: Final = Counter(
    "hodhod_sign_ins_unasked_total", "Sign-ins that no signed-in device was asked about."
)
SIGNUPS: Final = Counter("hodhod_signups_total", "Numbers proved, by account.", ["account"])
SESSIONS_CONTINUED: Final = Counter(
    "hodhod_sessions_continued_total", "Devices let in again without a code.", ["way"]
)

DOOR_ANSWERS: Final = Counter(
    "hodhod_door_answers_total", "What newcomers were told at the door.", ["answer"]
)
DOOR_REASONS: Final = Counter(
    "hodhod_door_reasons_total", "Limits that made a price, a refusal or a bar.", ["limit"]
)
DOOR_ALARMS: Final = Counter(
    "hodhod_door_alarms_total", "Times that something at the door looked like abuse.", ["kind"]
)
DOOR_PROOFS: Final = Counter(
    "hodhod_door_proofs_total", "Proofs of work shown, by what they were found to be.", ["result"]
)
DOOR_SPENT: Final = Gauge(
    "hodhod_door_spent_today", "Money spent on texts since midnight UTC, in the operator's unit."
)
DOOR_BUDGET: Final = Gauge(
    "hodhod_door_budget_per_day", "What texts may cost in a day, in the same unit; 0: no limit."
)
DOOR_SHARING: Final = Gauge(
    "hodhod_door_sharing", "1: sign-up processes share their counts; 0: each counts for itself."
)
ROOM_OPEN: Final = Gauge("hodhod_room_open", "1: newcomers wait for their turn.")
ROOM_WAITING: Final = Gauge(
    "hodhod_room_waiting_people", "Newcomers with a ticket whose turn has not come."
)
ROOM_PROMISED_SECONDS: Final = Gauge(
    "hodhod_room_promised_seconds", "Wait promised to the newcomer who came last (p50)."
)
ROOM_WAITED_SECONDS: Final = Histogram(
    "hodhod_room_waited_seconds",
    "From arrival to turn.",
    buckets=(1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 1200, 1800),
)
ROOM_PROMISES: Final = Counter(
    "hodhod_room_promises_total", "Turns that came, by whether within the promised p90.", ["kept"]
)
ROOM_PARKED: Final = Counter(
    "hodhod_room_parked_total", "People who came back only long after their turn."
)
