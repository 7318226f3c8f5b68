CREATE VIEW named_person as
    select v.visit, v.role, v.person, t.told ->> '$.name' as name, t.told ->> '$.phone' as phone,
        unhex(t.told ->> '$.salt') as salt
    from visit_person v
    join (select id, iif(json_valid(cast(told as text)), cast(told as text), '{}') as told from person) t on t.id = v.person;

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

CREATE TABLE answer (
    id integer primary key,
    alert text not null,
    kind text not null,                  -- acknowledged | false_alarm | arrived | note (src/domain/notice.rs)
    at integer not null,
    by text not null,
    note text not null,
    expires_at integer,                  -- of an acknowledgement
    delivery text,                       -- the message whose link was used
    transition integer not null          -- the alert's newest transition that whoever answered knew of; 0 for none
);

CREATE TABLE area_event (
    id text primary key,                 -- x-, then time-ordered
    kind text not null,                  -- src/domain/notice.rs
    region text not null,
    site text not null,                  -- '' where the region is meant
    severity text not null,
    starts_at integer not null,
    ends_at integer,
    units integer not null,              -- how many it has reached
    basis text not null,
    summary_zh text not null,
    summary_en text not null
) without rowid;

CREATE TABLE attempt (
    id integer primary key,
    delivery text not null,
    at integer not null,
    duration_ms integer not null,
    outcome text not null,               -- delivered | retry | refused | gone
    status integer,                      -- the receiver's status code, where it has one
    detail text not null
);

CREATE TABLE delivery (
    id text primary key,                 -- d-, then time-ordered
    notification text not null,
    receiver text not null,
    sink text not null,                  -- kind and place: webhook-0
    state text not null,                 -- due | delivered | dead
    created_at integer not null,
    due_at integer not null,
    attempts integer not null default 0,
    lease_until integer,                 -- somebody is sending it until then
    finished_at integer,
    dead_told integer not null default 0, -- the operator has been told that it was given up
    received_by text,                    -- who said that it was received, by the link in the message
    received_at integer,
    digest text                          -- the delivery whose link stood for it, where several were sent as one
) without rowid;

CREATE TABLE disabled_sink (
    receiver text not null,
    sink text not null,
    at integer not null,
    detail text not null,
    primary key (receiver, sink)
) without rowid;

CREATE TABLE escalation (
    alert text not null,
    told_at integer not null,            -- the transition from which its deadlines count
    step integer not null,
    at integer not null,
    receiver text not null,              -- '' where the unit has nobody to tell
    why text not null,                   -- what was missing: answered | arrived
    primary key (alert, told_at, step)
) without rowid;

