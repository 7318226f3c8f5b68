//! `/api/v1/ledger`: what was recorded, checkpoints, and proofs of single entries.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::wire::{PageWire, time};
use crate::domain::id::UnitId;
use crate::http::admitted::Admitted;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::ledger::bundle::texts;
use crate::ledger::leaf;
use crate::ledger::proof::InclusionProof;
use crate::ledger::tree::Question;
use crate::store::read::leafless::Listed;
use crate::store::read::ledger::{BundleError, Filter, ProofError, SignedCheckpoint};

/// Signed notes and proofs are text.
const TEXT: &str = "text/plain; charset=utf-8";

/// A checkpoint that was signed.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct CheckpointWire {
    /// Entries in the tree.
    pub size: u64,
    #[schema(format = DateTime)]
    pub at: String,
    /// The signed note (c2sp.org/tlog-checkpoint).
    pub note: String,
}

impl From<SignedCheckpoint> for CheckpointWire {
    fn from(row: SignedCheckpoint) -> Self {
        Self { size: row.size, at: time(row.at.0), note: row.note }
    }
}

/// An entry and what it says.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct LedgerEntryWire {
    /// Its place in the ledger, from 0.
    pub index: u64,
    /// The leaf, as JSON; `/api/v1/ledger/entries/{index}` has the bytes that were hashed. Null if it was pruned by age.
    #[schema(required, nullable, value_type = Object)]
    pub leaf: Option<serde_json::Value>,
    /// The hash of the leaf (RFC 6962), in Base64.
    pub hash: String,
}

impl From<Listed> for LedgerEntryWire {
    fn from(row: Listed) -> Self {
        let text = |leaf: &[u8]| serde_json::Value::String(String::from_utf8_lossy(leaf).into_owned());
        let leaf = row.leaf.map(|leaf| serde_json::from_slice(&leaf).unwrap_or_else(|_| text(&leaf)));
        Self { index: row.index, leaf, hash: row.hash.to_string() }
    }
}

/// That one tree continues another.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ConsistencyWire {
    pub from: u64,
    pub to: u64,
    /// Hashes in Base64 (RFC 6962 §2.1.2).
    pub path: Vec<String>,
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Read(error) => error.into(),
            // The question was checked against the size before.
            ProofError::Tree(error) => {
                tracing::error!(%error, "the ledger's tree gave no answer");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the ledger's tree is damaged; run liftwatch verify")
            }
        }
    }
}

impl From<BundleError> for Problem {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::Proof(error) => error.into(),
            BundleError::NothingSigned => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            BundleError::NotClosed(_) | BundleError::Ended => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
            BundleError::NoVisits => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            BundleError::Pruned { .. } => Self::new(StatusCode::GONE, error.to_string()),
            BundleError::Backwards { .. } | BundleError::TooMany(_) => {
                Self::new(StatusCode::BAD_REQUEST, error.to_string())
            }
        }
    }
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route("/api/v1/ledger/checkpoint", get(checkpoint))
        .route("/api/v1/ledger/checkpoints", get(checkpoints))
        .route("/api/v1/ledger/entries", get(entries))
        .route("/api/v1/ledger/entries/{index}", get(entry))
        .route("/api/v1/ledger/entries/{index}/proof", get(prove))
        .route("/api/v1/ledger/consistency", get(consistency))
}

