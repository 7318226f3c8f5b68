//! A group robot of WeCom (企业微信): markdown of at most 4,096 bytes. Who knows the robot's key may write to the group, so
//! the key is a secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::robot::{self, Asks};
use crate::notify::fill::Values;
use crate::notify::guard::Net;
use crate::notify::post::{self, Post};
use crate::notify::secret;
use crate::notify::sink::{Parcel, Sending, Sink, SinkError};

const ADDRESS: &str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send";

/// The longest content of a markdown message, in bytes of UTF-8 (developer.work.weixin.qq.com, group robots).
const LONGEST: usize = 4096;

/// One `[[receiver.wecom]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Holds what follows `key=` in the robot's address. May hold placeholders.
    pub key_file: PathBuf,
    /// For a relay or a private installation; WeCom's own where absent.
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
        for file in [&mut self.key_file].into_iter().chain(&mut self.ca_file) {
            *file = place(file);
        }
    }

    /// Makes the sink: reads the key. Calls nobody.
    ///
    /// # Errors
    /// [`SinkError`] names the key that has to change.
    pub fn connect(&self, values: &Values, allow_nets: &[Net]) -> Result<Wecom, SinkError> {
        let key = secret::read("key_file", &self.key_file, values)?;
        let mut url = self.address()?;
        url.query_pairs_mut().append_pair("key", &key);
        Ok(Wecom { url, key, post: Post::guarded(self.ca_file.as_deref(), allow_nets)? })
    }

    fn address(&self) -> Result<Url, SinkError> {
        let url = post::address(self.url.as_deref().unwrap_or(ADDRESS));
        let url = url.map_err(|problem| SinkError::new("url", problem))?;
        if url.query().is_some() {
            return Err(SinkError::new("url", "must end before the ?; what follows key= belongs into key_file"));
        }
        Ok(url)
    }
}

/// A connected robot.
pub struct Wecom {
    url: Url,
    key: String,
    post: Post,
}

impl Sink for Wecom {
    fn kind(&self) -> &'static str {
        "wecom"
    }

    fn send<'a>(&'a self, parcel: Parcel<'a>) -> Sending<'a> {
        Box::pin(async move {
            let content = robot::fitting(&parcel.text.markdown, LONGEST);
            let body = serde_json::json!({ "msgtype": "markdown", "markdown": { "content": content } });
            match self.post.json(&self.url, HeaderMap::new(), body.to_string().into_bytes(), parcel.now).await {
                Ok(reply) => robot::answer(reply, &[&self.key], means),
                Err(answer) => answer,
            }
        })
    }

    fn limit(&self) -> Option<(u32, Duration)> {
        Some(robot::LIMIT)
    }
}

/// WeCom's list of global codes.
fn means(code: i64) -> Asks {
    match code {
        // Called too often: the limit counts by the minute.
        45009 => Asks::Wait(Duration::from_secs(60)),
        // The system is busy.
        -1 => Asks::Again,
        _ => Asks::Never,
    }
}
