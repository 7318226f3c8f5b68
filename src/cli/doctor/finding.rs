//! One line of the doctor's report.

use std::fmt;

/// What a finding asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// Works today, and will lose or stop something one day.
    Change,
    /// Does not work.
    Failed,
    /// Could not be found out; the line says why.
    Untried,
}

/// What was looked at, and what came of it or has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    pub about: String,
    pub says: String,
}

impl Finding {
    /// A line; `says` is one sentence with what to do in it, if there is anything to do.
    #[must_use]
    pub fn new(verdict: Verdict, about: &str, says: impl Into<String>) -> Self {
        Self { verdict, about: about.to_owned(), says: says.into() }
    }

    /// Whether somebody has to act.
    #[must_use]
    pub fn asks(&self) -> bool {
        matches!(self.verdict, Verdict::Change | Verdict::Failed)
    }
}

/// One line; what brokers and receivers write cannot make two of it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Change => "change",
            Verdict::Failed => "failed",
            Verdict::Untried => "untried",
        };
        let says: String = self.says.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        write!(f, "{word:<8}{}: {says}", self.about)
    }
}
