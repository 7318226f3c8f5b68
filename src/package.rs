//! A bundle as one file to carry: a zip with the proofs, the entries as tables and on paper, and how to check them.

pub mod told;

pub mod report;

use std::io::{Cursor, Read, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::ledger::bundle::{self, Bundle, Entry, NotShown, Shown};
use crate::ledger::checkpoint::PublicKey;
use crate::ledger::leaf::NotALeaf;
use crate::ledger::selection::{self, Chosen, Selection};
use crate::ledger::{leaf, sheet};

use report::{Offset, Paper, Subject};
use told::{EN, Voice, ZH};

const HOW: &str = "README.txt";
const TABLE: &str = "records.csv";
const LINES: &str = "records.jsonl";
/// The proofs of one unit's entries.
const PROOFS: &str = "proofs.json";
/// The proofs of visits that somebody asked for.
const SELECTION: &str = "selection.json";
const PAPER_ZH: &str = "report.zh.html";
const PAPER_EN: &str = "report.en.html";

/// The longest file that is written into a package or read out of one, in bytes: a package is no place to hide a bomb. The
/// longest that the daemon makes has a quarter of it (`src/store/read/bundles.rs`).
const LONGEST: u64 = 256 << 20;

const HOW_TO_CHECK_UNIT: &str = "\
liftwatch: entries of one unit in the maintenance ledger, with their proofs.

proofs.json      every entry as it was hashed, its way to a signed checkpoint, and the proof that none is missing
records.csv      the same entries for a spreadsheet
records.jsonl    the same entries, one a line
report.zh.html   the same entries to be printed, in Chinese, with the checkpoint
report.en.html   the same in English

Check it without network and without the daemon:
    liftwatch verify THIS_FILE.zip --key PUBLIC_KEY
That holds every file here against the proofs. Take the public key, and an earlier checkpoint to compare with, from
somebody else than who gave you this file.
The formats are public: RFC 6962, RFC 8785, c2sp.org/tlog-checkpoint. docs/LEDGER.md explains them.

这是一台电梯在维保账本中的记录及其证明。请用 liftwatch verify 命令离线核验；公钥应从另一方取得。
";

const HOW_TO_CHECK_SELECTION: &str = "\
liftwatch: maintenance visits that somebody asked for, with their proofs.

WHAT IT SHOWS: that each record in it is in the maintenance ledger, unchanged.
WHAT IT DOES NOT SHOW: that no record was left out. For that, take the packages of the units.

selection.json   what was asked, every entry as it was hashed, and its way to a signed checkpoint
records.csv      the same entries for a spreadsheet
records.jsonl    the same entries, one a line
report.zh.html   the same entries to be printed, in Chinese, with the checkpoint
report.en.html   the same in English

Beside the visits themselves it has their corrections, the owners' confirmations, and which persons were erased.

Check it without network and without the daemon:
    liftwatch verify THIS_FILE.zip --key PUBLIC_KEY
That holds every file here against the proofs. Take the public key from somebody else than who gave you this file.
The formats are public: RFC 6962, RFC 8785, c2sp.org/tlog-checkpoint. docs/LEDGER.md explains them.

这是按条件选取的维保记录及其证明。证明表明：其中每条记录都在维保账本中且未被更改；不表明没有遗漏。
要证明没有遗漏，请取各台电梯的证明包。请用 liftwatch verify 命令离线核验；公钥应从另一方取得。
";

/// What a package holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Unit(Box<Bundle>),
    Visits(Box<Selection>),
}

/// What a package shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Proven {
    Unit(Shown),
    Visits(Chosen),
}

