//! `qr`: the code that is stuck on a unit and opens its page.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::app::settings::Settings;
use crate::domain::id::UnitId;
use crate::qr;

/// Arguments of `qr`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  liftwatch qr jj-0001 --config /etc/liftwatch/liftwatch.toml > jj-0001.svg\n  liftwatch qr jj-0001 --url https://lifts.example.org > jj-0001.svg"
)]
pub struct QrArgs {
    /// The unit, as the registry names it
    unit: String,
    /// The configuration file; its [notify] public_url says where the pages are
    #[arg(long, value_name = "FILE", required_unless_present = "url")]
    config: Option<PathBuf>,
    /// Where the pages are, instead of what the configuration says
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Writes the code to standard output.
///
/// # Errors
/// A configuration without `public_url`; an address that no code can hold.
pub fn run(args: &QrArgs) -> anyhow::Result<()> {
    let unit = UnitId::new(&args.unit).with_context(|| format!("unit {:?}", args.unit))?;
    let site = match (&args.url, &args.config) {
        (Some(url), _) => Some(url.trim_end_matches('/').to_owned()),
        (None, Some(config)) => Settings::load(config)?.notify.notify.public_url,
        (None, None) => None,
    };
    let site = site.context("where the pages are is not known: set [notify] public_url, or give --url")?;
    println!("{}", qr::svg(&qr::address(&site, unit.as_str()))?);
    Ok(())
}
