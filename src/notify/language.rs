//! The languages in which messages are written.

use crate::domain::vocabulary::vocabulary;

vocabulary!(
    /// A receiver's language.
    Language, "language", { Chinese = "zh", English = "en" }
);

impl Language {
    /// The text in this language.
    #[must_use]
    pub const fn of<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Chinese => zh,
            Self::English => en,
        }
    }
}
