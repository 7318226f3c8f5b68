//! Commitments: a leaf names a person without telling who it is, and whoever has the salt can show whom it meant.
//!
//! The salt lives beside the name, outside the tree. When both are erased, what is left is 32 bytes that nothing can be
//! guessed from, and every proof still holds.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use rand_core::{OsRng, RngCore};
use sha2::Sha256;

use crate::domain::visit::Person;
use crate::hex::hex;

use super::canonical::canonical;

/// Bytes of a salt.
const SALT: usize = 32;

/// A secret number, drawn anew for every value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; SALT]);

impl Salt {
    /// A new one from the system's generator.
    #[must_use]
    pub fn draw() -> Self {
        let mut salt = [0; SALT];
        OsRng.fill_bytes(&mut salt);
        Self(salt)
    }

    /// From 32 bytes; `None` for any other number.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// HMAC-SHA256 of the value under this salt, in lower-case hex.
    #[must_use]
    pub fn commit(&self, value: &str) -> String {
        commit(&self.0, value)
    }
}

/// The commitment to a person under a salt: over the canonical JSON of what is known, `{"name":…,"phone":…}`.
#[must_use]
pub fn of_person(person: &Person, salt: &[u8]) -> String {
    let known = [("name", &person.name), ("phone", &person.phone)];
    let known: BTreeMap<&str, &str> =
        known.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?))).collect();
    commit(salt, &String::from_utf8_lossy(&canonical(&serde_json::json!(known))))
}

/// HMAC-SHA256 in lower-case hex.
fn commit(salt: &[u8], value: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(salt).expect("HMAC takes a key of any length");
    mac.update(value.as_bytes());
    hex(&mac.finalize().into_bytes())
}
