-- Maintenance: to whom a visit's unit belonged then, corrections, workers, the people named, the owner's confirmation.

alter table visit add column region text not null default '';      -- of the unit when the record came
alter table visit add column site text not null default '';
alter table visit add column owner text not null default '';
alter table visit add column maintainer text not null default '';
alter table visit add column supersedes_publisher text;             -- whose record `supersedes` names
update visit set
    region = coalesce((select u.region from unit u where u.id = visit.unit), ''),
    site = coalesce((select u.site from unit u where u.id = visit.unit), ''),
    owner = coalesce((select u.owner from unit u where u.id = visit.unit), ''),
    maintainer = coalesce((select u.maintainer from unit u where u.id = visit.unit), '');
update visit set supersedes_publisher = publisher where supersedes is not null;

-- A visit's id begins with its start, so every list goes by id. Each index here serves one question of auditors.
drop index visit_unit;
drop index visit_supersedes;
create index visit_unit on visit (unit, id);
create index visit_maintainer on visit (maintainer, id);
create index visit_maintainer_kind on visit (maintainer, kind, id);
create index visit_kind on visit (kind, id);
create index visit_supersedes on visit (supersedes_publisher, supersedes) where supersedes is not null;

-- Who worked: one row per worker and visit. Firm and kind are the visit's, so that a list need not look each visit up.
create table visit_worker (
    worker text not null,
    visit text not null,
    maintainer text not null,
    kind text not null,
    primary key (worker, visit)
) without rowid;
insert or ignore into visit_worker
    select w.value, v.id, v.maintainer, v.kind
    from visit v, json_each(case when json_valid(v.body) then v.body else '{}' end, '$.workers') w
    where w.type = 'text';

-- Which visit a correction corrects, once both are here. Both are of one unit, and no chain of them is a circle. Firm and
-- kind are those of the corrected one.
create table visit_correction (
    corrected text not null,
    correction text not null unique,
    maintainer text not null,
    kind text not null,
    primary key (corrected, correction)
) without rowid;
with recursive
    named (corrected, correction, maintainer, kind) as (
        select old.id, new.id, old.maintainer, old.kind from visit new join visit old
            on old.publisher = new.supersedes_publisher and old.record_id = new.supersedes
        where new.supersedes is not null and old.unit = new.unit and old.id <> new.id
    ),
    walk (start, at) as (
        select correction, corrected from named
        union
        select w.start, n.corrected from walk w join named n on n.correction = w.at
    )
insert into visit_correction
    select n.corrected, n.correction, n.maintainer, n.kind from named n
    where not exists (select 1 from walk w where w.start = n.correction and w.at = n.correction);

-- Names, phones and salts, as JSON with blanks behind it; as many zeros once somebody is erased. Rows come at the end, stay
-- where they are and keep their length: SQLite moves none of them, so what is overwritten was in no other place.
create table person (
    id integer primary key,
    told blob not null
);

-- Whom a record names. The record holds a commitment in their place; erasing somebody deletes the row.
create table visit_person (
    visit text not null,
    role text not null,
    person integer not null,
    primary key (visit, role)
) without rowid;
create view named_person as
    select v.visit, v.role, v.person, t.told ->> '$.name' as name, t.told ->> '$.phone' as phone,
        unhex(t.told ->> '$.salt') as salt
    from visit_person v
    join (select id, iif(json_valid(cast(told as text)), cast(told as text), '{}') as told from person) t on t.id = v.person;

-- The owner's word that a visit took place: one for each visit, never changed.
create table visit_confirmation (
    visit text primary key,
    at integer not null,
    body text not null                   -- canonical JSON: by (a commitment), note, visit
) without rowid;
