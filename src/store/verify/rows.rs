//! Rows against the entries that recorded them, in both directions, and the evidence that alerts rest on.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use serde_json::Map;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::time::Timestamp;
use crate::hex::sha256_hex;
use crate::ledger::canonical::canonical;
use crate::ledger::commitment::Salt;
use crate::ledger::leaf;
use crate::store::alerts::alert;
use crate::store::answers::answer_row;
use crate::store::entries::{self, Entry, HazardRow};
use crate::store::error::StoreError;
use crate::store::registry::unit;
use crate::store::tokens::token;
use crate::store::visits::visit_entry;
use crate::store::words::{flag, word};

use super::bulk::{self, says};
use super::people::Told;
use super::report::Report;

/// One kind of row that has entries.
struct Kind {
    /// As it is called in messages.
    name: &'static str,
    /// The rows, each with its id as `place` and the newest leaf that records it. Of visits and confirmations, a page of
    /// them from `$1` on.
    rows: &'static str,
    /// What the row must have said.
    entry: fn(&SqliteRow) -> Result<Entry, StoreError>,
    /// Whom the row names.
    names: fn(&mut Told, &SqliteRow, &mut Report) -> Result<(), StoreError>,
    /// Entries whose row is gone.
    orphans: &'static str,
}

/// The kinds of which there are millions.
const VISIT: &str = "visit";
const CONFIRMATION: &str = "confirmation of visit";

