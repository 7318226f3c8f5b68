//! Checkpoints: the tree's size and root in a signed note (C2SP tlog-checkpoint, Ed25519), and the keys for them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use signed_note::{Note, Signer, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::checkpoint::Checkpoint;

use super::hash::Hash;

/// What a checkpoint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Leaves in the tree.
    pub size: u64,
    pub root: Hash,
}

/// The private key of a log. Its name is the log's origin.
#[derive(Clone)]
pub struct SigningKey {
    signer: StandardSigner,
    origin: String,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.origin)
    }
}

/// The public key by which anybody checks a log's checkpoints: `<origin>+<id>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    text: String,
    origin: String,
}

/// Text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    #[error("this is no signing key of a log, PRIVATE+KEY+<origin>+<id>+<key>; make one with `liftwatch ledger key`")]
    Signing,
    #[error("{0:?} is no public key of a log, <origin>+<id>+<key>; `liftwatch ledger key` prints one")]
    Public(String),
    #[error("{0:?} cannot name a log: use a name without spaces and plus signs, such as lifts.example/jinjiang")]
    Origin(String),
}

/// Why a checkpoint is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    #[error("this is no signed note: {0}")]
    Form(String),
    #[error("no signature of {origin} is on it, or it was changed: {why}")]
    Signature { origin: String, why: String },
    #[error("it is signed, but it is no checkpoint of {origin}")]
    Content { origin: String },
}

/// What a checkpoint says, if one of these keys signed it: a log that went on under another name has several. Whose it
/// must be, its first line says.
///
/// # Errors
/// [`NotSigned`] says why it is not believed.
///
/// # Panics
/// If there is no key.
pub fn open(keys: &[PublicKey], note: &str) -> Result<Head, NotSigned> {
    let named = keys.iter().find(|key| note.lines().next() == Some(key.origin()));
    named.or(keys.first()).expect("without a key nothing is opened").open(note)
}

/// A new pair of keys: the private one as text for a file, and the public one.
///
/// # Errors
/// [`NotAKey::Origin`] when the name cannot stand in a note.
pub fn generate(origin: &str) -> Result<(String, PublicKey), NotAKey> {
    if !signed_note::is_key_name_valid(origin) {
        return Err(NotAKey::Origin(origin.to_owned()));
    }
    let (private, public) = signed_note::generate_key(&mut rand_core::OsRng, origin);
    Ok((private, PublicKey { text: public, origin: origin.to_owned() }))
}

impl SigningKey {
    /// The name of the log that this key signs for.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The key by which others check what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    /// The signed note over a head.
    ///
    /// # Panics
    /// Never: the origin was checked when the key was read, and an Ed25519 key signs everything.
    #[must_use]
    pub fn sign(&self, head: Head) -> String {
        let text = Checkpoint::new(&self.origin, head.size, head.root.inner(), "").expect("the origin is not empty");
        let mut note = Note::new(&text.to_bytes(), &[]).expect("a checkpoint is text that ends in a newline");
        note.add_sigs(&[&self.signer]).expect("an Ed25519 key signs everything");
        String::from_utf8(note.to_bytes()).expect("a note is text")
    }
}

impl FromStr for SigningKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let signer = StandardSigner::new(text.trim()).map_err(|_| NotAKey::Signing)?;
        let origin = signer.name().to_owned();
        // The signer keeps its key to itself, so the public one is made of the text again: one byte of algorithm, then
        // the 32 of the seed.
        let encoded = text.trim().splitn(5, '+').nth(4).unwrap_or_default();
        let seed = STANDARD.decode(encoded).ok().and_then(|bytes| bytes.get(1..)?.try_into().ok());
        let key = ed25519_dalek::SigningKey::from_bytes(&seed.ok_or(NotAKey::Signing)?).verifying_key();
        let public = PublicKey { text: signed_note::new_ed25519_verifier_key(&origin, &key), origin: origin.clone() };
        Ok(Self { signer, origin, public })
    }
}

impl PublicKey {
    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What a checkpoint says, if this log signed it.
    ///
    /// # Errors
    /// [`NotSigned`] says why it is not believed.
    pub fn open(&self, note: &str) -> Result<Head, NotSigned> {
        let origin = || self.origin.clone();
        let verifier = StandardVerifier::new(&self.text).map_err(|error| NotSigned::Form(error.to_string()))?;
        let note = Note::from_bytes(note.as_bytes()).map_err(|error| NotSigned::Form(error.to_string()))?;
        note.verify(&VerifierList::new(vec![Box::new(verifier)]))
            .map_err(|error| NotSigned::Signature { origin: origin(), why: error.to_string() })?;
        match Checkpoint::from_bytes(note.text()) {
            Ok(checkpoint) if checkpoint.origin() == self.origin => {
                Ok(Head { size: checkpoint.size(), root: Hash(checkpoint.hash().0) })
            }
            _ => Err(NotSigned::Content { origin: origin() }),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        StandardVerifier::new(text).map_err(|_| NotAKey::Public(text.to_owned()))?;
        let origin = text.split('+').next().unwrap_or_default().to_owned();
        Ok(Self { text: text.to_owned(), origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_believed_by_its_own_key_alone_and_only_unchanged() {
        let (private, public) = generate("lifts.example/test").unwrap();
        let (_, stranger) = generate("lifts.example/test").unwrap();
        let key: SigningKey = private.parse().unwrap();
        let head = Head { size: 7, root: Hash::of_leaf(b"x") };
        let note = key.sign(head);
        assert_eq!(key.public(), public);
        assert_eq!(public.open(&note), Ok(head));
        assert_eq!(public.to_string().parse::<PublicKey>().unwrap(), public);
        assert!(matches!(stranger.open(&note), Err(NotSigned::Signature { .. })));
        let changed = note.replacen("\n7\n", "\n8\n", 1);
        assert_ne!(changed, note);
        assert!(matches!(public.open(&changed), Err(NotSigned::Signature { .. })));
        assert!(matches!(public.open("nothing"), Err(NotSigned::Form(_))));
    }

    #[test]
    fn a_key_that_is_none_is_refused_without_being_shown() {
        let error = "PRIVATE+KEY+lifts.example+00000000+c2VjcmV0".parse::<SigningKey>().unwrap_err();
        assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
        assert_eq!(generate("with space").unwrap_err(), NotAKey::Origin("with space".to_owned()));
    }
}
