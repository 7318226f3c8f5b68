//! What whoever holds a token may see: a role, and which part of the city it is bound to.

use super::vocabulary::vocabulary;

vocabulary!(
    /// What somebody is to the city's lifts.
    Role, "role", {
        /// Reads everything and changes nothing.
        Auditor = "auditor",
        /// Watches the regions of its scope.
        Inspector = "inspector",
        /// Maintains the units whose maintainer stands in its scope.
        Maintainer = "maintainer",
        /// Answers for the units whose owner stands in its scope.
        Owner = "owner",
    }
);

/// Entries of a scope at most.
const ENTRIES: usize = 100;
/// Characters of a firm's or an owner's name at most, as in the registry.
const NAME: usize = 200;
/// Digits of a region's code.
const CODE: usize = 6;

/// Why a scope is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("an auditor reads everything; leave the scope out")]
    ScopeOfAuditor,
    #[error("{0} needs a scope: {1}")]
    NoScope(Role, &'static str),
    #[error("a scope has at most {ENTRIES} entries")]
    TooMany,
    #[error("{0:?} is no region: write the code, or its first digits, such as 3505")]
    NoRegion(String),
    #[error("{0:?} is no name: 1 to {NAME} characters without control characters")]
    NoName(String),
}

/// What a token gives its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub role: Role,
    /// Of an inspector the first digits of regions' codes, of a maintainer or an owner its names in the registry.
    pub scope: Vec<String>,
    /// Whether names and phone numbers of people are shown.
    pub personal: bool,
}

impl Access {
    /// Checks that the scope is one for the role.
    ///
    /// # Errors
    /// [`AccessError`] says what would be one.
    pub fn new(role: Role, scope: Vec<String>, personal: bool) -> Result<Self, AccessError> {
        if scope.len() > ENTRIES {
            return Err(AccessError::TooMany);
        }
        let needed = match role {
            Role::Auditor if !scope.is_empty() => return Err(AccessError::ScopeOfAuditor),
            Role::Auditor => return Ok(Self { role, scope, personal }),
            Role::Inspector => "the first digits of its regions' codes",
            Role::Maintainer | Role::Owner => "the names that it has in the registry",
        };
        if scope.is_empty() {
            return Err(AccessError::NoScope(role, needed));
        }
        for entry in &scope {
            if role == Role::Inspector {
                if !(1..=CODE).contains(&entry.len()) || !entry.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(AccessError::NoRegion(cut(entry)));
                }
            } else if entry.trim().is_empty() || entry.chars().count() > NAME || entry.chars().any(char::is_control) {
                return Err(AccessError::NoName(cut(entry)));
            }
        }
        Ok(Self { role, scope, personal })
    }
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(role: Role, scope: &[&str]) -> Result<Access, AccessError> {
        Access::new(role, scope.iter().map(|entry| (*entry).to_owned()).collect(), false)
    }

    #[test]
    fn an_auditor_has_no_scope_and_everybody_else_has_one() {
        assert!(access(Role::Auditor, &[]).is_ok());
        assert_eq!(access(Role::Auditor, &["3505"]), Err(AccessError::ScopeOfAuditor));
        for role in [Role::Inspector, Role::Maintainer, Role::Owner] {
            assert!(matches!(access(role, &[]), Err(AccessError::NoScope(..))));
        }
    }

    #[test]
    fn regions_are_digits_and_names_are_any_text() {
        assert!(access(Role::Inspector, &["35", "350582"]).is_ok());
        for wrong in ["", "35%", "3505821", "x", "３５"] {
            assert!(access(Role::Inspector, &[wrong]).is_err(), "{wrong}");
        }
        assert!(access(Role::Maintainer, &["x' or '1'='1", "安捷电梯"]).is_ok());
        for wrong in ["", "  ", "a\nb"] {
            assert!(access(Role::Owner, &[wrong]).is_err(), "{wrong}");
        }
    }
}
