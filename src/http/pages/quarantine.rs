//! `/quarantine` and `/quarantine/{id}`: what was refused and why, and who speaks without being registered.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::frame::{Frame, Reading, page};
use super::show::{Desk, Moment};
use crate::http::admitted::Admitted;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::store::read::quarantine::RefusedRow;

/// How many unregistered units the page shows; the API has them all.
const UNREGISTERED: u32 = 50;

struct RefusedLine {
    row: RefusedRow,
    received: Moment,
}

struct StrangerLine {
    publisher: String,
    unit: String,
    region: String,
    messages: i64,
    last: Moment,
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct QuarantinePage {
    frame: Frame,
    reason: String,
    publisher: String,
    unit: String,
    rows: Vec<RefusedLine>,
    strangers: Vec<StrangerLine>,
    address: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    frame: Frame,
    row: RefusedRow,
    received: Moment,
    payload: String,
    hex: bool,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/quarantine", get(list)).route("/quarantine/{id}", get(one))
}

async fn list(Admitted(http): Admitted, reading: Reading, mut params: Params) -> Result<Response, Problem> {
    params.text("lang")?;
    let filter = crate::http::api::quarantine::filter(&mut params)?;
    params.finish()?;
    let desk = Desk::of(&http, reading.language);
    let found = http.reader.quarantine(&filter).await?;
    let strangers = http.reader.unregistered(None, UNREGISTERED).await?;
    let moment = |at| Moment::of(at, &desk);
    page(&QuarantinePage {
        frame: reading.frame(reading.language.phrases().quarantine, "/quarantine"),
        rows: found.items.into_iter().map(|row| RefusedLine { received: moment(row.received_at), row }).collect(),
        strangers: strangers
            .items
            .into_iter()
            .map(|row| StrangerLine {
                last: moment(row.last_at),
                publisher: row.publisher,
                unit: row.unit,
                region: row.region,
                messages: row.messages,
            })
            .collect(),
        reason: filter.reason.unwrap_or_default(),
        publisher: filter.publisher.unwrap_or_default(),
        unit: filter.unit.unwrap_or_default(),
        address: reading.address(),
        next: found.next,
    })
}

async fn one(Admitted(http): Admitted, reading: Reading, id: Id) -> Result<Response, Problem> {
    let found = http.reader.refused(id.number("refused message")?).await?;
    let (row, payload) = found.ok_or_else(|| Problem::missing("refused message", &id.0))?;
    let text = crate::http::api::quarantine::text_of(&payload).map(str::to_owned);
    page(&RefusedPage {
        frame: reading.frame(format!("{} {}", reading.language.phrases().quarantine, row.id), "/quarantine"),
        received: Moment::of(row.received_at, &Desk::of(&http, reading.language)),
        hex: text.is_none(),
        payload: text.unwrap_or_else(|| payload.iter().map(|byte| format!("{byte:02x} ")).collect()),
        row,
    })
}
