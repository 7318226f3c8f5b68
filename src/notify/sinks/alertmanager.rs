//! Prometheus' Alertmanager, API v2: every replica is told, and told again every minute or so, because it forgets at each restart
//! what it was told, and takes an alert of which it hears nothing for resolved.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::domain::time::{MINUTE, SECOND, Timestamp};
use crate::notify::fill::Values;
use crate::notify::message::{Item, Message};
use crate::notify::period;
use crate::notify::post::{self, Post};
use crate::notify::secret;
use crate::notify::sink::{Answer, Parcel, Sending, Sink, SinkError};

/// How often everything that fires is told anew, unless the settings say otherwise.
const AGAIN: i64 = MINUTE;

/// Not more often than the refresher looks, and twice at least before an alert would end by itself.
const AGAIN_BETWEEN: RangeInclusive<i64> = 5 * SECOND..=2 * MINUTE;

/// How long an alert fires in Alertmanager after it was last told of; its own default too (`resolve_timeout`, 5 minutes).
const LASTS: i64 = 5 * MINUTE;

/// Alerts in one request: about 1 MB.
const BATCH: usize = 1_000;

/// All batches of one showing; the contract allows 15 s.
const SHOWING: Duration = Duration::from_secs(14);

/// One `[[receiver.alertmanager]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Every replica, such as `http://10.0.0.5:9093`. They stand in the operator's own network, so `allow_nets` does not
    /// apply to them, and placeholders are not filled in.
    pub urls: Vec<String>,
    /// User for HTTP basic authentication.
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) that the replicas' must lead to; the system's own where absent.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How often everything that fires is told anew, in milliseconds.
    #[serde(default = "again", deserialize_with = "period::millis")]
    pub resend_interval: i64,
}

const fn again() -> i64 {
    AGAIN
}

impl Settings {
    /// One for these replicas, with every other key left out.
    #[must_use]
    pub const fn of(urls: Vec<String>) -> Self {
        Self { urls, username: None, password_file: None, ca_file: None, resend_interval: AGAIN }
    }

    /// What can be said without opening a file.
    #[must_use]
    pub fn problems(&self) -> Vec<SinkError> {
        let mut problems: Vec<SinkError> = self
            .urls
            .iter()
            .filter_map(|url| endpoint(url).err().map(|problem| SinkError::new("urls", format!("{url:?} {problem}"))))
            .collect();
        if self.urls.is_empty() {
            problems.push(SinkError::new("urls", "names no Alertmanager"));
        }
        if !AGAIN_BETWEEN.contains(&self.resend_interval) {
            let (least, most) = (period::show(*AGAIN_BETWEEN.start()), period::show(*AGAIN_BETWEEN.end()));
            problems.push(SinkError::new("resend_interval", format!("must be from {least} to {most}")));
        }
        match (&self.username, &self.password_file) {
            (None, Some(_)) => problems.push(SinkError::new("password_file", "needs `username` beside it")),
            (Some(_), None) => problems.push(SinkError::new("username", "needs `password_file` beside it")),
            _ => {}
        }
        problems
    }

    /// Gives every path to `place`, which knows where the configuration stands.
    pub fn resolve(&mut self, place: &dyn Fn(&Path) -> PathBuf) {
        for file in self.password_file.iter_mut().chain(&mut self.ca_file) {
            *file = place(file);
        }
    }

    /// Makes the sink: reads the password. Calls nobody.
    ///
    /// # Errors
    /// [`SinkError`] names the key that has to change.
    pub fn connect(&self) -> Result<Alertmanager, SinkError> {
        let endpoints = self.urls.iter().map(|url| endpoint(url)).collect::<Result<Vec<_>, _>>();
        let endpoints = endpoints.map_err(|problem| SinkError::new("urls", problem))?;
        let mut headers = HeaderMap::new();
        if let (Some(user), Some(file)) = (&self.username, &self.password_file) {
            let password = secret::read("password_file", file, &Values::new())?;
            let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            post::header(&mut headers, "authorization", &login);
        }
        let post = Post::trusting(self.ca_file.as_deref())?;
        let again = Duration::from_millis(u64::try_from(self.resend_interval).unwrap_or(0));
        Ok(Alertmanager { endpoints, headers, post, again })
    }
}

/// A connected set of replicas.
pub struct Alertmanager {
    endpoints: Vec<Url>,
    headers: HeaderMap,
    post: Post,
    again: Duration,
}

impl Sink for Alertmanager {
    fn kind(&self) -> &'static str {
        "alertmanager"
    }

    fn send<'a>(&'a self, parcel: Parcel<'a>) -> Sending<'a> {
        Box::pin(async move {
            let mut alerts: Vec<Alert<'_>> = parcel.message.items.iter().map(|item| alert(item, parcel.now)).collect();
            if alerts.is_empty() {
                alerts.push(about_ourselves(parcel));
            }
            self.tell(&alerts, parcel.now).await
        })
    }

    fn refresh(&self) -> Option<Duration> {
        Some(self.again)
    }

    fn show<'a>(&'a self, firing: &'a [Item], now: Timestamp) -> Sending<'a> {
        Box::pin(async move {
            let showing = async {
                let mut last = Answer::Delivered { status: None };
                for batch in firing.chunks(BATCH) {
                    let alerts: Vec<Alert<'_>> = batch.iter().map(|item| alert(item, now)).collect();
                    last = self.tell(&alerts, now).await;
                    if !matches!(last, Answer::Delivered { .. }) {
                        break;
                    }
                }
                last
            };
            tokio::time::timeout(SHOWING, showing).await.unwrap_or_else(|_| Answer::Retry {
                status: None,
                detail: format!("not all alerts were taken within {} s", SHOWING.as_secs()),
                after: None,
            })
        })
    }
}

