//! Wires the rooms, starts them, and drains them in order when it is told to stop. Decides nothing.

pub mod settings;

pub mod signing;

pub mod telling;

pub mod vitals;

pub mod doors;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::broker::LinkStatus;
use crate::clock::Clock;
use crate::decode::Decoder;
use crate::decode::mapping::Reason;
use crate::detect::Rules;
use crate::domain::id::RegionCode;
use crate::http;
use crate::ingest::connection::SessionSettings;
use crate::ingest::session::{self, SessionParts};
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::pipeline::message::{Committed, Envelope};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::read::Reader;
use crate::sweep;
use crate::writer::{Writer, WriterStatus};
use doors::Rooms;
use settings::Settings;
use telling::Telling;

/// Messages between the sessions and the writer; a session that finds it full stops reading, and the broker holds the
/// rest.
const QUEUE: usize = 4_096;

/// Actions of people that may wait for their turn.
const ACTIONS: usize = 64;

/// Why the daemon ended, as far as its exit code tells it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Exit code 75.
    #[error(transparent)]
    AlreadyRunning(StoreError),
    /// Exit code 70.
    #[error("storage lost: {0}. Nothing that was acknowledged is lost; see docs/OPERATIONS.md, Exit 70")]
    StorageLost(StoreError),
    /// Exit code 1.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// What can be seen of a daemon that has started.
pub struct Running {
    pub http: SocketAddr,
    pub status: Arc<WriterStatus>,
    pub reader: Reader,
    pub links: Vec<Arc<LinkStatus>>,
}

/// Opens the file, and says which of the exit codes its failure means.
///
/// # Errors
/// [`AppError::AlreadyRunning`], [`AppError::StorageLost`].
pub async fn open_pipeline(
    settings: &Settings,
    decoder: Arc<Decoder>,
    clock: &dyn Clock,
) -> Result<Pipeline, AppError> {
    let store = Store::open(&settings.store).await.map_err(|error| match error {
        StoreError::AlreadyRunning { .. } => AppError::AlreadyRunning(error),
        error => AppError::StorageLost(error),
    })?;
    let rules = Rules::new(&settings.rules, &settings.zone);
    let now = clock.now();
    let mut pipeline =
        Pipeline::open(store, decoder, &settings.rules, rules, now).await.map_err(AppError::StorageLost)?;
    pipeline.declare_config(&settings.digest, now).await.map_err(AppError::StorageLost)?;
    pipeline.retain(settings.retention.clone());
    Ok(pipeline)
}

/// The decoder of these settings.
///
/// # Errors
/// A mapping that cannot be used.
pub fn decoder(settings: &Settings) -> anyhow::Result<Arc<Decoder>> {
    let regions: Vec<RegionCode> = settings.sessions.iter().map(|session| session.region.clone()).collect();
    Ok(Arc::new(Decoder::new(&settings.mappings, &regions)?))
}

/// Runs the daemon until `shutdown` turns true, then drains: sessions take nothing new, what they took is committed
/// and acknowledged, the file is closed. `started` is told once everything is up.
///
/// # Errors
/// [`AppError`] says which exit code it means.
pub async fn run(
    settings: Settings,
    clock: Arc<dyn Clock>,
    listener: TcpListener,
    shutdown: watch::Receiver<bool>,
    started: impl FnOnce(Running),
) -> Result<(), AppError> {
    let decoder = decoder(&settings)?;
    let pipeline = open_pipeline(&settings, Arc::clone(&decoder), &*clock).await?;
    let reader = Reader::open(&settings.store).await.context("cannot open the database for reading")?;
    let http_address = listener.local_addr().context("the address of the HTTP listener")?;
    let metrics = Arc::new(counters(&settings.sessions));
    let status = Arc::new(WriterStatus::default());
    let links = links(&settings.sessions, &*clock);

    let ((messages, inbox), (actions, asked)) = (mpsc::channel(QUEUE), mpsc::channel(ACTIONS));
    let (ticks, time) = mpsc::channel(1);
    // Whoever stops first stops all: a person, a lost store, a session that cannot go on.
    let (stop, stopping) = watch::channel(false);
    let changed = Arc::new(Notify::new());
    let vitals = vitals::Daemon::new(&settings, &links, &status, &clock);
    let rooms = Rooms::of(&reader, &metrics, vitals, &clock, &actions);
    let http = doors::open((&settings, http_address), rooms, stopped(stopping.clone())).await?;
    let sending = Telling {
        reader: reader.clone(),
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
        door: actions,
        changed: Arc::clone(&changed),
        writer: messages.clone(),
        stopping: stopping.clone(),
    }
    .start(&settings, &links);
    let wiring = Wiring { decoder, clock: Arc::clone(&clock), messages, stopping: stopping.clone() };
    let (mut sessions, committed) = wiring.start_sessions(&settings.sessions, &links);
    let writer = Writer {
        pipeline,
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
        status: Arc::clone(&status),
        links: links.clone(),
        messages: inbox,
        asked,
        ticks: time,
        sessions: committed,
        changed,
        shutdown: stopping.clone(),
    };
    let mut writing = tokio::spawn(writer.run());
    tokio::spawn(sweep::run(Arc::clone(&clock), ticks, stopping.clone()));
    let serving = tokio::spawn(http::serve(listener, http, stopped(stopping)));
    started(Running { http: http_address, status, reader: reader.clone(), links });

    let ended = wait(shutdown, &mut writing, &mut sessions, &stop).await;
    let ended = drain(ended, writing, sessions, sending).await?;
    let served = serving.await.context("the HTTP server panicked")?;
    reader.close().await;
    ended.verdict()?;
    Ok(served.context("the HTTP server")?)
}

