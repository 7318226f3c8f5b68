//! The built daemon and Debian's real Alertmanager, which forgets everything at a restart.

use std::time::Duration;

use liftwatch::clock::{Clock, SystemClock};

use super::{publisher, tell};
use crate::mosquitto::Mosquitto;
use crate::process::{Folder, until};
use crate::sinks::alertmanager::Real;

fn folder(broker: &Mosquitto, real: &Real) -> Folder {
    let more = format!(
        "[[receiver]]\nname = \"duty\"\n[[receiver.alertmanager]]\nurls = [\"{}\"]\nresend_interval = \"5s\"\n\
         [[route]]\nreceiver = \"duty\"\ngroup_wait = \"0s\"\n",
        real.url()
    );
    let folder = Folder::new(&broker.url(), &more);
    folder.import("U-0,350582,traction,maker-a,Garden,owner-1,firm-1\n").exits(0);
    folder
}

#[test]
fn an_alertmanager_that_forgot_an_alert_knows_it_again_whoever_was_restarted_and_forgets_it_at_its_end() {
    let broker = Mosquitto::start();
    let real = Real::start();
    let folder = folder(&broker, &real);
    let daemon = folder.serve_connected();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let say = |seq: u64, kind: &str| {
        runtime.block_on(async {
            let client = publisher(broker.port).await;
            tell(&client, 0, seq, kind, SystemClock::new().now()).await;
            assert!(client.finish(Duration::from_secs(20)).await);
        });
    };
    say(1, "entrapment_reported");
    until("it fires in Alertmanager", || real.units() == ["U-0"]);
    let port = real.port;
    drop(real);
    let real = Real::start_at(port);
    assert_eq!(real.units(), Vec::<String>::new(), "it forgot");
    until("the running daemon shows it again", || real.units() == ["U-0"]);
    daemon.kill();
    drop(real);
    let real = Real::start_at(port);
    let daemon = folder.serve_connected();
    until("a daemon that begins shows it again", || real.units() == ["U-0"]);
    assert_eq!(daemon.items("/api/v1/deliveries").len(), 1, "showing is no delivery");
    say(2, "passenger_released");
    until("it is over in Alertmanager", || real.units().is_empty());
    std::thread::sleep(Duration::from_secs(11));
    assert_eq!(real.units(), Vec::<String>::new(), "what is over is not shown again");
    assert!(daemon.stop().success());
}
