//! `/r/{delivery}/{signature}`: the page behind a message's "received" link. To look changes nothing, for mail scanners
//! look as well; the button does. The signature is the right to both, and nothing else of the city is shown.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use axum::routing::get;

use super::areas::AreaView;
use super::frame::{Frame, Reading, page};
use super::show::{AlertView, Desk, Moment};
use crate::http::door;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::pipeline::action::{Action, Done};
use crate::pipeline::answers::Received;

/// Alerts that the page lists: as many as a message does.
const LISTED: u32 = 20;

/// Delivery and signature, if they can be read.
type Link = Result<Path<(String, String)>, PathRejection>;

#[derive(Template)]
#[template(path = "received.html")]
struct ReceivedPage {
    frame: Frame,
    receiver: String,
    created: Moment,
    count: i64,
    alerts: Vec<AlertView>,
    areas: Vec<AreaView>,
    received: Option<Moment>,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/r/{delivery}/{signature}", get(show).post(receive))
}

/// The delivery of a link that we signed; every other link leads nowhere.
fn signed(http: &Http, link: Link) -> Result<(String, String), Problem> {
    let nowhere = || Problem::new(StatusCode::NOT_FOUND, "this link is not, or no longer, good");
    let Path((delivery, signature)) = link.map_err(|_| nowhere())?;
    let good = http.answering.links.as_ref().is_some_and(|key| key.is_signed(&delivery, &signature));
    if good { Ok((delivery, signature)) } else { Err(nowhere()) }
}

async fn show(State(http): State<Arc<Http>>, reading: Reading, link: Link) -> Result<Response, Problem> {
    let (delivery, _) = signed(&http, link)?;
    let file = http.reader.received(&delivery, LISTED).await?;
    let file = file.ok_or_else(|| Problem::missing("delivery", &delivery))?;
    let desk = Desk::of(&http, reading.language);
    page(&ReceivedPage {
        frame: reading.frame(reading.language.phrases().received_button, ""),
        created: Moment::of(file.created_at, &desk),
        received: file.received_at.map(|at| Moment::of(at, &desk)),
        alerts: AlertView::all(&file.alerts, &desk),
        areas: AreaView::all(&file.areas, &desk),
        receiver: file.receiver,
        count: file.count,
    })
}

async fn receive(State(http): State<Arc<Http>>, link: Link) -> Result<Redirect, Problem> {
    let (delivery, signature) = signed(&http, link)?;
    let expires_at = http.answering.ack_timeout.map(|timeout| http.clock.now() + timeout);
    let receive = Action::Receive { delivery: delivery.clone(), expires_at };
    match door::ask(&http.actions, receive).await? {
        Done::Received(Received::UnknownDelivery) => Err(Problem::missing("delivery", &delivery)),
        // Led to the page that says so, which may be reloaded.
        _ => Ok(Redirect::to(&format!("/r/{delivery}/{signature}"))),
    }
}
