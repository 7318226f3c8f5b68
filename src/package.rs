//! A bundle as one file to carry: a zip with the proofs, the entries as tables, and how to check them.

use std::io::{Cursor, Read, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::ledger::bundle::{Bundle, NotShown, Shown, check};
use crate::ledger::checkpoint::PublicKey;
use crate::ledger::leaf::NotALeaf;
use crate::ledger::{leaf, sheet};

const PROOFS: &str = "proofs.json";
const TABLE: &str = "records.csv";
const LINES: &str = "records.jsonl";
const HOW: &str = "README.txt";

/// The longest file that is read out of a package, in bytes: a package is no place to hide a bomb.
const LONGEST: u64 = 1 << 30;

const HOW_TO_CHECK: &str = "\
liftwatch: entries of one unit in the maintenance ledger, with their proofs.

proofs.json    every entry as it was hashed, its way to a signed checkpoint, and the proof that none is missing
records.csv    the same entries for a spreadsheet
records.jsonl  the same entries, one a line

Check it without network and without the daemon:
    liftwatch verify THIS_FILE.zip --key PUBLIC_KEY
Take the public key, and an earlier checkpoint to compare with, from somebody else than who gave you this file.
The formats are public: RFC 6962, RFC 8785, c2sp.org/tlog-checkpoint. docs/LEDGER.md explains them.

这是一台电梯在维保账本中的记录及其证明。请用 liftwatch verify 命令离线核验；公钥应从另一方取得。
";

/// Why a package cannot be made or believed.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("this is no package of liftwatch: {0}")]
    Zip(#[from] ZipError),
    #[error("the package cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("{PROOFS}: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{TABLE}: {0}")]
    Table(#[from] csv::Error),
    #[error(transparent)]
    NotShown(#[from] NotShown),
    #[error("entry {index}: {source}")]
    Entry { index: u64, source: NotALeaf },
    #[error("{0} does not say what the proven entries say: it was edited, or another version of liftwatch made it")]
    Differs(&'static str),
    #[error("{0} is longer than a package may be")]
    TooLong(&'static str),
}

/// Packs a bundle, with further files for people.
///
/// # Errors
/// An entry that cannot be read back.
pub fn pack(bundle: &Bundle, further: &[(&str, &[u8])]) -> Result<Vec<u8>, PackageError> {
    let mut entries = Vec::with_capacity(bundle.entries.len());
    for entry in &bundle.entries {
        let read =
            leaf::read(entry.leaf.as_bytes()).map_err(|source| PackageError::Entry { index: entry.index, source })?;
        entries.push((entry.index, read));
    }
    let proofs = serde_json::to_vec_pretty(bundle)?;
    let table = sheet::csv(entries.iter().map(|(index, read)| (*index, read)))?;
    let lines = lines(bundle);
    let own: [(&str, &[u8]); 4] =
        [(HOW, HOW_TO_CHECK.as_bytes()), (PROOFS, &proofs), (TABLE, &table), (LINES, lines.as_bytes())];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // Nothing is compressed and every file has one date: the same entries are the same file.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in own.into_iter().chain(further.iter().copied()) {
        zip.start_file(name, options)?;
        zip.write_all(content)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Checks a package: every proof, and that its tables say what the proven entries say.
///
/// # Errors
/// [`PackageError`]: the first thing that does not hold.
pub fn verify(package: &[u8], key: &PublicKey) -> Result<Shown, PackageError> {
    let mut zip = ZipArchive::new(Cursor::new(package))?;
    let mut file = |name: &'static str| -> Result<Vec<u8>, PackageError> {
        let file = zip.by_name(name)?;
        let mut content = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut content)?;
        if content.len() as u64 > LONGEST { Err(PackageError::TooLong(name)) } else { Ok(content) }
    };
    let bundle: Bundle = serde_json::from_slice(&file(PROOFS)?)?;
    let shown = check(&bundle, key)?;
    if file(TABLE)? != sheet::csv(shown.entries.iter().map(|(index, read)| (*index, read)))? {
        return Err(PackageError::Differs(TABLE));
    }
    if file(LINES)? != lines(&bundle).into_bytes() {
        return Err(PackageError::Differs(LINES));
    }
    Ok(shown)
}

/// One leaf a line, as it was hashed.
fn lines(bundle: &Bundle) -> String {
    bundle.entries.iter().flat_map(|entry| [entry.leaf.as_str(), "\n"]).collect()
}
