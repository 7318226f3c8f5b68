//! Canonical records of people's work: `visit` and `hazard` (docs/CONTRACT.md). The payload is kept as `body`, all of it
//! but the people whom a visit names.

use crate::decode::field;
use crate::decode::mapping::{Message, Reason, Rejection, shown};
use crate::decode::strict;
use crate::decode::tree::{Node, Object};
use crate::domain::hazard::HazardReport;
use crate::domain::id::PublisherId;
use crate::domain::time::Timestamp;
use crate::domain::visit::{CONFIRMER, Person, Visit};

/// Longest id, name or code in a record, in characters.
const SHORT: usize = 64;
/// Longest free text, in characters.
const LONG: usize = 4_000;
/// Most workers in one visit.
const WORKERS: usize = 16;
/// Most checklist items in one visit; the longest list in TSG T5002-2017 has 76.
const ITEMS: usize = 200;
/// Longest answer to an item, and longest note to a photo, in characters.
const ANSWER: usize = 500;
/// Longest name or phone of a person, in characters.
const NAME: usize = 100;
/// Most people in one visit.
const PEOPLE: usize = 16;
/// Most photos of one visit.
const PHOTOS: usize = 32;
/// Most problem codes or pieces of evidence.
const CODES: usize = 64;

/// A field that is there and not null.
fn given<'o, 'a>(object: &'o Object<'a>, name: &str) -> Option<&'o Node<'a>> {
    object.get(name).filter(|node| **node != Node::Null)
}

fn must<'o, 'a>(object: &'o Object<'a>, name: &str) -> Result<&'o Node<'a>, Rejection> {
    field::required(name, given(object, name))
}

/// Fields of a visit that are taken apart; every other one stays in the body as it came.
const PEOPLE_FIELD: &str = "people";

/// Reads a maintenance visit.
///
/// # Errors
/// The first of [`visit_or_faults`].
pub fn visit(message: &Message<'_>) -> Result<Visit, Rejection> {
    visit_or_faults(message, None).map_err(|mut faults| faults.swap_remove(0))
}

/// Reads a maintenance visit; where it may come without a time of sending, `sent` stands in.
///
/// # Errors
/// Every field that is missing or malformed, never none; a visit that ends before it starts.
pub fn visit_or_faults(message: &Message<'_>, sent: Option<Timestamp>) -> Result<Visit, Vec<Rejection>> {
    let object = message.object;
    let mut faults = Vec::new();
    let ts = match (given(object, "ts"), sent) {
        (None, Some(sent)) => Some(sent),
        _ => keep(&mut faults, must(object, "ts").and_then(|node| field::time("ts", node))),
    };
    let started_at = keep(&mut faults, must(object, "started_at").and_then(|node| field::time("started_at", node)));
    let ended_at = keep(&mut faults, optional(object, "ended_at", field::time)).flatten();
    if let (Some(start), Some(end)) = (started_at, ended_at)
        && end < start
    {
        faults.push(Rejection::new(Reason::BadValue, format!("ended_at: {end} lies before started_at {start}")));
    }
    let short = |name: &str, node: &Node<'_>| field::text(name, node, SHORT).map(str::to_owned);
    let record_id = keep(&mut faults, must(object, "record_id").and_then(|node| short("record_id", node)));
    let kind = keep(&mut faults, must(object, "kind").and_then(|node| field::word("kind", node)));
    let workers = keep(&mut faults, optional(object, "workers", |name, node| field::texts(name, node, WORKERS, SHORT)));
    let supersedes = keep(&mut faults, optional(object, "supersedes", short)).flatten();
    let supersedes_publisher = keep(&mut faults, optional(object, "supersedes_publisher", publisher)).flatten();
    keep(&mut faults, optional(object, "items", items));
    keep(&mut faults, optional(object, "problem_codes", |name, node| field::texts(name, node, CODES, SHORT)));
    keep(&mut faults, optional(object, "next_due", field::date));
    keep(&mut faults, optional(object, "reason", long_text));
    keep(&mut faults, optional(object, "photos", photos));
    let people =
        keep(&mut faults, optional(object, PEOPLE_FIELD, |_, node| people(node))).flatten().unwrap_or_default();
    let body = keep(&mut faults, strict::except(message.text, &|name| name == PEOPLE_FIELD));
    let needed = ts.zip(started_at).zip(record_id).zip(kind).zip(body.flatten());
    match needed {
        Some(((((ts, started_at), record_id), kind), body)) if faults.is_empty() => Ok(Visit {
            ts,
            record_id,
            kind,
            started_at,
            ended_at,
            workers: workers.flatten().unwrap_or_default(),
            supersedes,
            supersedes_publisher,
            people,
            body,
        }),
        _ => Err(faults),
    }
}

/// Keeps what is wrong, hands on what is right.
fn keep<T>(faults: &mut Vec<Rejection>, read: Result<T, Rejection>) -> Option<T> {
    read.map_err(|fault| faults.push(fault)).ok()
}