const KINDS: [Kind; 10] = [
    Kind {
        name: VISIT,
        rows: "select r.*, r.id as place, e.leaf \
             from (select * from visit where rowid >= cast($1 as integer) order by rowid limit 64) r \
             left join ledger_entry e on e.kind = 'visit' and e.ref = r.id",
        entry: visit_entry,
        names: Told::visit_row,
        orphans: "select idx from ledger_entry e where kind = 'visit' \
             and e.leaf is not null and not exists (select 1 from visit r where r.id = e.ref)",
    },
    Kind {
        name: CONFIRMATION,
        rows: "select r.visit, r.at, r.body, r.visit as place, v.unit, p.person, p.name, p.phone, p.salt, e.leaf \
             from (select * from visit_confirmation where visit >= $1 order by visit limit 64) r \
             left join visit v on v.id = r.visit \
             left join named_person p on p.visit = r.visit and p.role = 'confirmed_by' \
             left join ledger_entry e on e.kind = 'confirmation' and e.ref = r.visit",
        entry: confirmation,
        names: Told::confirmation_row,
        orphans: "select idx from ledger_entry e where kind = 'confirmation' \
             and e.leaf is not null and not exists (select 1 from visit_confirmation r where r.visit = e.ref)",
    },
    Kind {
        name: "hazard",
        rows: "select r.*, r.id as place, e.leaf from hazard r \
             left join ledger_entry e on e.kind = 'hazard' and e.ref = r.id \
             order by r.id",
        entry: hazard,
        names: nobody,
        orphans: "select idx from ledger_entry e where kind = 'hazard' \
             and not exists (select 1 from hazard r where r.id = e.ref)",
    },
    Kind {
        name: "alert",
        rows: "select r.*, r.id as place, t.id as t_id, t.kind as t_kind, t.at as t_at, e.leaf from alert r \
             join alert_transition t on t.id = (select max(n.id) from alert_transition n where n.alert = r.id) \
             left join ledger_entry e on e.kind = 'alert_transition' and e.ref = cast(t.id as text) \
             order by r.id",
        entry: newest_transition,
        names: nobody,
        orphans: "select e.idx from ledger_entry e where e.kind = 'alert_transition' and e.leaf is not null and not exists (select 1 from \
             alert r where r.id = json_extract(iif(json_valid(cast(e.leaf as text)), cast(e.leaf as text), '{}'), \
             '$.body.alert'))",
    },
    Kind {
        name: "answer",
        rows: "select w.*, a.unit, printf('%020d', w.id) as place, e.leaf from answer w \
             left join alert a on a.id = w.alert \
             left join ledger_entry e on e.kind = 'answer' and e.ref = cast(w.id as text) \
             order by w.id",
        entry: |row| Ok(entries::answer(&answer_row(row)?)),
        names: nobody,
        orphans: "select idx from ledger_entry e where kind = 'answer' \
             and e.leaf is not null and not exists (select 1 from answer r where r.id = cast(e.ref as integer))",
    },
    Kind {
        name: "silence",
        rows: "select r.*, r.id as place, e.leaf from silence r \
             left join ledger_entry e on e.kind = 'silence' and e.ref = r.id \
             order by r.id",
        entry: silence,
        names: nobody,
        orphans: "select idx from ledger_entry e where kind in ('silence', 'silence_ended') \
             and not exists (select 1 from silence r where r.id = e.ref)",
    },
    Kind {
        name: "end of the silence",
        rows: "select r.*, r.id as place, e.leaf, case when json_valid(cast(e.leaf as text)) then json_extract(cast(e.leaf as text), '$.at') end \
             as told_at from silence r \
             left join ledger_entry e on e.idx = \
             (select max(n.idx) from ledger_entry n where n.kind = 'silence_ended' and n.ref = r.id) \
             order by r.id",
        entry: silence_end,
        names: nobody,
        orphans: "select idx from ledger_entry where false",
    },
    Kind {
        name: "token",
        rows: "select r.*, r.id as place, e.leaf from token r \
             left join ledger_entry e on e.idx = \
             (select min(n.idx) from ledger_entry n where n.kind = 'token' and n.ref = r.id) \
             order by r.id",
        entry: |row| {
            let token = token(row)?;
            Ok(entries::token(&token.id, &token.access, &token.name, token.expires_at, token.created_at))
        },
        names: nobody,
        orphans: "select idx from ledger_entry e where kind = 'token' \
             and not exists (select 1 from token r where r.id = e.ref)",
    },
    Kind {
        name: "end of the token",
        rows: "select r.*, r.id as place, e.leaf from token r \
             left join ledger_entry e on e.idx = \
             (select max(n.idx) from ledger_entry n where n.kind = 'token' and n.ref = r.id) \
             where r.revoked_at is not null order by r.id",
        entry: |row| Ok(entries::token_revoked(row.try_get("id")?, at(row, "revoked_at")?)),
        names: nobody,
        orphans: "select max(e.idx) as idx from ledger_entry e join token r on r.id = e.ref \
             where e.kind = 'token' and r.revoked_at is null group by e.ref having count(*) > 1",
    },
    Kind {
        name: "registry row of unit",
        rows: "select r.*, r.id as place, e.leaf from unit r \
             left join ledger_entry e on e.idx = \
             (select max(n.idx) from ledger_entry n where n.kind = 'unit' and n.ref = r.id) \
             order by r.id",
        entry: |row| Ok(entries::unit(&unit(row)?, at(row, "changed_at")?)),
        names: nobody,
        orphans: "select idx from ledger_entry e where kind = 'unit' \
             and not exists (select 1 from unit r where r.id = e.ref)",
    },
];

/// Salts of values that rows hold in clear, by kind, row and member.
type Salts = HashMap<(String, String, String), Vec<u8>>;

/// Checks every row that the ledger records, and the evidence of every alert. Tells `people` whom the rows name.
///
/// # Errors
/// The file cannot be read.
pub async fn check(reader: &mut SqliteConnection, people: &mut Told, report: &mut Report) -> Result<(), StoreError> {
    let salts = salts(reader).await?;
    for kind in &KINDS {
        let pages = match kind.name {
            VISIT => bulk::visits(reader, people, report).await?,
            CONFIRMATION => bulk::confirmations(reader, people, report).await?,
            _ => vec![String::new()],
        };
        for first in &pages {
            let mut rows = sqlx::query(kind.rows).bind(first).fetch(&mut *reader);
            while let Some(row) = rows.try_next().await? {
                hold(kind, &row, &salts, report)?;
                if (kind.names)(people, &row, report).is_err() {
                    // `hold` has told of the value that cannot be read.
                    people.search();
                }
            }
        }
        let orphans: Vec<i64> = sqlx::query_scalar(kind.orphans).fetch_all(&mut *reader).await?;
        for index in orphans {
            report.find(format!("entry {index}: the {} that it records is not there any more", kind.name));
        }
    }
    transitions(reader, report).await?;
    evidence(reader, report).await
}

