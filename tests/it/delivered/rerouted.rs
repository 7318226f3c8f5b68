//! The built daemon after its routes were changed while an alert was known.

use std::time::Duration;

use liftwatch::clock::{Clock, SystemClock};

use super::{SECRET, changes, publisher, tell};
use crate::mosquitto::Mosquitto;
use crate::process::{Folder, until};
use crate::sinks::stub::{Act, Stub};

/// Everything to this one of the two.
fn routed(stub: &Stub, receiver: &str) -> String {
    let url = stub.url();
    let one = |name: &str| {
        format!(
            "[[receiver]]\nname = \"{name}\"\nlanguage = \"en\"\n\
             [[receiver.webhook]]\nurl = \"{url}/{name}\"\nsecret_files = [\"hook.key\"]\n"
        )
    };
    format!(
        "[notify]\nallow_nets = [\"127.0.0.0/8\"]\n{}{}[[route]]\nreceiver = \"{receiver}\"\ngroup_wait = \"0s\"\n",
        one("old"),
        one("new")
    )
}

/// (address, what is said) of every alert that was told, in order.
fn told(stub: &Stub) -> Vec<(String, String)> {
    let requests = stub.requests();
    let told = requests.iter().flat_map(|request| {
        changes(request).into_iter().map(|(_, change)| (request.target.clone(), change)).collect::<Vec<_>>()
    });
    told.collect()
}

fn pair(address: &str, change: &str) -> (String, String) {
    (address.to_owned(), change.to_owned())
}

#[test]
fn after_a_change_of_routes_the_old_receiver_hears_the_end_and_the_new_one_hears_of_it_too() {
    let stub = Stub::start(Act::status(204));
    let broker = Mosquitto::start();
    let folder = Folder::new(&broker.url(), &routed(&stub, "old"));
    let before = std::fs::read_to_string(folder.config()).unwrap();
    folder.write("hook.key", SECRET);
    folder.import("U-0,350582,traction,maker-a,Garden,owner-1,firm-1\n").exits(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let say = |seq: u64, kind: &str| {
        runtime.block_on(async {
            let client = publisher(broker.port).await;
            tell(&client, 0, seq, kind, SystemClock::new().now()).await;
            assert!(client.finish(Duration::from_secs(20)).await);
        });
    };
    let daemon = folder.serve_connected();
    say(1, "entrapment_reported");
    until("the old receiver is told", || told(&stub) == [pair("/old", "fired")]);
    assert!(daemon.stop().success());

    let after = before.replace("[[route]]\nreceiver = \"old\"", "[[route]]\nreceiver = \"new\"");
    assert_ne!(before, after);
    folder.write("liftwatch.toml", &after);
    let daemon = folder.serve_connected();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(told(&stub).len(), 1, "a change of routes alone tells nobody anything");
    say(2, "passenger_released");
    until("both are told", || told(&stub).len() == 3);
    let mut heard = told(&stub).split_off(1);
    heard.sort();
    assert_eq!(heard, [pair("/new", "resolved"), pair("/old", "resolved")]);
    assert!(daemon.stop().success());
}
