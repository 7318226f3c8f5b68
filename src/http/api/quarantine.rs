//! `/api/v1/quarantine`: messages that were refused, each with its reason and the first 4 KiB, and an export of them all.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::mpsc;

use super::wire::{PageWire, time};
use crate::hex::hex;
use crate::http::admitted::Admitted;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::store::read::quarantine::{QuarantineFilter, RefusedRow};
use crate::store::read::{ReadError, Reader};

/// Rows of an export that are read at a time, each with up to 4 KiB: 2 MiB in memory.
const SLICE: u32 = 500;

/// A refused message.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct RefusedWire {
    pub id: i64,
    #[schema(format = DateTime)]
    pub received_at: String,
    pub region: String,
    /// Empty where the topic does not tell; so with `unit`.
    pub publisher: String,
    pub unit: String,
    pub topic: String,
    pub reason: String,
    /// Where and what.
    pub detail: String,
    /// Bytes of the whole payload.
    pub payload_size: i64,
    /// Of the whole payload, in hex.
    pub payload_sha256: String,
}

impl From<RefusedRow> for RefusedWire {
    fn from(row: RefusedRow) -> Self {
        Self {
            id: row.id,
            received_at: time(row.received_at),
            region: row.region,
            publisher: row.publisher,
            unit: row.unit,
            topic: row.topic,
            reason: row.reason,
            detail: row.detail,
            payload_size: row.payload_size,
            payload_sha256: row.payload_sha256,
        }
    }
}

/// A refused message with what is kept of its payload.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct RefusedFileWire {
    #[serde(flatten)]
    pub message: RefusedWire,
    /// The first 4 KiB as text if they are UTF-8.
    #[schema(required)]
    pub payload_text: Option<String>,
    /// The first 4 KiB in hex.
    pub payload_hex: String,
}

impl RefusedFileWire {
    fn of(row: RefusedRow, payload: &[u8]) -> Self {
        Self { message: row.into(), payload_text: text_of(payload).map(str::to_owned), payload_hex: hex(payload) }
    }
}

/// The payload as text; a character that the cut at 4 KiB split is left out.
#[must_use]
pub fn text_of(payload: &[u8]) -> Option<&str> {
    match std::str::from_utf8(payload) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&payload[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route("/api/v1/quarantine", get(list))
        .route("/api/v1/quarantine/export", get(export))
        .route("/api/v1/quarantine/{id}", get(one))
}

/// The filter that a query asks for; pages and API read it alike.
///
/// # Errors
/// A [`Problem`] that names the wrong parameter.
pub fn filter(params: &mut Params) -> Result<QuarantineFilter, Problem> {
    Ok(QuarantineFilter {
        reason: params.text("reason")?,
        publisher: params.text("publisher")?,
        unit: params.text("unit")?,
        after: params.parsed("after")?,
        limit: params.limit()?,
    })
}

/// Refused messages, the last received first.
#[utoipa::path(get, path = "/api/v1/quarantine", tag = "quarantine",
    params(
        ("reason" = Option<String>, Query, description = "refused for this reason"),
        ("publisher" = Option<String>, Query, description = "of this publisher"),
        ("unit" = Option<String>, Query, description = "of this unit"),
        ("after" = Option<i64>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<RefusedWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(Admitted(http): Admitted, mut params: Params) -> Result<Json<PageWire<RefusedWire>>, Problem> {
    let filter = filter(&mut params)?;
    params.finish()?;
    Ok(Json(PageWire::of(http.reader.quarantine(&filter).await?, RefusedWire::from)))
}

/// One refused message with what is kept of its payload.
#[utoipa::path(get, path = "/api/v1/quarantine/{id}", tag = "quarantine",
    params(("id" = i64, Path, description = "the message's number")),
    responses(
        (status = 200, description = "the message", body = RefusedFileWire),
        (status = 400, description = "the path or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such message; the oldest make room", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(Admitted(http): Admitted, id: Id, params: Params) -> Result<Json<RefusedFileWire>, Problem> {
    params.finish()?;
    let found = http.reader.refused(id.number("refused message")?).await?;
    let (row, payload) = found.ok_or_else(|| Problem::missing("refused message", &id.0))?;
    Ok(Json(RefusedFileWire::of(row, &payload)))
}

/// Every refused message as JSON Lines, oldest first; `after` goes on behind a number.
#[utoipa::path(get, path = "/api/v1/quarantine/export", tag = "quarantine",
    params(("after" = Option<i64>, Query, description = "only numbers greater than this")),
    responses(
        (status = 200, description = "one message a line", body = String, content_type = "application/jsonl"),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn export(Admitted(http): Admitted, mut params: Params) -> Result<Response, Problem> {
    let after: i64 = params.parsed("after")?.unwrap_or(0);
    params.finish()?;
    // The first slice is read before the status is sent, so that a database without an answer is a 503 and not an empty file.
    let (lines, next) = slice(&http.reader, after).await?;
    let (send, receive) = mpsc::channel::<Result<Bytes, ReadError>>(1);
    let reader = http.reader.clone();
    tokio::spawn(async move { send_slices(&reader, lines, next, &send).await });
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"quarantine.jsonl\""),
    ];
    Ok((headers, Body::new(Slices(receive))).into_response())
}

/// Sends one slice after the other; ends when the reader has gone or the rows have ended.
async fn send_slices(reader: &Reader, first: Bytes, next: Option<i64>, send: &mpsc::Sender<Result<Bytes, ReadError>>) {
    let (mut lines, mut next) = (first, next);
    loop {
        if send.send(Ok(lines)).await.is_err() {
            return;
        }
        let Some(after) = next else { return };
        match slice(reader, after).await {
            Ok((more, place)) => (lines, next) = (more, place),
            Err(error) => {
                tracing::warn!(error = %error, "an export of the quarantine broke off");
                let _ = send.send(Err(error)).await;
                return;
            }
        }
    }
}

/// The lines behind the number `after`, and the number to go on from if there may be more.
async fn slice(reader: &Reader, after: i64) -> Result<(Bytes, Option<i64>), ReadError> {
    let rows = reader.refused_since(after, SLICE).await?;
    let next = if rows.len() == SLICE as usize { rows.last().map(|(row, _)| row.id) } else { None };
    let mut lines = Vec::new();
    for (row, payload) in rows {
        let written = serde_json::to_writer(&mut lines, &RefusedFileWire::of(row, &payload));
        debug_assert!(written.is_ok(), "plain fields always serialise");
        lines.push(b'\n');
    }
    Ok((lines.into(), next))
}

/// The slices as a body.
struct Slices(mpsc::Receiver<Result<Bytes, ReadError>>);

impl axum::body::HttpBody for Slices {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, ReadError>>> {
        self.0.poll_recv(context).map(|slice| slice.map(|slice| slice.map(http_body::Frame::data)))
    }
}