async fn salts(reader: &mut SqliteConnection) -> Result<Salts, StoreError> {
    let rows: Vec<(String, String, String, Vec<u8>)> =
        sqlx::query_as("select kind, ref, name, salt from ledger_salt").fetch_all(&mut *reader).await?;
    Ok(rows.into_iter().map(|(kind, reference, name, salt)| ((kind, reference, name), salt)).collect())
}

fn hold(kind: &Kind, row: &SqliteRow, salts: &Salts, report: &mut Report) -> Result<(), StoreError> {
    report.rows += 1;
    let leaf: Option<&[u8]> = row.try_get("leaf")?;
    let mut expected = (kind.entry)(row);
    let mut saltless = Vec::new();
    if let Ok(entry) = &mut expected {
        for (member, value) in std::mem::take(&mut entry.personal) {
            let place = (entry.kind.to_string(), entry.reference.clone(), member.to_owned());
            match salts.get(&place).and_then(|salt| Salt::from_slice(salt)) {
                Some(salt) => entry.body.text(member, &salt.commit(&value)),
                None => saltless.push(member),
            }
        }
        if saltless.is_empty() && leaf.is_some_and(|leaf| says(leaf, entry)) {
            return Ok(());
        }
    }
    let place: String = row.try_get("place")?;
    let name = format!("{} {}", kind.name, place.trim_start_matches('0'));
    let Some(leaf) = leaf else {
        report.find(format!("{name}: no entry records it"));
        return Ok(());
    };
    // A leaf that cannot be read is told of by the walk over the log.
    let Ok(recorded) = leaf::read(leaf) else { return Ok(()) };
    match expected {
        Err(error) => report.find(format!("{name}: {error}")),
        Ok(_) if !saltless.is_empty() => report.find(format!("{name}: the salt of its {} is gone", saltless[0])),
        Ok(expected) => {
            let differing = differing(&recorded, &expected);
            if !differing.is_empty() {
                report.find(format!("{name}: it is not what was recorded, in {}", differing.join(", ")));
            }
        }
    }
    Ok(())
}

/// In what a leaf and what was expected of it differ: members of the body in their canonical form, since the row's
/// numbers went through it once too.
fn differing(recorded: &leaf::Read, expected: &Entry) -> Vec<String> {
    let mut differing = Vec::new();
    match &recorded.body {
        Some(body) => {
            let empty = Map::new();
            let body = body.as_object().unwrap_or(&empty);
            let mut names: Vec<&str> = body.keys().map(String::as_str).chain(expected.body.names()).collect();
            names.sort_unstable();
            names.dedup();
            let same =
                |name: &&str| body.get(*name).map(canonical).as_deref() == expected.body.get(name).map(str::as_bytes);
            differing.extend(names.into_iter().filter(|name| !same(name)).map(str::to_owned));
        }
        None if recorded.body_sha256 == sha256_hex(expected.body.object().as_bytes()) => {}
        None => differing.push("body".to_owned()),
    }
    let unit = recorded.link.as_ref().map(|(unit, ..)| unit);
    let strange = [("time", recorded.at != expected.at), ("unit", unit != expected.unit.as_ref())];
    differing.extend(strange.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()));
    differing
}

