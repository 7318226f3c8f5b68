//! Entries as a table for people: CSV that a spreadsheet opens without running anything in it.

use serde_json::Value;

use super::canonical::canonical;
use super::leaf::Read;

/// What every sheet begins with, so that spreadsheets read it as UTF-8.
const BOM: &str = "\u{feff}";

const COLUMNS: [&str; 8] = ["index", "unit", "number", "recorded_at", "entry", "reference", "what", "body"];

/// The table, which grows by one entry at a time, each with its index in the log.
pub struct Table(csv::Writer<Vec<u8>>);

impl Table {
    /// The table with its head alone.
    ///
    /// # Errors
    /// Those of the CSV writer, which writes into memory.
    pub fn new() -> Result<Self, csv::Error> {
        let bom = BOM.as_bytes().to_vec();
        let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(bom);
        table.write_record(COLUMNS)?;
        Ok(Self(table))
    }

    /// One more row.
    ///
    /// # Errors
    /// As above.
    pub fn add(&mut self, index: u64, read: &Read) -> Result<(), csv::Error> {
        let (unit, number) =
            read.link.as_ref().map_or_else(Default::default, |(unit, number, _)| (unit.as_str(), number.to_string()));
        let body = match &read.body {
            Some(body) => String::from_utf8_lossy(&canonical(body)).into_owned(),
            None => format!("sha256 {}", read.body_sha256),
        };
        let row = [
            &index.to_string(),
            unit,
            &number,
            &read.at.to_string(),
            read.kind.as_str(),
            &read.reference,
            &what(read),
            &body,
        ];
        self.0.write_record(row.map(guarded))
    }

    /// The table's bytes.
    ///
    /// # Errors
    /// As above.
    pub fn finish(self) -> Result<Vec<u8>, csv::Error> {
        self.0.into_inner().map_err(|error| error.into_error().into())
    }
}

/// What an entry is about, in one word or two: the kind of a visit, the rule and change of an alert.
#[must_use]
pub fn what(read: &Read) -> String {
    let text = |pointer: &str| read.body.as_ref().and_then(|body| body.pointer(pointer)).and_then(Value::as_str);
    let parts = match text("/record/kind") {
        Some(kind) => vec![Some(kind), text("/record/supersedes").map(|_| "correction")],
        None => vec![text("/rule"), text("/transition"), text("/answer"), text("/report/basis")],
    };
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A cell that begins like a formula would be run by a spreadsheet; an apostrophe makes it text.
fn guarded(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::ledger::leaf::EntryKind;

    #[test]
    fn a_cell_that_looks_like_a_formula_stays_text() {
        let read = Read {
            kind: EntryKind::Visit,
            at: Timestamp(0),
            reference: "=cmd|' /C calc'!A0".to_owned(),
            link: None,
            body: Some(serde_json::json!({ "record": { "kind": "HM" }, "note": "a\"b" })),
            body_sha256: String::new(),
        };
        let mut table = Table::new().unwrap();
        table.add(3, &read).unwrap();
        let text = String::from_utf8(table.finish().unwrap()).unwrap();
        let expected = "\u{feff}index,unit,number,recorded_at,entry,reference,what,body\r\n\
             3,,,1970-01-01T00:00:00.000Z,visit,'=cmd|' /C calc'!A0,HM,\
             \"{\"\"note\"\":\"\"a\\\"\"b\"\",\"\"record\"\":{\"\"kind\"\":\"\"HM\"\"}}\"\r\n";
        assert_eq!(text, expected);
    }
}
