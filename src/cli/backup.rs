//! `backup`: a copy of the database, with the daemon running or not.

use std::path::PathBuf;

use clap::Args;

use crate::app::settings::Settings;
use crate::store::backup::backup;

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  liftwatch backup --config /etc/liftwatch/liftwatch.toml --to /backup/lifts-$(date +%F).db"
)]
pub struct BackupArgs {
    /// The configuration file, which names the database
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The new file; it must not be there yet
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Writes the copy, and says what it came to.
///
/// # Errors
/// The configuration is wrong, or there is no backup.
pub async fn run(args: &BackupArgs) -> anyhow::Result<()> {
    let settings = Settings::load(&args.config)?;
    let bytes = backup(&settings.store, &args.to).await?;
    println!("{}: {bytes} bytes, every page and index of it checked", args.to.display());
    Ok(())
}
