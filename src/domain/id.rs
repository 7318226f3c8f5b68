//! Identifiers that stand in topics, rows and labels: checked once at the door, then passed as they are.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Not `[A-Za-z0-9._-]{1,64}`.
    #[error("not an id of 1 to 64 characters from A-Z a-z 0-9 . _ -")]
    Form,
    /// Not six digits.
    #[error("not a region code of six digits")]
    Region,
}

macro_rules! identifier {
    ($(#[$meta:meta])* $name:ident, $check:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the form and keeps the text.
            ///
            /// # Errors
            /// [`BadId`] says which form was expected.
            pub fn new(text: &str) -> Result<Self, BadId> {
                $check(text)?;
                Ok(Self(text.into()))
            }

            /// The text as it came.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The same text, shared.
            #[must_use]
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

identifier!(
    /// One lift or escalator, as its registry names it (docs/CONTRACT.md: `[A-Za-z0-9._-]{1,64}`).
    UnitId,
    check_id
);
identifier!(
    /// Who connects to the broker: a maker, or a maintainer's platform.
    PublisherId,
    check_id
);
identifier!(
    /// Administrative code of a district, six digits (such as 350582).
    RegionCode,
    check_region
);

fn check_id(text: &str) -> Result<(), BadId> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(good) { Ok(()) } else { Err(BadId::Form) }
}

fn check_region(text: &str) -> Result<(), BadId> {
    if text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit()) { Ok(()) } else { Err(BadId::Region) }
}
