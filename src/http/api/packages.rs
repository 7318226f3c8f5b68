//! Packages that an auditor can check without us: one unit's entries, or visits that are asked for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http_body::{Frame, SizeHint};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::ledger::newest;
use super::visits::asked;
use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::http::admitted::Admitted;
use crate::http::door;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::package::report::Offset;
use crate::package::{Content, PackageError, pack};
use crate::pipeline::action::Action;
use crate::store::entries::Export;
use crate::store::read::ledger::{Filter, SignedCheckpoint};

/// Packages that are in memory at a time, from their making until they are sent: each may take some hundred MiB.
static PLACES: Semaphore = Semaphore::const_new(2);

/// How long one waits for a place.
const WAIT: Duration = Duration::from_secs(20);

/// How long a package may be on its way: 100 MiB at 1.4 Mbit/s. After that its place is another's.
const UNDER_WAY: Duration = Duration::from_secs(600);

/// Bytes that are handed to the connection at a time.
const SLICE: usize = 64 * 1024;

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/api/v1/units/{unit}/ledger.zip", get(of_unit)).route("/api/v1/visits.zip", get(of_visits))
}

/// One unit's entries between two checkpoints, with the proof that each is in the ledger and that none is missing.
#[utoipa::path(get, path = "/api/v1/units/{unit}/ledger.zip", tag = "ledger",
    params(
        ("unit" = String, Path, description = "the unit's id"),
        ("from" = Option<String>, Query, format = DateTime, description = "recorded from then on; since the ledger began if not said"),
        ("to" = Option<String>, Query, format = DateTime, description = "recorded until then; until the newest checkpoint if not said")),
    responses(
        (status = 200, description = "a package for `liftwatch verify`", body = Vec<u8>, content_type = "application/zip"),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such unit, or nothing is signed yet", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "entries of the stretch were pruned by age; from when on it can be taken", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer, or other packages are being made", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn of_unit(Admitted(http): Admitted, id: Id, mut params: Params) -> Result<Response, Problem> {
    let from = params.time("from")?.map(Timestamp);
    let to = params.time("to")?.map(Timestamp);
    params.finish()?;
    let unit = recorded(&http, &id).await?;
    let place = place().await?;
    let stretch = http.reader.stretch(from, to).await?;
    let bundle = http.reader.bundle_of(&unit, stretch.from.as_ref(), &stretch.to).await?;
    let (content, offset) = (Content::Unit(Box::new(bundle)), offset(&http, &stretch.to));
    let packed = made(move || pack(&content, offset)).await?;
    let name = format!("ledger-{unit}.zip");
    let from = stretch.from.as_ref().map_or(0, |from| from.size);
    handed_out(&http, Export::Unit { unit, from, to: stretch.to.size }).await?;
    Ok(sent(&name, packed, place))
}

/// The unit of a path, if the ledger has entries of it that the asker may see.
///
/// # Errors
/// 404 if not.
pub async fn recorded(http: &Http, id: &Id) -> Result<UnitId, Problem> {
    let missing = || Problem::missing("unit", &id.0);
    let unit: UnitId = id.0.parse().map_err(|_| missing())?;
    // A unit that has left the registry keeps its entries.
    let any = Filter { unit: Some(unit.clone()), ..Filter::default() };
    if http.reader.listed(&any, 1).await?.items.is_empty() { Err(missing()) } else { Ok(unit) }
}

/// Visits that are asked for, as they stand under the newest checkpoint, with the proof that each is in the ledger,
/// unchanged. That none was left out is not proven: for that, take the packages of the units.
#[utoipa::path(get, path = "/api/v1/visits.zip", tag = "visits",
    params(
        ("unit" = Option<String>, Query, description = "of this unit"),
        ("worker" = Option<String>, Query, description = "in which this worker took part; the name is the firm's own"),
        ("maintainer" = Option<String>, Query, description = "of this firm at the time of the record"),
        ("kind" = Option<String>, Query, description = "FM, HM, TM, SM or OY"),
        ("from" = Option<String>, Query, format = DateTime, description = "begun at this time or later"),
        ("to" = Option<String>, Query, format = DateTime, description = "begun before this time"),
        ("corrected" = Option<String>, Query, description = "`only`: those that were corrected later, and nothing else"),
        ("folded" = Option<String>, Query, description = "`true` (the default): what stands, with what it corrects; `false`: every record")),
    responses(
        (status = 200, description = "a package for `liftwatch verify`", body = Vec<u8>, content_type = "application/zip"),
        (status = 400, description = "a parameter is wrong, or it would be more than a package may hold", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no visit is one that is asked for, or nothing is signed yet", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer, or other packages are being made", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn of_visits(Admitted(http): Admitted, mut params: Params) -> Result<Response, Problem> {
    let filter = asked(&mut params)?;
    params.finish()?;
    let place = place().await?;
    let to = newest(&http).await?;
    let selection = http.reader.selection_of(&filter, &to).await?;
    let (question, entries) = (selection.question.clone(), selection.entries.len() as u64);
    let (content, offset) = (Content::Visits(Box::new(selection)), offset(&http, &to));
    let packed = made(move || pack(&content, offset)).await?;
    handed_out(&http, Export::Visits { question, entries, to: to.size }).await?;
    Ok(sent("visits.zip", packed, place))
}

/// Records who takes entries out, before anything is handed over.
///
/// # Errors
/// The writer gives no answer.
pub async fn handed_out(http: &Http, export: Export) -> Result<(), Problem> {
    let by = http.caller.in_ledger();
    door::ask(&http.actions, Action::RecordExport { export, by }).await?;
    Ok(())
}

/// The offset of the pages' zone when a checkpoint was signed.
#[must_use]
pub fn offset(http: &Http, to: &SignedCheckpoint) -> Offset {
    Offset::of(&http.calendar.zone, to.at)
}

/// Waits for a place in memory for a package, or for what is printed of one.
///
/// # Errors
/// 503 if none becomes free.
pub async fn place() -> Result<SemaphorePermit<'static>, Problem> {
    let busy = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "other packages are being made; ask again in a minute");
    let place = tokio::time::timeout(WAIT, PLACES.acquire()).await.map_err(|_| busy())?;
    Ok(place.expect("nobody closes the places"))
}

/// Packs on a thread of its own: thousands of entries take seconds.
/// Makes something of a package where nobody else waits for the thread.
///
/// # Errors
/// 500 if it cannot be made.
pub async fn made<T: Send + 'static>(
    make: impl FnOnce() -> Result<T, PackageError> + Send + 'static,
) -> Result<T, Problem> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a package could not be made");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the package could not be made; run liftwatch verify")
    };
    match tokio::task::spawn_blocking(make).await {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}

fn sent(name: &str, packed: Vec<u8>, place: SemaphorePermit<'static>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, Body::new(Sending { left: packed.into(), until: Instant::now() + UNDER_WAY, _place: place }))
        .into_response()
}

/// A package on its way. It keeps its place until it is read, so that memory stays bounded.
struct Sending {
    left: Bytes,
    until: Instant,
    _place: SemaphorePermit<'static>,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.left.is_empty() && Instant::now() > self.until {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        let length = self.left.len().min(SLICE);
        let slice = self.left.split_to(length);
        Poll::Ready((!slice.is_empty()).then(|| Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
