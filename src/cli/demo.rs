//! `demo`: a simulated city, an embedded broker and the real daemon, on loopback, in one process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::app::settings::Settings;
use crate::app::{self, AppError, Running};
use crate::broker::BrokerUrl;
use crate::clock::{Clock, SystemClock};
use crate::config::Document;
use crate::domain::id::RegionCode;
use crate::domain::time::Timestamp;
use crate::ingest::connection::SessionSettings;
use crate::ledger::checkpoint;
use crate::signer;
use crate::simulate::broker::EmbeddedBroker;
use crate::simulate::city::City;
use crate::simulate::controllers::{self, SimulationSettings};
use crate::simulate::publisher::{PublisherSettings, Tally};
use crate::store::read::Reader;
use crate::store::read::alerts::{AlertFile, AlertFilter, AlertRow, EvidenceRow};

use super::wing::{CityArgs, write_registry};
use super::{daemon, stop};

/// The region of the made-up city.
const REGION: &str = "350582";

/// Between two lines of progress.
const EVERY: Duration = Duration::from_secs(2);

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  liftwatch demo\n  liftwatch demo --units 200 --speed 60 --http 127.0.0.1:8081\n  liftwatch demo --dir city    (keeps the database in ./city)"
)]
pub struct DemoArgs {
    #[command(flatten)]
    city: CityArgs,
    /// Where pages, API and metrics are served
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))]
    http: SocketAddr,
    /// Port of the embedded broker on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    mqtt_port: u16,
    /// Keeps the database and the registry in this folder [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the city until a signal, then drains and says what was stored.
///
/// # Errors
/// A port that is taken, a folder that cannot be written, the store's errors.
pub async fn run(args: DemoArgs) -> Result<(), AppError> {
    let clock = Arc::new(SystemClock::new());
    let start = clock.now();
    let stopping = stop::on_signals()?;
    let listener = daemon::listen(args.http, "--http").await?;
    let broker = EmbeddedBroker::start(args.mqtt_port).context("the embedded broker (--mqtt-port)")?;
    let folder = Folder::make(args.dir.clone(), start)?;

    let region: RegionCode = REGION.parse().context("the demo's region")?;
    let city = args.city.city(region.clone(), start)?;
    let settings = settings(&folder.path, region, broker.address())?;
    let registry = folder.path.join("units.csv");
    write_registry(&city, &registry)?;
    let imported = daemon::import(&settings, &registry).await?;
    println!(
        "liftwatch demo: {} units (seed {}, speed {}), {} added to the registry",
        city.units.len(),
        args.city.seed,
        args.city.speed,
        imported.added
    );
    println!("  pages    http://{}/", listener.local_addr().context("the HTTP address")?);
    println!("  broker   mqtt://{}", broker.address());
    println!("  database {}", settings.store.display());
    println!("  stop with Ctrl-C\n");

    let story = SimulationSettings {
        connection: PublisherSettings {
            host: broker.address().ip().to_string(),
            port: broker.address().port(),
            tls: false,
            username: None,
            password_file: None,
            ca_file: None,
        },
        story: args.city.story(start),
        client_prefix: "demo".to_owned(),
        again_after: Some(controllers::AGAIN_AFTER),
    };
    let done = play(settings, city, story, clock, listener, stopping).await;
    drop(broker);
    folder.leave();
    done
}

/// The daemon, the controllers and the lines on the terminal, until the flag turns.
async fn play(
    settings: Settings,
    city: City,
    story: SimulationSettings,
    clock: Arc<SystemClock>,
    listener: TcpListener,
    stopping: watch::Receiver<bool>,
) -> Result<(), AppError> {
    let path = settings.store.clone();
    // The controllers fall silent first, so that the daemon's last words count all that they said.
    let (stop_daemon, daemon_stopping) = watch::channel(false);
    let (started, running) = oneshot::channel();
    let tell = |running: Running| drop(started.send(running));
    let daemon_clock: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    let mut daemon = tokio::spawn(app::run(settings, daemon_clock, listener, daemon_stopping, tell));
    let Ok(running) = running.await else {
        return daemon.await.context("the daemon panicked")?;
    };
    let status = Arc::clone(&running.status);
    let city_stopping = stopping.clone();
    let links = running.links.clone();
    let controllers = tokio::spawn(async move {
        while !links.iter().all(|link| link.is_listening()) && !*city_stopping.borrow() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        controllers::run(&city, story, &|| clock.now(), Arc::new(Tally::default()), city_stopping).await
    });
    let progress = tokio::spawn(progress(running, stopping.clone()));

    let mut stopping = stopping;
    tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => {}
        // It ends by itself only when something is wrong.
        ended = &mut daemon => {
            progress.abort();
            controllers.abort();
            return ended.context("the daemon panicked")?;
        }
    }
    println!("\nstopping: the controllers fall silent, what is under way is stored");
    progress.abort();
    controllers.await.context("the controllers panicked")?.map_err(anyhow::Error::from)?;
    stop_daemon.send_replace(true);
    daemon.await.context("the daemon panicked")??;
    println!(
        "stored: {} events out of {} messages; {} duplicates, {} refused and kept in quarantine ({})",
        status.events.load(Ordering::Relaxed),
        status.messages.load(Ordering::Relaxed),
        status.duplicates.load(Ordering::Relaxed),
        status.refused.load(Ordering::Relaxed),
        path.display()
    );
    Ok(())
}

