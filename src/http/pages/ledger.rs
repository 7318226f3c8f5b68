//! `/ledger`: what was recorded, who may check it, and with which key.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::frame::{Frame, Reading, page};
use super::show::{Desk, Moment};
use crate::http::admitted::Admitted;
use crate::http::api::ledger::{filter, read};
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::ledger::sheet::what;

struct EntryLine {
    index: u64,
    at: Option<Moment>,
    kind: String,
    what: String,
    unit: String,
    number: String,
}

struct CheckpointView {
    size: u64,
    at: Moment,
    note: String,
}

#[derive(Template)]
#[template(path = "ledger.html")]
struct LedgerPage {
    frame: Frame,
    key: Option<String>,
    checkpoint: Option<CheckpointView>,
    size: u64,
    unit: String,
    entries: Vec<EntryLine>,
    address: String,
    next: Option<String>,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/ledger", get(list))
}

async fn list(Admitted(http): Admitted, reading: Reading, mut params: Params) -> Result<Response, Problem> {
    params.text("lang")?;
    let (filter, limit) = filter(&mut params)?;
    params.finish()?;
    let desk = Desk::of(&http, reading.language);
    let found = http.reader.listed(&filter, limit).await?;
    let checkpoint = http.reader.checkpoint(None).await?;
    let entries = found.items.iter().map(|listed| {
        let read = read(listed);
        let pruned = || reading.language.phrases().pruned.to_owned();
        EntryLine {
            index: listed.index,
            at: read.as_ref().map(|read| Moment::of(read.at.0, &desk)),
            kind: reading.language.word("entry", &listed.kind),
            what: read.as_ref().map_or_else(pruned, what),
            unit: listed.unit.clone().unwrap_or_default(),
            number: listed.number.map_or_else(String::new, |number| number.to_string()),
        }
    });
    page(&LedgerPage {
        frame: reading.frame(reading.language.phrases().ledger, "/ledger"),
        key: http.ledger_key.as_ref().map(ToString::to_string),
        checkpoint: checkpoint.map(|kept| CheckpointView {
            size: kept.size,
            at: Moment::of(kept.at.0, &desk),
            note: kept.note,
        }),
        size: http.reader.ledger_size().await?,
        entries: entries.collect(),
        unit: filter.unit.map_or_else(String::new, |unit| unit.as_str().to_owned()),
        address: reading.address(),
        next: found.next,
    })
}
