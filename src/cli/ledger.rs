//! `ledger` and `verify`: keys, checkpoints, proofs and packages, for auditors and for who runs the daemon.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};

use super::packages;
use crate::app::settings::Settings;
use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::domain::visit::VisitKind;
use crate::ledger::checkpoint::{self, PublicKey};
use crate::ledger::proof::InclusionProof;
use crate::ledger::tree::Question;
use crate::package::report::Offset;
use crate::package::{self, Content, Texts};
use crate::store::read::Reader;
use crate::store::read::ledger::SignedCheckpoint;
use crate::store::read::visits::VisitFilter;
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
    /// Writes one unit's entries, or the visits of a firm or a worker, and their proofs into a package for an auditor
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
    after_help = "A unit's package proves that none of its entries is missing. Its stretch goes from the newest checkpoint at or before --from to the first one at or after --to.\nA package of a firm's or a worker's visits proves that each is in the ledger, unchanged, and not that none was left out.\n\nExamples:\n  liftwatch ledger export --unit u-17 --from 2026-01-01T00:00:00Z --out u-17.zip --config liftwatch.toml\n  liftwatch ledger export --maintainer firm-1 --from 2026-01-01T00:00:00Z --to 2026-04-01T00:00:00Z --out firm-1.zip --config liftwatch.toml"
)]
pub struct ExportArgs {
    /// All entries of this unit
    #[arg(long, conflicts_with_all = ["maintainer", "worker"], required_unless_present_any = ["maintainer", "worker"])]
    unit: Option<UnitId>,
    /// The visits of this firm, by what the registry said when each was recorded
    #[arg(long, value_name = "NAME")]
    maintainer: Option<String>,
    /// The visits in which this worker took part
    #[arg(long, value_name = "ID")]
    worker: Option<String>,
    /// Visits of this kind alone: FM, HM, TM, SM or OY
    #[arg(long, conflicts_with = "unit")]
    kind: Option<VisitKind>,
    /// Visits that were corrected later, and nothing else
    #[arg(long, conflicts_with = "unit")]
    corrected: bool,
    /// With --unit, what was recorded from then on; else visits begun at that time or later (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// With --unit, what was recorded until then; else visits begun before it
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
    /// The log's public key: a file that holds it, or the key itself; given again for each name that it had before
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Leaves README.txt and the reports of a package out: for a package that another version made
    #[arg(long, requires = "package")]
    without_reports: bool,
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

    /// Where the times of papers are: in the zone of the configuration, or in China's.
    fn offset(&self, at: Timestamp) -> anyhow::Result<Offset> {
        Ok(match &self.config {
            Some(config) => Offset::of(&Settings::load(config)?.zone, at),
            None => Offset::CHINA,
        })
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
    match &args.unit {
        Some(unit) => export_unit(args, &reader, unit).await,
        None => export_visits(args, &reader).await,
    }
}

async fn export_unit(args: &ExportArgs, reader: &Reader, unit: &UnitId) -> anyhow::Result<()> {
    let stretch = reader.stretch(args.from, args.to).await?;
    let bundle = reader.bundle_of(unit, stretch.from.as_ref(), &stretch.to).await?;
    let count = bundle.entries.len();
    write_package(args, &Content::Unit(Box::new(bundle)), &stretch.to)?;
    let begin =
        stretch.from.map_or_else(|| "the beginning".to_owned(), |from| format!("{} ({} entries)", from.at, from.size));
    println!(
        "{}: {count} entries of unit {unit}, recorded from {begin} to {} ({} entries)",
        args.out.display(),
        stretch.to.at,
        stretch.to.size
    );
    Ok(())
}

async fn export_visits(args: &ExportArgs, reader: &Reader) -> anyhow::Result<()> {
    let filter = VisitFilter {
        worker: args.worker.clone(),
        maintainer: args.maintainer.clone(),
        kind: args.kind.map(|kind| kind.as_str().to_owned()),
        from: args.from.map(|at| at.0),
        to: args.to.map(|at| at.0),
        corrected: args.corrected,
        folded: !args.corrected,
        ..VisitFilter::default()
    };
    let to = newest(reader).await?;
    let selection = reader.selection_of(&filter, &to).await?;
    let (count, asked) = (selection.entries.len(), selection.question.clone());
    write_package(args, &Content::Visits(Box::new(selection)), &to)?;
    println!("{}: {count} entries, recorded until {} ({} entries): {asked}", args.out.display(), to.at, to.size);
    Ok(())
}

fn write_package(args: &ExportArgs, content: &Content, to: &SignedCheckpoint) -> anyhow::Result<()> {
    let packed = package::pack(content, args.database.offset(to.at)?)?;
    std::fs::write(&args.out, packed).with_context(|| format!("{}: cannot be written", args.out.display()))
}

/// Checks a package or a database.
///
/// # Errors
/// What does not hold.
pub async fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let settings = args.config.as_deref().map(Settings::load).transpose()?;
    let mut keys = args.key.iter().map(|key| public_key(key)).collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(settings) = settings.as_ref().filter(|_| keys.is_empty()) {
        keys.extend(settings.ledger.key()?.map(|key| key.public()));
    }
    let mut outside = Vec::new();
    for file in &args.checkpoint {
        if keys.is_empty() {
            bail!("--checkpoint needs --key: anybody can write a checkpoint");
        }
        let name = file.display().to_string();
        let note = std::fs::read_to_string(file).with_context(|| format!("{name}: cannot be read"))?;
        outside.push(Outside { head: checkpoint::open(&keys, &note).with_context(|| name.clone())?, name });
    }
    if let Some(package) = &args.package {
        let texts = if args.without_reports { Texts::LeftOut } else { Texts::Checked };
        return match &keys[..] {
            [key] => packages::verify(package, key, &outside, texts),
            [] => Err(anyhow!("--key names the log's public key; take it from somebody you trust")),
            _ => Err(anyhow!("a package is signed under one name: give the --key of that name alone")),
        };
    }
    let path = args.db.clone().or(settings.map(|settings| settings.store));
    let path = path.ok_or_else(|| anyhow!("--db or --config says which database"))?;
    let report = verify::verify(&path, &keys, &outside).await?;
    tell(&path, &report, !keys.is_empty())
}

/// The key itself, or a file that holds it.
fn public_key(text: &str) -> anyhow::Result<PublicKey> {
    match std::fs::read_to_string(text) {
        Ok(file) => file.parse().with_context(|| text.to_owned()),
        Err(error) => text.parse().map_err(|bad| anyhow!("--key {text:?} is no file ({error}), and {bad}")),
    }
}

fn tell(path: &Path, report: &Report, keyed: bool) -> anyhow::Result<()> {
    let name = path.display();
    let Report { entries, checkpoints, rows, erased, .. } = report;
    if report.is_clean() {
        let signed = if keyed { format!(", {checkpoints} checkpoints") } else { String::new() };
        println!("{name}: good. {entries} entries, {rows} rows held against them{signed}");
        if *erased > 0 {
            println!("  {erased} names were erased; their commitments stand, and can be compared with nothing");
        }
        if !keyed {
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
