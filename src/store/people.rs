//! Names and phones of those whom records name: kept apart from everything else, so that erasing somebody leaves neither
//! them in the file nor a gap in what was recorded.

use sqlx::Row;

use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::domain::visit::{CONFIRMER, Erasure, Person, Sealed};
use crate::hex::hex;

use super::Change;
use super::entries;
use super::error::StoreError;
use super::words::{to_json, word};

const TABLE: &str = "visit";

/// A person's row is as long as the next multiple of this, in bytes: its length says little of the name.
const STEP: usize = 64;

/// What the file has of somebody in a role of a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// There is no such visit.
    NoVisit,
    /// The visit names nobody in this role.
    Unnamed,
    /// The record has the commitment alone.
    Erased,
    Here(Person),
}

impl Change<'_> {
    /// What is known of somebody whom a visit or its confirmation names.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn person(&mut self, visit: &str, role: &str) -> Result<Whereabouts, StoreError> {
        let find = "select p.person, p.name, p.phone, case when $2 = $3 \
             then exists (select 1 from visit_confirmation c where c.visit = v.id) \
             else exists (select 1 from json_each(iif(json_valid(v.body), v.body, '{}'), '$.people') j where j.key = $2) end \
             as named from visit v left join named_person p on p.visit = v.id and p.role = $2 where v.id = $1";
        let find = sqlx::query(find).bind(visit).bind(role).bind(CONFIRMER);
        let Some(row) = find.fetch_optional(&mut *self.transaction).await? else { return Ok(Whereabouts::NoVisit) };
        let here: Option<i64> = row.try_get("person")?;
        Ok(match (here, row.try_get("named")?) {
            (Some(_), _) => Whereabouts::Here(Person {
                role: role.to_owned(),
                name: row.try_get("name")?,
                phone: row.try_get("phone")?,
            }),
            (None, true) => Whereabouts::Erased,
            (None, false) => Whereabouts::Unnamed,
        })
    }

    /// Erases somebody who is here from a visit: name, phone and salt are overwritten where they stand, and so is what
    /// quarantine keeps of the visit's publisher and unit and names them. The record keeps its commitment.
    ///
    /// The write-ahead log still has the bytes until [`super::Store::fold`] succeeds.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn erase_person(
        &mut self,
        visit: &str,
        person: &Person,
        erasure: &Erasure,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let find = sqlx::query("select unit, publisher from visit where id = $1").bind(visit);
        let row = find.fetch_one(&mut *self.transaction).await?;
        let unit: UnitId = word(TABLE, row.try_get("unit")?)?;
        let publisher: String = row.try_get("publisher")?;
        self.overwrite("visit = $1 and role = $2", visit, &person.role).await?;
        self.blank_quarantine(&publisher, &unit, person).await?;
        self.enter(entries::erasure(visit, &unit, &person.role, erasure, now));
        Ok(())
    }

    /// Erases everybody whom these visits and their confirmations name, without an entry: the visits go as well.
    pub(super) async fn forget_people(&mut self, visits: &[&str]) -> Result<(), StoreError> {
        self.overwrite("visit in (select value from json_each($1)) and $2 = ''", &to_json(visits), "").await
    }

    async fn overwrite(&mut self, whom: &'static str, first: &str, second: &str) -> Result<(), StoreError> {
        let zeros = format!(
            "update person set told = zeroblob(length(told)) where id in (select person from visit_person where {whom})"
        );
        let forget = format!("delete from visit_person where {whom}");
        for statement in [zeros, forget] {
            let statement = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(first).bind(second);
            statement.execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    /// Blanks refused messages of a publisher about a unit that name somebody. Their hashes and reasons stay.
    async fn blank_quarantine(&mut self, publisher: &str, unit: &UnitId, person: &Person) -> Result<(), StoreError> {
        let known: Vec<Vec<u8>> =
            [&person.name, &person.phone].into_iter().flatten().flat_map(|text| spelt(text)).collect();
        let kept = "select id, payload from quarantine where publisher = $1 and unit = $2";
        let kept = sqlx::query(kept).bind(publisher).bind(unit.as_str()).fetch_all(&mut *self.transaction).await?;
        for row in kept {
            let (id, payload): (i64, Vec<u8>) = (row.try_get("id")?, row.try_get("payload")?);
            if !known.iter().any(|text| payload.windows(text.len()).any(|part| part == text.as_slice())) {
                continue;
            }
            // As long as before, so that it is written over what was there.
            let blank = "update quarantine set payload = $2 where id = $1";
            let blank = sqlx::query(blank).bind(id).bind(vec![b' '; payload.len()]);
            blank.execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    /// Keeps somebody whom a visit names.
    pub(super) async fn insert_person(&mut self, visit: &str, sealed: &Sealed) -> Result<(), StoreError> {
        let Sealed { person, salt } = sealed;
        let told = serde_json::json!({ "name": person.name, "phone": person.phone, "salt": hex(salt) });
        let mut told = told.to_string().into_bytes();
        told.resize(told.len().next_multiple_of(STEP), b' ');
        let keep = sqlx::query("insert into person (told) values ($1)").bind(told);
        let kept = keep.execute(&mut *self.transaction).await?.last_insert_rowid();
        let name = sqlx::query("insert into visit_person (visit, role, person) values ($1, $2, $3)");
        name.bind(visit).bind(&person.role).bind(kept).execute(&mut *self.transaction).await?;
        Ok(())
    }
}

/// How JSON may spell a text: as it is, or with every character outside ASCII escaped.
fn spelt(text: &str) -> Vec<Vec<u8>> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    let escaped = |digits: fn(u16) -> String| -> String {
        text.chars()
            .map(|c| {
                if c.is_ascii() {
                    c.to_string()
                } else {
                    c.encode_utf16(&mut [0; 2]).iter().map(|unit| digits(*unit)).collect()
                }
            })
            .collect()
    };
    let spellings =
        [text.to_owned(), escaped(|unit| format!("\\u{unit:04x}")), escaped(|unit| format!("\\u{unit:04X}"))];
    spellings.into_iter().map(String::into_bytes).collect()
}
