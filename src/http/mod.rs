//! What people and scrapers see: router, pages, JSON API, /metrics and health. Reads snapshots; every change goes through the pipeline.

pub mod problem;

pub mod query;

pub mod form;

pub mod connection;

pub mod guard;

pub mod health;

pub mod vitals;

pub mod door;

pub mod handles;

pub mod exposition;

pub mod api;

pub mod calendar;

pub mod qr;

pub mod phrases;

pub mod pages;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, Uri};
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use handles::Http;

/// After the signal to stop, a request that still runs gets this long.
const GRACE: Duration = Duration::from_secs(5);

/// Every route, with what every request passes; `loopback` if only this machine can reach the listener.
pub fn router(http: Http, loopback: bool) -> Router {
    let http = Arc::new(http);
    Router::new()
        .merge(health::routes())
        .merge(exposition::routes())
        .merge(api::routes())
        .merge(pages::routes())
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .with_state(http)
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(middleware::from_fn(pages::dress))
        .layer(middleware::from_fn_with_state(guard::Guard { loopback }, guard::watch))
        .layer(CompressionLayer::new())
}

/// Serves until `shutdown` completes, then finishes what runs, for at most five seconds.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    http: Http,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let loopback = listener.local_addr()?.ip().is_loopback();
    let (stopped, stopping) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        let _ = stopped.send(());
    };
    let service = router(http, loopback).into_make_service_with_connect_info::<connection::Requests>();
    let serving = axum::serve(connection::Entrance::new(listener), service).with_graceful_shutdown(signal);
    tokio::select! {
        result = serving.into_future() => result,
        () = async { let _ = stopping.await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

async fn nothing_here(uri: Uri) -> problem::Problem {
    problem::Problem::new(StatusCode::NOT_FOUND, format!("nothing at {}", problem::shortened(uri.path())))
}

async fn wrong_method() -> problem::Problem {
    problem::Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this address does not take this method; the Allow header says which it takes",
    )
}
