//! `verify PACKAGE.zip`: what a package shows, and what it does not.

use std::path::{Display, Path};

use anyhow::{Context, bail};

use crate::ledger::checkpoint::PublicKey;
use crate::package::{self, Proven, Texts};
use crate::store::verify::report::Outside;

/// Checks a package without a database, and says what it shows and what it does not.
///
/// # Errors
/// What does not hold.
pub fn verify(file: &Path, key: &PublicKey, outside: &[Outside], texts: Texts) -> anyhow::Result<()> {
    let name = file.display();
    let bytes = std::fs::read(file).with_context(|| format!("{name}: cannot be read"))?;
    let proven = package::verify(&bytes, key, texts).with_context(|| format!("{name}"))?;
    let (from, to) = match &proven {
        Proven::Unit(shown) => (shown.from, shown.to),
        Proven::Visits(chosen) => (None, chosen.to),
    };
    for Outside { name: checkpoint, head } in outside {
        let told = [from, Some(to)].into_iter().flatten().find(|end| end.size == head.size);
        match told {
            Some(end) if end == *head => {}
            Some(_) => bail!("{name}: {checkpoint} was signed over other entries: the log was changed"),
            None if matches!(proven, Proven::Visits(_)) => bail!(
                "{name}: {checkpoint} has {} entries, and the package's has {}: `liftwatch ledger consistency` compares them",
                head.size,
                to.size
            ),
            None => bail!("{name}: {checkpoint} has {} entries; export the stretch from there, to compare", head.size),
        }
    }
    tell(&name, &proven, key);
    if texts == Texts::LeftOut {
        println!("  NOT checked: README.txt and the reports; records.csv and records.jsonl say what was recorded");
    }
    Ok(())
}

fn tell(name: &Display<'_>, proven: &Proven, key: &PublicKey) {
    let origin = key.origin();
    match proven {
        Proven::Unit(shown) => {
            println!("{name}: good. {} entries of unit {}, none missing", shown.entries.len(), shown.unit);
            println!(
                "  signed by {origin}; from {} to {} entries of the log",
                shown.from.map_or(0, |from| from.size),
                shown.to.size
            );
        }
        Proven::Visits(chosen) => {
            let (visits, belonging) = (chosen.visits, chosen.belonging);
            println!(
                "{name}: good. {visits} visits and {belonging} entries that belong to them, each in the log, unchanged"
            );
            println!("  asked for: {}", chosen.question);
            if chosen.unread > 0 {
                println!("  {} stand in the log by their hash alone: what they say is not shown", chosen.unread);
            }
            println!("  NOT shown: that none was left out; for that, take the packages of the units");
            println!("  signed by {origin}; {} entries of the log, closed at {}", chosen.to.size, chosen.at);
        }
    }
}
