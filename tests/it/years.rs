//! `simulate --years`: years of a city's maintenance in a file, as the built program writes it.

use crate::process::{run, text};

/// A small city; everything is fixed but the seed.
fn write(file: &str, key: &str, seed: &str) -> crate::process::Run {
    run(&[
        "simulate",
        "--years",
        "1",
        "--units",
        "12",
        "--seed",
        seed,
        "--start",
        "2026-11-24T09:00:00Z",
        "--db",
        file,
        "--key",
        key,
    ])
}

#[test]
fn the_years_of_a_city_are_written_once_verify_and_are_the_same_for_the_same_seed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let key = path("ledger.key");
    let public = run(&["ledger", "key", "lifts.example/years", "--out", &key]).exits(0).out;
    std::fs::write(path("ledger.pub"), public.lines().last().unwrap()).unwrap();
    let newest = |file: &str| run(&["ledger", "checkpoint", "--db", &path(file)]).exits(0).out;

    let said = write(&path("a.db"), &key, "1").exits(0).out;
    assert!(said.contains(" visits and ") && said.contains(" confirmations of 365 days written to "), "{said}");
    let verified = run(&["verify", "--db", &path("a.db"), "--key", &path("ledger.pub")]).exits(0);
    assert!(verified.out.contains("checkpoint"), "{}", verified.out);

    let before = std::fs::metadata(path("a.db")).unwrap().len();
    let refused = write(&path("a.db"), &key, "1").exits(1).err;
    assert!(refused.contains("is there already; nothing is written over"), "{refused}");
    assert_eq!(std::fs::metadata(path("a.db")).unwrap().len(), before);

    write(&path("b.db"), &key, "1").exits(0);
    write(&path("c.db"), &key, "2").exits(0);
    assert_eq!(newest("a.db"), newest("b.db"));
    assert_ne!(newest("a.db"), newest("c.db"));
}

#[test]
fn years_without_a_file_and_a_file_without_years_are_wrong_usage() {
    run(&["simulate", "--years", "1"]).exits(2);
    run(&["simulate", "--db", "x.db"]).exits(2);
}
