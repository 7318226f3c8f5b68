//! Webhooks as Standard Webhooks 1.0 signs them (www.standardwebhooks.com): the receiver can tell that a message is ours,
//! that it is fresh, and that it had it before.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::domain::time::Timestamp;
use crate::notify::fill::{self, Values};
use crate::notify::guard::Net;
use crate::notify::message::Item;
use crate::notify::post::{self, Post};
use crate::notify::secret;
use crate::notify::sink::{Parcel, Sending, Sink, SinkError};

/// A secret's length in bytes, as the standard wants it.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// One `[[receiver.webhook]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// May hold placeholders.
    pub url: String,
    /// Each holds one `whsec_…`; two while one is replaced by another. May hold placeholders.
    pub secret_files: Vec<PathBuf>,
    /// Certificates (PEM) that the receiver's must lead to; the system's own where absent.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// What can be said without the registry and without opening a file.
    #[must_use]
    pub fn problems(&self) -> Vec<SinkError> {
        let mut problems = Vec::new();
        let names = fill::names(&self.url).map(|names| names.into_iter().map(|name| (name.to_owned(), "x".to_owned())));
        let address =
            names.and_then(|names| fill::url(&self.url, &names.collect())).and_then(|url| post::address(&url));
        if let Err(problem) = address {
            problems.push(SinkError::new("url", problem));
        }
        if self.secret_files.is_empty() {
            problems.push(SinkError::new("secret_files", "names no file; a receiver must be able to tell who calls"));
        }
        problems
    }

    /// Gives every path to `place`, which knows where the configuration stands.
    pub fn resolve(&mut self, place: &dyn Fn(&Path) -> PathBuf) {
        for file in self.secret_files.iter_mut().chain(&mut self.ca_file) {
            *file = place(file);
        }
    }

    /// Makes the sink: fills in placeholders, reads the secrets. Calls nobody.
    ///
    /// # Errors
    /// [`SinkError`] names the key that has to change.
    pub fn connect(&self, values: &Values, allow_nets: &[Net]) -> Result<Webhook, SinkError> {
        let url = fill::url(&self.url, values).and_then(|url| post::address(&url));
        let url = url.map_err(|problem| SinkError::new("url", problem))?;
        let secrets = self.secret_files.iter().map(|file| read_secret(file, values)).collect::<Result<Vec<_>, _>>()?;
        Ok(Webhook { url, secrets, post: Post::guarded(self.ca_file.as_deref(), allow_nets)? })
    }
}

/// A connected webhook.
pub struct Webhook {
    url: Url,
    secrets: Vec<Vec<u8>>,
    post: Post,
}

impl Webhook {
    /// The same webhook by another client.
    #[must_use]
    pub fn by(self, post: Post) -> Self {
        Self { post, ..self }
    }
}

impl Sink for Webhook {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn send<'a>(&'a self, parcel: Parcel<'a>) -> Sending<'a> {
        Box::pin(async move {
            let body = body(parcel);
            let seconds = parcel.now.0.div_euclid(1000);
            let mut headers = HeaderMap::new();
            post::header(&mut headers, "webhook-id", parcel.key);
            post::header(&mut headers, "webhook-timestamp", &seconds.to_string());
            post::header(&mut headers, "webhook-signature", &signatures(&self.secrets, parcel.key, seconds, &body));
            match self.post.json(&self.url, headers, body.into_bytes(), parcel.now).await {
                Ok(reply) => reply.answer(&[self.url.path(), self.url.as_str()]),
                Err(answer) => answer,
            }
        })
    }
}

fn read_secret(file: &Path, values: &Values) -> Result<Vec<u8>, SinkError> {
    let text = secret::read("secret_files", file, values)?;
    let wrong = |problem| SinkError::new("secret_files", format!("{}: {problem}", file.display()));
    let coded = text.strip_prefix("whsec_").ok_or_else(|| wrong("must begin with whsec_"))?;
    let bytes = STANDARD.decode(coded).map_err(|_| wrong("must be base64 after whsec_"))?;
    if SECRET_BYTES.contains(&bytes.len()) { Ok(bytes) } else { Err(wrong("must be 24 to 64 bytes in base64")) }
}

