//! Matchers over an alert's labels, in Alertmanager's own syntax: `region=~"3505.*"`. Routes and silences use them. Pure.

use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::domain::vocabulary::vocabulary;

vocabulary!(
    /// What a matcher, a group and a placeholder may ask of an alert.
    Label, "label", {
        Rule = "rule",
        Severity = "severity",
        Region = "region",
        Site = "site",
        Maintainer = "maintainer",
        Owner = "owner",
        Unit = "unit",
    }
);

/// What an alert and its unit say to routes and silences; a label that the registry does not know is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    pub rule: String,
    pub severity: String,
    pub region: String,
    pub site: String,
    pub maintainer: String,
    pub owner: String,
    pub unit: String,
}

impl Labels {
    /// The value of one label.
    #[must_use]
    pub fn get(&self, label: Label) -> &str {
        match label {
            Label::Rule => &self.rule,
            Label::Severity => &self.severity,
            Label::Region => &self.region,
            Label::Site => &self.site,
            Label::Maintainer => &self.maintainer,
            Label::Owner => &self.owner,
            Label::Unit => &self.unit,
        }
    }

    /// Sets the value of one label.
    pub fn set(&mut self, label: Label, value: String) {
        let place = match label {
            Label::Rule => &mut self.rule,
            Label::Severity => &mut self.severity,
            Label::Region => &mut self.region,
            Label::Site => &mut self.site,
            Label::Maintainer => &mut self.maintainer,
            Label::Owner => &mut self.owner,
            Label::Unit => &mut self.unit,
        };
        *place = value;
    }
}

vocabulary!(
    /// How a matcher compares. A regular expression must match the whole value.
    Op, "operator", { Equal = "=", NotEqual = "!=", Regex = "=~", NotRegex = "!~" }
);

/// Bytes that a compiled expression may take; what a city writes needs a hundredth.
const REGEX_BYTES: usize = 1 << 20;
/// Bytes of a matcher's value.
const VALUE_BYTES: usize = 1_000;

/// One condition on one label. A label without a value is the empty text, so `maintainer=""` finds units without a firm.
#[derive(Debug, Clone)]
pub struct Matcher {
    label: Label,
    op: Op,
    value: String,
    /// Anchored at both ends; there for the two operators that need it.
    regex: Option<Regex>,
}

/// Why a text is not a matcher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAMatcher {
    #[error("a matcher is a label, one of = != =~ !~, and a value: severity=critical, site=~\"A.*\"; not {0:?}")]
    NoOperator(String),
    #[error("unknown label {label:?}; known: {known}")]
    UnknownLabel { label: String, known: String },
    #[error("the value {0:?} must stand in double quotes, with \\\" and \\\\ inside, for it has marks of its own")]
    NeedsQuotes(String),
    #[error("the quoted value {0} does not end where the matcher ends; inside it write \\\" and \\\\")]
    BadQuotes(String),
    #[error("the expression {value:?} is not good: {problem}")]
    BadRegex { value: String, problem: String },
    #[error("the value has more than {VALUE_BYTES} bytes")]
    TooLong,
}

impl Matcher {
    /// Puts a matcher together; the stored form of a silence is these three.
    ///
    /// # Errors
    /// The expression cannot be compiled or is too large, or the value is too long.
    pub fn new(label: Label, op: Op, value: String) -> Result<Self, NotAMatcher> {
        if value.len() > VALUE_BYTES {
            return Err(NotAMatcher::TooLong);
        }
        let regex = match op {
            Op::Equal | Op::NotEqual => None,
            Op::Regex | Op::NotRegex => Some(anchored(&value)?),
        };
        Ok(Self { label, op, value, regex })
    }

    /// Which label it asks for.
    #[must_use]
    pub fn label(&self) -> Label {
        self.label
    }

    /// How it compares.
    #[must_use]
    pub fn op(&self) -> Op {
        self.op
    }

    /// What it compares with, without quotes.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether these labels meet it.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let found = labels.get(self.label);
        let same = self.regex.as_ref().map_or(found == self.value, |regex| regex.is_match(found));
        same == matches!(self.op, Op::Equal | Op::Regex)
    }
}

/// Whether these labels meet every matcher; without matchers they do.
#[must_use]
pub fn all(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

/// Alone first, so that `a)|(b` is refused and cannot slip out of its anchors.
fn anchored(value: &str) -> Result<Regex, NotAMatcher> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(REGEX_BYTES).build();
    let built = build(value).and_then(|_| build(&format!("^(?s:{value})$")));
    built.map_err(|error| {
        let told = error.to_string();
        let problem = told.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        NotAMatcher::BadRegex { value: value.to_owned(), problem }
    })
}

