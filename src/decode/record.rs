//! Canonical records of people's work: `visit` and `hazard` (docs/CONTRACT.md). The whole payload is kept as `body`.

use crate::decode::field;
use crate::decode::mapping::{Message, Reason, Rejection, shown};
use crate::decode::strict;
use crate::decode::tree::{Node, Object};
use crate::domain::hazard::HazardReport;
use crate::domain::visit::Visit;

/// Longest id, name or code in a record, in characters.
const SHORT: usize = 64;
/// Longest free text, in characters.
const LONG: usize = 4_000;
/// Most workers in one visit.
const WORKERS: usize = 16;
/// Most checklist items in one visit; the longest list in TSG T5002-2017 has 76.
const ITEMS: usize = 200;
/// Most problem codes or pieces of evidence.
const CODES: usize = 64;

/// A field that is there and not null.
fn given<'o, 'a>(object: &'o Object<'a>, name: &str) -> Option<&'o Node<'a>> {
    object.get(name).filter(|node| **node != Node::Null)
}

fn must<'o, 'a>(object: &'o Object<'a>, name: &str) -> Result<&'o Node<'a>, Rejection> {
    field::required(name, given(object, name))
}

/// Reads a maintenance visit.
///
/// # Errors
/// [`Rejection`] when a field is missing or malformed, or the visit ends before it starts.
pub fn visit(message: &Message<'_>) -> Result<Visit, Rejection> {
    let object = message.object;
    let started_at = field::time("started_at", must(object, "started_at")?)?;
    let ended_at = given(object, "ended_at").map(|node| field::time("ended_at", node)).transpose()?;
    if let Some(ended_at) = ended_at.filter(|end| *end < started_at) {
        let detail = format!("ended_at: {ended_at} lies before started_at {started_at}");
        return Err(Rejection::new(Reason::BadValue, detail));
    }
    if let Some(node) = given(object, "items") {
        items(node)?;
    }
    if let Some(node) = given(object, "problem_codes") {
        field::texts("problem_codes", node, CODES, SHORT)?;
    }
    if let Some(node) = given(object, "next_due") {
        field::date("next_due", node)?;
    }
    let workers = given(object, "workers").map(|node| field::texts("workers", node, WORKERS, SHORT)).transpose()?;
    let supersedes = given(object, "supersedes").map(|node| field::text("supersedes", node, SHORT)).transpose()?;
    Ok(Visit {
        ts: field::time("ts", must(object, "ts")?)?,
        record_id: field::text("record_id", must(object, "record_id")?, SHORT)?.to_owned(),
        kind: field::word("kind", must(object, "kind")?)?,
        started_at,
        ended_at,
        workers: workers.unwrap_or_default(),
        supersedes: supersedes.map(str::to_owned),
        body: strict::sorted(message.text)?,
    })
}

fn items(node: &Node<'_>) -> Result<(), Rejection> {
    for (index, item) in field::list("items", node, ITEMS)?.iter().enumerate() {
        let name = |field: &str| format!("items[{index}].{field}");
        let Node::Object(item) = item else {
            let detail = format!("items[{index}]: expected an object with id and result, found {}", item.kind());
            return Err(Rejection::new(Reason::WrongType, detail));
        };
        for part in ["id", "result"] {
            field::text(&name(part), field::required(&name(part), given(item, part))?, SHORT)?;
        }
    }
    Ok(())
}

/// Reads a report of a major hazard.
///
/// # Errors
/// [`Rejection`] when a field is missing or malformed.
pub fn hazard(message: &Message<'_>) -> Result<HazardReport, Rejection> {
    let object = message.object;
    if let Some(node) = given(object, "text") {
        long_text("text", node)?;
    }
    if let Some(node) = given(object, "evidence_sha256") {
        digests("evidence_sha256", node)?;
    }
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
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let detail = format!("{name}[{index}]: {} is not a SHA-256 of 64 hex digits", shown(digest));
            return Err(Rejection::new(Reason::BadValue, detail));
        }
    }
    Ok(())
}