fn optional<T>(
    object: &Object<'_>,
    name: &str,
    read: impl Fn(&str, &Node<'_>) -> Result<T, Rejection>,
) -> Result<Option<T>, Rejection> {
    given(object, name).map(|node| read(name, node)).transpose()
}

fn publisher(name: &str, node: &Node<'_>) -> Result<PublisherId, Rejection> {
    let text = field::text(name, node, SHORT)?;
    PublisherId::new(text)
        .map_err(|error| Rejection::new(Reason::BadValue, format!("{name}: {} is {error}", shown(text))))
}

/// A result is a word, a text or a number, with its unit where it has one.
fn items(name: &str, node: &Node<'_>) -> Result<(), Rejection> {
    for (index, item) in field::list(name, node, ITEMS)?.iter().enumerate() {
        let part = |part: &str| format!("{name}[{index}].{part}");
        let item = object_at(&format!("{name}[{index}]"), item, "id and result")?;
        field::text(&part("id"), field::required(&part("id"), given(item, "id"))?, SHORT)?;
        match field::required(&part("result"), given(item, "result"))? {
            Node::Unsigned(_) | Node::Negative(_) | Node::Float(_) => {}
            result => drop(field::text(&part("result"), result, ANSWER)?),
        }
        if let Some(unit) = given(item, "unit") {
            field::text(&part("unit"), unit, SHORT)?;
        }
    }
    Ok(())
}

fn photos(name: &str, node: &Node<'_>) -> Result<(), Rejection> {
    for (index, photo) in field::list(name, node, PHOTOS)?.iter().enumerate() {
        let place = format!("{name}[{index}]");
        let photo = object_at(&place, photo, "sha256 and note")?;
        let digest = format!("{place}.sha256");
        let text = field::text(&digest, field::required(&digest, given(photo, "sha256"))?, SHORT)?;
        check_digest(&digest, text)?;
        if let Some(note) = given(photo, "note") {
            field::text(&format!("{place}.note"), note, ANSWER)?;
        }
    }
    Ok(())
}

/// Names and phones by role. A field that is neither would be personal data without a place, so it is refused. What is
/// refused here is not shown: refusals are logged.
fn people(node: &Node<'_>) -> Result<Vec<Person>, Rejection> {
    let roles = object_at(PEOPLE_FIELD, node, "a person by role")?;
    let mut people = Vec::new();
    for (role, node) in roles.fields().filter(|(_, node)| **node != Node::Null) {
        let good = (1..=32).contains(&role.len()) && role.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
        if !good || role == CONFIRMER || people.len() == PEOPLE {
            let detail = format!("people: roles are at most {PEOPLE}, of 1 to 32 characters from a-z and _");
            return Err(Rejection::new(Reason::BadValue, detail));
        }
        let place = format!("{PEOPLE_FIELD}.{role}");
        let person = object_at(&place, node, "name and phone")?;
        if person.fields().any(|(name, _)| !matches!(name, "name" | "phone")) {
            let detail = format!("{place}: a person has a name and a phone, and nothing else");
            return Err(Rejection::new(Reason::BadValue, detail));
        }
        let text = |part: &str| {
            let read = |node| field::text(part, node, NAME).map(str::to_owned);
            given(person, part).map(read).transpose().map_err(|fault| {
                let detail = format!("{place}.{part}: not text of 1 to {NAME} characters without control characters");
                Rejection::new(fault.reason, detail)
            })
        };
        let (name, phone) = (text("name")?, text("phone")?);
        if name.is_some() || phone.is_some() {
            people.push(Person { role: role.to_owned(), name, phone });
        }
    }
    Ok(people)
}

fn object_at<'n, 'a>(place: &str, node: &'n Node<'a>, of: &str) -> Result<&'n Object<'a>, Rejection> {
    match node {
        Node::Object(object) => Ok(object),
        other => {
            let detail = format!("{place}: expected an object with {of}, found {}", other.kind());
            Err(Rejection::new(Reason::WrongType, detail))
        }
    }
}

/// Reads a report of a major hazard.
///
/// # Errors
/// [`Rejection`] when a field is missing or malformed.
pub fn hazard(message: &Message<'_>) -> Result<HazardReport, Rejection> {
    let object = message.object;
    optional(object, "text", long_text)?;
    optional(object, "evidence_sha256", digests)?;
    Ok(HazardReport {
        ts: field::time("ts", must(object, "ts")?)?,
        report_id: field::text("report_id", must(object, "report_id")?, SHORT)?.to_owned(),
        reporter: field::word("reporter", must(object, "reporter")?)?,
        basis: field::text("basis", must(object, "basis")?, SHORT)?.to_owned(),
        use_stopped: field::boolean("use_stopped", must(object, "use_stopped")?)?,
        body: strict::sorted(message.text)?,
    })
}

/// Free text may be empty and may have lines.
fn long_text(name: &str, node: &Node<'_>) -> Result<(), Rejection> {
    match node {
        Node::Text(text) if text.chars().count() <= LONG => Ok(()),
        Node::Text(_) => Err(Rejection::new(Reason::BadValue, format!("{name}: longer than {LONG} characters"))),
        _ => Err(Rejection::new(Reason::WrongType, format!("{name}: expected text, found {}", node.kind()))),
    }
}

fn digests(name: &str, node: &Node<'_>) -> Result<(), Rejection> {
    for (index, digest) in field::texts(name, node, CODES, SHORT)?.iter().enumerate() {
        check_digest(&format!("{name}[{index}]"), digest)?;
    }
    Ok(())
}

fn check_digest(place: &str, digest: &str) -> Result<(), Rejection> {
    if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Rejection::new(Reason::BadValue, format!("{place}: {} is not a SHA-256 of 64 hex digits", shown(digest))))
}
