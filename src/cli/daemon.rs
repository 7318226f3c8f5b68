//! `serve`, `check` and `import`: what an operator runs on a city's server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use tokio::net::TcpListener;

use crate::app::settings::Settings;
use crate::app::{self, AppError};
use crate::clock::{Clock, SystemClock};
use crate::http::admin::socket_of;
use crate::pipeline::action::{Action, Done, ImportReport};
use crate::registry_csv;

use super::{routes, stop, supervisor};

/// What an operator must know who has written no route.
const NOBODY: &str = "no [[route]]: alerts are kept and shown, and nobody is told of them";

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  liftwatch serve --config /etc/liftwatch/liftwatch.toml --log-format json")]
pub struct ServeArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  liftwatch check --config config/liftwatch.toml\n  liftwatch check --config config/liftwatch.toml --routes rule=entrapment severity=critical maintainer=firm-a"
)]
pub struct CheckArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Says who would be told of an alert with these labels, and why: rule, severity, region, site, maintainer, owner, unit
    #[arg(long, value_name = "LABEL=VALUE", num_args = 1..)]
    routes: Vec<String>,
}

/// What can be imported.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Takes the registry of units over from a CSV file: all of it, or nothing and each bad line
    Units(ImportUnitsArgs),
}

/// Arguments of `import units`.
#[derive(Debug, Args)]
#[command(
    after_help = "The first line names the columns, in any order:\n  unit,registration_code,region,site,address,kind,maker,model,in_service_since,owner,\n  maintainer,publisher,stops,latitude,longitude,maintenance_interval_days,last_inspection\nunit, region and kind are needed. Importing the same file again changes nothing.\n\nExample:\n  liftwatch import units units.csv --config /etc/liftwatch/liftwatch.toml"
)]
pub struct ImportUnitsArgs {
    /// The registry
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// [`AppError`] says which exit code it means.
pub async fn serve(args: ServeArgs) -> Result<(), AppError> {
    let settings = Settings::load(&args.config).map_err(anyhow::Error::from)?;
    if settings.sessions.is_empty() {
        let problem = anyhow!("{}: no [[region]]: there is nothing to listen to; write one", args.config.display());
        return Err(problem.into());
    }
    let stopping = stop::on_signals()?;
    let listener = listen(settings.http.listen, "[http] listen").await?;
    if settings.notify.routes.is_empty() {
        tracing::warn!("{NOBODY}");
    }
    let store = settings.store.clone();
    let stopped = stopping.clone();
    let started = move |running: app::Running| {
        tracing::info!(http = %running.http, store = %store.display(), "started");
        supervisor::started(&running.status, stopped);
    };
    app::run(settings, Arc::new(SystemClock::new()), listener, stopping, started).await?;
    tracing::info!("stopped; everything received is stored and acknowledged");
    Ok(())
}

/// Takes the port, or says who wants it and where to change it.
///
/// # Errors
/// The address is taken or not ours; `key` is the flag or key that changes it.
pub async fn listen(address: std::net::SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("{address} is in use by another program; stop that one, or choose another address with {key}")
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address} ({key})")),
    }
}

/// Reads a configuration and says "ok", or who would be told of an alert.
///
/// # Errors
/// Every fault of the file; a label that is none.
pub fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let settings = Settings::load(&args.config)?;
    if !args.routes.is_empty() {
        print!("{}", routes::told(&settings.notify, &routes::labels(&args.routes)?));
        return Ok(());
    }
    println!("ok");
    if settings.notify.routes.is_empty() {
        eprintln!("{}: {NOBODY}", args.config.display());
    }
    Ok(())
}

/// Takes a registry over and says what changed.
///
/// # Errors
/// Each bad line; [`AppError::AlreadyRunning`] with the way to hand the file to the running daemon.
pub async fn import_units(args: &ImportUnitsArgs) -> Result<(), AppError> {
    let settings = Settings::load(&args.config).map_err(anyhow::Error::from)?;
    let socket = socket_of(&settings.store);
    match import(&settings, &args.file).await {
        Ok(ImportReport { added, changed, unchanged }) => {
            println!("{added} added, {changed} changed, {unchanged} unchanged");
            Ok(())
        }
        Err(AppError::AlreadyRunning(error)) => {
            eprintln!(
                "liftwatch: a daemon is running on this database; hand it the file instead:\n  curl --unix-socket {} -H 'content-type: text/csv' --data-binary @{} http://localhost/api/v1/units",
                socket.display(),
                args.file.display()
            );
            Err(AppError::AlreadyRunning(error))
        }
        Err(error) => Err(error),
    }
}

/// Takes a registry file over into the database of these settings.
///
/// # Errors
/// Each bad line of the file, or the store's error.
pub async fn import(settings: &Settings, file: &Path) -> Result<ImportReport, AppError> {
    let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let units = registry_csv::parse(std::io::BufReader::new(opened)).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{}: {error}", file.display())).collect();
        anyhow!("nothing is imported:\n{}", lines.join("\n"))
    })?;
    let clock = SystemClock::new();
    let mut pipeline = app::open_pipeline(settings, app::decoder(settings)?, &clock).await?;
    let done = pipeline.act(&Action::ImportUnits(units), clock.now()).await;
    let (done, _) = done.map_err(AppError::StorageLost)?;
    pipeline.close().await.map_err(AppError::StorageLost)?;
    match done {
        Done::Imported(report) => Ok(report),
        other => Err(anyhow!("an import came to {other:?}").into()),
    }
}
