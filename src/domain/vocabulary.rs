//! One macro for closed word lists: an enum whose members have one spelling on the wire, in SQL and in labels.

/// A word that a closed list does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {list} {word:?}; known: {known}")]
pub struct UnknownWord {
    /// What the list is called in messages, such as `fault code`.
    pub list: &'static str,
    /// The word as it came, cut at 64 characters.
    pub word: String,
    /// Every word of the list, comma separated.
    pub known: String,
}

/// Defines an enum with `ALL`, `as_str`, `FromStr` and `Display` over one list of words.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident, $list:literal, { $($(#[$member_meta:meta])* $member:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$member_meta])* $member),+ }

        impl $name {
            /// Every member, in the order of the list.
            pub const ALL: &'static [$name] = &[$($name::$member),+];

            /// The one spelling of this member.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$member => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::vocabulary::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok($name::$member),)+
                    _ => Err($crate::domain::vocabulary::UnknownWord {
                        list: $list,
                        word: word.chars().take(64).collect(),
                        known: [$($word),+].join(", "),
                    }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use vocabulary;
