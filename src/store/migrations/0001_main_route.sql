-- The main route: registry, facts, what rules concluded, what must be told.
-- Times are integers: milliseconds since 1970 in UTC. Ids are text. JSON is text.

-- One row of the registry per unit. `next_check_at`: when a verdict could change without a new fact.
create table unit (
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
create index unit_due on unit (next_check_at) where next_check_at is not null;
create index unit_region on unit (region, id);

-- The last known level of everything that is told as a level; changes in the transaction that holds the edge's event.
create table unit_flags (
    unit text primary key,
    body text not null
) without rowid;

-- When a unit was last heard and its latest state; flushed every 5 s, so up to 5 s old after a crash.
create table unit_live (
    unit text primary key,
    heard_at integer not null,
    state_at integer,
    state text
) without rowid;

-- Facts that units told. The id begins with the sender's time and ends in a hash of the identity.
create table event (
    id text not null primary key,
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
);
-- A unit's events, by stretches of 2^31 ms (25 days) first: what is new touches the pages of these weeks alone, however
-- many years are stored. Who asks for a unit goes through the stretches (src/store/stretch.rs).
create index event_unit on event (at >> 31, unit, at);
-- Events that rules must know however old they are (src/store/history.rs has the same condition).
create index event_lasting on event (unit, at) where
    type in ('mode_changed', 'mains_off', 'mains_on', 'entrapment_reported', 'passenger_released')
    or code in ('safety_chain_open', 'unintended_car_movement', 'opened_while_running', 'overhead_overrun', 'pit_overrun', 'overspeed', 'unintended_reversal');

-- Maintenance visits; a correction is a row of its own that supersedes an earlier one.
-- With a rowid: a record over a quarter of a page would cost a page of its own in a table without one.
create table visit (
    id text not null primary key,        -- time-ordered, from (publisher, record_id)
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
);
create index visit_unit on visit (unit, started_at);
create index visit_supersedes on visit (publisher, supersedes) where supersedes is not null;

-- Reports of major hazards.
create table hazard (
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
create index hazard_unit on hazard (unit, id);

-- How far each (unit, boot) numbering is known, and what is missing in it.
create table sequence (
    unit text not null,
    boot text not null,
    first_seq integer not null,
    highest_seq integer not null,
    primary key (unit, boot)
) without rowid;
create table gap (
    id integer primary key,
    unit text not null,
    boot text not null,
    from_seq integer not null,
    to_seq integer not null,
    found_at integer not null,
    closed_at integer
);
create index gap_unit on gap (unit, found_at);
create index gap_open on gap (unit, boot, from_seq) where closed_at is null;

-- One episode of one rule for one unit.
create table alert (
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
create index alert_unit on alert (unit, rule, starts_at) where state <> 'withdrawn';
create index alert_firing on alert (rule, id) where state = 'firing';
-- For the gauges: without it, counting 200,000 alerts takes ten times as long.
create index alert_tally on alert (rule, severity, state, unit);

-- Every change of an alert, in the transaction that changed it.
create table alert_transition (
    id integer primary key,
    alert text not null,
    kind text not null,
    at integer not null,
    severity text not null
);
create index alert_transition_alert on alert_transition (alert, id);

-- What must be told: one row per transition that receivers hear of; a row goes when it is delivered or given up.
create table outbox (
    id integer primary key,
    transition integer not null unique,
    created_at integer not null
);

-- Messages that were refused, and why. Bounded by rows per publisher; the oldest go first, and are counted.
create table quarantine (
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
create index quarantine_publisher on quarantine (publisher, id);

-- Units that the registry does not have, and what they told, until the registry has them.
create table unregistered_unit (
    publisher text not null,
    unit text not null,
    region text not null,
    first_at integer not null,
    last_at integer not null,
    messages integer not null,
    primary key (publisher, unit)
) without rowid;
create table unregistered_message (
    id integer primary key autoincrement,
    publisher text not null,
    unit text not null,
    region text not null,
    topic text not null,
    received_at integer not null,
    payload blob not null
);
create index unregistered_message_unit on unregistered_message (unit, id);
create index unregistered_message_publisher on unregistered_message (publisher);

-- Single values: which rules the alerts were judged by, when the file was made.
create table setting (
    name text primary key,
    value text not null
) without rowid;
