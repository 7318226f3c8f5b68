//! 500 ways to change what was recorded, with and without the knowledge of how the ledger works: each is found.

use std::collections::HashMap;
use std::path::Path;

use liftwatch::ledger::canonical::canonical;
use liftwatch::ledger::hash::Hash;
use liftwatch::ledger::heads::{Heads, UnitHead};
use liftwatch::ledger::leaf::{self, EntryKind};
use liftwatch::ledger::tree::{Edge, tile_bytes};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

use super::chronicle::Chronicle;

/// Tables whose rows the ledger records, or is made of.
const TABLES: [&str; 14] = [
    "visit",
    "visit_worker",
    "visit_person",
    "person",
    "visit_confirmation",
    "hazard",
    "alert",
    "alert_transition",
    "answer",
    "silence",
    "unit",
    "ledger_entry",
    "ledger_tile",
    "ledger_head",
];

/// Columns that carry no record: derived, or for the daemon's own use.
const FREE: [(&str, &str); 3] = [("unit", "next_check_at"), ("hazard", "state"), ("answer", "id")];

async fn open(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).connect().await.unwrap()
}

async fn run(file: &mut SqliteConnection, statement: String) -> u64 {
    sqlx::query(AssertSqlSafe(statement)).execute(file).await.unwrap().rows_affected()
}

/// The same for what the engine itself may refuse.
async fn try_run(file: &mut SqliteConnection, statement: String) -> u64 {
    sqlx::query(AssertSqlSafe(statement)).execute(file).await.map_or(0, |done| done.rows_affected())
}

/// One random edit by somebody with a SQLite shell. Says what it was; `None` if it changed nothing.
async fn edit(file: &mut SqliteConnection, random: &mut fastrand::Rng) -> Option<String> {
    let table = TABLES[random.usize(..TABLES.len())];
    let columns = format!("select name from pragma_table_info('{table}')");
    let columns: Vec<String> = sqlx::query_scalar(AssertSqlSafe(columns)).fetch_all(&mut *file).await.unwrap();
    let column = &columns[random.usize(..columns.len())];
    let keys = format!("select name from pragma_table_info('{table}') where pk > 0 order by pk");
    let keys: Vec<String> = sqlx::query_scalar(AssertSqlSafe(keys)).fetch_all(&mut *file).await.unwrap();
    let key = keys.join(", ");
    let nth = |n: usize| format!("({key}) = (select {key} from {table} order by {key} limit 1 offset {n})");
    let count = format!("select count(*) from {table}");
    let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut *file).await.unwrap();
    let (one, other) = (random.usize(..rows as usize), random.usize(..rows as usize));
    match random.u8(..4) {
        0 => {
            run(file, format!("delete from {table} where {}", nth(one))).await;
            Some(format!("row {one} of {table} deleted"))
        }
        // Reordered: two rows trade the content of one column.
        1 if one != other && !keys.contains(column) && !FREE.contains(&(table, column)) => {
            let value = |n: usize| format!("(select {column} from {table} order by {key} limit 1 offset {n})");
            let differ = format!("select {} is not {}", value(one), value(other));
            if !sqlx::query_scalar::<_, bool>(AssertSqlSafe(differ)).fetch_one(&mut *file).await.unwrap() {
                return None;
            }
            // Through a table of its own, because a unique column cannot hold the same value twice for a moment.
            run(file, format!("create temp table kept as select {} as a, {} as b", value(one), value(other))).await;
            for (n, name) in [(one, "null"), (other, "(select a from kept)"), (one, "(select b from kept)")] {
                try_run(file, format!("update or ignore {table} set {column} = {name} where {}", nth(n))).await;
            }
            let changed = format!(
                "select {} is not (select a from kept) or {} is not (select b from kept)",
                value(one),
                value(other)
            );
            let changed: bool = sqlx::query_scalar(AssertSqlSafe(changed)).fetch_one(&mut *file).await.unwrap();
            run(file, "drop table kept".to_owned()).await;
            changed.then(|| format!("{column} of rows {one} and {other} of {table} exchanged"))
        }
        _ if FREE.contains(&(table, column)) => None,
        _ => {
            let new = match random.u8(..3) {
                0 => format!("{column} || 'x'"),
                1 => format!("case when typeof({column}) = 'integer' then {column} + 1 else 'y' || {column} end"),
                _ => format!(
                    "case when typeof({column}) = 'blob' then zeroblob(length({column})) else {column} || '0' end"
                ),
            };
            let set =
                format!("update or ignore {table} set {column} = {new} where {} and {new} is not {column}", nth(one));
            (try_run(file, set).await > 0).then(|| format!("{column} of row {one} of {table} edited"))
        }
    }
}

#[tokio::test]
async fn each_of_500_random_edits_is_found_with_an_earlier_checkpoint() {
    let (file, city) = Chronicle::written().await.into_file().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let clean = city.audit(&file).await;
    assert!(clean.is_clean(), "{:#?}", clean.findings);
    assert!(clean.rows > 60 && clean.entries > 100, "{clean:?}");
    let mut random = fastrand::Rng::with_seed(20_261_124);
    let mut tried = 0;
    while tried < 500 {
        std::fs::copy(&file, &copy).unwrap();
        let mut open = open(&copy).await;
        let Some(what) = edit(&mut open, &mut random).await else { continue };
        open.close().await.unwrap();
        tried += 1;
        let found = city.audit(&copy).await;
        assert!(!found.is_clean(), "edit {tried} was not found: {what}");
    }
}

