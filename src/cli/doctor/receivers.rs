//! Whether receivers' sinks can be made, and what comes back from a test message.

use super::finding::{Finding, Verdict};
use crate::app::settings::Settings;
use crate::domain::time::Timestamp;
use crate::notify::directory::Directory;
use crate::notify::fill::Values;
use crate::notify::fresh;
use crate::notify::letter::{self, Envelope, Place};
use crate::notify::sending::LONGEST;
use crate::notify::sink::{Answer, Parcel};

/// Makes every sink that can be made without knowing a firm; calls nobody.
#[must_use]
pub fn made(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for receiver in &settings.notify.receivers {
        let about = format!("receiver {}", receiver.name);
        if let Some(label) = receiver.name.label() {
            let says = format!("stands for each {label}; --send-test with a {label}'s name filled in tries one");
            findings.push(Finding::new(Verdict::Untried, &about, says));
            continue;
        }
        for (place, sink) in receiver.connect(&Values::new(), &settings.notify.notify.allow_nets) {
            let about = format!("{about} {place}");
            findings.push(match sink {
                Ok(_) => Finding::new(Verdict::Good, &about, "its settings are good; --send-test sends a message"),
                Err(error) => Finding::new(Verdict::Failed, &about, error.to_string()),
            });
        }
    }
    findings
}

/// Sends a test message by every way to this receiver.
pub async fn sent(settings: &Settings, name: &str, now: Timestamp) -> Vec<Finding> {
    // No "received" link: there is no delivery that it could confirm.
    let directory = Directory::configured(settings.notify.clone(), settings.zone.clone(), None);
    let about = format!("receiver {name}");
    let Some(receiver) = directory.get(name) else {
        let known: Vec<String> = settings.notify.receivers.iter().map(|one| one.name.to_string()).collect();
        let says = format!("the configuration has none of this name; it has: {}", known.join(", "));
        return vec![Finding::new(Verdict::Failed, &about, says)];
    };
    let id = fresh::id('n', now);
    let place = Place { public_url: settings.notify.notify.public_url.as_deref(), towns: None };
    let message = letter::test(&Envelope { id: &id, receiver: name, group: "test", now, place });
    let mut findings = Vec::new();
    for way in &receiver.ways {
        let key = fresh::id('d', now);
        let text = (receiver.wording)(&message, &key);
        let parcel = Parcel { key: &key, attempt: 1, message: &message, text: &text, now };
        let answer = tokio::time::timeout(LONGEST, way.sink.send(parcel)).await;
        findings.push(told(&format!("{about} {}", way.label), answer.ok()));
    }
    findings
}

/// `None` is no answer in time.
fn told(about: &str, answer: Option<Answer>) -> Finding {
    let with = |status: Option<u16>| status.map_or_else(String::new, |status| format!(" ({status})"));
    match answer {
        Some(Answer::Delivered { status }) => {
            Finding::new(Verdict::Good, about, format!("took the test message{}", with(status)))
        }
        Some(Answer::Retry { status, detail, .. }) => Finding::new(
            Verdict::Failed,
            about,
            format!("could not take the test message now{}: {detail}", with(status)),
        ),
        Some(Answer::Refused { status, detail }) => {
            Finding::new(Verdict::Failed, about, format!("refused the test message{}: {detail}", with(status)))
        }
        Some(Answer::Gone { status, detail }) => {
            Finding::new(Verdict::Failed, about, format!("says that it is no more{}: {detail}", with(status)))
        }
        None => Finding::new(Verdict::Failed, about, format!("gave no answer within {} s", LONGEST.as_secs())),
    }
}
