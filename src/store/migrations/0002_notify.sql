-- Who was told what, when, and what they answered.

-- A transition that waits to be told to one receiver, in one group; the times are those of the route that it came by.
create table pending (
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

-- What a group of a receiver was told last. A row goes when nothing of the group fires any more and all was told.
create table told_group (
    receiver text not null,
    group_key text not null,
    notified_at integer not null,
    interval_ms integer not null,
    repeat_ms integer not null,
    due_at integer,                      -- when it is to be looked at although nothing happens
    primary key (receiver, group_key)
) without rowid;
create index told_group_due on told_group (due_at) where due_at is not null;

-- Firing alerts that a receiver was told of, by group: whom reminders and the end of the alert concern.
create table told_alert (
    receiver text not null,
    group_key text not null,
    alert text not null,
    told_at integer not null,            -- when a message last named it
    primary key (receiver, group_key, alert)
) without rowid;
create index told_alert_alert on told_alert (alert);

-- One message to one receiver: what it says is fixed here, for every sink and every retry.
create table notification (
    id text primary key,                 -- n-, then time-ordered
    receiver text not null,
    kind text not null,                  -- src/domain/notice.rs
    group_key text not null,
    created_at integer not null,
    body text not null                   -- JSON, src/notify/message.rs
) without rowid;
create table notification_alert (
    notification text not null,
    alert text not null,
    primary key (notification, alert)
) without rowid;
create index notification_alert_alert on notification_alert (alert);

-- One notification on its way through one sink. The id is the idempotency key: the same on every retry.
create table delivery (
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
create index delivery_digest on delivery (digest) where digest is not null;
create index delivery_due on delivery (receiver, sink, due_at, lease_until) where state = 'due';
create index delivery_notification on delivery (notification);
create index delivery_dead on delivery (id) where state = 'dead';
create index delivery_untold on delivery (id) where state = 'dead' and dead_told = 0;

-- Every try to send, as it went.
create table attempt (
    id integer primary key,
    delivery text not null,
    at integer not null,
    duration_ms integer not null,
    outcome text not null,               -- delivered | retry | refused | gone
    status integer,                      -- the receiver's status code, where it has one
    detail text not null
);
create index attempt_delivery on attempt (delivery, id);

-- A sink that said that it is gone (410) and is not tried again until a person enables it.
create table disabled_sink (
    receiver text not null,
    sink text not null,
    at integer not null,
    detail text not null,
    primary key (receiver, sink)
) without rowid;

-- What people answered to an alert: a row per answer, never changed.
create table answer (
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
create index answer_alert on answer (alert, id);

-- A person's wish not to be told for a while. Never changed but for its end.
create table silence (
    id text primary key,                 -- s-, then time-ordered
    matchers text not null,              -- JSON list of [label, op, value]
    by text not null,
    why text not null,
    starts_at integer not null,
    ends_at integer not null,
    created_at integer not null,
    ended_by text                        -- who ended it before its time
) without rowid;
create index silence_ends on silence (ends_at);

-- Steps of the escalation ladder that were taken.
create table escalation (
    alert text not null,
    told_at integer not null,            -- the transition from which its deadlines count
    step integer not null,
    at integer not null,
    receiver text not null,              -- '' where the unit has nobody to tell
    why text not null,                   -- what was missing: answered | arrived
    primary key (alert, told_at, step)
) without rowid;

-- Firing alerts with a ladder, and when its next step may be due. A row goes when the alert ends.
create table ladder (
    alert text primary key,
    told_at integer not null,
    due_at integer                       -- null: only another transition or answer can make a step due
) without rowid;
create index ladder_due on ladder (due_at) where due_at is not null;

-- What the operator was told of troubles around liftwatch.
create table trouble_told (
    kind text not null,                  -- src/domain/notice.rs
    subject text not null,               -- the publisher or the region
    told_at integer not null,
    upto integer not null,               -- how far: a place in quarantine, or the time of what came last
    primary key (kind, subject)
) without rowid;
create index quarantine_foreign on quarantine (publisher, id, unit) where reason = 'foreign_unit';
create index quarantine_foreign_region on quarantine (publisher, id, unit) where reason = 'foreign_region';

-- What holds of many units at once: a site without mains, a region that is silent. Derived from facts alone.
create table area_event (
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
create index area_event_ends on area_event (ends_at);
create index area_event_open on area_event (region, site, kind) where ends_at is null;
create index event_mains on event (at, unit, type) where type in ('mains_off', 'mains_on');

-- Alerts that were not told, or not at once, because an area event says it of all of them.
create table inhibition (
    alert text not null,
    area text not null,
    at integer not null,
    primary key (alert, area)
) without rowid;
create index inhibition_area on inhibition (area, alert);
