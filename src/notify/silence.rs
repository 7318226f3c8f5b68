//! Silences: what a person does not want to be told for a while. They hide no alert from pages and metrics. Pure.

use crate::domain::time::Timestamp;
use crate::store::read::silences::{LabelRow, SilenceRow};

use super::matcher::{self, Label, Labels, Matcher, NotAMatcher, Op};

/// Matchers of one silence at most.
pub const MATCHERS: usize = 20;

/// A silence, ready to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    pub id: String,
    pub matchers: Vec<Matcher>,
    pub starts_at: Timestamp,
    /// From then on it hides nothing.
    pub ends_at: Timestamp,
}

/// Why matchers make no silence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotASilence {
    #[error("{text:?}: {source}")]
    Matcher { text: String, source: NotAMatcher },
    #[error("name 1 to {MATCHERS} matchers")]
    Count,
    #[error("these matchers would silence everything; name at least one value that an alert must have")]
    Everything,
    #[error("the stored matchers cannot be read: {0}")]
    Stored(String),
}

impl Silence {
    /// Whether it is in force.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.starts_at <= now && now < self.ends_at
    }

    /// Whether an alert with these labels is not told now.
    #[must_use]
    pub fn covers(&self, labels: &Labels, now: Timestamp) -> bool {
        self.is_in_force(now) && matcher::all(&self.matchers, labels)
    }
}

impl TryFrom<&SilenceRow> for Silence {
    type Error = NotASilence;

    fn try_from(row: &SilenceRow) -> Result<Self, NotASilence> {
        Ok(Self {
            id: row.id.clone(),
            matchers: restored(&row.matchers)?,
            starts_at: Timestamp(row.starts_at),
            ends_at: Timestamp(row.ends_at),
        })
    }
}

/// Labels as they are read.
#[must_use]
pub fn labels(row: LabelRow) -> Labels {
    let LabelRow { alert: _, rule, severity, region, site, maintainer, owner, unit } = row;
    Labels { rule, severity, region, site, maintainer, owner, unit }
}

/// The silence that keeps an alert from being told now: the one that lasts longest.
#[must_use]
pub fn covering<'a>(silences: &'a [Silence], labels: &Labels, now: Timestamp) -> Option<&'a Silence> {
    silences.iter().filter(|silence| silence.covers(labels, now)).max_by_key(|silence| silence.ends_at)
}

/// Reads what a person wrote.
///
/// # Errors
/// [`NotASilence`] names the matcher, or says what is missing.
pub fn written<T: AsRef<str>>(texts: &[T]) -> Result<Vec<Matcher>, NotASilence> {
    if !(1..=MATCHERS).contains(&texts.len()) {
        return Err(NotASilence::Count);
    }
    let read = |text: &T| {
        let text = text.as_ref();
        text.parse().map_err(|source| NotASilence::Matcher { text: text.chars().take(64).collect(), source })
    };
    let matchers: Vec<Matcher> = texts.iter().map(read).collect::<Result<_, _>>()?;
    // As Alertmanager does: what an alert without any label meets, every alert may meet.
    if matcher::all(&matchers, &Labels::default()) {
        return Err(NotASilence::Everything);
    }
    Ok(matchers)
}

/// The form in which the file keeps matchers: a JSON list of `[label, operator, value]`.
#[must_use]
pub fn stored(matchers: &[Matcher]) -> String {
    let parts: Vec<[&str; 3]> =
        matchers.iter().map(|one| [one.label().as_str(), one.op().as_str(), one.value()]).collect();
    serde_json::to_string(&parts).expect("texts always serialise")
}

/// Reads the stored form.
///
/// # Errors
/// [`NotASilence::Stored`] says what is wrong with it.
pub fn restored(json: &str) -> Result<Vec<Matcher>, NotASilence> {
    let bad = |why: String| NotASilence::Stored(why);
    let parts: Vec<(String, String, String)> = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
    let one = |(label, op, value): (String, String, String)| {
        let label: Label = label.parse().map_err(|error| bad(format!("{error}")))?;
        let op: Op = op.parse().map_err(|error| bad(format!("{error}")))?;
        Matcher::new(label, op, value).map_err(|error| bad(error.to_string()))
    };
    parts.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn silence(texts: &[&str]) -> Silence {
        let matchers = written(texts).unwrap();
        Silence { id: "s-1".to_owned(), matchers, starts_at: NOW, ends_at: NOW + 1_000 }
    }

    fn labels() -> Labels {
        Labels { rule: "over_age".into(), severity: "warning".into(), region: "350582".into(), ..Labels::default() }
    }

    #[test]
    fn a_silence_covers_what_meets_all_its_matchers_from_its_start_and_not_at_its_end() {
        let silence = silence(&["rule=over_age", "region=~3505.*"]);
        assert!(!silence.covers(&labels(), NOW - 1));
        assert!(silence.covers(&labels(), NOW));
        assert!(silence.covers(&labels(), NOW + 999));
        assert!(!silence.covers(&labels(), NOW + 1_000));
        assert!(!silence.covers(&Labels { region: "350100".into(), ..labels() }, NOW));
    }

    #[test]
    fn of_several_silences_the_longest_is_named() {
        let short = silence(&["rule=over_age"]);
        let long = Silence { id: "s-2".to_owned(), ends_at: NOW + 2_000, ..silence(&["region=350582"]) };
        let other = Silence { ends_at: NOW + 9_000, ..silence(&["rule=entrapment"]) };
        let silences = [short, long, other];
        assert_eq!(covering(&silences, &labels(), NOW).map(|silence| silence.id.as_str()), Some("s-2"));
        assert_eq!(covering(&silences, &labels(), NOW + 2_000), None);
    }

    #[test]
    fn a_silence_of_everything_or_of_nothing_readable_is_refused() {
        assert_eq!(written::<&str>(&[]), Err(NotASilence::Count));
        assert_eq!(written(&vec!["rule=x"; MATCHERS + 1]), Err(NotASilence::Count));
        for everything in [vec!["severity=~.*"], vec!["maintainer=\"\""], vec!["rule!=entrapment", "unit!=x"]] {
            assert_eq!(written(&everything), Err(NotASilence::Everything), "{everything:?}");
        }
        let error = written(&["level=3"]).unwrap_err().to_string();
        assert!(error.contains("level=3") && error.contains("unknown label"), "{error}");
    }

    #[test]
    fn stored_matchers_are_read_back_as_they_were() {
        let matchers = written(&["site=~\"丰泽, \\\"A\\\".*\"", "severity!=info", "unit=x"]).unwrap();
        assert_eq!(restored(&stored(&matchers)), Ok(matchers));
        assert!(restored("[[\"level\",\"=\",\"3\"]]").is_err());
        assert!(restored("{}").is_err());
    }
}