/// The counters, with every region and reason at zero.
fn counters(sessions: &[SessionSettings]) -> Metrics {
    let metrics = Metrics::with_reasons(Reason::ALL.iter().map(|reason| reason.as_str()));
    for session in sessions {
        metrics.regions.expect_region(session.region.as_str());
    }
    metrics
}

/// Who stopped first, and how it stands with the others by now.
#[derive(Default)]
struct Ended {
    /// How the writer ended, if it did.
    written: Option<Result<(), StoreError>>,
    /// Why a session could not go on, if one could not.
    failed: Option<anyhow::Error>,
}

impl Ended {
    /// A lost store outweighs a session that could not go on.
    fn verdict(self) -> Result<(), AppError> {
        self.written.unwrap_or(Ok(())).map_err(AppError::StorageLost)?;
        match self.failed {
            Some(error) => Err(AppError::Other(error.context("an MQTT session cannot go on"))),
            None => Ok(()),
        }
    }
}

fn links(sessions: &[SessionSettings], clock: &dyn Clock) -> Vec<Arc<LinkStatus>> {
    let link = |session: &SessionSettings| Arc::new(LinkStatus::new(session.region.clone(), clock.now()));
    sessions.iter().map(link).collect()
}

/// Lets the sessions and the dispatcher finish, and then the writer, which ends when the last of them is gone.
async fn drain(
    mut ended: Ended,
    writing: JoinHandle<Result<(), StoreError>>,
    mut sessions: Sessions,
    sending: JoinHandle<()>,
) -> anyhow::Result<Ended> {
    while let Some(session) = sessions.join_next().await {
        ended.failed = ended.failed.or_else(|| failure(session));
    }
    sending.await.context("the dispatcher panicked")?;
    if ended.written.is_none() {
        ended.written = Some(writing.await.context("the writer panicked")?);
    }
    Ok(ended)
}

/// Waits for whoever stops first, and tells the others.
async fn wait(
    shutdown: watch::Receiver<bool>,
    writing: &mut JoinHandle<Result<(), StoreError>>,
    sessions: &mut Sessions,
    stop: &watch::Sender<bool>,
) -> Ended {
    let mut ended = Ended::default();
    tokio::select! {
        () = stopped(shutdown) => {}
        written = writing => {
            ended.written = Some(written.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
        }
        Some(session) = sessions.join_next(), if !sessions.is_empty() => ended.failed = failure(session),
    }
    stop.send_replace(true);
    ended
}

/// Why a session ended, unless it was told to.
fn failure(ended: Result<Result<(), session::SessionError>, tokio::task::JoinError>) -> Option<anyhow::Error> {
    match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.into()),
        Err(error) => Some(error.into()),
    }
}

/// Completes when the flag turns true, or nobody can turn it any more.
async fn stopped(mut flag: watch::Receiver<bool>) {
    drop(flag.wait_for(|stop| *stop).await);
}

/// What all sessions are wired to.
struct Wiring {
    decoder: Arc<Decoder>,
    clock: Arc<dyn Clock>,
    messages: mpsc::Sender<Envelope>,
    stopping: watch::Receiver<bool>,
}

type Sessions = JoinSet<Result<(), session::SessionError>>;

impl Wiring {
    /// Starts a session per region; the senders tell each what is on disk. No way for messages is left but theirs.
    fn start_sessions(
        self,
        settings: &[SessionSettings],
        links: &[Arc<LinkStatus>],
    ) -> (Sessions, Vec<mpsc::UnboundedSender<Committed>>) {
        let mut sessions = JoinSet::new();
        let mut senders = Vec::new();
        for (index, (settings, status)) in settings.iter().zip(links).enumerate() {
            let (sender, committed) = mpsc::unbounded_channel();
            senders.push(sender);
            let parts = SessionParts {
                index,
                decoder: Arc::clone(&self.decoder),
                clock: Arc::clone(&self.clock),
                out: self.messages.clone(),
                committed,
                status: Arc::clone(status),
                shutdown: self.stopping.clone(),
            };
            sessions.spawn(session::run(settings.clone(), parts));
        }
        (sessions, senders)
    }
}
