//! The registry of units as a CSV file: every bad line is told with its number and column, and one bad line refuses all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io::Read;
use std::str::FromStr;

use csv::ByteRecord;
use jiff::civil::Date;

use crate::domain::id::{PublisherId, RegionCode, UnitId};
use crate::domain::unit::{Unit, UnitKind};

/// The columns, found by name in any order (docs/CONTRACT.md). All but the [`REQUIRED`] may be missing or empty.
pub const COLUMNS: [&str; 17] = [
    "unit",
    "registration_code",
    "region",
    "site",
    "address",
    "kind",
    "maker",
    "model",
    "in_service_since",
    "owner",
    "maintainer",
    "publisher",
    "stops",
    "latitude",
    "longitude",
    "maintenance_interval_days",
    "last_inspection",
];

/// Columns without which a unit cannot be placed.
pub const REQUIRED: [&str; 3] = ["unit", "region", "kind"];

/// Days between two planned visits where the registry does not say (TSG T5002-2017: half a month).
const MAINTENANCE_INTERVAL: u32 = 15;

/// The longest text in a cell, in characters.
const LONGEST_TEXT: usize = 256;

/// One thing that is wrong in a registry file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LineError {
    /// Counted from 1, the header included; the line on which the row begins.
    pub line: u64,
    /// The column's name; `None` when the whole row is meant.
    pub column: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "line {}: {column}: {}", self.line, self.message),
            None => write!(f, "line {}: {}", self.line, self.message),
        }
    }
}

/// Reads a registry, UTF-8 with or without a byte order mark, lines ended by LF or CRLF.
/// Cells are text whatever they begin with; no formula is ever evaluated or refused.
///
/// # Errors
/// Everything that is wrong in the file, in the order of its lines; then nothing of it may be used.
pub fn parse(mut reader: impl Read) -> Result<Vec<Unit>, Vec<LineError>> {
    let mut bytes = Vec::new();
    if let Err(error) = reader.read_to_end(&mut bytes) {
        return Err(vec![unreadable(Lines::of(&bytes).at(bytes.len()), &error)]);
    }
    let mut lines = Lines::of(&bytes);
    let mut file = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes.as_slice());
    let header = file.byte_headers().map_err(|error| vec![unreadable(1, &error)])?.clone();
    let columns = Columns::of(&header, lines.of_row(&header))?;
    let mut units = Vec::new();
    let mut errors = Vec::new();
    let mut first_seen: HashMap<UnitId, u64> = HashMap::new();
    let mut record = ByteRecord::new();
    loop {
        match file.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                errors.push(unreadable(lines.of_row(&record), &error));
                break;
            }
        }
        let line = lines.of_row(&record);
        let mut row = Row { columns: &columns, record: &record, line, errors: &mut errors };
        let Some(unit) = row.unit() else { continue };
        match first_seen.entry(unit.id.clone()) {
            Entry::Occupied(first) => row.refuse("unit", format!("{} stands on line {} already", unit.id, first.get())),
            Entry::Vacant(free) => {
                free.insert(line);
                units.push(unit);
            }
        }
    }
    if errors.is_empty() { Ok(units) } else { Err(errors) }
}

/// The first day of the month in a registration code of 20 characters: class 4, region 6, yyyymm 6, serial 4.
/// `None` for every other code.
#[must_use]
pub fn month_of_registration_code(code: &str) -> Option<Date> {
    if code.chars().count() != 20 {
        return None;
    }
    let month: String = code.chars().skip(10).take(6).collect();
    if !month.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i16 = month[..4].parse().ok()?;
    let date = Date::new(number, month[4..].parse().ok()?, 1).ok()?;
    plausible(date).then_some(date)
}

/// Lifts with electric drives are younger than 1880; later than 2100 is a slip.
fn plausible(date: Date) -> bool {
    (1880..=2100).contains(&date.year())
}

fn unreadable(line: u64, error: &impl fmt::Display) -> LineError {
    LineError { line, column: None, message: format!("cannot be read: {error}") }
}

/// The lines of a file as an editor shows them. The CSV reader's own count takes a row to begin where the one before it
/// ended: before the empty lines between them, and between the two bytes of a line end of Windows.
struct Lines<'f> {
    file: &'f [u8],
    counted: usize,
    line: u64,
}

impl<'f> Lines<'f> {
    const fn of(file: &'f [u8]) -> Self {
        Self { file, counted: 0, line: 1 }
    }

    /// The line of a byte; asked for bytes in their order.
    fn at(&mut self, byte: usize) -> u64 {
        let byte = byte.clamp(self.counted, self.file.len());
        self.line += self.file[self.counted..byte].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.counted = byte;
        self.line
    }

