//! Which part of the city an asker may see, as a condition of SQL. Names and codes are bound, never written into it.

use sqlx::{QueryBuilder, Sqlite};

use crate::domain::access::{Access, Role};

/// Which units an asker may see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    #[default]
    All,
    /// Units of regions whose codes begin so.
    Regions(Vec<String>),
    /// Units of these maintenance firms.
    Maintainers(Vec<String>),
    /// Units of these owners.
    Owners(Vec<String>),
}

impl From<&Access> for Scope {
    fn from(access: &Access) -> Self {
        let scope = access.scope.clone();
        match access.role {
            Role::Auditor => Self::All,
            Role::Inspector => Self::Regions(scope),
            Role::Maintainer => Self::Maintainers(scope),
            Role::Owner => Self::Owners(scope),
        }
    }
}

impl Scope {
    /// Whether there is anything that the asker may not see.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        *self != Self::All
    }

    /// The asker's names as the condition binds them: JSON text.
    fn names(&self) -> String {
        let names = match self {
            Self::All => &[][..],
            Self::Regions(names) | Self::Maintainers(names) | Self::Owners(names) => names.as_slice(),
        };
        serde_json::to_string(names).expect("texts always serialise")
    }

    /// Adds ` and …`: the row called `row`, which has region, maintainer and owner, is one that the asker may see.
    pub(super) fn of_row(&self, query: &mut QueryBuilder<Sqlite>, row: &str) {
        match self {
            Self::All => {}
            Self::Regions(_) => self.of_region(query, &format!("{row}.region")),
            Self::Maintainers(_) => self.among(query, row, "maintainer"),
            Self::Owners(_) => self.among(query, row, "owner"),
        }
    }

    /// Adds ` and …`: the unit whose id stands in `column` is one that the asker may see.
    pub(super) fn of_unit(&self, query: &mut QueryBuilder<Sqlite>, column: &str) {
        if self.is_narrow() {
            // Not `in (select …)`: that would let SQLite begin with the units, and then sort all that belongs to them.
            query.push(" and exists (select 1 from unit scoped where scoped.id = ").push(column);
            self.of_row(query, "scoped");
            query.push(")");
        }
    }

    /// Adds ` and …`: the region in `column` is one that the asker may see. Firms and owners have no regions.
    pub(super) fn of_region(&self, query: &mut QueryBuilder<Sqlite>, column: &str) {
        match self {
            Self::All => {}
            Self::Regions(_) => {
                query.push(" and exists (select 1 from json_each(").push_bind(self.names());
                query.push(") prefix where substr(").push(column);
                query.push(", 1, length(prefix.value)) = prefix.value)");
            }
            Self::Maintainers(_) | Self::Owners(_) => {
                query.push(" and false");
            }
        }
    }

    fn among(&self, query: &mut QueryBuilder<Sqlite>, row: &str, column: &str) {
        query.push(" and ").push(row).push(".").push(column);
        query.push(" in (select value from json_each(").push_bind(self.names()).push("))");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(scope: &Scope) -> String {
        let mut query = QueryBuilder::<Sqlite>::new("select 1 from event e where true");
        scope.of_unit(&mut query, "e.unit");
        query.sql().as_str().to_owned()
    }

    #[test]
    fn names_are_bound_and_never_written_into_the_statement() {
        let hostile = vec!["x') or 1=1 --".to_owned(), "\"; drop table unit; --".to_owned()];
        for scope in [Scope::Regions(hostile.clone()), Scope::Maintainers(hostile.clone()), Scope::Owners(hostile)] {
            let condition = condition(&scope);
            assert!(condition.contains("exists"), "{condition}");
            assert!(!condition.contains("drop") && !condition.contains("1=1"), "{condition}");
        }
        assert_eq!(condition(&Scope::All), "select 1 from event e where true");
    }
}
