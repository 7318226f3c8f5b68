//! `ledger` and `verify`: keys, checkpoints, proofs and packages, for auditors and for who runs the daemon.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};

use crate::app::settings::Settings;
use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::{self, PublicKey};
use crate::ledger::proof::InclusionProof;
use crate::ledger::tree::Question;
use crate::package;
use crate::store::read::Reader;
use crate::store::read::ledger::SignedCheckpoint;
use crate::store::verify;
use crate::store::verify::report::{Outside, Report};

/// What can be done with the ledger.
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Makes the key that signs checkpoints, and prints the public key that auditors need
    Key(KeyArgs),
    /// Prints the newest checkpoint
    Checkpoint(Database),
    /// Prints the proof that an entry is in the ledger (c2sp.org/tlog-proof), and the entry with --leaf
    Prove(ProveArgs),
    /// Prints the hashes which show that the ledger of B entries continues that of A
    Consistency(ConsistencyArgs),
    /// Checks the whole database file: tree, entries, rows, evidence
    Verify(VerifyArgs),
    /// Writes one unit's entries and their proofs into a package for an auditor
    Export(ExportArgs),
}

/// Which database file.
#[derive(Debug, Args)]
pub struct Database {
    /// The database file; a running daemon may go on writing it
    #[arg(long, value_name = "FILE", conflicts_with = "config", required_unless_present = "config")]
    db: Option<PathBuf>,
    /// The configuration file that names it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Arguments of `ledger key`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  liftwatch ledger key lifts.example/jinjiang --out /etc/liftwatch/ledger.key")]
pub struct KeyArgs {
    /// The log's name, unique in the world: a domain of yours and a path, without a scheme
    origin: String,
    /// Where the private key goes; a file that is there is never written over
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `ledger prove`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  liftwatch ledger prove 1234 --config /etc/liftwatch/liftwatch.toml > 1234.tlog-proof"
)]
pub struct ProveArgs {
    /// The entry's index, from 0
    index: u64,
    /// Prints the entry's bytes instead of its proof
    #[arg(long)]
    leaf: bool,
    #[command(flatten)]
    database: Database,
}

/// Arguments of `ledger consistency`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  liftwatch ledger consistency 1200 3400 --db liftwatch.db")]
pub struct ConsistencyArgs {
    /// Entries in the earlier tree
    from: u64,
    /// Entries in the later tree
    to: u64,
    #[command(flatten)]
    database: Database,
}

/// Arguments of `ledger export`.
#[derive(Debug, Args)]
#[command(
    after_help = "The stretch goes from the newest checkpoint at or before --from to the first one at or after --to.\n\nExample:\n  liftwatch ledger export --unit u-17 --from 2026-01-01T00:00:00Z --out u-17.zip --config liftwatch.toml"
)]
pub struct ExportArgs {
    /// The unit
    #[arg(long)]
    unit: UnitId,
    /// What was recorded from then on; without it, since the ledger began (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// What was recorded until then; without it, until the newest checkpoint
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// The package
    #[arg(long, value_name = "FILE.zip")]
    out: PathBuf,
    #[command(flatten)]
    database: Database,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  liftwatch verify u-17.zip --key ledger.pub\n  liftwatch verify --db liftwatch.db --key ledger.pub --checkpoint kept-in-june.checkpoint"
)]
pub struct VerifyArgs {
    /// A package that `ledger export` or the daemon made; checked without a database
    #[arg(value_name = "PACKAGE.zip", conflicts_with_all = ["db", "config"], required_unless_present_any = ["db", "config"])]
    package: Option<PathBuf>,
    /// A whole database file
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    db: Option<PathBuf>,
    /// The configuration file that names the database, and the key unless --key does
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The log's public key: a file that holds it, or the key itself
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// A checkpoint that was kept elsewhere; may be given more than once
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

impl Database {
    fn path(&self) -> anyhow::Result<PathBuf> {
        match (&self.db, &self.config) {
            (Some(db), _) => Ok(db.clone()),
            (None, Some(config)) => Ok(Settings::load(config)?.store),
            (None, None) => bail!("--db or --config says which database"),
        }
    }