    /// The line on which a row begins.
    fn of_row(&mut self, row: &ByteRecord) -> u64 {
        let from = row.position().map_or(0, |position| position.byte() as usize).min(self.file.len());
        let empty = self.file[from..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.at(from + empty)
    }
}

/// Where each known column stands in this file.
struct Columns {
    places: HashMap<&'static str, usize>,
    width: usize,
}

impl Columns {
    fn of(header: &ByteRecord, line: u64) -> Result<Self, Vec<LineError>> {
        let wrong =
            |column: Option<&str>, message: String| LineError { line, column: column.map(str::to_owned), message };
        if header.is_empty() {
            return Err(vec![wrong(None, format!("no header; it begins with {}", COLUMNS[..3].join(",")))]);
        }
        let mut errors = Vec::new();
        let mut places = HashMap::new();
        for (place, name) in header.iter().enumerate() {
            let name = String::from_utf8_lossy(name);
            let Some(known) = COLUMNS.iter().find(|known| **known == name) else {
                let name: String = name.chars().take(64).collect();
                errors.push(wrong(None, format!("unknown column {name:?}; known: {}", COLUMNS.join(", "))));
                continue;
            };
            if places.insert(*known, place).is_some() {
                errors.push(wrong(Some(known), "stands twice in the header".to_owned()));
            }
        }
        for name in REQUIRED.iter().filter(|name| !places.contains_key(*name)) {
            errors.push(wrong(Some(name), "is missing from the header".to_owned()));
        }
        if errors.is_empty() { Ok(Self { places, width: header.len() }) } else { Err(errors) }
    }
}

/// One line while it is read; what is wrong is kept, so that one reading tells all of it.
struct Row<'r> {
    columns: &'r Columns,
    record: &'r ByteRecord,
    line: u64,
    errors: &'r mut Vec<LineError>,
}

impl Row<'_> {
    /// The unit, or `None` when anything in the line is wrong.
    fn unit(&mut self) -> Option<Unit> {
        let before = self.errors.len();
        if self.record.len() != self.columns.width {
            let message = format!("has {} cells, the header has {}", self.record.len(), self.columns.width);
            self.errors.push(LineError { line: self.line, column: None, message });
            return None;
        }
        let id = self.required("unit", UnitId::new);
        let region = self.required("region", RegionCode::new);
        let kind = self.required("kind", UnitKind::from_str);
        let registration_code = self.text("registration_code");
        let in_service_since = self.date("in_service_since");
        let unit = Unit {
            in_service_since: in_service_since.or_else(|| month_of_registration_code(&registration_code)),
            registration_code,
            site: self.text("site"),
            address: self.text("address"),
            maker: self.text("maker"),
            model: self.text("model"),
            owner: self.text("owner"),
            maintainer: self.text("maintainer"),
            publisher: self.optional("publisher", PublisherId::new),
            stops: self.optional("stops", |text| whole(text, 1, 500)),
            position: self.position(),
            maintenance_interval_days: self
                .optional("maintenance_interval_days", |text| whole(text, 1, 366))
                .unwrap_or(MAINTENANCE_INTERVAL),
            last_inspection: self.date("last_inspection"),
            // Last, so that the cells above have been tried by then.
            id: id?,
            region: region?,
            kind: kind?,
        };
        (self.errors.len() == before).then_some(unit)
    }

    fn refuse(&mut self, column: &str, message: String) {
        self.errors.push(LineError { line: self.line, column: Some(column.to_owned()), message });
    }

    /// A cell as text; empty where the column is missing or the cell is refused.
    fn text(&mut self, column: &str) -> String {
        let Some(cell) = self.columns.places.get(column).and_then(|place| self.record.get(*place)) else {
            return String::new();
        };
        let Ok(text) = std::str::from_utf8(cell) else {
            self.refuse(column, "not UTF-8; save the file as \"CSV UTF-8\"".to_owned());
            return String::new();
        };
        if text.chars().any(char::is_control) {
            self.refuse(column, "holds a control character or a line break".to_owned());
            return String::new();
        }
        if text.chars().nth(LONGEST_TEXT).is_some() {
            self.refuse(column, format!("is longer than {LONGEST_TEXT} characters"));
            return String::new();
        }
        text.to_owned()
    }

    fn optional<T, E: fmt::Display>(&mut self, column: &str, read: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text(column);
        if text.is_empty() {
            return None;
        }
        match read(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(column, error.to_string());
                None
            }
        }
    }

    fn required<T, E: fmt::Display>(&mut self, column: &str, read: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let before = self.errors.len();
        let value = self.optional(column, read);
        if value.is_none() && self.errors.len() == before {
            self.refuse(column, "is empty".to_owned());
        }
        value
    }

    fn date(&mut self, column: &str) -> Option<Date> {
        self.optional(column, |text| match Date::from_str(text) {
            Ok(date) if text.len() == 10 && plausible(date) => Ok(date),
            _ => Err("not a date from 1880 to 2100 such as 2011-06-30"),
        })
    }

    fn position(&mut self) -> Option<(f64, f64)> {
        let before = self.errors.len();
        let latitude = self.optional("latitude", |text| degrees(text, 90.0));
        let longitude = self.optional("longitude", |text| degrees(text, 180.0));
        match (latitude, longitude) {
            (Some(latitude), Some(longitude)) => return Some((latitude, longitude)),
            (Some(_), None) if self.errors.len() == before => {
                self.refuse("longitude", "is empty, though there is a latitude".to_owned());
            }
            (None, Some(_)) if self.errors.len() == before => {
                self.refuse("latitude", "is empty, though there is a longitude".to_owned());
            }
            _ => {}
        }
        None
    }
}

fn whole(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("not a whole number from {least} to {most}"))
}

fn degrees(text: &str, most: f64) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.abs() <= most);
    number.ok_or_else(|| format!("not degrees from -{most} to {most}, such as 24.781"))
}
