//! What is signed, and what is never signed.

use super::chronicle::Chronicle;

#[tokio::test]
async fn every_checkpoint_continues_the_one_before_it() {
    let city = Chronicle::written().await;
    let reader = city.reader().await;
    for pair in city.notes.windows(2) {
        let (from, to) = (city.public.open(&pair[0]).unwrap(), city.public.open(&pair[1]).unwrap());
        let question = liftwatch::ledger::tree::Question::Consistency { size: to.size, from: from.size };
        let path = reader.ask_tree(question).await.unwrap();
        liftwatch::ledger::proof::check_consistency(&path, from, to).unwrap();
    }
    reader.close().await;
}

#[tokio::test]
async fn nothing_that_happened_since_means_nothing_is_added() {
    let mut city = Chronicle::written().await;
    let before = city.world.count("select count(*) from ledger_entry").await;
    city.sign().await;
    city.sign().await;
    assert_eq!(city.world.count("select count(*) from ledger_entry").await, before);
    assert_eq!(city.notes[14], city.notes[15], "the same tree has the same checkpoint");
}

#[tokio::test]
async fn an_older_copy_that_is_put_back_is_not_signed_and_neither_is_what_it_becomes() {
    let mut city = Chronicle::empty().await;
    city.live_through(0).await;
    city.sign().await;
    let file = city.world.file();
    city.world.close().await;
    let older = std::fs::read(&file).unwrap();
    city.world.restart().await;
    city.live_through(1).await;
    city.sign().await;
    city.world.close().await;

    std::fs::write(&file, older).unwrap();
    city.world.restart().await;
    let refusal = city.try_sign().await.unwrap_err();
    assert!(refusal.contains("an older state of the database was put back"), "{refusal}");
    // It goes on, grows beyond what was signed, and is still another history.
    for number in 2..6 {
        city.live_through(number).await;
    }
    let refusal = city.try_sign().await.unwrap_err();
    assert!(refusal.contains("are not those that were signed"), "{refusal}");
    assert_eq!(city.notes.len(), 2);
}

#[tokio::test]
async fn without_the_memory_of_what_was_signed_an_older_copy_would_be_signed() {
    let mut city = Chronicle::empty().await;
    city.live_through(0).await;
    city.sign().await;
    let file = city.world.file();
    city.world.close().await;
    let older = std::fs::read(&file).unwrap();
    city.world.restart().await;
    city.live_through(1).await;
    city.sign().await;
    city.world.close().await;
    std::fs::write(&file, older).unwrap();
    city.world.restart().await;
    city.forget_what_was_signed();
    city.live_through(2).await;
    city.sign().await;
    let (one, other) = (city.public.open(&city.notes[1]).unwrap(), city.public.open(&city.notes[2]).unwrap());
    let question = liftwatch::ledger::tree::Question::Consistency { size: other.size, from: one.size };
    let path = city.reader().await.ask_tree(question).await.unwrap_or_default();
    assert!(liftwatch::ledger::proof::check_consistency(&path, one, other).is_err(), "two histories were signed");
}

#[tokio::test]
async fn a_damaged_memory_of_what_was_signed_stops_the_signing() {
    let mut city = Chronicle::empty().await;
    city.live_through(0).await;
    city.sign().await;
    city.damage_what_was_signed();
    city.live_through(1).await;
    let refusal = city.try_sign().await.unwrap_err();
    assert!(refusal.contains("what was signed last cannot be read"), "{refusal}");
}
