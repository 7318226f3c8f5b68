//! `check --routes`: who would be told of an alert, by which route, and why the other routes say nothing.

use std::fmt::Write as _;

use anyhow::{Context, anyhow};

use crate::notify::escalation::{self, After, Ladder, Unless};
use crate::notify::expected;
use crate::notify::matcher::{Label, Labels, Matcher, quoted};
use crate::notify::period::show;
use crate::notify::receiver;
use crate::notify::route::{Hearing, Verdict, explain};
use crate::notify::settings::Settings;

/// The labels of the alert that is asked for; those that are not named are empty.
///
/// # Errors
/// An argument that is no `label=value`, or a label that there is not.
pub fn labels(arguments: &[String]) -> anyhow::Result<Labels> {
    let mut labels = Labels::default();
    for argument in arguments {
        let (name, value) =
            argument.split_once('=').ok_or_else(|| anyhow!("--routes {argument:?}: must be label=value"))?;
        let label: Label = name.parse().with_context(|| format!("--routes {argument:?}"))?;
        labels.set(label, value.to_owned());
    }
    Ok(labels)
}

/// A line for each route that is asked, then who is told, then who is told next.
#[must_use]
pub fn told(settings: &Settings, labels: &Labels) -> String {
    let mut text = String::new();
    let mut receivers = Vec::new();
    for (position, verdict) in explain(&settings.routes, labels) {
        let route = &settings.routes[position];
        let said = match verdict {
            Verdict::Heard(hearing) => {
                let on = if route.continues { "; the next routes are asked too" } else { "" };
                let said = format!("{} is told{}{on}", hearing.receiver, timing(&hearing));
                receivers.push(hearing.receiver);
                said
            }
            Verdict::HeardAlready(hearing) => format!("{} is told already, by a route above", hearing.receiver),
            Verdict::Unmet(matcher) => {
                let label = matcher.label();
                format!("passed over: {label}={} does not meet {matcher}", quoted(labels.get(label)))
            }
            Verdict::NoValue(label) => format!("passed over: {} needs a {label}, and there is none", route.receiver),
        };
        line(&mut text, &format!("route {} {}: {said}", position + 1, matchers(&route.matchers)));
    }
    if settings.routes.is_empty() {
        line(&mut text, "there is no [[route]]");
    }
    for name in &receivers {
        line(&mut text, &format!("told: {}", reached(settings, name)));
    }
    if receivers.is_empty() {
        line(&mut text, "told: nobody");
    } else if let Some(ladder) = escalation::ladder(&settings.ladders, labels) {
        climb(&mut text, settings, ladder, labels);
    }
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes everything");
}

fn matchers(matchers: &[Matcher]) -> String {
    let shown: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", shown.join(","))
}

fn timing(hearing: &Hearing) -> String {
    let Hearing { group_key, wait, interval, repeat, .. } = hearing;
    let together = *wait > 0 || *interval > 0;
    let (wait, interval, repeat) = (show(*wait), show(*interval), show(*repeat));
    if !together {
        return format!(" of each change at once, alone in group {group_key}, and again every {repeat}");
    }
    format!(" {wait} after the first of group {group_key}, at most every {interval}, and again every {repeat}")
}

/// The name, the section that it comes from, and its sinks.
fn reached(settings: &Settings, name: &str) -> String {
    let Some(found) = receiver::find(&settings.receivers, name) else { return format!("{name}: no such receiver") };
    let sinks: Vec<String> = found.receiver.sinks().iter().map(ToString::to_string).collect();
    format!("{name} by {} ([[receiver]] {:?})", sinks.join(", "), found.receiver.name.to_string())
}

fn climb(text: &mut String, settings: &Settings, ladder: &Ladder, labels: &Labels) {
    let on_site = expected::on_site(&labels.region, settings.notify.town_regions.as_deref());
    for step in &ladder.steps {
        let after = match step.after {
            After::Period(millis) => millis,
            After::OnSite => on_site,
        };
        let unless = match step.unless {
            Unless::Answered => "nobody has answered",
            Unless::Arrived => "nobody is on site",
        };
        let whom = match step.receiver.label().filter(|label| labels.get(*label).is_empty()) {
            Some(label) => format!("nobody, for {} needs a {label}", step.receiver),
            None => reached(settings, &step.receiver.fill(labels)),
        };
        line(text, &format!("after {}, if {unless}: {whom}", show(after)));
    }
}