/// Every transition, the older ones too, as far as its own row goes.
async fn transitions(reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let wrong = "with told as (select t.*, e.idx, \
         iif(json_valid(cast(e.leaf as text)), cast(e.leaf as text), '{}') as leaf from alert_transition t \
         left join ledger_entry e on e.kind = 'alert_transition' and e.ref = cast(t.id as text)) \
         select id, idx is null as bare from told where idx is null \
         or alert is not json_extract(leaf, '$.body.alert') or kind is not json_extract(leaf, '$.body.transition') \
         or severity is not json_extract(leaf, '$.body.severity') \
         or at is not cast(round((julianday(json_extract(leaf, '$.at')) - 2440587.5) * 86400000) as integer)";
    for row in sqlx::query(wrong).fetch_all(&mut *reader).await? {
        let (id, bare): (i64, bool) = (row.try_get("id")?, row.try_get("bare")?);
        let what = if bare { "no entry records it" } else { "it is not what was recorded" };
        report.find(format!("alert transition {id}: {what}"));
    }
    let gone = "select idx from ledger_entry e where kind = 'alert_transition' \
         and e.leaf is not null and not exists (select 1 from alert_transition t where t.id = cast(e.ref as integer))";
    for index in sqlx::query_scalar::<_, i64>(gone).fetch_all(&mut *reader).await? {
        report.find(format!("entry {index}: the alert transition that it records is not there any more"));
    }
    Ok(())
}

/// What alerts rest on must be there, and be of their unit; only who works in two places has a visit to the other.
async fn evidence(reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let missing = "select a.id, j.value as named from alert a, json_each(iif(json_valid(a.evidence), a.evidence, '[]')) j \
         where not exists (select 1 from event r where r.id = j.value and r.unit = a.unit) \
         and not exists (select 1 from visit r where r.id = j.value \
         and (r.unit = a.unit or a.rule = 'worker_in_two_places')) \
         and not exists (select 1 from hazard r where r.id = j.value and r.unit = a.unit) \
         and not exists (select 1 from gap r where r.unit = a.unit and j.value = 'gap-' || r.id)";
    for row in sqlx::query(missing).fetch_all(&mut *reader).await? {
        let (alert, named): (String, String) = (row.try_get("id")?, row.try_get("named")?);
        report.find(format!("alert {alert}: its evidence {named} is not there any more"));
    }
    Ok(())
}

fn nobody(_: &mut Told, _: &SqliteRow, _: &mut Report) -> Result<(), StoreError> {
    Ok(())
}

fn at(row: &SqliteRow, column: &str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp(row.try_get(column)?))
}

fn confirmation(row: &SqliteRow) -> Result<Entry, StoreError> {
    let unit = word("visit_confirmation", row.try_get("unit")?)?;
    Ok(entries::confirmation(row.try_get("visit")?, &unit, at(row, "at")?, row.try_get("body")?))
}

fn hazard(row: &SqliteRow) -> Result<Entry, StoreError> {
    Ok(entries::hazard(&HazardRow {
        id: row.try_get("id")?,
        unit: word("hazard", row.try_get("unit")?)?,
        publisher: row.try_get("publisher")?,
        report_id: row.try_get("report_id")?,
        reporter: row.try_get("reporter")?,
        basis: row.try_get("basis")?,
        use_stopped: flag("hazard", "use_stopped", row.try_get("use_stopped")?)?,
        ts: at(row, "ts")?,
        received_at: at(row, "received_at")?,
        body: row.try_get("body")?,
    }))
}

fn newest_transition(row: &SqliteRow) -> Result<Entry, StoreError> {
    let kind = word("alert_transition", row.try_get("t_kind")?)?;
    Ok(entries::transition(row.try_get("t_id")?, kind, at(row, "t_at")?, &alert(row)?))
}

fn silence(row: &SqliteRow) -> Result<Entry, StoreError> {
    let (id, matchers, why): (&str, &str, &str) = (row.try_get("id")?, row.try_get("matchers")?, row.try_get("why")?);
    let by: &str = row.try_get("by")?;
    Ok(entries::silence(id, matchers, why, at(row, "starts_at")?, at(row, "created_at")?, by))
}

fn silence_end(row: &SqliteRow) -> Result<Entry, StoreError> {
    let ended_by: Option<&str> = row.try_get("ended_by")?;
    let told: Option<&str> = row.try_get("told_at")?;
    let told = told.and_then(|at| Timestamp::parse(at).ok()).unwrap_or(at(row, "ends_at")?);
    Ok(entries::silence_end(row.try_get("id")?, at(row, "ends_at")?, told, ended_by))
}
