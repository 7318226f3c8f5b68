//! Sends a status log as canonical events over real MQTT: without boot and sequence, so that a second replay of the same
//! log is all duplicates.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::publisher::{PublishError, Publisher, PublisherSettings, Tally};
use super::registry_csv;
use super::status_log::{self, LogError, LogMap, StatusLog};
use crate::domain::id::{PublisherId, RegionCode};
use crate::domain::unit::{Unit, UnitKind};

/// What to replay, and where to.
#[derive(Debug, Clone)]
pub struct ReplaySettings {
    pub file: PathBuf,
    pub map: LogMap,
    pub connection: PublisherSettings,
    pub region: RegionCode,
    pub publisher: PublisherId,
    /// Times faster than the log; 0 is as fast as the broker takes it.
    pub speed: f64,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    pub rows: usize,
    pub units: usize,
    /// Messages that the broker took.
    pub acknowledged: u64,
    /// Messages of the log; more than rows where a row means two things.
    pub messages: usize,
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Log { path: PathBuf, source: LogError },
    #[error("{}: {source}", path.display())]
    Registry { path: PathBuf, source: csv::Error },
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the broker took {acknowledged} of {messages} messages; run it again, what it has is not taken twice")]
    Incomplete { acknowledged: u64, messages: usize },
}

/// Reads the log.
///
/// # Errors
/// [`ReplayError::File`] or [`ReplayError::Log`], with the line.
pub fn load(file: &Path, map: &LogMap) -> Result<StatusLog, ReplayError> {
    let opened = File::open(file).map_err(|source| ReplayError::File { path: file.to_owned(), source })?;
    status_log::read(map, opened).map_err(|source| ReplayError::Log { path: file.to_owned(), source })
}

/// Writes a registry CSV with the log's units, which knows of them only what the log does: their ids.
///
/// # Errors
/// As [`load`], and [`ReplayError::Registry`] when the file cannot be written.
pub fn write_registry(settings: &ReplaySettings, out: &Path) -> Result<usize, ReplayError> {
    let log = load(&settings.file, &settings.map)?;
    let units: Vec<Unit> = log.units.iter().map(|id| unit(id.clone(), settings)).collect();
    let file = File::create(out).map_err(|source| ReplayError::File { path: out.to_owned(), source })?;
    registry_csv::write(&units, file).map_err(|source| ReplayError::Registry { path: out.to_owned(), source })?;
    Ok(units.len())
}

fn unit(id: crate::domain::id::UnitId, settings: &ReplaySettings) -> Unit {
    let kind =
        if id.as_str().to_ascii_uppercase().contains("ESCALATOR") { UnitKind::Escalator } else { UnitKind::Traction };
    Unit {
        site: id.to_string(),
        id,
        registration_code: String::new(),
        region: settings.region.clone(),
        address: String::new(),
        kind,
        maker: String::new(),
        model: String::new(),
        in_service_since: None,
        owner: "unknown".to_owned(),
        maintainer: "unknown".to_owned(),
        publisher: Some(settings.publisher.clone()),
        stops: None,
        position: None,
        maintenance_interval_days: 15,
        last_inspection: None,
    }
}

/// Sends the whole log; returns when the broker has taken all of it, or at shutdown.
///
/// # Errors
/// [`ReplayError`]; a bad line is told before the first message is sent.
pub async fn run(
    settings: &ReplaySettings,
    tally: Arc<Tally>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<Replayed, ReplayError> {
    let log = load(&settings.file, &settings.map)?;
    let client_id = format!("liftwatch-replay-{}", settings.publisher);
    let publisher = settings.publisher.as_str();
    let client = Publisher::connect(&client_id, publisher, &settings.connection, Arc::clone(&tally)).await?;
    let (rows, units, messages) = (log.rows, log.units.len(), log.events.len());
    let begin = tokio::time::Instant::now();
    let first = log.events.first().map(|event| event.at);
    for event in log.events {
        let due = first.filter(|_| settings.speed > 0.0).map_or(begin, |first| {
            let since = (event.at - first) as f64 / settings.speed;
            begin + Duration::from_millis(since as u64)
        });
        let topic = format!("lift/v1/{}/{publisher}/{}/event", settings.region, event.unit);
        let send = async {
            tokio::time::sleep_until(due).await;
            client.publish(topic, event.payload).await
        };
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => break,
            sent = send => sent?,
        }
    }
    let settled = client.finish(Duration::from_secs(30)).await;
    let acknowledged = tally.acknowledged();
    if !settled || tally.sent() < messages as u64 {
        return Err(ReplayError::Incomplete { acknowledged, messages });
    }
    Ok(Replayed { rows, units, acknowledged, messages })
}