impl FromStr for Matcher {
    type Err = NotAMatcher;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let no_operator = || NotAMatcher::NoOperator(text.chars().take(64).collect());
        let at = text.find(['=', '!']).ok_or_else(no_operator)?;
        let (name, rest) = (text[..at].trim(), &text[at..]);
        // The longer operators first: `=` begins one of them.
        let ops = [Op::NotEqual, Op::Regex, Op::NotRegex, Op::Equal];
        let op = ops.into_iter().find(|op| rest.starts_with(op.as_str())).ok_or_else(no_operator)?;
        let label = name.parse().map_err(|_| NotAMatcher::UnknownLabel {
            label: name.chars().take(64).collect(),
            known: Label::ALL.iter().map(|label| label.as_str()).collect::<Vec<_>>().join(", "),
        })?;
        Self::new(label, op, value(rest[op.as_str().len()..].trim())?)
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Alertmanager's marks: a value that holds one of them stands in quotes.
const MARKS: [char; 10] = ['{', '}', '!', '=', '~', ',', '\\', '"', '\'', '`'];

fn value(text: &str) -> Result<String, NotAMatcher> {
    let Some(inner) = text.strip_prefix('"') else {
        let plain = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || MARKS.contains(&c));
        return if plain {
            Ok(text.to_owned())
        } else {
            Err(NotAMatcher::NeedsQuotes(text.chars().take(64).collect()))
        };
    };
    let bad = || NotAMatcher::BadQuotes(text.chars().take(64).collect());
    let mut value = String::new();
    let mut chars = inner.chars();
    loop {
        match chars.next().ok_or_else(bad)? {
            '"' => break,
            '\\' => match chars.next().ok_or_else(bad)? {
                'n' => value.push('\n'),
                escaped @ ('"' | '\\') => value.push(escaped),
                // As Alertmanager does, so that `\.` of an expression need not be written twice.
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    if chars.next().is_some() { Err(bad()) } else { Ok(value) }
}

/// With quotes, as it can be read back.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.label, self.op, quoted(&self.value))
    }
}

/// A value as a matcher writes it; no two values are written alike.
#[must_use]
pub fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// By what it says: a compiled expression says nothing more.
impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (self.label, self.op, &self.value) == (other.label, other.op, &other.value)
    }
}

impl Eq for Matcher {}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        Labels {
            severity: "critical".into(), region: "350582".into(), site: "丰泽, \"A\"".into(), ..Labels::default()
        }
    }

    fn meets(text: &str) -> bool {
        text.parse::<Matcher>().unwrap_or_else(|error| panic!("{error}")).matches(&labels())
    }

    #[test]
    fn each_operator_says_what_it_says() {
        for (text, expected) in [
            ("severity=critical", true),
            ("severity = \"critical\"", true),
            ("severity!=critical", false),
            ("severity!=warning", true),
            ("region=~3505.*", true),
            ("region=~3505", false),
            ("region!~3505.*", false),
            ("region!~3506.*", true),
            ("severity=~info|critical", true),
            ("severity=~crit|warning", false),
            (r#"site="丰泽, \"A\"""#, true),
            (r#"region=~"\d{6}""#, true),
            ("maintainer=\"\"", true),
            ("maintainer=~.+", false),
        ] {
            assert_eq!(meets(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_matcher_says_what_would_be_one() {
        for (text, told) in [
            ("severity", "a matcher is a label"),
            ("severity!critical", "a matcher is a label"),
            ("level=3", "unknown label \"level\"; known: rule, severity, region"),
            ("site=", "must stand in double quotes"),
            ("site=A B", "must stand in double quotes"),
            ("severity==critical", "must stand in double quotes"),
            ("site=\"A", "does not end where the matcher ends"),
            ("site=\"A\"B", "does not end where the matcher ends"),
            ("site=~\"(\"", "unclosed group"),
            ("site=~\"a)|(b\"", "unopened group"),
        ] {
            let error = text.parse::<Matcher>().unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_read_back(value in "[a\\\\\"\n=~, 丰]{0,12}", equal: bool) {
            let op = if equal { Op::Equal } else { Op::NotEqual };
            let matcher = Matcher::new(Label::Site, op, value.clone()).unwrap();
            proptest::prop_assert_eq!(matcher.to_string().parse::<Matcher>().unwrap(), matcher);
        }
    }
}
