//! `decode`: shows what a payload becomes, without a broker or a database.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;

use crate::app::settings::Settings;
use crate::decode::explain::explain;
use crate::decode::{BUILT_IN, Decoder};
use crate::domain::id::RegionCode;

/// Arguments of `decode`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  liftwatch decode --topic lift/v1/350582/maker-a/T-1/event payload.json\n  liftwatch decode --config liftwatch.toml --mapping city --topic city/350582/T-1 -"
)]
pub struct DecodeArgs {
    /// The payload; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The topic on which it came
    #[arg(long)]
    topic: String,
    /// Which mapping must take it: "canonical", or the name of a [[mapping]]
    /// [default: whichever takes the topic]
    #[arg(long, value_name = "NAME")]
    mapping: Option<String>,
    /// The configuration file with the mappings; without it there is the built-in one alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints the facts as JSON.
///
/// # Errors
/// The rejection as quarantine would hold it.
pub fn run(args: &DecodeArgs) -> anyhow::Result<()> {
    let (decoder, regions) = match &args.config {
        Some(config) => {
            let settings = Settings::load(config)?;
            let regions: Vec<RegionCode> = settings.sessions.into_iter().map(|session| session.region).collect();
            (Decoder::new(&settings.mappings, &regions)?, regions)
        }
        None => (Decoder::new(&[], &[])?, Vec::new()),
    };
    let known: Vec<&str> = decoder.names().collect();
    if let Some(name) = args.mapping.as_deref().filter(|name| !known.contains(name)) {
        let hint = if args.config.is_none() { "; name the file with the mappings by --config" } else { "" };
        return Err(anyhow!(
            "no mapping is called {name:?}; known: {} ({BUILT_IN} is built in){hint}",
            known.join(", ")
        ));
    }
    let payload = read(&args.file)?;
    let shown = explain(&decoder, &regions, args.mapping.as_deref(), &args.topic, &payload)
        .map_err(|rejection| anyhow!("refused, {rejection}"))?;
    println!("{shown}");
    Ok(())
}

fn read(file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut payload = Vec::new();
        std::io::stdin().read_to_end(&mut payload).context("cannot read standard input")?;
        return Ok(payload);
    }
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
