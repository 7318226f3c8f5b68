//! The command line: arguments, logs, signals, exit codes.

pub mod stop;

pub mod supervisor;

pub mod daemon;

pub mod routes;

pub mod decode;

pub mod qr;

pub mod years;

pub mod wing;

pub mod backup;

pub mod doctor;

pub mod ledger;

pub mod packages;

pub mod operating;

pub mod token;

pub mod erase;

pub mod manual;

#[cfg(feature = "embedded-broker")]
pub mod demo;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::app::AppError;

/// The work was done.
const DONE: u8 = 0;
/// The work failed; the message says what to do.
const FAILED: u8 = 1;
/// The store failed, and nothing more can be acknowledged (sysexits: `EX_SOFTWARE`; the supervisor starts us again).
const STORAGE_LOST: u8 = 70;
/// Another liftwatch writes the file (sysexits: `EX_TEMPFAIL`).
const ALREADY_RUNNING: u8 = 75;

/// Watches a city's lifts: MQTT telemetry in, durable events, alerts with evidence out.
#[derive(Debug, Parser)]
#[command(name = "liftwatch", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 the work failed, 2 wrong usage, 70 storage lost, 75 already running.")]
struct Cli {
    /// How log lines are written to standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug, or a filter such as liftwatch::ingest=debug,info
    /// [default: info, for demo, ledger and verify error, for doctor off]
    #[arg(long, global = true, env = "LIFTWATCH_LOG", value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "embedded-broker")]
    /// Runs a simulated city, an MQTT broker and the daemon in one process, with nothing to install
    Demo(demo::DemoArgs),
    /// Runs the daemon
    Serve(daemon::ServeArgs),
    /// Says "ok", or what is wrong with a configuration file
    Check(daemon::CheckArgs),
    /// Tries broker, disk, clock and receivers, and says what to change
    Doctor(doctor::DoctorArgs),
    /// Takes data over from files
    #[command(subcommand)]
    Import(daemon::Import),
    /// Copies the database, with the daemon running or not
    Backup(backup::BackupArgs),
    /// Shows what a payload becomes
    Decode(decode::DecodeArgs),
    /// The log that can only grow: keys, checkpoints, proofs, packages for auditors
    #[command(
        subcommand,
        after_help = "Example:\n  liftwatch ledger checkpoint --config /etc/liftwatch/liftwatch.toml"
    )]
    Ledger(ledger::Ledger),
    /// Checks a package of the ledger, or a whole database file
    Verify(ledger::VerifyArgs),
    /// Who may see what over HTTP: makes, lists and revokes tokens
    #[command(subcommand, after_help = "Example:\n  liftwatch token list --config /etc/liftwatch/liftwatch.toml")]
    Token(token::Token),
    /// Forgets a person whom a visit names; the record and its proofs stay
    Erase(erase::EraseArgs),
    /// Writes the QR code of a unit's page as SVG
    Qr(qr::QrArgs),
    /// Publishes a simulated city to a broker
    Simulate(wing::SimulateArgs),
    /// Publishes a status log to a broker as canonical events
    Replay(wing::ReplayArgs),
    /// Writes man pages and completions, for packagers
    #[command(hide = true)]
    Manual(manual::ManualArgs),
}

impl Command {
    /// The own lines of the demo and of the doctor are what their reader came for.
    const fn default_log(&self) -> &'static str {
        match self {
            #[cfg(feature = "embedded-broker")]
            Self::Demo(_) => "error",
            Self::Doctor(_) => "off",
            // What they print is the answer; that a question took long is no news to whoever waits for it.
            Self::Ledger(_) | Self::Verify(_) => "error",
            _ => "info",
        }
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = cli.log.as_deref().unwrap_or(cli.command.default_log());
    if let Err(error) = start_logs(cli.log_format, filter) {
        eprintln!("liftwatch: --log {filter:?}: {error}");
        return ExitCode::from(2);
    }
    // One provider for every TLS connection, before the first of them.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("liftwatch: a TLS provider is installed already");
        return ExitCode::from(FAILED);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("liftwatch: cannot start the runtime: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let done = runtime.block_on(run(cli.command));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match done {
        Ok(()) => ExitCode::from(DONE),
        Err(error) => {
            let (code, text) = match error {
                AppError::AlreadyRunning(error) => (ALREADY_RUNNING, error.to_string()),
                AppError::StorageLost(_) => (STORAGE_LOST, error.to_string()),
                AppError::Other(error) => (FAILED, format!("{error:#}")),
            };
            eprintln!("liftwatch: {text}");
            ExitCode::from(code)
        }
    }
}

async fn run(command: Command) -> Result<(), AppError> {
    match command {
        #[cfg(feature = "embedded-broker")]
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => daemon::serve(args).await,
        Command::Check(args) => Ok(daemon::check(&args)?),
        Command::Doctor(args) => Ok(doctor::run(&args).await?),
        Command::Import(daemon::Import::Units(args)) => daemon::import_units(&args).await,
        Command::Backup(args) => Ok(backup::run(&args).await?),
        Command::Decode(args) => Ok(decode::run(&args)?),
        Command::Ledger(command) => Ok(ledger::run(command).await?),
        Command::Verify(args) => Ok(ledger::verify(&args).await?),
        Command::Token(command) => token::run(command).await,
        Command::Erase(args) => erase::run(args).await,
        Command::Qr(args) => Ok(qr::run(&args)?),
        Command::Simulate(args) => Ok(wing::simulate(args).await?),
        Command::Replay(args) => Ok(wing::replay(args).await?),
        Command::Manual(args) => Ok(manual::run(&args, Cli::command())?),
    }
}

fn start_logs(format: LogFormat, filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => logs.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
    Ok(())
}
