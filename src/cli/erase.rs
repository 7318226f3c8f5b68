//! `erase`: forgets a person whom a visit names. Works beside a running daemon, by its socket, and without one.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use clap::Args;

use super::operating::{act, running};
use crate::app::AppError;
use crate::app::settings::Settings;
use crate::domain::visit::Erasure;
use crate::http::api::erasing::{ErasedWire, ErasureForm};
use crate::http::query::{NAME_LIMIT, TEXT_LIMIT};
use crate::pipeline::action::{Action, Done};
use crate::pipeline::erasing::Erased;

/// Arguments of `erase`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  liftwatch erase --visit v-019abc… --role recorder --by \"data protection office\" --why \"request 17 of 2026\" --config liftwatch.toml"
)]
pub struct EraseArgs {
    /// The visit's id
    #[arg(long, value_name = "ID")]
    visit: String,
    /// The person's role in its record, such as recorder; confirmed_by is who confirmed it for the owner
    #[arg(long)]
    role: String,
    /// The office that decided it; stands in the ledger for good, so it names no person
    #[arg(long)]
    by: String,
    /// Why; stands in the ledger for good, so it names no person
    #[arg(long)]
    why: String,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs it.
///
/// # Errors
/// [`AppError`] says which exit code it means.
pub async fn run(args: EraseArgs) -> Result<(), AppError> {
    let settings = Settings::load(&args.config).map_err(anyhow::Error::from)?;
    let EraseArgs { visit, role, by, why, .. } = args;
    let (by, why) = (written("--by", &by, NAME_LIMIT)?, written("--why", &why, TEXT_LIMIT)?);
    match running(&settings) {
        Some(daemon) => {
            let path = format!("/api/v1/visits/{}/people/{}/erase", plain(&visit)?, plain(&role)?);
            let _: ErasedWire = daemon.post(&path, &ErasureForm { by, why }).await?;
        }
        None => {
            let erasure = Erasure { by, why };
            let action = Action::ErasePerson { visit: visit.clone(), role: role.clone(), erasure };
            match act(&settings, action).await? {
                Done::Erased(Erased::Done) => {}
                Done::Erased(Erased::UnknownVisit) => return Err(anyhow!("no visit {visit:?}").into()),
                Done::Erased(Erased::Unnamed) => {
                    return Err(anyhow!("visit {visit} names nobody as {role:?}").into());
                }
                Done::Erased(Erased::Named) => {
                    return Err(anyhow!("--by or --why names the person; both stand in the ledger for good").into());
                }
                other => return Err(anyhow!("an erasure came to {other:?}").into()),
            }
        }
    }
    println!("erased");
    eprintln!("backups that were made before still have them; see docs/MAINTENANCE.md, People");
    Ok(())
}

fn written(name: &str, text: &str, limit: usize) -> anyhow::Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > limit || text.chars().any(char::is_control) {
        bail!("{name} must have 1 to {limit} characters");
    }
    Ok(text.to_owned())
}

/// An id or a role as it may stand in a path.
fn plain(id: &str) -> anyhow::Result<&str> {
    let plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if plain { Ok(id) } else { bail!("{id:?} is nothing that a visit or a role is called") }
}
