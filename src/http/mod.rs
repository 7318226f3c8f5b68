//! What people and scrapers see: router, pages, JSON API, /metrics and health. Reads snapshots; every change goes through the pipeline.

pub mod problem;

pub mod query;

pub mod form;

pub mod connection;

pub mod guard;

pub mod health;

pub mod vitals;

pub mod door;

pub mod attempts;

pub mod sessions;

pub mod tokens;

pub mod doorkeeper;

pub mod caller;

pub mod handles;

pub mod permit;

pub mod admitted;

pub mod admit;

pub mod tls;

pub mod recent;

pub mod exposition;

pub mod api;

pub mod tiles;

pub mod admin;

pub mod calendar;

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

use admit::{Door, Way};
use handles::Http;

/// After the signal to stop, a request that still runs gets this long.
const GRACE: Duration = Duration::from_secs(5);

/// Every route, with what every request passes.
pub fn router(http: Http, way: Way) -> Router {
    let house = Arc::new(http);
    let named = house.keeper.gate.behind_proxy;
    let mut routes = Router::new()
        .merge(health::routes())
        .merge(exposition::routes())
        .merge(api::routes())
        .merge(tiles::routes())
        .merge(pages::routes());
    if way == Way::Operator {
        routes = routes.merge(admin::routes());
    }
    routes
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Arc::clone(&house))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(middleware::from_fn_with_state(Door { house, way }, admit::admit))
        .layer(middleware::from_fn(pages::dress))
        .layer(middleware::from_fn_with_state(guard::Guard { loopback: way == Way::Loopback && !named }, guard::watch))
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
    let way = if listener.local_addr()?.ip().is_loopback() { Way::Loopback } else { Way::Network };
    let (stopped, stopping) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        let _ = stopped.send(());
    };
    let entrance = connection::Entrance::new(listener, http.keeper.gate.tls.clone());
    let service = router(http, way).into_make_service_with_connect_info::<connection::Requests>();
    let serving = axum::serve(entrance, service).with_graceful_shutdown(signal);
    tokio::select! {
        result = serving.into_future() => result,
        () = async { let _ = stopping.await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

/// Serves the operator's socket until `shutdown` completes.
///
/// # Errors
/// The socket failed.
pub async fn serve_operator(
    socket: admin::Socket,
    http: Http,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(socket, router(http, Way::Operator)).with_graceful_shutdown(shutdown).await
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
