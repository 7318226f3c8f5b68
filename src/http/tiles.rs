//! `/ledger/checkpoint` and `/ledger/tile/…`: the ledger as the static files of C2SP tlog-tiles, for monitors and mirrors.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::admitted::Admitted;
use super::api::ledger::newest;
use super::handles::Http;
use super::problem::Problem;
use crate::ledger::tree::{Place, WIDTH, tile_bytes};

/// A tile never changes: whoever has it need not ask again.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/ledger/checkpoint", get(checkpoint)).route("/ledger/tile/{level}/{*number}", get(tile))
}

async fn checkpoint(Admitted(http): Admitted) -> Result<Response, Problem> {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, newest(&http).await?.note).into_response())
}

async fn tile(Admitted(http): Admitted, Path((level, number)): Path<(String, String)>) -> Result<Response, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "the ledger has no such tile");
    let (number, width) = place(&number).ok_or_else(missing)?;
    let bytes = if level == "entries" {
        let leaves = http.reader.bundle(number, width).await?.ok_or_else(missing)?;
        let mut bundle = Vec::new();
        for leaf in leaves {
            // A leaf is under 65,536 bytes: src/ledger/leaf.rs sees to it.
            let length = u16::try_from(leaf.len()).map_err(|_| missing())?;
            bundle.extend(length.to_be_bytes());
            bundle.extend(leaf);
        }
        bundle
    } else {
        let level = plain(&level).and_then(|level| u8::try_from(level).ok()).ok_or_else(missing)?;
        let hashes = http.reader.tile(Place { level, number }, width).await?.ok_or_else(missing)?;
        tile_bytes(&hashes)
    };
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, FOR_EVER)];
    Ok((headers, bytes).into_response())
}

/// `x001/x234/067.p/12` to a tile's number and width.
fn place(path: &str) -> Option<(u64, usize)> {
    let (path, width) = match path.split_once(".p/") {
        None => (path, WIDTH),
        Some((path, width)) => (path, plain(width).filter(|width| (1..WIDTH as u64).contains(width))? as usize),
    };
    let elements: Vec<&str> = path.split('/').collect();
    let (last, first) = elements.split_last()?;
    let mut number: u64 = 0;
    for element in first.iter().map(|element| element.strip_prefix('x')).chain([Some(*last)]) {
        let digits = element.filter(|digits| digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        number = number.checked_mul(1_000)?.checked_add(digits.parse().ok()?)?;
    }
    // One number has one path: no leading element of zeroes.
    let leads = first.first().is_some_and(|element| *element == "x000");
    (!leads && number <= i64::MAX as u64 / WIDTH as u64).then_some((number, width))
}

/// A number without a sign and without leading zeroes.
fn plain(digits: &str) -> Option<u64> {
    let good = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()));
    if good { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_has_one_path() {
        assert_eq!(place("000"), Some((0, 256)));
        assert_eq!(place("x001/x234/067"), Some((1_234_067, 256)));
        assert_eq!(place("x001/002.p/17"), Some((1_002, 17)));
        for wrong in ["", "1", "0000", "x001", "001/002", "x000/001", "000.p/0", "000.p/256", "000.p/07", "-01", "000/"]
        {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
