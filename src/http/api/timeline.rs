//! `/api/v1/alerts/{id}/timeline`: the whole story of an alert, from what proves it to who answered.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};

use super::wire::time;
use crate::http::admitted::Admitted;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::store::read::timeline::{Entry, What};

/// What happened to an alert, the oldest first.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct TimelineWire {
    pub entries: Vec<EntryWire>,
}

/// One thing that happened.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct EntryWire {
    #[schema(format = DateTime)]
    pub at: String,
    #[serde(flatten)]
    pub what: WhatWire,
}

/// What it was.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum WhatWire {
    /// The unit told something that proves the alert.
    Event {
        id: String,
        kind: String,
        #[schema(required)]
        code: Option<String>,
    },
    /// The alert changed.
    Transition { kind: String, severity: String },
    /// A message was made for a receiver.
    Notification { id: String, kind: String, receiver: String },
    /// It was tried to send it.
    Attempt {
        delivery: String,
        receiver: String,
        sink: String,
        /// delivered, retry, refused or gone.
        outcome: String,
        #[schema(required)]
        status: Option<i64>,
        detail: String,
        duration_ms: i64,
    },
    /// The receiver said so by the link in the message.
    Received { delivery: String, by: String },
    /// A person answered.
    Answer { kind: String, by: String, note: String },
    /// A deadline passed, and the next in the ladder was told.
    Escalation { step: i64, receiver: String, why: String },
    /// It was not told, because an area event stood for it.
    Inhibited {
        area: String,
        /// area_power or blind_region.
        kind: String,
        /// Empty where the whole region is meant.
        site: String,
    },
}

impl From<Entry> for EntryWire {
    fn from(entry: Entry) -> Self {
        let what = match entry.what {
            What::Event { id, kind, code } => WhatWire::Event { id, kind, code },
            What::Transition { kind, severity } => WhatWire::Transition { kind, severity },
            What::Notification { id, kind, receiver } => WhatWire::Notification { id, kind, receiver },
            What::Attempt(row) => WhatWire::Attempt {
                delivery: row.delivery,
                receiver: row.receiver,
                sink: row.sink,
                outcome: row.outcome,
                status: row.status,
                detail: row.detail,
                duration_ms: row.duration_ms,
            },
            What::Received { delivery, by } => WhatWire::Received { delivery, by },
            What::Answer { kind, by, note } => WhatWire::Answer { kind, by, note },
            What::Inhibited { area, kind, site } => WhatWire::Inhibited { area, kind, site },
            What::Escalation { step, receiver, why } => WhatWire::Escalation { step, receiver, why },
        };
        Self { at: time(entry.at), what }
    }
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/api/v1/alerts/{id}/timeline", get(one))
}

/// The whole story of an alert, the oldest first, 2,000 entries at most.
#[utoipa::path(get, path = "/api/v1/alerts/{id}/timeline", tag = "alerts",
    params(("id" = String, Path, description = "the alert's id")),
    responses(
        (status = 200, description = "what happened", body = TimelineWire),
        (status = 400, description = "the path or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such alert", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(Admitted(http): Admitted, id: Id, params: Params) -> Result<Json<TimelineWire>, Problem> {
    params.finish()?;
    let entries = http.reader.timeline(&id.0).await?.ok_or_else(|| Problem::missing("alert", &id.0))?;
    Ok(Json(TimelineWire { entries: entries.into_iter().map(EntryWire::from).collect() }))
}
