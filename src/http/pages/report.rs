//! `/units/{unit}/report`: a unit's entries between two checkpoints, to be printed, with the later checkpoint as text and
//! as a QR code: whoever has the paper has a checkpoint that is not in our hands.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::frame::{Frame, Reading, page};
use super::show::{Desk, Moment};
use crate::domain::time::Timestamp;
use crate::http::admitted::Admitted;
use crate::http::api::ledger::{handed_out, read, recorded};
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::qr;
use crate::http::query::{Id, Params};
use crate::ledger::sheet::what;
use crate::store::read::ledger::Filter;

/// Entries that one report prints; a longer stretch is asked for in parts.
const PRINTED: u32 = 1_000;

struct Line {
    index: u64,
    number: u64,
    at: Option<Moment>,
    kind: String,
    what: String,
    reference: String,
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    frame: Frame,
    unit: String,
    from: Option<Moment>,
    to: Moment,
    size: u64,
    lines: Vec<Line>,
    more: bool,
    note: String,
    code: String,
    key: Option<String>,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/units/{unit}/report", get(report))
}

async fn report(Admitted(http): Admitted, reading: Reading, id: Id, mut params: Params) -> Result<Response, Problem> {
    params.text("lang")?;
    let (from, to) = (params.time("from")?.map(Timestamp), params.time("to")?.map(Timestamp));
    params.finish()?;
    let unit = recorded(&http, &id).await?;
    let stretch = http.reader.stretch(from, to).await?;
    let begin = stretch.from.as_ref().map_or(0, |from| from.size);
    let filter = Filter { unit: Some(unit.clone()), from: begin, before: Some(stretch.to.size) };
    let found = http.reader.listed(&filter, PRINTED).await?;
    let desk = Desk::of(&http, reading.language);
    let lines = found.items.iter().map(|listed| {
        let read = read(listed);
        let pruned = || reading.language.phrases().pruned.to_owned();
        Line {
            index: listed.index,
            number: listed.number.unwrap_or(0),
            at: read.as_ref().map(|read| Moment::of(read.at.0, &desk)),
            kind: reading.language.word("entry", &listed.kind),
            what: read.as_ref().map_or_else(pruned, what),
            reference: read.map_or_else(String::new, |read| read.reference),
        }
    });
    let lines: Vec<Line> = lines.collect();
    handed_out(&http, &unit, (begin, stretch.to.size)).await?;
    page(&ReportPage {
        frame: reading.frame(format!("{} {unit}", reading.language.phrases().report), "/units"),
        unit: unit.as_str().to_owned(),
        from: stretch.from.map(|from| Moment::of(from.at.0, &desk)),
        to: Moment::of(stretch.to.at.0, &desk),
        size: stretch.to.size,
        lines,
        more: found.next.is_some(),
        code: drawing(&stretch.to.note)?,
        note: stretch.to.note,
        key: http.ledger_key.as_ref().map(ToString::to_string),
    })
}

/// The code as it stands inside a page, without the head of a document of its own.
fn drawing(note: &str) -> Result<String, Problem> {
    let svg = qr::svg(note).map_err(|error| {
        tracing::error!(%error, "a checkpoint does not fit into a QR code");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the checkpoint does not fit into a QR code")
    })?;
    Ok(svg.split_once("?>").map_or(svg.as_str(), |(_, drawing)| drawing).to_owned())
}
