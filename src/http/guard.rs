//! What every request passes: the host it names, where it comes from, how long it may take, and the headers of its answer.

use std::any::Any;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::connection::Requests;
use super::problem::Problem;

/// The longest that an answer may take; an import of 64 MiB gets more, and so does a package.
const PATIENCE: Duration = Duration::from_secs(5);
/// For an import: its body alone may need half a minute on a slow line.
const IMPORT_PATIENCE: Duration = Duration::from_secs(120);

/// For a package of 20,000 entries, and for waiting until others are made.
const PACKAGE_PATIENCE: Duration = Duration::from_secs(60);

/// Nothing may be loaded, run or framed but our own stylesheet.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every answer that has not set them itself.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Whether the listener is bound to loopback, where only names of this machine are believed.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    pub loopback: bool,
}

/// Refuses strangers' hosts and origins, ends what takes too long, and sets the headers.
pub async fn watch(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let requests = request.extensions().get::<ConnectInfo<Requests>>();
    let _running = requests.map(|ConnectInfo(requests)| requests.begin());
    let patience = match request.uri().path() {
        "/api/v1/units" if request.method() == Method::POST => IMPORT_PATIENCE,
        path if path == "/api/v1/visits.zip" || path.ends_with("/ledger.zip") || path.ends_with("/report") => {
            PACKAGE_PATIENCE
        }
        _ => PATIENCE,
    };
    let mut response = match refuse(guard, &request) {
        Some(problem) => problem.into_response(),
        None => match tokio::time::timeout(patience, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                format!(
                    "no answer within {} s; whether an action was done is not known, look again",
                    patience.as_secs()
                ),
            )
            .into_response(),
        },
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Turns a panic into an answer; the panic itself is in the log.
#[must_use]
pub fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault in the daemon; its log says where").into_response()
}

fn refuse(guard: Guard, request: &Request) -> Option<Problem> {
    let host = host_of(request.headers());
    // A name of another site that resolves to 127.0.0.1 would let that site's scripts read us (DNS rebinding).
    if guard.loopback && !host.as_deref().is_some_and(is_this_machine) {
        let detail = "on loopback the Host header must be localhost, 127.0.0.1 or [::1]";
        return Some(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let origin = request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("?"));
    let own =
        |origin: &str| origin.split_once("://").is_some_and(|(_, rest)| Some(rest) == told_host(request.headers()));
    if changes && origin.is_some_and(|origin| !own(origin)) {
        return Some(Problem::new(StatusCode::FORBIDDEN, "a page of another origin may not change anything here"));
    }
    None
}

fn told_host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// The Host header without its port, in lower case.
fn host_of(headers: &HeaderMap) -> Option<String> {
    let host = told_host(headers)?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    Some(name.to_ascii_lowercase())
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}