impl Alertmanager {
    /// Tells every replica at once. It is delivered when one has it: the replicas gossip about what they have told people,
    /// and the next showing reaches those that were away.
    async fn tell(&self, alerts: &[Alert<'_>], now: Timestamp) -> Answer {
        let body = serde_json::to_vec(alerts).expect("texts and lists are JSON");
        let mut calls = JoinSet::new();
        for endpoint in &self.endpoints {
            let (post, url, headers, body) = (self.post.clone(), endpoint.clone(), self.headers.clone(), body.clone());
            calls.spawn(async move {
                match post.json(&url, headers, body, now).await {
                    Ok(reply) => reply.answer(&[]),
                    Err(answer) => answer,
                }
            });
        }
        let answers = calls.join_all().await;
        let best = answers.into_iter().min_by_key(|answer| match answer {
            Answer::Delivered { .. } => 0,
            Answer::Retry { .. } => 1,
            Answer::Refused { .. } => 2,
            Answer::Gone { .. } => 3,
        });
        match best {
            // A path that is no more is a misplaced address: a replica does not say goodbye.
            Some(Answer::Gone { status, detail }) => Answer::Refused { status, detail },
            Some(answer) => answer,
            None => Answer::Refused { status: None, detail: "no Alertmanager is configured".to_owned() },
        }
    }
}

/// One alert as the API wants it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    labels: BTreeMap<&'static str, &'a str>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<&'a str>,
}

/// Labels say which alert it is, and stay the same while it lasts but for the severity; a rise is another alert to
/// Alertmanager, and the weaker one ends by itself within five minutes.
fn alert(item: &Item, now: Timestamp) -> Alert<'_> {
    let labels = [
        ("alertname", &*item.rule),
        ("severity", &item.severity),
        ("unit", &item.unit),
        ("region", &item.region),
        ("site", &item.site),
        ("owner", &item.owner),
        ("maintainer", &item.maintainer),
    ];
    let annotations = [
        ("alert", item.alert.clone()),
        ("summary_zh", item.summary_zh.clone()),
        ("summary_en", item.summary_en.clone()),
        ("address", item.address.clone()),
        ("basis", item.basis.clone()),
        ("expected_zh", item.expected_zh.clone()),
        ("expected_en", item.expected_en.clone()),
        ("expected_by", item.expected_by.map(|at| Timestamp(at).to_string()).unwrap_or_default()),
    ];
    // An end before the beginning is refused, and an end ahead of now would still fire.
    let ends_at = match item.ends_at {
        Some(end) if !item.firing => end.min(now.0).max(item.starts_at),
        None if !item.firing => now.0.max(item.starts_at),
        _ => (now.0 + LASTS).max(item.starts_at),
    };
    Alert {
        labels: labels.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        annotations: annotations.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        starts_at: Timestamp(item.starts_at).to_string(),
        ends_at: Timestamp(ends_at).to_string(),
        generator_url: item.link.as_deref(),
    }
}

/// A heartbeat, a test, or trouble of liftwatch's own: `alertname="liftwatch"`, for five minutes.
fn about_ourselves(parcel: Parcel<'_>) -> Alert<'_> {
    let Message { kind, link, .. } = parcel.message;
    let severity = if kind == "operator" { "warning" } else { "info" };
    Alert {
        labels: [("alertname", "liftwatch"), ("kind", kind), ("severity", severity)].into(),
        annotations: [("summary", parcel.text.subject.clone()), ("description", parcel.text.plain.clone())].into(),
        starts_at: Timestamp(parcel.message.created_at.min(parcel.now.0)).to_string(),
        ends_at: (parcel.now + LASTS).to_string(),
        generator_url: link.as_deref(),
    }
}

fn endpoint(url: &str) -> Result<Url, String> {
    let mut url = post::address(url)?;
    if url.query().is_some() {
        return Err("must end before the ?".to_owned());
    }
    let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_alerts_of_an_alertmanager_behind_a_path() {
        assert_eq!(endpoint("http://am:9093").unwrap().as_str(), "http://am:9093/api/v2/alerts");
        assert_eq!(endpoint("https://am/prefix/").unwrap().as_str(), "https://am/prefix/api/v2/alerts");
        assert!(endpoint("am:9093").is_err());
    }

    #[test]
    fn says_which_key_is_wrong() {
        let settings = Settings { username: Some("a".to_owned()), ..Settings::of(Vec::new()) };
        let keys: Vec<&str> = settings.problems().iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["urls", "username"]);
    }
}
