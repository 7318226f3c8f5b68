//! The secrets of tokens: made from the system's generator, shown once, and known afterwards by their hash alone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::{OsRng, RngCore};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// What every secret begins with, so that it is known where it should not stand.
const MARK: &str = "lw_";
/// Bytes of a secret: 256 bits, which nobody guesses.
const BYTES: usize = 32;
/// Characters of a secret: the mark, and its bytes in Base64.
const LENGTH: usize = 46;

/// What is kept of a secret: its SHA-256. A secret of 256 random bits needs no slower hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The hash of a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// From 32 bytes; `None` for any other number.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Whether the two are the same, in a time that does not tell where they differ.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// A new secret: `lw_` and 256 bits in Base64 for URLs.
#[must_use]
pub fn draw() -> String {
    let mut bytes = [0; BYTES];
    OsRng.fill_bytes(&mut bytes);
    format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether a text can be a secret at all. What cannot is not hashed.
#[must_use]
pub fn is_one(text: &str) -> bool {
    text.len() == LENGTH && text.starts_with(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_is_another_and_its_hash_tells_it_apart() {
        let (one, other) = (draw(), draw());
        assert!(is_one(&one) && is_one(&other));
        assert!(Digest::of(&one).is(&Digest::of(&one)));
        assert!(!Digest::of(&one).is(&Digest::of(&other)));
        assert_eq!(format!("{:?}", Digest::of(&one)), "Digest(…)");
    }

    #[test]
    fn what_has_not_the_form_is_no_secret() {
        for wrong in ["", "lw_", "xx_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(!is_one(wrong), "{wrong}");
        }
    }
}