/// Why a package cannot be made or believed.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("this is no package of liftwatch: {0}")]
    Zip(#[from] ZipError),
    #[error("this is no package of liftwatch: it has neither {PROOFS} nor {SELECTION}")]
    NoProofs,
    #[error("{0} stands in it and belongs to no package, so nothing is known of it")]
    Foreign(String),
    #[error("a file stands in it twice")]
    Twice,
    #[error("the package cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("{name}: {source}")]
    Json { name: &'static str, source: serde_json::Error },
    #[error("{TABLE}: {0}")]
    Table(#[from] csv::Error),
    #[error("the report: {0}")]
    Row(#[from] askama::Error),
    #[error("the report: {0}")]
    Paper(#[from] report::BodyError),
    #[error(transparent)]
    NotShown(#[from] NotShown),
    #[error("entry {index}: {source}")]
    Entry { index: u64, source: NotALeaf },
    #[error("{0} does not say what the proven entries say: it was edited, or another version of liftwatch made it")]
    Differs(&'static str),
    #[error(
        "{name} was written by liftwatch {version}, and this is {own}, which words it otherwise. Proofs and tables hold; \
         check the package with that version, or --without-reports", own = report::VERSION
    )]
    OtherVersion { name: &'static str, version: String },
    #[error("{0} is longer than a package may be")]
    TooLong(&'static str),
}

impl Content {
    fn entries(&self) -> &[Entry] {
        match self {
            Self::Unit(bundle) => &bundle.entries,
            Self::Visits(selection) => &selection.entries,
        }
    }

    fn how(&self) -> &'static str {
        match self {
            Self::Unit(_) => HOW_TO_CHECK_UNIT,
            Self::Visits(_) => HOW_TO_CHECK_SELECTION,
        }
    }

    /// The file of proofs: its name and what stands in it.
    fn proofs(&self) -> Result<(&'static str, Vec<u8>), PackageError> {
        let (name, made) = match self {
            Self::Unit(bundle) => (PROOFS, serde_json::to_vec_pretty(bundle)),
            Self::Visits(selection) => (SELECTION, serde_json::to_vec_pretty(selection)),
        };
        Ok((name, made.map_err(|source| PackageError::Json { name, source })?))
    }

    /// One leaf a line, as it was hashed.
    fn lines(&self) -> String {
        self.entries().iter().flat_map(|entry| [entry.leaf.as_str(), "\n"]).collect()
    }

    /// An empty paper in a reader's language.
    fn paper(&self, voice: &'static Voice, offset: Offset) -> Result<Paper<'_>, PackageError> {
        let read =
            |leaf: &str, index| leaf::read(leaf.as_bytes()).map_err(|source| PackageError::Entry { index, source });
        let (subject, note, closing) = match self {
            Self::Unit(bundle) => {
                let from = bundle.from.as_ref().map(|from| Ok(read(&from.heads, 0)?.at)).transpose();
                let from: Option<_> = from.map_err(|error: PackageError| error)?;
                (Subject::Unit { unit: &bundle.unit, from }, &bundle.to.checkpoint, &bundle.to.heads)
            }
            Self::Visits(selection) => {
                let leaf = &selection.closing.leaf;
                (Subject::Visits(&selection.question), &selection.checkpoint, leaf)
            }
        };
        Ok(Paper::new(voice, offset, subject, note, read(closing, 0)?.at))
    }

    /// Hands each entry, read, to somebody.
    fn each(&self, mut take: impl FnMut(u64, &leaf::Read) -> Result<(), PackageError>) -> Result<(), PackageError> {
        for entry in self.entries() {
            let index = entry.index;
            let read = leaf::read(entry.leaf.as_bytes()).map_err(|source| PackageError::Entry { index, source })?;
            take(index, &read)?;
        }
        Ok(())
    }

    /// The paper as it stands inside a page.
    ///
    /// # Errors
    /// An entry that cannot be read back.
    pub fn page(&self, voice: &'static Voice, offset: Offset) -> Result<String, PackageError> {
        let mut paper = self.paper(voice, offset)?;
        self.each(|index, read| Ok(paper.add(index, read)?))?;
        Ok(paper.body()?)
    }

    /// Everything beside the proofs, by name. What is here follows from the proofs and from nothing else but the offset
    /// in which the papers show times.
    fn beside(&self, offset: Offset) -> Result<[(&'static str, Vec<u8>); 5], PackageError> {
        let mut table = sheet::Table::new()?;
        let mut chinese = self.paper(&ZH, offset)?;
        let mut english = self.paper(&EN, offset)?;
        // An entry is read once and kept by nobody: a package may have many.
        self.each(|index, read| {
            table.add(index, read)?;
            chinese.add(index, read)?;
            english.add(index, read)?;
            Ok(())
        })?;
        Ok([
            (HOW, self.how().as_bytes().to_vec()),
            (TABLE, table.finish()?),
            (LINES, self.lines().into_bytes()),
            (PAPER_ZH, chinese.file()?.into_bytes()),
            (PAPER_EN, english.file()?.into_bytes()),
        ])
    }
}

/// Packs what was gathered; the papers show times at this offset.
///
/// # Errors
/// An entry that cannot be read back; more than a package may hold.
pub fn pack(content: &Content, offset: Offset) -> Result<Vec<u8>, PackageError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // Every file has one date: the same entries are the same file.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mut put = |name: &'static str, content: &[u8]| {
        if content.len() as u64 > LONGEST {
            return Err(PackageError::TooLong(name));
        }
        zip.start_file(name, options)?;
        Ok(zip.write_all(content)?)
    };
    for (name, content) in content.beside(offset)? {
        put(name, &content)?;
    }
    let (name, proofs) = content.proofs()?;
    put(name, &proofs)?;
    Ok(zip.finish()?.into_inner())
}

/// Whether the texts for people, which another version may word otherwise, are held against the proofs as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    Checked,
    LeftOut,
}

/// Checks a package: every proof, and that all that lies beside them says what the proven entries say.
///
/// # Errors
/// [`PackageError`]: the first thing that does not hold.
pub fn verify(package: &[u8], key: &PublicKey, texts: Texts) -> Result<Proven, PackageError> {
    let mut zip = ZipArchive::new(Cursor::new(package))?;
    if zip.has_duplicate_names() {
        return Err(PackageError::Twice);
    }
    let names: Vec<String> = zip.file_names().map(|name| Ok(name?.into_owned())).collect::<Result<_, ZipError>>()?;
    let mut file = |name: &'static str| -> Result<Vec<u8>, PackageError> {
        let mut content = Vec::new();
        zip.by_name(name)?.take(LONGEST + 1).read_to_end(&mut content)?;
        if content.len() as u64 > LONGEST { Err(PackageError::TooLong(name)) } else { Ok(content) }
    };
    let has = |name: &str| names.iter().any(|other| other == name);
    let (content, proven) = if has(PROOFS) {
        let bundle: Bundle = parsed(PROOFS, &file(PROOFS)?)?;
        let shown = bundle::check(&bundle, key)?;
        (Content::Unit(Box::new(bundle)), Proven::Unit(shown))
    } else if has(SELECTION) {
        let selection: Selection = parsed(SELECTION, &file(SELECTION)?)?;
        let chosen = selection::check(&selection, key)?;
        (Content::Visits(Box::new(selection)), Proven::Visits(chosen))
    } else {
        return Err(PackageError::NoProofs);
    };
    let of_proofs = if matches!(proven, Proven::Unit(_)) { PROOFS } else { SELECTION };
    let paper = String::from_utf8_lossy(&file(PAPER_ZH)?).into_owned();
    let beside = content.beside(Offset::told(&paper).unwrap_or(Offset::CHINA))?;
    if let Some(foreign) = names.iter().find(|name| *name != of_proofs && beside.iter().all(|(own, _)| own != name)) {
        return Err(PackageError::Foreign(foreign.clone()));
    }
    // Tables first: what is then said of a text can say that they hold.
    let (tables, others): (Vec<_>, Vec<_>) = beside.iter().partition(|(name, _)| [TABLE, LINES].contains(name));
    let others = others.into_iter().filter(|_| texts == Texts::Checked);
    for (name, expected) in tables.into_iter().chain(others) {
        if file(name)? != *expected {
            let other = report::version(&paper).filter(|version| *version != report::VERSION);
            return Err(match other {
                Some(version) if ![TABLE, LINES].contains(name) => {
                    PackageError::OtherVersion { name, version: version.to_owned() }
                }
                _ => PackageError::Differs(name),
            });
        }
    }
    Ok(proven)
}

fn parsed<T: serde::de::DeserializeOwned>(name: &'static str, bytes: &[u8]) -> Result<T, PackageError> {
    serde_json::from_slice(bytes).map_err(|source| PackageError::Json { name, source })
}
