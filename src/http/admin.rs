//! `/admin/tokens`, on the operator's socket alone: a file beside the database, which only its owner and root may open.
//! Whoever comes that way may use every other route as well.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::serve::Listener;
use axum::{Json, Router};
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

use super::api::answering::body;
use super::door;
use super::handles::Http;
use super::problem::Problem;
use super::query::Id;
use crate::domain::access::Access;
use crate::domain::time::Timestamp;
use crate::pipeline::action::{Action, Done};
use crate::store::tokens::{NewToken, Revocation};
use crate::token;

/// A token to be made, as the command line asks for it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedWire {
    pub role: String,
    pub scope: Vec<String>,
    pub personal: bool,
    pub name: String,
    /// Milliseconds since 1970.
    pub expires_at: Option<i64>,
}

/// A token that was made. The secret is in no other place.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct MadeWire {
    pub id: String,
    pub secret: String,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/admin/tokens", get(list).post(add)).route("/admin/tokens/{id}/revoke", post(revoke))
}

async fn list(State(http): State<Arc<Http>>) -> Json<Vec<String>> {
    Json(http.keeper.tokens.all().into_iter().map(|row| row.id).collect())
}

async fn add(State(http): State<Arc<Http>>, headers: HeaderMap, sent: Body) -> Result<Json<MadeWire>, Problem> {
    let wanted: WantedWire = body(&headers, sent, "a token").await?;
    let bad = |error: String| Problem::new(StatusCode::BAD_REQUEST, error);
    let role = wanted.role.parse().map_err(|error| bad(format!("{error}")))?;
    let access = Access::new(role, wanted.scope, wanted.personal).map_err(|error| bad(error.to_string()))?;
    let secret = token::draw();
    let (digest, expires_at) = (token::Digest::of(&secret), wanted.expires_at.map(Timestamp));
    let new = NewToken { digest, access, name: wanted.name, expires_at };
    let Done::TokenAdded(id) = door::ask(&http.actions, Action::AddToken(new)).await? else {
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the token was not made"));
    };
    http.keeper.tokens.load(&http.reader).await?;
    Ok(Json(MadeWire { id, secret }))
}

async fn revoke(State(http): State<Arc<Http>>, id: Id) -> Result<Json<bool>, Problem> {
    let done = door::ask(&http.actions, Action::RevokeToken { id: id.0.clone() }).await?;
    http.keeper.tokens.load(&http.reader).await?;
    match done {
        Done::TokenRevoked(Revocation::UnknownToken) => Err(Problem::missing("token", &id.0)),
        Done::TokenRevoked(done) => Ok(Json(done == Revocation::Done)),
        _ => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the token was not revoked")),
    }
}

/// Where the socket of a database stands: beside it.
#[must_use]
pub fn socket_of(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".sock");
    PathBuf::from(name)
}

/// The socket; the file goes with it.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Who we are.
    owner: u32,
}

impl Socket {
    /// Opens the socket of a database that this process has locked, so that a file left there is nobody's.
    ///
    /// # Errors
    /// Those of the system; a path of more than 107 bytes is too long for a socket.
    pub fn bind(store: &Path) -> io::Result<Self> {
        let path = socket_of(store);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
        let owner = std::fs::metadata(&path)?.uid();
        Ok(Self { listener, path, owner })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

impl Listener for Socket {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            // Between bind and its permissions somebody else may have come in.
            match stream.peer_cred() {
                Ok(peer) if peer.uid() == self.owner || peer.uid() == 0 => return (stream, address),
                _ => tracing::warn!("a stranger at the operator's socket"),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
