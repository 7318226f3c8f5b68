-- The log that can only grow (src/ledger): every leaf as it was hashed, and the tree over them.

create table ledger_entry (
    idx integer primary key,             -- from 0, without a gap
    kind text not null,
    ref text not null,                   -- the row that it records; '' once the leaf is pruned
    unit text,                           -- null: no single unit
    number integer,                      -- the entry's place in its unit's own numbering, from 1
    leaf blob,                           -- null: pruned by age
    hash blob,                           -- of the leaf, once that is pruned
    check ((leaf is null) <> (hash is null))
);
create unique index ledger_entry_unit on ledger_entry (unit, number) where unit is not null;
create index ledger_entry_ref on ledger_entry (kind, ref);

-- Those that stand, by unit, have an index of their own (alert_unit).
create index alert_withdrawn on alert (unit) where state = 'withdrawn';

-- C2SP tiles of height 8: up to 256 hashes one after another. Level and number count tiles.
create table ledger_tile (
    level integer not null,
    number integer not null,
    hashes blob not null,
    primary key (level, number)
) without rowid;

-- Each unit's newest entry.
create table ledger_head (
    unit text primary key,
    number integer not null,
    hash blob not null,
    idx integer not null                 -- where it stands in the log
) without rowid;

-- Checkpoints that were signed, as they were given out.
create table ledger_checkpoint (
    size integer primary key,
    at integer not null,
    note text not null
);
create index ledger_checkpoint_at on ledger_checkpoint (at);

-- Salts of the commitments that stand in leaves for persons. A row goes when the person is erased.
create table ledger_salt (
    kind text not null,
    ref text not null,
    name text not null,                  -- the body's member
    salt blob not null,
    primary key (kind, ref, name)
) without rowid;