    async fn open(&self) -> anyhow::Result<Reader> {
        let path = self.path()?;
        Reader::open(&path).await.with_context(|| path.display().to_string())
    }
}

/// Does what is asked of the ledger.
///
/// # Errors
/// What is wrong, and what to do.
pub async fn run(command: Ledger) -> anyhow::Result<()> {
    match command {
        Ledger::Key(args) => key(&args),
        Ledger::Checkpoint(database) => print(&newest(&database.open().await?).await?.note),
        Ledger::Prove(args) => prove(&args).await,
        Ledger::Consistency(args) => {
            let question = Question::Consistency { size: args.to, from: args.from };
            let path = args.database.open().await?.ask_tree(question).await?;
            path.iter().try_for_each(|hash| print(&format!("{hash}\n")))
        }
        Ledger::Verify(args) => verify(&args).await,
        Ledger::Export(args) => export(&args).await,
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn key(args: &KeyArgs) -> anyhow::Result<()> {
    let (private, public) = checkpoint::generate(&args.origin)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let name = args.out.display();
    let mut file = options.open(&args.out).with_context(|| format!("{name}: cannot be made"))?;
    writeln!(file, "{private}").and_then(|()| file.sync_all()).with_context(|| format!("{name}: cannot be written"))?;
    println!("{public}");
    eprintln!(
        "{name} holds the private key: keep a copy in a safe. Give the line above to everybody who checks the log."
    );
    Ok(())
}

async fn newest(reader: &Reader) -> anyhow::Result<SignedCheckpoint> {
    let checkpoint = reader.checkpoint(None).await?;
    checkpoint
        .ok_or_else(|| anyhow!("no checkpoint has been signed yet: configure [ledger] key_file, and wait a minute"))
}

async fn prove(args: &ProveArgs) -> anyhow::Result<()> {
    let reader = args.database.open().await?;
    let index = args.index;
    let entry = reader.entry(index).await?.ok_or_else(|| anyhow!("the ledger has no entry {index}"))?;
    if args.leaf {
        return Ok(std::io::stdout().write_all(&entry.leaf)?);
    }
    let checkpoint = newest(&reader).await?;
    if index >= checkpoint.size {
        bail!("entry {index} is not under the newest checkpoint yet, which has {} entries", checkpoint.size);
    }
    let path = reader.ask_tree(Question::Inclusion { size: checkpoint.size, index }).await?;
    print(&InclusionProof { index, path, checkpoint: checkpoint.note }.to_string())
}

async fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let reader = args.database.open().await?;
    let stretch = reader.stretch(args.from, args.to).await?;
    let bundle = reader.bundle_of(&args.unit, stretch.from.as_ref(), &stretch.to).await?;
    let packed = package::pack(&bundle, &[])?;
    std::fs::write(&args.out, packed).with_context(|| format!("{}: cannot be written", args.out.display()))?;
    let begin =
        stretch.from.map_or_else(|| "the beginning".to_owned(), |from| format!("{} ({} entries)", from.at, from.size));
    println!(
        "{}: {} entries of unit {}, recorded from {begin} to {} ({} entries)",
        args.out.display(),
        bundle.entries.len(),
        args.unit,
        stretch.to.at,
        stretch.to.size
    );
    Ok(())
}

/// Checks a package or a database.
///
/// # Errors
/// What does not hold.
pub async fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let settings = args.config.as_deref().map(Settings::load).transpose()?;
    let key = match (&args.key, &settings) {
        (Some(key), _) => Some(public_key(key)?),
        (None, Some(settings)) => settings.ledger.key()?.map(|key| key.public()),
        (None, None) => None,
    };
    let mut outside = Vec::new();
    for file in &args.checkpoint {
        let key = key.as_ref().ok_or_else(|| anyhow!("--checkpoint needs --key: anybody can write a checkpoint"))?;
        let name = file.display().to_string();
        let note = std::fs::read_to_string(file).with_context(|| format!("{name}: cannot be read"))?;
        outside.push(Outside { head: key.open(&note).with_context(|| name.clone())?, name });
    }
    if let Some(package) = &args.package {
        let key = key.ok_or_else(|| anyhow!("--key names the log's public key; take it from somebody you trust"))?;
        return verify_package(package, &key, &outside);
    }
    let path = args.db.clone().or(settings.map(|settings| settings.store));
    let path = path.ok_or_else(|| anyhow!("--db or --config says which database"))?;
    let report = verify::verify(&path, key.as_ref(), &outside).await?;
    tell(&path, &report, key.as_ref())
}

/// The key itself, or a file that holds it.
fn public_key(text: &str) -> anyhow::Result<PublicKey> {
    match std::fs::read_to_string(text) {
        Ok(file) => file.parse().with_context(|| text.to_owned()),
        Err(error) => text.parse().map_err(|bad| anyhow!("--key {text:?} is no file ({error}), and {bad}")),
    }
}

fn verify_package(file: &Path, key: &PublicKey, outside: &[Outside]) -> anyhow::Result<()> {
    let name = file.display();
    let bytes = std::fs::read(file).with_context(|| format!("{name}: cannot be read"))?;
    let shown = package::verify(&bytes, key).with_context(|| format!("{name}"))?;
    for Outside { name: checkpoint, head } in outside {
        let told = [shown.from, Some(shown.to)].into_iter().flatten().find(|end| end.size == head.size);
        match told {
            Some(end) if end == *head => {}
            Some(_) => bail!("{name}: {checkpoint} was signed over other entries: the log was changed"),
            None => bail!("{name}: {checkpoint} has {} entries; export the stretch from there, to compare", head.size),
        }
    }
    println!("{name}: good. {} entries of unit {}, none missing", shown.entries.len(), shown.unit);
    println!(
        "  signed by {}; from {} to {} entries of the log",
        key.origin(),
        shown.from.map_or(0, |from| from.size),
        shown.to.size
    );
    Ok(())
}

fn tell(path: &Path, report: &Report, key: Option<&PublicKey>) -> anyhow::Result<()> {
    let name = path.display();
    let Report { entries, checkpoints, rows, erased, .. } = report;
    if report.is_clean() {
        let signed = key.map_or_else(String::new, |_| format!(", {checkpoints} checkpoints"));
        println!("{name}: good. {entries} entries, {rows} rows held against them{signed}");
        if *erased > 0 {
            println!("  {erased} names were erased; their commitments stand, and can be compared with nothing");
        }
        if key.is_none() {
            println!("  no --key was given: the checkpoints' signatures were not checked");
        }
        if let Some(head) = report.head {
            println!("  {} entries, root {}", head.size, head.root);
        }
        return Ok(());
    }
    for finding in &report.findings {
        println!("{finding}");
    }
    if report.more > 0 {
        println!("and {} more", report.more);
    }
    bail!("{name}: {} findings: it is not what was recorded", report.findings.len() as u64 + report.more)
}
