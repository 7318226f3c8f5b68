//! Opens the doors for people: the HTTP listener, with TLS or without, and the operator's socket.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc;

use super::settings::Settings;
use super::telling;
use super::vitals::Daemon;
use crate::clock::Clock;
use crate::http;
use crate::http::admin::Socket;
use crate::http::calendar::Calendar;
use crate::http::caller::Caller;
use crate::http::doorkeeper::{Doorkeeper, Gate};
use crate::http::handles::{Answering, FIRING_SERIES, FLUSH_ALLOWANCE, Http, Maintenance, Showing};
use crate::http::tls::Certificate;
use crate::metrics::Metrics;
use crate::pipeline::action::Asked;
use crate::store::read::Reader;

/// What the handlers of HTTP work with, as far as the rooms below give it.
pub struct Rooms {
    pub reader: Reader,
    pub metrics: Arc<Metrics>,
    pub vitals: Daemon,
    pub clock: Arc<dyn Clock>,
    pub actions: mpsc::Sender<Asked>,
}

impl Rooms {
    /// What the handlers share with the rest of the daemon.
    #[must_use]
    pub fn of(
        reader: &Reader,
        metrics: &Arc<Metrics>,
        vitals: Daemon,
        clock: &Arc<dyn Clock>,
        actions: &mpsc::Sender<Asked>,
    ) -> Self {
        let (metrics, clock) = (Arc::clone(metrics), Arc::clone(clock));
        Self { reader: reader.clone(), metrics, vitals, clock, actions: actions.clone() }
    }
}

/// Opens the operator's socket and gives what both doors work with.
///
/// # Errors
/// The certificate or the tokens cannot be read.
pub async fn open(
    (settings, address): (&Settings, SocketAddr),
    rooms: Rooms,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<Http> {
    let certificate = Certificate::configured(&settings.http)?;
    let tls = certificate.as_ref().map(Certificate::config);
    if let Some(certificate) = certificate {
        tokio::spawn(certificate.follow());
    }
    let gate = Gate { behind_proxy: settings.http.behind_proxy, tls };
    let keeper = Doorkeeper { gate, ..Doorkeeper::default() };
    keeper.tokens.load(&rooms.reader).await.context("the tokens")?;
    tell(settings, keeper.tokens.is_empty());
    // The file was read when the settings were; only somebody who changed it since can make it fail now.
    let links = telling::links_key(settings);
    let http = Http {
        reader: rooms.reader,
        metrics: rooms.metrics,
        vitals: Arc::new(rooms.vitals),
        clock: rooms.clock,
        actions: rooms.actions,
        calendar: Calendar { zone: settings.zone.clone(), over_age_years: settings.rules.over_age.limit_years },
        heard_within: settings.rules.silent_unit.patience() + FLUSH_ALLOWANCE,
        firing_series: FIRING_SERIES,
        ledger_key: settings.ledger.key().ok().flatten().map(|key| key.public()),
        answering: Answering { ack_timeout: settings.notify.notify.ack_timeout, links },
        showing: Showing {
            merge_gap: settings.rules.incident.merge_gap(),
            towns: settings.notify.notify.town_regions.clone(),
            home: telling::home(settings, address),
        },
        recent: Arc::default(),
        maintenance: Arc::new(Maintenance {
            checklists: settings.checklists.clone(),
            public_url: settings.notify.notify.public_url.clone(),
        }),
        keeper: Arc::new(keeper),
        caller: Caller::Stranger,
    };
    match Socket::bind(&settings.store) {
        Ok(socket) => {
            tokio::spawn(http::serve_operator(socket, http.clone(), stopped));
        }
        Err(error) => {
            tracing::error!(%error, "no operator's socket beside the database: tokens can be made while the daemon is stopped");
        }
    }
    Ok(http)
}

/// Says who is let in.
fn tell(settings: &Settings, no_token: bool) {
    let open = settings.http.listen.ip().is_loopback() && !settings.http.behind_proxy;
    match (no_token, open) {
        (false, _) => tracing::info!("whoever asks over HTTP needs a token"),
        (true, true) => tracing::info!("without tokens, HTTP serves this machine alone, and everybody on it"),
        (true, false) => tracing::warn!("without tokens, HTTP serves nobody; make one with `liftwatch token add`"),
    }
}
