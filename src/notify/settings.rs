//! `[notify]`, `[[receiver]]`, `[[route]]` and `[[escalation]]`, read and held against each other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::Deserialize;

use super::escalation::Ladder;
use super::fill::Values;
use super::guard::Net;
use super::period;
use super::receiver::{self, Place, Receiver};
use super::route::{Name, Route};
use super::sink::SinkError;
use super::text::Templates;
use crate::config::Document;

/// `[notify]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// Where people reach the pages; links in messages begin with it. Without it messages have no links.
    pub public_url: Option<String>,
    /// Who hears of dead letters and of liftwatch's own troubles.
    pub operator: Option<String>,
    pub heartbeat: Option<Heartbeat>,
    /// The ledger's newest checkpoint, on a schedule, to somebody who keeps it elsewhere.
    pub checkpoints: Option<Heartbeat>,
    /// Networks inside which a webhook's address may lie.
    pub allow_nets: Vec<Net>,
    /// The key that signs "received" links; without it messages have none.
    pub secret_file: Option<PathBuf>,
    /// After so many milliseconds an acknowledgement that names no end ceases to count. Without it, it lasts until the
    /// alert is over.
    #[serde(deserialize_with = "period::optional")]
    pub ack_timeout: Option<i64>,
    /// The operator's own templates; each file in it stands for the built-in one of its name.
    pub templates: Option<PathBuf>,
    /// Regions in which somebody must be on site within 30 minutes of an entrapment; elsewhere it is 60. Without it, those
    /// whose code is a city district's.
    pub town_regions: Option<Vec<String>>,
}

/// What a receiver is told on a schedule: that the way works (whoever misses it knows that we are gone), or the newest
/// checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    pub receiver: String,
    pub every_minutes: u32,
}

/// Everything about telling people.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// With paths resolved, and `public_url` without a slash at its end.
    pub notify: Notify,
    pub receivers: Vec<Receiver>,
    /// In the order of the file, which is the order in which they are asked.
    pub routes: Vec<Route>,
    /// In the order of the file; the first that matches holds.
    pub ladders: Vec<Ladder>,
    pub templates: Templates,
}

/// A key as long as the HMAC's own state is as good as a longer one.
const KEY_BYTES: usize = 32;

impl Settings {
    /// Takes these sections out of the document; what is wrong is refused there.
    #[must_use]
    pub fn read(document: &mut Document) -> Self {
        let mut notify: Notify = document.section("notify");
        let receivers = read_receivers(document, &notify.allow_nets);
        // A receiver that could not be read is not in the list, and is not missing either.
        let whole = !document.has(&format!("receiver.{}", receivers.len()));
        check_notify(document, &mut notify);
        let templates = read_templates(document, &mut notify);
        let routes: Vec<(usize, Route)> = document.list_at("route");
        let ladders: Vec<(usize, Ladder)> = document.list_at("escalation");
        if whole {
            check_names(document, &notify, &receivers);
            check_routes(document, &receivers, &routes);
            check_ladders(document, &receivers, &ladders);
        }
        let routes = routes.into_iter().map(|(_, route)| route).collect();
        let ladders = ladders.into_iter().map(|(_, ladder)| ladder).collect();
        Self { notify, receivers, routes, ladders, templates }
    }

    /// The key that signs "received" links.
    ///
    /// # Errors
    /// The file cannot be read or is too short.
    pub fn key(&self) -> Result<Option<Vec<u8>>, String> {
        self.notify.secret_file.as_deref().map(read_key).transpose()
    }
}

/// The file's bytes; a line end after them is not part of the key.
fn read_key(path: &Path) -> Result<Vec<u8>, String> {
    let mut key = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    while key.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        key.pop();
    }
    if key.len() < KEY_BYTES {
        return Err(format!(
            "{} holds {} bytes; a key has at least {KEY_BYTES}: openssl rand -base64 48",
            path.display(),
            key.len()
        ));
    }
    Ok(key)
}

fn check_notify(document: &mut Document, notify: &mut Notify) {
    if let Some(text) = &mut notify.public_url {
        match address(text) {
            Ok(plain) => *text = plain,
            Err(problem) => document.refuse("notify.public_url", problem),
        }
    }
    if let Some(path) = &mut notify.secret_file {
        *path = document.resolve(path);
        if let Err(problem) = read_key(path) {
            document.refuse("notify.secret_file", problem);
        }
    }
    if notify.ack_timeout == Some(0) {
        document.refuse("notify.ack_timeout", "must be longer than 0s");
    }
    if notify.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.every_minutes == 0) {
        document.refuse("notify.heartbeat.every_minutes", "must be at least 1");
    }
    if notify.checkpoints.as_ref().is_some_and(|checkpoints| checkpoints.every_minutes == 0) {
        document.refuse("notify.checkpoints.every_minutes", "must be at least 1");
    }
    for code in notify.town_regions.iter().flatten() {
        if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            document.refuse("notify.town_regions", format!("{code:?} is no six-digit administrative code"));
        }
    }
}

/// An address to which `/alerts/…` can be appended.
fn address(text: &str) -> Result<String, &'static str> {
    let bad = "must be the address of the pages, such as https://lifts.example, without ? and #";
    let url = Url::parse(text).map_err(|_| bad)?;
    let good = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password, which every receiver would read");
    }
    if good { Ok(url.as_str().trim_end_matches('/').to_owned()) } else { Err(bad) }
}

