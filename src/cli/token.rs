//! `token`: who may see what over HTTP. Works beside a running daemon, by its socket, and without one.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::operating::{act, running};
use crate::app::AppError;
use crate::app::settings::Settings;
use crate::clock::{Clock, SystemClock};
use crate::domain::access::{Access, Role};
use crate::domain::time::Timestamp;
use crate::http::admin::{MadeWire, WantedWire};
use crate::notify::period;
use crate::pipeline::action::{Action, Done};
use crate::store::read::Reader;
use crate::store::tokens::{NewToken, Revocation, TokenRow};
use crate::token;

/// Characters of a token's name at most.
const NAME: usize = 100;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Makes a token and prints its secret, which is shown this once
    Add(AddArgs),
    /// Lists every token that was ever made
    List(Config),
    /// Has a token open nothing from now on
    Revoke(RevokeArgs),
}

/// Which configuration.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  liftwatch token list --config /etc/liftwatch/liftwatch.toml")]
pub struct Config {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// A role, as the command line spells it.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArg {
    /// Reads everything and changes nothing
    Auditor,
    /// Watches the regions of its scope
    Inspector,
    /// Maintains the units whose maintainer stands in its scope
    Maintainer,
    /// Answers for the units whose owner stands in its scope
    Owner,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Auditor => Self::Auditor,
            RoleArg::Inspector => Self::Inspector,
            RoleArg::Maintainer => Self::Maintainer,
            RoleArg::Owner => Self::Owner,
        }
    }
}

/// Arguments of `token add`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  liftwatch token add --role auditor --name \"audit office\" --config liftwatch.toml\n  liftwatch token add --role inspector --scope 350582 --scope 350583 --personal --expires 90d --name \"Li Na\" --config liftwatch.toml\n  liftwatch token add --role maintainer --scope \"示例维保\" --name \"示例维保\" --config liftwatch.toml"
)]
pub struct AddArgs {
    /// What its holder is to the lifts
    #[arg(long, value_enum)]
    role: RoleArg,
    /// Of an inspector the first digits of a region's code, of a maintainer or an owner its name in the registry; may be given again
    #[arg(long, value_name = "PREFIX|NAME")]
    scope: Vec<String>,
    /// Whose it is; stands under what its holder does
    #[arg(long)]
    name: String,
    /// After this time it opens nothing, such as 12h or 90d; without it, it lasts until it is revoked
    #[arg(long, value_name = "PERIOD", value_parser = period::parse)]
    expires: Option<i64>,
    /// Shows names and phone numbers of people too; each such look enters the ledger
    #[arg(long)]
    personal: bool,
    #[command(flatten)]
    config: Config,
}

/// Arguments of `token revoke`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  liftwatch token revoke t-019abc… --config liftwatch.toml")]
pub struct RevokeArgs {
    /// The token's id, as `token list` prints it
    id: String,
    #[command(flatten)]
    config: Config,
}

/// Runs it.
///
/// # Errors
/// [`AppError`] says which exit code it means.
pub async fn run(command: Token) -> Result<(), AppError> {
    match command {
        Token::Add(args) => add(args).await,
        Token::List(config) => Ok(list(&config).await?),
        Token::Revoke(args) => revoke(args).await,
    }
}

fn load(config: &Config) -> anyhow::Result<Settings> {
    Ok(Settings::load(&config.config)?)
}

async fn add(args: AddArgs) -> Result<(), AppError> {
    let settings = load(&args.config)?;
    let name = args.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        return Err(anyhow!("--name must have 1 to {NAME} characters").into());
    }
    let access = Access::new(args.role.into(), args.scope, args.personal).map_err(anyhow::Error::from)?;
    let expires_at = args.expires.map(|period| SystemClock::new().now() + period);
    let made = match running(&settings) {
        Some(daemon) => {
            let wanted = WantedWire {
                role: access.role.to_string(),
                scope: access.scope,
                personal: access.personal,
                name,
                expires_at: expires_at.map(|at| at.0),
            };
            daemon.post("/admin/tokens", &wanted).await?
        }
        None => {
            let secret = token::draw();
            let new = NewToken { digest: token::Digest::of(&secret), access, name, expires_at };
            match act(&settings, Action::AddToken(new)).await? {
                Done::TokenAdded(id) => MadeWire { id, secret },
                other => return Err(anyhow!("a token came to {other:?}").into()),
            }
        }
    };
    println!("{}", made.secret);
    eprintln!("token {}: hand its secret over by a safe way; it is not kept, and is not shown again", made.id);
    Ok(())
}

async fn list(config: &Config) -> anyhow::Result<()> {
    let settings = load(config)?;
    if !settings.store.exists() {
        return Ok(());
    }
    let reader = Reader::open(&settings.store).await?;
    let rows = reader.tokens().await?;
    reader.close().await;
    let now = SystemClock::new().now();
    println!("id\trole\tscope\tpersonal\tname\tcreated\texpires\tlast used\tstate");
    for row in rows {
        println!("{}", line(&row, now));
    }
    Ok(())
}

fn line(row: &TokenRow, now: Timestamp) -> String {
    let at = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let state = match row {
        TokenRow { revoked_at: Some(_), .. } => "revoked",
        row if row.is_good(now) => "good",
        _ => "expired",
    };
    let scope = if row.access.scope.is_empty() { "all".to_owned() } else { row.access.scope.join(",") };
    let personal = if row.access.personal { "yes" } else { "no" };
    [
        row.id.clone(),
        row.access.role.to_string(),
        scope,
        personal.to_owned(),
        row.name.clone(),
        row.created_at.to_string(),
        at(row.expires_at),
        at(row.last_used_at),
        state.to_owned(),
    ]
    .join("\t")
}

async fn revoke(args: RevokeArgs) -> Result<(), AppError> {
    let settings = load(&args.config)?;
    let done = match running(&settings) {
        Some(daemon) => {
            let path = format!("/admin/tokens/{}/revoke", plain(&args.id)?);
            if daemon.post(&path, &serde_json::json!({})).await? { Revocation::Done } else { Revocation::Before }
        }
        None => match act(&settings, Action::RevokeToken { id: args.id.clone() }).await? {
            Done::TokenRevoked(done) => done,
            other => return Err(anyhow!("a revocation came to {other:?}").into()),
        },
    };
    match done {
        Revocation::Done => println!("revoked"),
        Revocation::Before => println!("it was revoked before"),
        Revocation::UnknownToken => return Err(anyhow!("no token {:?}", args.id).into()),
    }
    Ok(())
}

fn plain(id: &str) -> anyhow::Result<&str> {
    if id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') { Ok(id) } else { bail!("no token {id:?}") }
}
