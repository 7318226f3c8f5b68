//! Who asks, what it may see, and in whose name it acts.

use std::sync::Arc;

use super::problem::Problem;
use super::query::{NAME_LIMIT, written};
use crate::domain::access::Role;
use crate::store::read::scope::Scope;
use crate::store::tokens::TokenRow;

/// Who asks.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Nobody who is known. Sees what is public.
    Stranger,
    /// Whoever reaches loopback, while no token was ever made. May everything.
    Anybody,
    /// Whoever may open the operator's socket. May everything.
    Operator,
    /// Whoever holds a token.
    Holder(Arc<TokenRow>),
}

impl Caller {
    /// Which part of the city it may see.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self {
            Self::Anybody | Self::Operator => Scope::All,
            Self::Holder(token) => Scope::from(&token.access),
            // A firm without a name has no units.
            Self::Stranger => Scope::Maintainers(Vec::new()),
        }
    }

    /// The role of its token; `None` for those without one.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Holder(token) => Some(token.access.role),
            Self::Stranger | Self::Anybody | Self::Operator => None,
        }
    }

    /// Whether a token alone says who it is, so that nobody is asked for a name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Holder(token) => Some(&token.name),
            Self::Stranger | Self::Anybody | Self::Operator => None,
        }
    }

    /// Whether it may see names and phone numbers of people.
    #[must_use]
    pub fn sees_persons(&self) -> bool {
        match self {
            Self::Anybody | Self::Operator => true,
            Self::Holder(token) => token.access.personal,
            Self::Stranger => false,
        }
    }

    /// How the ledger calls it: a token by its id, because a name may be a person's.
    #[must_use]
    pub fn in_ledger(&self) -> String {
        match self {
            Self::Holder(token) => token.id.clone(),
            Self::Operator => "operator".to_owned(),
            Self::Stranger | Self::Anybody => "loopback".to_owned(),
        }
    }

    /// In whose name it acts: its token's, or what it says itself where there is none.
    ///
    /// # Errors
    /// 400 if it has no token and says nothing.
    pub fn signs(&self, told: &str) -> Result<String, Problem> {
        match self {
            Self::Holder(token) => Ok(token.name.clone()),
            Self::Stranger | Self::Anybody | Self::Operator => written("by", told, NAME_LIMIT),
        }
    }
}
