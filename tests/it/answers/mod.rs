//! What people answer, from the pipeline to the page: on a clock that stands where a test puts it, in a real file.

pub mod api;
mod clicks;
mod killed;
mod recorded;
mod told;
pub mod webdriver;

use std::sync::Arc;

use liftwatch::clock::VirtualClock;
use liftwatch::domain::notice::AnswerKind;
use liftwatch::domain::time::Timestamp;
use liftwatch::http::calendar::Calendar;
use liftwatch::http::caller::Caller;
use liftwatch::http::handles::{Answering, FIRING_SERIES, Http, Showing};
use liftwatch::http::serve;
use liftwatch::http::vitals::Vitals;
use liftwatch::metrics::Metrics;
use liftwatch::notify::answered::{Standing, standing_of};
use liftwatch::pipeline::action::{Action, Asked, Done};
use liftwatch::pipeline::answers::{Answer, Answered};
use liftwatch::store::read::Reader;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::city::{Stand, key};
use crate::world::World;

/// A message about all that fires, sent now to one firm: one delivery, `d-1`.
const MESSAGE: &str = "insert into notification select 'n-1', 'maintainer:firm-1', 'alerts', 'g', \
     (select max(at) from alert_transition), '{}'; \
     insert into notification_alert select 'n-1', id from alert where state = 'firing'; \
     insert into delivery (id, notification, receiver, sink, state, created_at, due_at) \
     values ('d-1', 'n-1', 'maintainer:firm-1', 'webhook-0', 'delivered', 0, 0)";

/// The id of the alert that was recorded first.
async fn first_alert(world: &mut World) -> String {
    world.text("select id from alert order by id limit 1").await
}

/// A person answers now.
async fn say(world: &mut World, kind: AnswerKind, expires_at: Option<Timestamp>) -> Answered {
    let alert = first_alert(world).await;
    let answer = Answer { alert, kind, by: "Lin".to_owned(), note: "seen".to_owned(), expires_at };
    act(world, Action::Answer(answer)).await
}

/// An answer goes through the pipeline.
async fn act(world: &mut World, action: Action) -> Answered {
    let now = world.now;
    match world.pipeline().act(&action, now).await.unwrap().0 {
        Done::Answered(answered) => answered,
        other => panic!("{other:?}"),
    }
}

/// Where the first alert stands with people, as any reader of the file finds it.
async fn standing(world: &mut World) -> Standing {
    let id = first_alert(world).await;
    let reader = Reader::open(&world.file()).await.unwrap();
    let file = reader.alert(&id).await.unwrap().unwrap();
    let answers = reader.answers_to(std::slice::from_ref(&id)).await.unwrap().remove(&id).unwrap_or_default();
    assert_eq!(answers, file.answers, "one alert and many are read alike");
    standing_of(&file.alert.severity, &answers, world.now).unwrap()
}

/// A world with the HTTP door open on it.
pub struct Open {
    pub world: Arc<Mutex<World>>,
    pub address: String,
    _stop: oneshot::Sender<()>,
}

/// Opens the door; what is asked goes through the world's pipeline, at the world's time.
pub async fn open(world: World, ack_timeout: Option<i64>) -> Open {
    let (send, mut asked) = mpsc::channel::<Asked>(4);
    let http = Http {
        reader: Reader::open(&world.file()).await.unwrap(),
        metrics: Arc::new(Metrics::new()),
        vitals: Arc::new(Stand::default()) as Arc<dyn Vitals>,
        clock: Arc::new(VirtualClock::at(world.now)),
        actions: send,
        calendar: Calendar { zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(8)), over_age_years: 15 },
        heard_within: 210_000,
        firing_series: FIRING_SERIES,
        ledger_key: None,
        keeper: Arc::default(),
        caller: Caller::Stranger,
        answering: Answering { ack_timeout, links: Some(key()) },
        showing: Showing::default(),
        recent: Arc::default(),
        maintenance: Arc::default(),
    };
    let world = Arc::new(Mutex::new(world));
    let acting = Arc::clone(&world);
    tokio::spawn(async move {
        while let Some(Asked { action, reply }) = asked.recv().await {
            let mut world = acting.lock().await;
            let now = world.now;
            let done = world.pipeline().act(&action, now).await.unwrap().0;
            drop(reply.send(Ok(done)));
        }
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(serve(listener, http, async move { drop(stopped.await) }));
    Open { world, address, _stop: stop }
}