/// The newest checkpoint, as a signed note.
#[utoipa::path(get, path = "/api/v1/ledger/checkpoint", tag = "ledger",
    responses(
        (status = 200, description = "c2sp.org/tlog-checkpoint", body = String, content_type = "text/plain"),
        (status = 404, description = "nothing is signed yet", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn checkpoint(Admitted(http): Admitted, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    Ok(([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-cache")], newest(&http).await?.note).into_response())
}

/// The newest checkpoint.
///
/// # Errors
/// 404 if nothing is signed.
pub async fn newest(http: &Http) -> Result<SignedCheckpoint, Problem> {
    let nothing = || Problem::new(StatusCode::NOT_FOUND, BundleError::NothingSigned.to_string());
    http.reader.checkpoint(None).await?.ok_or_else(nothing)
}

/// Every checkpoint that was signed, the newest first.
#[utoipa::path(get, path = "/api/v1/ledger/checkpoints", tag = "ledger",
    params(
        ("after" = Option<u64>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<CheckpointWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn checkpoints(
    Admitted(http): Admitted,
    mut params: Params,
) -> Result<Json<PageWire<CheckpointWire>>, Problem> {
    let (after, limit) = (number(&mut params, "after")?, params.limit()?);
    params.finish()?;
    Ok(Json(PageWire::of(http.reader.checkpoints(after, limit).await?, CheckpointWire::from)))
}

/// Entries in the order of the ledger, of one unit or of all.
#[utoipa::path(get, path = "/api/v1/ledger/entries", tag = "ledger",
    params(
        ("unit" = Option<String>, Query, description = "of this unit"),
        ("from" = Option<u64>, Query, description = "from this index on"),
        ("before" = Option<u64>, Query, description = "before this index, such as a checkpoint's size"),
        ("after" = Option<u64>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<LedgerEntryWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn entries(
    Admitted(http): Admitted,
    mut params: Params,
) -> Result<Json<PageWire<LedgerEntryWire>>, Problem> {
    let (filter, limit) = filter(&mut params)?;
    params.finish()?;
    Ok(Json(PageWire::of(http.reader.listed(&filter, limit).await?, LedgerEntryWire::from)))
}

/// The filter of a list of entries.
///
/// # Errors
/// 400 with the name of what is wrong.
pub fn filter(params: &mut Params) -> Result<(Filter, u32), Problem> {
    let unit: Option<UnitId> = params.parsed("unit")?;
    let from = number(params, "from")?.unwrap_or(0);
    let before = number(params, "before")?;
    let after = number(params, "after")?.unwrap_or(0);
    Ok((Filter { unit, from: from.max(after), before }, params.limit()?))
}

/// An index or a size: what SQLite can count to.
fn number(params: &mut Params, name: &'static str) -> Result<Option<u64>, Problem> {
    let number: Option<u64> = params.parsed(name)?;
    match number {
        Some(number) if i64::try_from(number).is_err() => Err(Problem::parameter(name, "larger than any ledger")),
        number => Ok(number),
    }
}

/// One entry: the bytes that were hashed.
#[utoipa::path(get, path = "/api/v1/ledger/entries/{index}", tag = "ledger",
    params(("index" = String, Path, description = "its place in the ledger, from 0")),
    responses(
        (status = 200, description = "the leaf, in the canonical form of RFC 8785", body = serde_json::Value, content_type = "application/json"),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such entry", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "pruned by age; which entry records it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn entry(Admitted(http): Admitted, index: Id, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let found = http.reader.entry(at(&index)?).await?.ok_or_else(|| Problem::missing("ledger entry", &index.0))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], found.leaf).into_response())
}

fn at(index: &Id) -> Result<u64, Problem> {
    u64::try_from(index.number("ledger entry")?).map_err(|_| Problem::missing("ledger entry", &index.0))
}

/// The proof that an entry is under the newest checkpoint.
#[utoipa::path(get, path = "/api/v1/ledger/entries/{index}/proof", tag = "ledger",
    params(("index" = String, Path, description = "its place in the ledger, from 0")),
    responses(
        (status = 200, description = "c2sp.org/tlog-proof", body = String, content_type = "text/plain"),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such entry under a checkpoint yet", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "pruned by age; which entry records it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn prove(Admitted(http): Admitted, index: Id, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let at = at(&index)?;
    if http.reader.entry(at).await?.is_none() {
        return Err(Problem::missing("ledger entry", &index.0));
    }
    let checkpoint = newest(&http).await?;
    if at >= checkpoint.size {
        let detail = format!("entry {at} is not under the newest checkpoint, which has {} entries", checkpoint.size);
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    }
    let path = http.reader.ask_tree(Question::Inclusion { size: checkpoint.size, index: at }).await?;
    let proof = InclusionProof { index: at, path, checkpoint: checkpoint.note };
    Ok(([(header::CONTENT_TYPE, TEXT)], proof.to_string()).into_response())
}

/// That the ledger of `to` entries continues that of `from`.
#[utoipa::path(get, path = "/api/v1/ledger/consistency", tag = "ledger",
    params(
        ("from" = u64, Query, description = "entries in the earlier tree"),
        ("to" = u64, Query, description = "entries in the later tree")),
    responses(
        (status = 200, description = "the proof", body = ConsistencyWire),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn consistency(
    Admitted(http): Admitted,
    mut params: Params,
) -> Result<Json<ConsistencyWire>, Problem> {
    let needed =
        |name, value: Option<u64>| value.ok_or_else(|| Problem::parameter(name, "a number of entries is needed"));
    let from = number(&mut params, "from")?;
    let to = number(&mut params, "to")?;
    params.finish()?;
    let (from, to) = (needed("from", from)?, needed("to", to)?);
    let size = http.reader.ledger_size().await?;
    if to > size {
        return Err(Problem::parameter("to", format!("the ledger has {size} entries")));
    }
    if from > to {
        return Err(Problem::parameter("from", "the earlier tree cannot be the larger one"));
    }
    let path = texts(&http.reader.ask_tree(Question::Consistency { size: to, from }).await?);
    Ok(Json(ConsistencyWire { from, to, path }))
}

/// What a page shows of an entry.
#[must_use]
pub fn read(listed: &Listed) -> Option<leaf::Read> {
    leaf::read(listed.leaf.as_ref()?).ok()
}