/// The same settings that a file would give, with the demo's region and folder.
fn settings(folder: &Path, region: RegionCode, broker: SocketAddr) -> anyhow::Result<Settings> {
    let mut document = Document::parse(Path::new("demo"), String::new())?;
    let defaults = Settings::read(&mut document);
    document.finish()?;
    let url = BrokerUrl { tls: false, host: broker.ip().to_string(), port: broker.port() };
    Ok(Settings {
        store: folder.join("liftwatch.db"),
        names: std::iter::once((region.clone(), "演示城 Demo City".to_owned())).collect(),
        sessions: vec![SessionSettings::new(region, url, "liftwatch-demo".to_owned())],
        ledger: signer::Settings { key_file: Some(signing_key(folder)?), ..defaults.ledger.clone() },
        ..defaults
    })
}

/// The key that signs the demo's ledger; one that an earlier run left in the folder goes on signing.
fn signing_key(folder: &Path) -> anyhow::Result<PathBuf> {
    let file = folder.join("ledger.key");
    if !file.exists() {
        let (private, _) = checkpoint::generate("liftwatch.example/demo")?;
        std::fs::write(&file, private).with_context(|| file.display().to_string())?;
    }
    Ok(file)
}

/// A line every two seconds, and the first alert with its evidence as soon as there is one.
async fn progress(running: Running, stopping: watch::Receiver<bool>) {
    let mut before = 0;
    let mut shown = false;
    let mut timer = tokio::time::interval(EVERY);
    timer.tick().await;
    while !*stopping.borrow() {
        timer.tick().await;
        let status = &running.status;
        let messages = status.messages.load(Ordering::Relaxed);
        let firing = running.reader.firing().await.map_or_else(|_| "?".to_owned(), |firing| firing.to_string());
        println!(
            "{:>8.0} messages/s   {:>7} units heard   {:>8} events stored   {firing:>6} alerts firing",
            (messages - before) as f64 / EVERY.as_secs_f64(),
            status.heard.load(Ordering::Relaxed),
            status.events.load(Ordering::Relaxed),
        );
        before = messages;
        if !shown {
            shown = show_first_alert(&running.reader, running.http).await;
        }
    }
}

/// Shows an alert that rests on events; `false` while there is none.
async fn show_first_alert(reader: &Reader, http: SocketAddr) -> bool {
    for rule in ["repeated_fault", "entrapment", "critical_fault"] {
        let filter = AlertFilter {
            rule: Some(rule.to_owned()),
            state: Some("firing".to_owned()),
            limit: 1,
            ..AlertFilter::default()
        };
        let Ok(page) = reader.alerts(&filter).await else { return false };
        let Some(alert) = page.items.first() else { continue };
        if let Ok(Some(file)) = reader.alert(&alert.id).await {
            print_alert(&file, http);
            return true;
        }
    }
    false
}

fn print_alert(file: &AlertFile, http: SocketAddr) {
    let AlertRow { rule, severity, unit, site, summary_en, summary_zh, basis, starts_at, id, .. } = &file.alert;
    println!("\n  ALERT {rule} ({severity}) unit {unit}, {}", site.as_deref().unwrap_or("?"));
    println!("    {summary_en} / {summary_zh}");
    println!("    since {}", Timestamp(*starts_at));
    for line in basis.split(" / ") {
        println!("    basis {line}");
    }
    for evidence in &file.evidence {
        match evidence {
            EvidenceRow::Event(event) => {
                println!(
                    "    evidence {}  {} {}",
                    Timestamp(event.at),
                    event.kind,
                    event.code.as_deref().unwrap_or("")
                );
            }
            EvidenceRow::Visit(visit) => println!("    evidence {}  visit {}", Timestamp(visit.started_at), visit.kind),
            EvidenceRow::Gap(_) | EvidenceRow::Missing(_) => {}
        }
    }
    println!("    page  http://{http}/alerts/{id}\n");
}

/// The demo's folder: one that was named is kept, a temporary one goes at the end.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn make(named: Option<PathBuf>, now: Timestamp) -> anyhow::Result<Self> {
        let keep = named.is_some();
        let temporary = || std::env::temp_dir().join(format!("liftwatch-demo-{}-{}", std::process::id(), now.0));
        let path = named.unwrap_or_else(temporary);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {} (--dir)", path.display()))?;
        Ok(Self { path, keep })
    }

    fn leave(self) {
        if self.keep {
            return;
        }
        match std::fs::remove_dir_all(&self.path) {
            Ok(()) => println!("removed {}; keep it with --dir", self.path.display()),
            Err(error) => eprintln!("liftwatch: cannot remove {}: {error}", self.path.display()),
        }
    }
}
