//! What a `retention` entry says: which rows were pruned by age, and which leaves went with them. The hashes of those leaves
//! stay in the tree, so nothing that was proven before stops being provable.

use serde_json::{Value, json};

use crate::domain::time::Timestamp;
use crate::domain::vocabulary::vocabulary;

use super::leaf::EntryKind;

vocabulary!(
    /// Kinds of rows that age prunes, in the order in which it does: what names others goes first.
    Pruned, "kind of rows", {
        /// With its transitions and answers.
        Alert = "alert",
        /// With its deliveries and every try.
        Notification = "notification",
        Event = "event",
        /// With its workers, people and confirmation.
        Visit = "visit",
    }
);

/// Leaves that one entry can name and stay far below what a leaf may have.
pub const MOST_LEAVES: usize = 500;

/// Rows that one transaction pruned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    pub rows: Pruned,
    /// How many rows went; 0 in a further entry that names more of their leaves.
    pub count: u64,
    /// They were older than this.
    pub before: Timestamp,
    /// By which setting, as it stands in the configuration.
    pub setting: String,
    /// The leaves that went; `None` where these rows have none.
    pub leaves: Option<Leaves>,
}

/// Leaves of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaves {
    pub kind: EntryKind,
    /// First and last index of each run, ascending.
    pub runs: Vec<(u64, u64)>,
}

impl Pruned {
    /// Whether rows of this kind take entries of that kind with them.
    #[must_use]
    pub const fn takes(self, kind: EntryKind) -> bool {
        match self {
            Self::Alert => matches!(kind, EntryKind::AlertTransition | EntryKind::Answer),
            Self::Visit => matches!(kind, EntryKind::Visit | EntryKind::Confirmation),
            Self::Event | Self::Notification => false,
        }
    }
}

impl Leaves {
    /// Leaves with these indexes, which ascend.
    #[must_use]
    pub fn of(kind: EntryKind, indexes: &[u64]) -> Self {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for &index in indexes {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == index => *last = index,
                _ => runs.push((index, index)),
            }
        }
        Self { kind, runs }
    }
}

impl Retention {
    /// The entry's body.
    #[must_use]
    pub fn body(&self) -> Value {
        let leaves = self.leaves.as_ref().map(|leaves| json!({ "kind": leaves.kind.as_str(), "runs": leaves.runs }));
        json!({
            "rows": self.rows.as_str(),
            "count": self.count,
            "before": self.before.to_string(),
            "setting": self.setting,
            "leaves": leaves,
        })
    }

    /// Reads a body; `None` if this program cannot have written it.
    #[must_use]
    pub fn read(body: &Value) -> Option<Self> {
        let text = |name: &str| body.get(name)?.as_str();
        let leaves = match body.get("leaves")? {
            Value::Null => None,
            leaves => Some(Leaves {
                kind: leaves.get("kind")?.as_str()?.parse().ok()?,
                runs: serde_json::from_value(leaves.get("runs")?.clone()).ok()?,
            }),
        };
        Some(Self {
            rows: text("rows")?.parse().ok()?,
            count: body.get("count")?.as_u64()?,
            before: Timestamp::parse(text("before")?).ok()?,
            setting: text("setting")?.to_owned(),
            leaves,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::canonical::canonical;
    use crate::ledger::leaf::LONGEST_BODY;

    #[test]
    fn a_body_reads_back_and_names_leaves_by_runs() {
        let leaves = Leaves::of(EntryKind::Visit, &[3, 4, 5, 9, 11, 12]);
        assert_eq!(leaves.runs, [(3, 5), (9, 9), (11, 12)]);
        let retention = Retention {
            rows: Pruned::Visit,
            count: 6,
            before: Timestamp(0),
            setting: "visits_years = 4".to_owned(),
            leaves: Some(leaves),
        };
        assert_eq!(Retention::read(&retention.body()), Some(retention.clone()));
        let events = Retention { rows: Pruned::Event, leaves: None, ..retention };
        assert_eq!(Retention::read(&events.body()), Some(events));
        assert_eq!(Retention::read(&json!({ "rows": "visit" })), None);
    }

    #[test]
    fn the_longest_list_of_leaves_stands_in_its_leaf() {
        // None next to another, at the end of a log of a million million entries.
        let indexes: Vec<u64> = (0..MOST_LEAVES as u64).map(|n| 999_999_900_000 + 2 * n).collect();
        let leaves = Some(Leaves::of(EntryKind::AlertTransition, &indexes));
        let setting = "visits_years = 4, events_days = 400".to_owned();
        let body = Retention { rows: Pruned::Alert, count: 500, before: Timestamp(0), setting, leaves }.body();
        assert!(canonical(&body).len() < LONGEST_BODY);
    }
}
