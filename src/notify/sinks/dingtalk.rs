//! A custom group robot of DingTalk (钉钉), with a signed address: markdown, in a group that shows the subject first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use sha2::Sha256;

use super::robot::{self, Asks};
use crate::domain::time::Timestamp;
use crate::notify::fill::Values;
use crate::notify::guard::Net;
use crate::notify::post::{self, Post};
use crate::notify::secret;
use crate::notify::sink::{Parcel, Sending, Sink, SinkError};

const ADDRESS: &str = "https://oapi.dingtalk.com/robot/send";

/// The longest text, in bytes: the whole body may have 20,000, and JSON may double a byte.
const LONGEST: usize = 9_000;

/// The longest title, in bytes; it is what a locked phone shows.
const TITLE: usize = 120;

/// For how long DingTalk takes nothing from a robot that called too often.
const PAUSE: Duration = Duration::from_secs(600);

/// One `[[receiver.dingtalk]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Holds what follows `access_token=` in the robot's address. May hold placeholders.
    pub token_file: PathBuf,
    /// Holds the robot's `SEC…`, where it has the security setting 加签. May hold placeholders.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// For a relay; DingTalk's own where absent.
    #[serde(default)]
    pub url: Option<String>,
    /// Certificates (PEM) that the server's must lead to; the system's own where absent.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// What can be said without opening a file.
    #[must_use]
    pub fn problems(&self) -> Vec<SinkError> {
        self.address().err().into_iter().collect()
    }

    /// Gives every path to `place`, which knows where the configuration stands.
    pub fn resolve(&mut self, place: &dyn Fn(&Path) -> PathBuf) {
        for file in [&mut self.token_file].into_iter().chain(&mut self.secret_file).chain(&mut self.ca_file) {
            *file = place(file);
        }
    }

    /// Makes the sink: reads token and secret. Calls nobody.
    ///
    /// # Errors
    /// [`SinkError`] names the key that has to change.
    pub fn connect(&self, values: &Values, allow_nets: &[Net]) -> Result<Dingtalk, SinkError> {
        let token = secret::read("token_file", &self.token_file, values)?;
        let secret = self.secret_file.as_ref().map(|file| secret::read("secret_file", file, values)).transpose()?;
        let post = Post::guarded(self.ca_file.as_deref(), allow_nets)?;
        Ok(Dingtalk { url: self.address()?, token, secret, post })
    }

    fn address(&self) -> Result<Url, SinkError> {
        let url = post::address(self.url.as_deref().unwrap_or(ADDRESS));
        let url = url.map_err(|problem| SinkError::new("url", problem))?;
        if url.query().is_some() {
            return Err(SinkError::new(
                "url",
                "must end before the ?; what follows access_token= belongs into token_file",
            ));
        }
        Ok(url)
    }
}

/// A connected robot.
pub struct Dingtalk {
    url: Url,
    token: String,
    secret: Option<String>,
    post: Post,
}

impl Sink for Dingtalk {
    fn kind(&self) -> &'static str {
        "dingtalk"
    }

    fn send<'a>(&'a self, parcel: Parcel<'a>) -> Sending<'a> {
        Box::pin(async move {
            let body = serde_json::json!({
                "msgtype": "markdown",
                "markdown": {
                    "title": robot::fitting(&parcel.text.subject, TITLE),
                    "text": robot::fitting(&parcel.text.markdown, LONGEST),
                },
            });
            let (url, signature) = self.signed(parcel.now);
            match self.post.json(&url, HeaderMap::new(), body.to_string().into_bytes(), parcel.now).await {
                Ok(reply) => robot::answer(reply, &[&self.token, &signature], means),
                Err(answer) => answer,
            }
        })
    }

    fn limit(&self) -> Option<(u32, Duration)> {
        Some(robot::LIMIT)
    }
}

impl Dingtalk {
    /// The address of this moment, and its signature; DingTalk takes it for an hour.
    fn signed(&self, now: Timestamp) -> (Url, String) {
        let mut url = self.url.clone();
        let mut signature = String::new();
        let mut query = url.query_pairs_mut();
        query.append_pair("access_token", &self.token);
        if let Some(secret) = &self.secret {
            signature = sign(secret, now.0);
            query.append_pair("timestamp", &now.0.to_string()).append_pair("sign", &signature);
        }
        drop(query);
        (url, signature)
    }
}

/// HMAC-SHA256 of `<milliseconds>\n<secret>` under the secret, in base64.
fn sign(secret: &str, millis: i64) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{millis}\n{secret}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// DingTalk's list of codes of the custom robot.
fn means(code: i64) -> Asks {
    match code {
        // More than 20 in a minute.
        130_101 | 410_100 => Asks::Wait(PAUSE),
        // The system is busy.
        -1 => Asks::Again,
        _ => Asks::Never,
    }
}
