//! Counting in a sliding window: an incident at `t` counts in `[t, t + window)`; and the union of such windows.

use crate::domain::alert::{Span, Step, Summary};
use crate::domain::time::Timestamp;

/// When the count of incidents reaches `count`, the condition has this level.
#[derive(Debug, Clone, Copy)]
pub struct Threshold {
    pub count: usize,
    pub level: u8,
}

/// The spans in which at least the lowest threshold's count of `times` lies in the window, ascending and not touching.
///
/// `times` ascend. `describe` gets the indexes that count when a span begins, and answers its evidence and summary.
pub fn counting_spans(
    times: &[Timestamp],
    window: i64,
    thresholds: &[Threshold],
    describe: impl Fn(&[usize]) -> (Vec<String>, Summary),
) -> Vec<Span> {
    let mut bounds: Vec<Timestamp> = times.iter().flat_map(|at| [*at, *at + window]).collect();
    bounds.sort_unstable();
    bounds.dedup();

    let mut spans: Vec<Span> = Vec::new();
    let mut open: Option<Span> = None;
    let (mut oldest, mut next) = (0, 0);
    for bound in bounds {
        while next < times.len() && times[next] <= bound {
            next += 1;
        }
        while oldest < next && times[oldest] + window <= bound {
            oldest += 1;
        }
        let level = level_of(next - oldest, thresholds);
        match (&mut open, level) {
            (None, 0) => {}
            (None, level) => {
                let counting: Vec<usize> = (oldest..next).collect();
                let (evidence, summary) = describe(&counting);
                open =
                    Some(Span { start: bound, end: None, steps: vec![Step { at: bound, level }], evidence, summary });
            }
            (Some(_), 0) => spans.extend(open.take().map(|span| Span { end: Some(bound), ..span })),
            (Some(span), level) => push_step(&mut span.steps, Step { at: bound, level }),
        }
    }
    spans
}

/// Adds a step unless the level stays as it was.
pub fn push_step(steps: &mut Vec<Step>, step: Step) {
    if steps.last().is_none_or(|last| last.level != step.level) {
        steps.push(step);
    }
}

fn level_of(count: usize, thresholds: &[Threshold]) -> u8 {
    thresholds.iter().filter(|threshold| count >= threshold.count).map(|threshold| threshold.level).max().unwrap_or(0)
}

/// Merges spans of one level that overlap or touch; the evidence and summary of the first are kept.
#[must_use]
pub fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.end.is_none_or(|end| span.start < end));
    spans.sort_by(|a, b| (a.start, &a.evidence).cmp(&(b.start, &b.evidence)));
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if last.end.is_none_or(|end| span.start <= end) => {
                last.end = match (last.end, span.end) {
                    (Some(a), Some(b)) => Some(a.max(b)),
                    _ => None,
                };
            }
            _ => merged.push(span),
        }
    }
    merged
}

/// Something that was found at a moment, and stands from then on for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub at: Timestamp,
    pub evidence: Vec<String>,
    pub summary: Summary,
}

/// Spans of `hold` milliseconds from each finding on. Those that meet are one, with the evidence of all of them and a level
/// for each; the summary is the first's.
#[must_use]
pub fn held(mut findings: Vec<Finding>, hold: i64) -> Vec<Span> {
    findings.sort_by(|a, b| (a.at, &a.evidence).cmp(&(b.at, &b.evidence)));
    let mut spans: Vec<Span> = Vec::new();
    for Finding { at, evidence, summary } in findings {
        let end = Some(at + hold);
        match spans.last_mut() {
            Some(last) if last.end.is_some_and(|end| at <= end) => {
                last.end = end;
                let level = last.steps.last().map_or(1, |step| step.level.saturating_add(1));
                match last.steps.last_mut().filter(|step| step.at == at) {
                    Some(step) => step.level = level,
                    None => last.steps.push(Step { at, level }),
                }
                let new: Vec<String> = evidence.into_iter().filter(|id| !last.evidence.contains(id)).collect();
                last.evidence.extend(new);
            }
            _ => spans.push(Span { start: at, end, steps: vec![Step { at, level: 1 }], evidence, summary }),
        }
    }
    spans
}
