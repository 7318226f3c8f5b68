//! `/api/v1/openapi.json`: the API as a document that a client or a fuzzer can be made from.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::OpenApi;

use crate::http::handles::Http;

/// Every operation; schemas come with them.
#[derive(OpenApi)]
#[openapi(
    info(title = "liftwatch", description = "A city's lifts: alerts with evidence, events, units, gaps, refused messages."),
    paths(
        super::alerts::list,
        super::alerts::one,
        super::alerts::release,
        super::timeline::one,
        super::deliveries::list,
        super::deliveries::one,
        super::deliveries::resend,
        super::answering::acknowledge,
        super::answering::false_alarm,
        super::answering::arrived,
        super::answering::note,
        super::silences::list,
        super::silences::one,
        super::silences::create,
        super::silences::expire,
        super::areas::list,
        super::areas::one,
        super::events::list,
        super::units::list,
        super::units::one,
        super::units::import,
        super::units::unregistered,
        super::visits::list,
        super::visits::one,
        super::recording::record_visit,
        super::recording::confirm,
        super::erasing::erase,
        super::overdue::list,
        super::gaps::list,
        super::ledger::checkpoint,
        super::ledger::checkpoints,
        super::ledger::entries,
        super::ledger::entry,
        super::ledger::prove,
        super::ledger::consistency,
        super::packages::of_unit,
        super::packages::of_visits,
        super::quarantine::list,
        super::quarantine::one,
        super::quarantine::export,
        crate::http::health::healthy,
        crate::http::health::ready,
    ),
    tags(
        (name = "alerts", description = "what rules concluded, with what proves it"),
        (name = "deliveries", description = "who was sent what, and how it went"),
        (name = "answers", description = "what people answer to alerts"),
        (name = "silences", description = "what people do not want to be told for a while"),
        (name = "areas", description = "what is said of many units at once: a power cut, a region out of sight"),
        (name = "events", description = "what units told"),
        (name = "units", description = "the registry and what each unit last told"),
        (name = "ledger", description = "what was recorded, and the proofs of it"),
        (name = "visits", description = "maintenance: what was done, when, by whom, and what was corrected since"),
        (name = "gaps", description = "event numbers that never came"),
        (name = "quarantine", description = "messages that were refused, and why"),
        (name = "operation", description = "whether the daemon does its work"),
    )
)]
struct Document;

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| Document::openapi().to_json().expect("the document is made of plain texts and numbers"));

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route(
        "/api/v1/openapi.json",
        get(|| async { ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()) }),
    )
}