fn read_templates(document: &mut Document, notify: &mut Notify) -> Templates {
    let folder = notify.templates.as_mut().map(|folder| {
        *folder = document.resolve(folder);
        &*folder
    });
    match Templates::load(folder.map(PathBuf::as_path)) {
        Ok(templates) => templates,
        Err(problems) => {
            for problem in problems {
                document.refuse("notify.templates", problem.to_string());
            }
            Templates::default()
        }
    }
}

fn read_receivers(document: &mut Document, allow_nets: &[Net]) -> Vec<Receiver> {
    let mut names = BTreeSet::new();
    let mut receivers = Vec::new();
    for (position, mut receiver) in document.list_at::<Receiver>("receiver") {
        let name = receiver.name.to_string();
        if receiver.sinks().is_empty() {
            let message = format!("{name:?} cannot be reached: it has no sink, such as [[receiver.webhook]]");
            document.refuse(&format!("receiver.{position}.name"), message);
        }
        if !names.insert(name.clone()) {
            document
                .refuse(&format!("receiver.{position}.name"), format!("{name:?} stands in an earlier [[receiver]]"));
        }
        receiver.resolve(&|path| document.resolve(path));
        for (place, error) in sink_problems(&receiver, allow_nets) {
            let Place { kind, position: sink } = place;
            document.refuse(&format!("receiver.{position}.{kind}.{sink}.{}", error.key), error.problem);
        }
        receivers.push(receiver);
    }
    receivers
}

/// What keeps a sink from being made. Of a receiver with a placeholder, only whether its placeholders are known: the
/// files of firms that are not in the registry yet may be missing.
fn sink_problems(receiver: &Receiver, allow_nets: &[Net]) -> Vec<(Place, SinkError)> {
    let problems = receiver.problems();
    if !problems.is_empty() {
        return problems;
    }
    let label = receiver.name.label();
    let values: Values = label.map(|label| (label.to_string(), "x".to_owned())).into_iter().collect();
    let made = receiver.connect(&values, allow_nets).into_iter();
    let failed = made.filter_map(|(place, made)| Some((place, made.err()?)));
    failed.filter(|(_, error)| label.is_none() || error.problem.contains("stands for nothing here")).collect()
}

/// The receivers that `[notify]` names are told by themselves, without an alert that could fill a placeholder.
fn check_names(document: &mut Document, notify: &Notify, receivers: &[Receiver]) {
    let heartbeat = notify.heartbeat.as_ref().map(|heartbeat| ("notify.heartbeat.receiver", &heartbeat.receiver));
    let checkpoints =
        notify.checkpoints.as_ref().map(|checkpoints| ("notify.checkpoints.receiver", &checkpoints.receiver));
    let operator = notify.operator.iter().map(|name| ("notify.operator", name));
    for (key, name) in operator.chain(heartbeat).chain(checkpoints) {
        if receiver::find(receivers, name).is_none() {
            document.refuse(key, nobody(name, receivers));
        }
    }
}

fn check_routes(document: &mut Document, receivers: &[Receiver], routes: &[(usize, Route)]) {
    let mut ended = false;
    for (position, route) in routes {
        if let Err(message) = known(&route.receiver, receivers) {
            document.refuse(&format!("route.{position}.receiver"), message);
        }
        if ended {
            let message = "is never asked: a route above has no `match` and takes every alert; move that one to the \
                           end, or give it `continue = true`";
            document.refuse(&format!("route.{position}"), message);
        }
        if route.repeat_interval == 0 {
            document.refuse(&format!("route.{position}.repeat_interval"), "must be longer than 0s");
        }
        ended |= route.matchers.is_empty() && route.receiver.label().is_none() && !route.continues;
    }
}

fn check_ladders(document: &mut Document, receivers: &[Receiver], ladders: &[(usize, Ladder)]) {
    for (position, ladder) in ladders {
        if ladder.steps.is_empty() {
            document.refuse(&format!("escalation.{position}.steps"), "has no step");
        }
        for (step, receiver) in ladder.steps.iter().map(|step| &step.receiver).enumerate() {
            if let Err(message) = known(receiver, receivers) {
                document.refuse(&format!("escalation.{position}.steps.{step}.receiver"), message);
            }
        }
    }
}

/// # Errors
/// No `[[receiver]]` is called so, and none has a placeholder that could stand there.
fn known(name: &Name, receivers: &[Receiver]) -> Result<(), String> {
    let text = name.to_string();
    let same = receivers.iter().any(|receiver| receiver.name == *name);
    let filled = name.label().is_none() && receiver::find(receivers, &text).is_some();
    if same || filled { Ok(()) } else { Err(nobody(&text, receivers)) }
}

fn nobody(name: &str, receivers: &[Receiver]) -> String {
    let known: Vec<String> = receivers.iter().map(|receiver| receiver.name.to_string()).collect();
    if known.is_empty() {
        return format!("no [[receiver]] is called {name:?}, and there is none at all");
    }
    format!("no [[receiver]] is called {name:?}; there are: {}", known.join(", "))
}
