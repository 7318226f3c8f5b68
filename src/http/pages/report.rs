//! `/units/{unit}/report`: the paper of a unit's package inside a page, to be printed: a unit's entries between two
//! checkpoints, with the later one.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::frame::{Frame, Reading, page};
use crate::domain::time::Timestamp;
use crate::http::admitted::Admitted;
use crate::http::api::packages::{handed_out, made, offset, place, recorded};
use crate::http::handles::Http;
use crate::http::phrases::Language;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::package::Content;
use crate::package::told::{EN, ZH};
use crate::store::entries::Export;

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    frame: Frame,
    body: String,
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
    let _place = place().await?;
    let stretch = http.reader.stretch(from, to).await?;
    let bundle = http.reader.bundle_of(&unit, stretch.from.as_ref(), &stretch.to).await?;
    let voice = if reading.language == Language::Zh { &ZH } else { &EN };
    let (content, offset) = (Content::Unit(Box::new(bundle)), offset(&http, &stretch.to));
    let body = made(move || content.page(voice, offset)).await?;
    let title = format!("{} {unit}", reading.language.phrases().report);
    let from = stretch.from.as_ref().map_or(0, |from| from.size);
    handed_out(&http, Export::Unit { unit, from, to: stretch.to.size }).await?;
    page(&ReportPage { frame: reading.frame(title, "/units"), body })
}
