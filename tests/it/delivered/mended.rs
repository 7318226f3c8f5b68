//! The built daemon and a receiver whose secret is missing when it starts.

use std::time::Duration;

use liftwatch::clock::{Clock, SystemClock};

use super::{SECRET, city, publisher, tell};
use crate::mosquitto::Mosquitto;
use crate::process::until;
use crate::sinks::stub::{Act, Stub};

#[test]
fn a_receiver_whose_secret_was_missing_is_told_when_the_secret_is_there_without_a_restart() {
    let stub = Stub::start(Act::status(204));
    let broker = Mosquitto::start();
    let folder = city(&broker, &stub, 1, |_| "firm-1".to_owned());
    std::fs::remove_file(folder.path("hook.key")).unwrap();
    let daemon = folder.serve_connected();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = publisher(broker.port).await;
        tell(&client, 0, 1, "entrapment_reported", SystemClock::new().now()).await;
        assert!(client.finish(Duration::from_secs(20)).await);
    });
    until("it was tried", || {
        let waiting = daemon.items("/api/v1/deliveries?state=due");
        waiting.iter().any(|delivery| delivery["attempts"].as_i64() > Some(0))
    });
    assert!(stub.requests().is_empty() && daemon.log().contains("this way to the receiver cannot be used"));
    folder.write("hook.key", SECRET);
    until("it is told", || stub.requests().len() == 1);
    assert!(daemon.log().contains("can be used now"));
    assert!(daemon.stop().success());
}
