//! The one-click "received" link of a message: signed, and good for the one delivery that it was sent in. Pure.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What is signed before the delivery's id, so that a signature of this key made for another purpose is none here.
const PURPOSE: &[u8] = b"liftwatch received 1\0";

/// Bytes of a key at least: as many as the signature has.
const KEY_BYTES: usize = 32;

/// The key of `[notify] secret_file`. It is never shown.
#[derive(Clone)]
pub struct Key(Vec<u8>);

/// The file holds too little to be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key has at least {KEY_BYTES} bytes; this has {0}: make one with `openssl rand -base64 48`")]
pub struct WeakKey(usize);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// The key that a file holds; blanks and line ends around it do not belong to it.
    ///
    /// # Errors
    /// [`WeakKey`] for fewer than 32 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, WeakKey> {
        let bytes = bytes.trim_ascii();
        if bytes.len() < KEY_BYTES { Err(WeakKey(bytes.len())) } else { Ok(Self(bytes.to_owned())) }
    }

    /// Where a delivery's link leads, below the public address: `/r/{delivery}/{signature}`.
    #[must_use]
    pub fn path(&self, delivery: &str) -> String {
        format!("/r/{delivery}/{}", URL_SAFE_NO_PAD.encode(self.mac(delivery).finalize().into_bytes()))
    }

    /// Whether the signature is this delivery's. Takes the same time whatever is wrong with it.
    #[must_use]
    pub fn is_signed(&self, delivery: &str, signature: &str) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        self.mac(delivery).verify_slice(&bytes).is_ok()
    }

    fn mac(&self, delivery: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of every length");
        mac.update(PURPOSE);
        mac.update(delivery.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fill: &str) -> Key {
        Key::new(fill.repeat(KEY_BYTES).as_bytes()).unwrap()
    }

    fn signature(key: &Key, delivery: &str) -> String {
        key.path(delivery).strip_prefix(&format!("/r/{delivery}/")).unwrap().to_owned()
    }

    #[test]
    fn a_link_is_good_for_its_own_delivery_and_key_alone() {
        let (one, other) = (key("a"), key("b"));
        let good = signature(&one, "d-1");
        assert!(one.is_signed("d-1", &good));
        assert!(!one.is_signed("d-2", &good));
        assert!(!other.is_signed("d-1", &good));
        assert!(!one.is_signed("d-1", &good[..good.len() - 4]));
        assert!(!one.is_signed("d-1", ""));
        assert!(!one.is_signed("d-1", &format!("{good}=")));
    }

    #[test]
    fn a_short_key_is_refused_and_a_line_end_is_no_part_of_it() {
        assert_eq!(Key::new(b"secret\n").unwrap_err(), WeakKey(6));
        let text = "k".repeat(KEY_BYTES);
        let (bare, lined) = (Key::new(text.as_bytes()).unwrap(), Key::new(format!("{text}\r\n").as_bytes()).unwrap());
        assert_eq!(bare.path("d-1"), lined.path("d-1"));
        assert_eq!(format!("{bare:?}"), "Key(…)");
    }
}
