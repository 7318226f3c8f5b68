//! Proofs that anybody can check offline, and the text in which one leaf's proof travels (C2SP tlog-proof).

use std::fmt;
use std::str::FromStr;

use tlog_tiles::tlog;

use super::checkpoint::{Head, NotSigned, PublicKey};
use super::hash::Hash;

/// First line of a proof's text.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof does not show what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    #[error(
        "leaf {index} with this content is not in the tree of {size} leaves: it was changed, or it is another leaf"
    )]
    Inclusion { index: u64, size: u64 },
    #[error("the tree of {size} leaves does not continue that of {from}: what it held was changed or removed")]
    Consistency { from: u64, size: u64 },
    #[error("the checkpoint is not believed: {0}")]
    Checkpoint(#[from] NotSigned),
    #[error("this is no proof in the form of c2sp.org/tlog-proof: {0}")]
    Form(&'static str),
}

/// Checks that the leaf with this hash stands at `index` of the tree.
///
/// # Errors
/// [`NotProven::Inclusion`] if that is not shown.
pub fn check_inclusion(path: &[Hash], head: Head, index: u64, leaf: Hash) -> Result<(), NotProven> {
    let failed = NotProven::Inclusion { index, size: head.size };
    if index >= head.size {
        return Err(failed);
    }
    tlog::check_record(&inner(path), head.size, head.root.inner(), index, leaf.inner()).map_err(|_| failed)
}

/// Checks that the tree `to` begins with the whole of the tree `from`.
///
/// # Errors
/// [`NotProven::Consistency`] if that is not shown.
pub fn check_consistency(path: &[Hash], from: Head, to: Head) -> Result<(), NotProven> {
    let failed = NotProven::Consistency { from: from.size, size: to.size };
    if from.size == 0 {
        return if from.root == Hash::of_nothing() && path.is_empty() { Ok(()) } else { Err(failed) };
    }
    if from.size > to.size {
        return Err(failed);
    }
    tlog::check_tree(&inner(path), to.size, to.root.inner(), from.size, from.root.inner()).map_err(|_| failed)
}

fn inner(path: &[Hash]) -> Vec<tlog::Hash> {
    path.iter().map(|hash| hash.inner()).collect()
}

/// The proof of one leaf, with the checkpoint that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    pub index: u64,
    pub path: Vec<Hash>,
    /// The signed note, as it was issued.
    pub checkpoint: String,
}

impl InclusionProof {
    /// Checks the whole of it: the signature, and that these bytes are the leaf. Gives what the checkpoint says.
    ///
    /// # Errors
    /// [`NotProven`] says what does not hold.
    pub fn check(&self, key: &PublicKey, leaf: &[u8]) -> Result<Head, NotProven> {
        let head = key.open(&self.checkpoint)?;
        check_inclusion(&self.path, head, self.index, Hash::of_leaf(leaf))?;
        Ok(head)
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for InclusionProof {
    type Err = NotProven;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (proof, checkpoint) =
            text.split_once("\n\n").ok_or(NotProven::Form("no empty line before a checkpoint"))?;
        let mut lines = proof.lines().peekable();
        if lines.next() != Some(HEADER) {
            return Err(NotProven::Form("its first line is not c2sp.org/tlog-proof@v1"));
        }
        // What applications may add is never trusted, and nothing here needs it.
        lines.next_if(|line| line.starts_with("extra "));
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).filter(|digits| is_plain(digits));
        let index = index.and_then(|digits| digits.parse().ok()).ok_or(NotProven::Form("no line `index N`"))?;
        let path: Result<Vec<Hash>, _> = lines.map(str::parse).collect();
        let path = path.map_err(|_| NotProven::Form("a line of the path is no hash"))?;
        Ok(Self { index, path, checkpoint: checkpoint.to_owned() })
    }
}

/// A number as the format wants it: no sign, no leading zero.
fn is_plain(digits: &str) -> bool {
    digits == "0" || (digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::checkpoint::{SigningKey, generate};

    #[test]
    fn a_proof_reads_back_as_it_was_written_and_fails_when_anything_of_it_is_edited() {
        let (private, public) = generate("lifts.example/test").unwrap();
        let key: SigningKey = private.parse().unwrap();
        let (left, right) = (Hash::of_leaf(b"left"), Hash::of_leaf(b"right"));
        let checkpoint = key.sign(Head { size: 2, root: Hash::of_node(left, right) });
        let proof = InclusionProof { index: 1, path: vec![left], checkpoint };
        let text = proof.to_string();
        assert_eq!(text.parse::<InclusionProof>().unwrap(), proof);
        proof.check(&public, b"right").unwrap();

        assert!(proof.check(&public, b"left").is_err());
        let wrong_index: InclusionProof = text.replacen("index 1", "index 0", 1).parse().unwrap();
        assert!(wrong_index.check(&public, b"right").is_err());
        let wrong_size: InclusionProof = text.replacen("\n2\n", "\n3\n", 1).parse().unwrap();
        assert!(matches!(wrong_size.check(&public, b"right"), Err(NotProven::Checkpoint(_))));
        for broken in
            ["", "index 1\n\n", "c2sp.org/tlog-proof@v1\nindex 01\n\nx", "c2sp.org/tlog-proof@v1\nindex 1\nx\n\ny"]
        {
            assert!(broken.parse::<InclusionProof>().is_err(), "{broken:?}");
        }
    }

    #[test]
    fn extra_data_of_other_programs_is_passed_over() {
        let text = format!("{HEADER}\nextra aGk=\nindex 0\n\nnote\n");
        let proof: InclusionProof = text.parse().unwrap();
        assert_eq!((proof.index, proof.path.len(), proof.checkpoint.as_str()), (0, 0, "note\n"));
    }
}