CREATE TABLE event (
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

CREATE TABLE inhibition (
    alert text not null,
    area text not null,
    at integer not null,
    primary key (alert, area)
) without rowid;

CREATE TABLE ladder (
    alert text primary key,
    told_at integer not null,
    due_at integer                       -- null: only another transition or answer can make a step due
) without rowid;

CREATE TABLE ledger_checkpoint (
    size integer primary key,
    at integer not null,
    note text not null
);

CREATE TABLE ledger_entry (
    idx integer primary key,             -- from 0, without a gap
    kind text not null,
    ref text not null,                   -- the row that it records; '' once the leaf is pruned
    unit text,                           -- null: no single unit
    number integer,                      -- the entry's place in its unit's own numbering, from 1
    leaf blob,                           -- null: pruned by age
    hash blob,                           -- of the leaf, once that is pruned
    check ((leaf is null) <> (hash is null))
);

CREATE TABLE ledger_head (
    unit text primary key,
    number integer not null,
    hash blob not null,
    idx integer not null                 -- where it stands in the log
) without rowid;

CREATE TABLE ledger_salt (
    kind text not null,
    ref text not null,
    name text not null,                  -- the body's member
    salt blob not null,
    primary key (kind, ref, name)
) without rowid;

CREATE TABLE ledger_tile (
    level integer not null,
    number integer not null,
    hashes blob not null,
    primary key (level, number)
) without rowid;

CREATE TABLE notification (
    id text primary key,                 -- n-, then time-ordered
    receiver text not null,
    kind text not null,                  -- src/domain/notice.rs
    group_key text not null,
    created_at integer not null,
    body text not null                   -- JSON, src/notify/message.rs
) without rowid;

CREATE TABLE notification_alert (
    notification text not null,
    alert text not null,
    primary key (notification, alert)
) without rowid;

CREATE TABLE outbox (
    id integer primary key,
    transition integer not null unique,
    created_at integer not null
);

CREATE TABLE pending (
    receiver text not null,
    group_key text not null,
    transition integer not null,
    alert text not null,
    kind text not null,                  -- what happened to the alert
    created_at integer not null,
    wait_ms integer not null,
    interval_ms integer not null,
    repeat_ms integer not null,
    primary key (receiver, group_key, transition)
) without rowid;

CREATE TABLE person (
    id integer primary key,
    told blob not null
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

CREATE TABLE silence (
    id text primary key,                 -- s-, then time-ordered
    matchers text not null,              -- JSON list of [label, op, value]
    by text not null,
    why text not null,
    starts_at integer not null,
    ends_at integer not null,
    created_at integer not null,
    ended_by text                        -- who ended it before its time
) without rowid;

CREATE TABLE sqlite_sequence(name,seq);

CREATE TABLE token (
    id text primary key,                 -- t-, then time-ordered
    digest blob not null unique,         -- SHA-256 of the secret, which nobody keeps
    role text not null,                  -- src/domain/access.rs
    scope text not null,                 -- JSON list of regions' first digits, or of names in the registry
    personal integer not null,           -- whether personal data is shown
    name text not null,                  -- whose it is, for people
    created_at integer not null,
    expires_at integer,                  -- null: never
    revoked_at integer,
    last_used_at integer                 -- to the minute
) without rowid;

CREATE TABLE told_alert (
    receiver text not null,
    group_key text not null,
    alert text not null,
    told_at integer not null,            -- when a message last named it
    primary key (receiver, group_key, alert)
) without rowid;

CREATE TABLE told_group (
    receiver text not null,
    group_key text not null,
    notified_at integer not null,
    interval_ms integer not null,
    repeat_ms integer not null,
    due_at integer,                      -- when it is to be looked at although nothing happens
    primary key (receiver, group_key)
) without rowid;

CREATE TABLE trouble_told (
    kind text not null,                  -- src/domain/notice.rs
    subject text not null,               -- the publisher or the region
    told_at integer not null,
    upto integer not null,               -- how far: a place in quarantine, or the time of what came last
    primary key (kind, subject)
) without rowid;

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
    received_at integer not null, region text not null default '', site text not null default '', owner text not null default '', maintainer text not null default '', supersedes_publisher text,
    unique (publisher, record_id)
);

CREATE TABLE visit_confirmation (
    visit text primary key,
    at integer not null,
    body text not null                   -- canonical JSON: by (a commitment), note, visit
) without rowid;

CREATE TABLE visit_correction (
    corrected text not null,
    correction text not null unique,
    maintainer text not null,
    kind text not null,
    primary key (corrected, correction)
) without rowid;

CREATE TABLE visit_person (
    visit text not null,
    role text not null,
    person integer not null,
    primary key (visit, role)
) without rowid;

CREATE TABLE visit_worker (
    worker text not null,
    visit text not null,
    maintainer text not null,
    kind text not null,
    primary key (worker, visit)
) without rowid;

CREATE INDEX alert_firing on alert (rule, id) where state = 'firing';

CREATE INDEX alert_tally on alert (rule, severity, state, unit);

CREATE INDEX alert_transition_alert on alert_transition (alert, id);

CREATE INDEX alert_unit on alert (unit, rule, starts_at) where state <> 'withdrawn';

CREATE INDEX alert_withdrawn on alert (unit) where state = 'withdrawn';

CREATE INDEX answer_alert on answer (alert, id);

CREATE INDEX area_event_ends on area_event (ends_at);

CREATE INDEX area_event_open on area_event (region, site, kind) where ends_at is null;

CREATE INDEX attempt_delivery on attempt (delivery, id);

CREATE INDEX delivery_dead on delivery (id) where state = 'dead';

CREATE INDEX delivery_digest on delivery (digest) where digest is not null;

CREATE INDEX delivery_due on delivery (receiver, sink, due_at, lease_until) where state = 'due';

CREATE INDEX delivery_notification on delivery (notification);

CREATE INDEX delivery_untold on delivery (id) where state = 'dead' and dead_told = 0;

CREATE INDEX event_lasting on event (unit, at) where
    type in ('mode_changed', 'mains_off', 'mains_on', 'entrapment_reported', 'passenger_released')
    or code in ('safety_chain_open', 'unintended_car_movement', 'opened_while_running', 'overhead_overrun', 'pit_overrun', 'overspeed', 'unintended_reversal');

CREATE INDEX event_mains on event (at, unit, type) where type in ('mains_off', 'mains_on');

CREATE INDEX event_unit on event (at >> 31, unit, at);

CREATE INDEX gap_open on gap (unit, boot, from_seq) where closed_at is null;

CREATE INDEX gap_unit on gap (unit, found_at);

CREATE INDEX hazard_unit on hazard (unit, id);

CREATE INDEX inhibition_area on inhibition (area, alert);

CREATE INDEX ladder_due on ladder (due_at) where due_at is not null;

CREATE INDEX ledger_checkpoint_at on ledger_checkpoint (at);

CREATE INDEX ledger_entry_ref on ledger_entry (kind, ref);

CREATE UNIQUE INDEX ledger_entry_unit on ledger_entry (unit, number) where unit is not null;

CREATE INDEX notification_alert_alert on notification_alert (alert);

CREATE INDEX quarantine_foreign on quarantine (publisher, id, unit) where reason = 'foreign_unit';

CREATE INDEX quarantine_foreign_region on quarantine (publisher, id, unit) where reason = 'foreign_region';

CREATE INDEX quarantine_publisher on quarantine (publisher, id);

CREATE INDEX silence_ends on silence (ends_at);

CREATE INDEX told_alert_alert on told_alert (alert);

CREATE INDEX told_group_due on told_group (due_at) where due_at is not null;

CREATE INDEX unit_due on unit (next_check_at) where next_check_at is not null;

CREATE INDEX unit_region on unit (region, id);

CREATE INDEX unregistered_message_publisher on unregistered_message (publisher);

CREATE INDEX unregistered_message_unit on unregistered_message (unit, id);

CREATE INDEX visit_kind on visit (kind, id);

CREATE INDEX visit_maintainer on visit (maintainer, id);

CREATE INDEX visit_maintainer_kind on visit (maintainer, kind, id);

CREATE INDEX visit_supersedes on visit (supersedes_publisher, supersedes) where supersedes is not null;

CREATE INDEX visit_unit on visit (unit, id);
