//! What the operator does by the command line: beside a running daemon by its socket, and on the file itself without one.

use anyhow::{Context, bail};

use crate::app::settings::Settings;
use crate::app::{self, AppError};
use crate::clock::{Clock, SystemClock};
use crate::http::admin::socket_of;
use crate::pipeline::action::{Action, Done};

/// Does it on the file itself, which no daemon has now.
///
/// # Errors
/// [`AppError`] says which exit code it means.
pub async fn act(settings: &Settings, action: Action) -> Result<Done, AppError> {
    let clock = SystemClock::new();
    let mut pipeline = app::open_pipeline(settings, app::decoder(settings)?, &clock).await?;
    let done = pipeline.act(&action, clock.now()).await;
    let (done, _) = done.map_err(AppError::StorageLost)?;
    pipeline.close().await.map_err(AppError::StorageLost)?;
    Ok(done)
}

/// The daemon that has the file now.
pub struct Running {
    client: reqwest::Client,
}

/// The daemon behind the socket, if somebody listens there.
#[must_use]
pub fn running(settings: &Settings) -> Option<Running> {
    let socket = socket_of(&settings.store);
    std::os::unix::net::UnixStream::connect(&socket).ok()?;
    reqwest::Client::builder().unix_socket(socket).build().ok().map(|client| Running { client })
}

impl Running {
    /// Sends a JSON body and reads a JSON answer.
    ///
    /// # Errors
    /// The daemon gives no answer, or refuses it and says why.
    pub async fn post<A: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> anyhow::Result<A> {
        let sent = self.client.post(format!("http://localhost{path}")).json(body).send();
        let answer = sent.await.context("the running daemon gave no answer")?;
        if !answer.status().is_success() {
            let problem: serde_json::Value = answer.json().await.unwrap_or_default();
            bail!("the running daemon refuses it: {}", problem["detail"].as_str().unwrap_or("it does not say why"));
        }
        answer.json().await.context("the running daemon's answer")
    }
}