/// Somebody who knows the program builds the whole ledger anew, without one visit. Only a checkpoint that is not in
/// their hands shows it; that it is needed is shown as well.
#[tokio::test]
async fn a_history_that_is_written_anew_is_found_by_an_outside_checkpoint_and_by_nothing_else() {
    let (file, city) = Chronicle::written().await.into_file().await;
    let mut open = open(&file).await;
    let rows = sqlx::query("select kind, ref, leaf from ledger_entry order by idx").fetch_all(&mut open).await.unwrap();
    let victim: String =
        sqlx::query_scalar("select id from visit order by id limit 1").fetch_one(&mut open).await.unwrap();
    let kept = rows.iter().filter(|row| row.get::<&str, _>("ref") != victim);
    let (mut edge, mut heads, mut tiles) = (Edge::default(), Heads::default(), HashMap::new());
    let mut written = Vec::new();
    for row in kept {
        let mut value: Value = serde_json::from_slice(row.get("leaf")).unwrap();
        let read = leaf::read(row.get("leaf")).unwrap();
        let mut link = None;
        if let Some((unit, ..)) = &read.link {
            let before = heads.get(unit);
            link = Some((unit.clone(), before.map_or(1, |head| head.number + 1)));
            value["number"] = link.as_ref().unwrap().1.into();
            value["previous"] = before.map(|head| head.hash.to_string()).into();
        }
        if read.kind == EntryKind::Heads {
            value["body"] = serde_json::from_str(&heads.body().object()).unwrap();
        }
        let bytes = canonical(&value);
        let hash = Hash::of_leaf(&bytes);
        edge.append(hash);
        tiles.extend(edge.take_grown());
        let unit = link.as_ref().map(|(unit, _)| unit.as_str().to_owned());
        let number = link.as_ref().map(|(_, number)| *number as i64);
        if let Some((unit, number)) = link {
            heads.put(UnitHead { unit, number, hash });
        }
        written.push((row.get::<String, _>("kind"), row.get::<String, _>("ref"), unit, number, bytes));
    }
    for table in ["ledger_entry", "ledger_tile", "ledger_head", "ledger_checkpoint"] {
        run(&mut open, format!("delete from {table}")).await;
    }
    for (table, key) in
        [("visit", "id"), ("visit_worker", "visit"), ("visit_person", "visit"), ("visit_confirmation", "visit")]
    {
        let delete = format!("delete from {table} where {key} = $1");
        sqlx::query(AssertSqlSafe(delete)).bind(&victim).execute(&mut open).await.unwrap();
    }
    run(&mut open, "delete from person where id not in (select person from visit_person)".to_owned()).await;
    for (index, (kind, reference, unit, number, bytes)) in written.into_iter().enumerate() {
        let insert = "insert into ledger_entry (idx, kind, ref, unit, number, leaf) values ($1, $2, $3, $4, $5, $6)";
        let insert =
            sqlx::query(insert).bind(index as i64).bind(kind).bind(reference).bind(unit).bind(number).bind(bytes);
        insert.execute(&mut open).await.unwrap();
    }
    for (place, hashes) in tiles {
        let insert = sqlx::query("insert into ledger_tile (level, number, hashes) values ($1, $2, $3)");
        insert.bind(place.level).bind(place.number as i64).bind(tile_bytes(&hashes)).execute(&mut open).await.unwrap();
    }
    for unit in super::chronicle::UNITS {
        let head = heads.get(&unit.parse().unwrap()).unwrap();
        let insert = "insert into ledger_head (unit, number, hash, idx) \
             values ($1, $2, $3, (select idx from ledger_entry where unit = $1 and number = $2))";
        let insert = sqlx::query(insert).bind(unit).bind(head.number as i64).bind(head.hash.0.as_slice());
        insert.execute(&mut open).await.unwrap();
    }
    open.close().await.unwrap();

    let alone = liftwatch::store::verify::verify(&file, std::slice::from_ref(&city.public), &[]).await.unwrap();
    assert!(alone.is_clean(), "without an outside checkpoint nothing can be seen: {:#?}", alone.findings);
    let found = city.audit(&file).await;
    assert_eq!(found.findings.len(), 1, "{:#?}", found.findings);
    assert!(found.findings[0].contains("are not those that june was signed over"), "{:#?}", found.findings);
}

#[tokio::test]
async fn a_file_that_was_cut_is_found_wherever_it_was_cut() {
    let (file, city) = Chronicle::written().await.into_file().await;
    let whole = std::fs::read(&file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    for number in 0..20 {
        let copy = folder.path().join(format!("{number}.db"));
        let length = random.usize(..whole.len());
        std::fs::write(&copy, &whole[..length]).unwrap();
        let outside = liftwatch::store::verify::report::Outside {
            name: "june".to_owned(),
            head: city.public.open(&city.notes[6]).unwrap(),
        };
        let found = liftwatch::store::verify::verify(&copy, std::slice::from_ref(&city.public), &[outside]).await;
        assert!(found.is_err() || !found.unwrap().is_clean(), "cut at {length} of {}", whole.len());
    }
}