/// `v1,<base64>` of each secret: a receiver that knows any of them is content.
fn signatures(secrets: &[Vec<u8>], id: &str, seconds: i64, body: &str) -> String {
    let sign = |secret: &Vec<u8>| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

/// The payload, the same at every try.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    notification: &'a str,
    receiver: &'a str,
    group: &'a str,
    subject: &'a str,
    text: &'a str,
    count: usize,
    link: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    checkpoint: &'a str,
    alerts: Vec<Alert<'a>>,
}

#[derive(Serialize)]
struct Alert<'a> {
    id: &'a str,
    rule: &'a str,
    severity: &'a str,
    change: &'a str,
    status: &'static str,
    starts_at: String,
    ends_at: Option<String>,
    unit: &'a str,
    region: &'a str,
    site: &'a str,
    address: &'a str,
    owner: &'a str,
    maintainer: &'a str,
    summary: Both<'a>,
    basis: &'a str,
    expected: Both<'a>,
    expected_by: Option<String>,
    link: Option<&'a str>,
}

#[derive(Serialize)]
struct Both<'a> {
    zh: &'a str,
    en: &'a str,
}

fn body(parcel: Parcel<'_>) -> String {
    let message = parcel.message;
    let body = Body {
        kind: format!("liftwatch.{}", message.kind),
        timestamp: Timestamp(message.created_at).to_string(),
        data: Data {
            notification: &message.id,
            receiver: &message.receiver,
            group: &message.group,
            subject: &parcel.text.subject,
            text: &parcel.text.plain,
            count: message.count,
            link: message.link.as_deref(),
            checkpoint: &message.checkpoint,
            alerts: message.items.iter().map(alert).collect(),
        },
    };
    serde_json::to_string(&body).expect("texts, numbers and lists are JSON")
}

fn alert(item: &Item) -> Alert<'_> {
    let time = |at: i64| Timestamp(at).to_string();
    Alert {
        id: &item.alert,
        rule: &item.rule,
        severity: &item.severity,
        change: &item.change,
        status: if item.firing { "firing" } else { "resolved" },
        starts_at: time(item.starts_at),
        ends_at: item.ends_at.map(time),
        unit: &item.unit,
        region: &item.region,
        site: &item.site,
        address: &item.address,
        owner: &item.owner,
        maintainer: &item.maintainer,
        summary: Both { zh: &item.summary_zh, en: &item.summary_en },
        basis: &item.basis,
        expected: Both { zh: &item.expected_zh, en: &item.expected_en },
        expected_by: item.expected_by.map(time),
        link: item.link.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the standard's own libraries.
    #[test]
    fn signs_the_standards_own_example() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn says_which_key_is_wrong() {
        let settings = |url: &str| Settings { url: url.to_owned(), secret_files: vec!["k".into()], ca_file: None };
        assert_eq!(settings("https://hooks.example/{maintainer}").problems(), []);
        assert_eq!(settings("ftp://a").problems()[0].key, "url");
        assert_eq!(settings("https://a/{").problems()[0].key, "url");
        let none = Settings { secret_files: Vec::new(), ..settings("https://a") };
        assert_eq!(none.problems()[0].key, "secret_files");
    }

    #[test]
    fn a_secret_is_whsec_and_24_to_64_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let right = format!("whsec_{}", STANDARD.encode([7; 24]));
        for (text, good) in [
            (right.as_str(), true),
            ("whsec_", false),
            ("whsec_!!!", false),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false),
            (&format!("whsec_{}", STANDARD.encode([7; 23])), false),
            (&format!("whsec_{}", STANDARD.encode([7; 65])), false),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read_secret(&file, &Values::new()).is_ok(), good, "{text}");
        }
    }
}
