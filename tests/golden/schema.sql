CREATE TABLE alert (
    id text primary key,
    rule text not null,
    rule_version text not null,
    unit text not null,
    severity text not null,
    level integer not null,
    state text not null,                 -- firing | resolved | withdrawn
    starts_at integer not null,
    ends_at integer,                     -- when the condition ceases; known in advance for sliding windows
    steps text not null,                 -- [[at, level], ...]
    evidence text not null,              -- ids of events, visits or gaps, in order of time
    basis text not null,
    summary_zh text not null,
    summary_en text not null,
    recorded_at integer not null,
    resolved_at integer,
    late integer not null,
    superseded_by text
) without rowid;

CREATE TABLE alert_transition (
    id integer primary key,
    alert text not null,
    kind text not null,
    at integer not null,
    severity text not null
);

CREATE TABLE event (
    id text primary key,
    unit text not null,
    publisher text not null,
    type text not null,
    code text,
    vendor_code text,
    mode text,
    landing text,
    moving integer,
    occupied integer,
    at integer not null,                 -- when it counts: ts, or received_at if the clock is suspect
    ts integer not null,                 -- what the sender's clock said
    received_at integer not null,
    clock_suspect integer not null default 0,
    boot text,
    seq integer,
    origin text not null,
    extra text
) without rowid;

CREATE TABLE gap (
    id integer primary key,
    unit text not null,
    boot text not null,
    from_seq integer not null,
    to_seq integer not null,
    found_at integer not null,
    closed_at integer
);

CREATE TABLE hazard (
    id text primary key,
    unit text not null,
    publisher text not null,
    report_id text not null,
    reporter text not null,
    basis text not null,
    use_stopped integer not null,
    state text not null default 'received',
    body text not null,
    ts integer not null,
    received_at integer not null,
    unique (publisher, report_id)
) without rowid;

CREATE TABLE outbox (
    id integer primary key,
    transition integer not null unique,
    created_at integer not null
);

CREATE TABLE quarantine (
    id integer primary key autoincrement,
    received_at integer not null,
    region text not null,
    publisher text not null,             -- '' where the topic does not tell
    unit text not null,
    topic text not null,
    reason text not null,
    detail text not null,
    payload_size integer not null,
    payload_sha256 text not null,
    payload blob not null                -- the first 4 KiB
);

CREATE TABLE sequence (
    unit text not null,
    boot text not null,
    first_seq integer not null,
    highest_seq integer not null,
    primary key (unit, boot)
) without rowid;

CREATE TABLE setting (
    name text primary key,
    value text not null
) without rowid;

CREATE TABLE sqlite_sequence(name,seq);

CREATE TABLE unit (
    id text primary key,
    registration_code text not null,
    region text not null,
    site text not null,
    address text not null,
    kind text not null,
    maker text not null,
    model text not null,
    in_service_since text,               -- civil date, yyyy-mm-dd
    owner text not null,
    maintainer text not null,
    publisher text,                      -- null: any publisher of the region
    stops integer,
    latitude real,
    longitude real,
    maintenance_interval_days integer not null,
    last_inspection text,
    changed_at integer not null,
    next_check_at integer
) without rowid;

CREATE TABLE unit_flags (
    unit text primary key,
    body text not null
) without rowid;

CREATE TABLE unit_live (
    unit text primary key,
    heard_at integer not null,
    state_at integer,
    state text
) without rowid;

CREATE TABLE unregistered_message (
    id integer primary key autoincrement,
    publisher text not null,
    unit text not null,
    region text not null,
    topic text not null,
    received_at integer not null,
    payload blob not null
);

CREATE TABLE unregistered_unit (
    publisher text not null,
    unit text not null,
    region text not null,
    first_at integer not null,
    last_at integer not null,
    messages integer not null,
    primary key (publisher, unit)
) without rowid;

CREATE TABLE visit (
    id text primary key,                 -- time-ordered, from (publisher, record_id)
    unit text not null,
    publisher text not null,
    record_id text not null,
    kind text not null,
    started_at integer not null,
    ended_at integer,
    supersedes text,                     -- the record_id that this one corrects
    body text not null,
    ts integer not null,
    received_at integer not null,
    unique (publisher, record_id)
) without rowid;

CREATE INDEX alert_firing on alert (rule, id) where state = 'firing';

CREATE INDEX alert_tally on alert (rule, severity, state, unit);

CREATE INDEX alert_transition_alert on alert_transition (alert, id);

CREATE INDEX alert_unit on alert (unit, rule, starts_at) where state <> 'withdrawn';

CREATE INDEX event_lasting on event (unit, at) where
    type in ('mode_changed', 'mains_off', 'mains_on', 'entrapment_reported', 'passenger_released')
    or code in ('safety_chain_open', 'unintended_car_movement', 'opened_while_running', 'overhead_overrun', 'pit_overrun', 'overspeed', 'unintended_reversal');

CREATE UNIQUE INDEX event_sequence on event (unit, boot, seq) where seq is not null;

CREATE INDEX event_unit_at on event (unit, at);

CREATE INDEX gap_open on gap (unit, boot, from_seq) where closed_at is null;

CREATE INDEX gap_unit on gap (unit, found_at);

CREATE INDEX hazard_unit on hazard (unit, id);

CREATE INDEX quarantine_publisher on quarantine (publisher, id);

CREATE INDEX unit_due on unit (next_check_at) where next_check_at is not null;

CREATE INDEX unit_region on unit (region, id);

CREATE INDEX unregistered_message_publisher on unregistered_message (publisher);

CREATE INDEX unregistered_message_unit on unregistered_message (unit, id);

CREATE INDEX visit_supersedes on visit (publisher, supersedes) where supersedes is not null;

CREATE INDEX visit_unit on visit (unit, started_at);
