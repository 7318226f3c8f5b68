//! A small city with a past: visits, corrections, hazards, alerts, answers and silences, signed now and then.

use std::path::PathBuf;

use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::notice::AnswerKind;
use liftwatch::domain::time::{DAY, HOUR, MINUTE};
use liftwatch::domain::visit::{Person, Visit, VisitKind};
use liftwatch::ledger::checkpoint::{PublicKey, generate};
use liftwatch::pipeline::action::{Action, Done};
use liftwatch::pipeline::answers::{Answer, Silence, Silenced};
use liftwatch::signer::{Settings, Signer};
use liftwatch::store::read::Reader;
use liftwatch::store::verify;
use liftwatch::store::verify::report::{Outside, Report};

use crate::world::{World, at, day, event_message, hazard_message, raised, unit, visit, visit_message};

/// Units of the city.
pub const UNITS: [&str; 4] = ["lift-1", "lift-2", "lift-3", "lift-4"];

/// A city whose past is recorded and signed.
pub struct Chronicle {
    pub world: World,
    pub public: PublicKey,
    pub signer: Signer,
    /// Every checkpoint that was given out, the oldest first.
    pub notes: Vec<String>,
    keys: tempfile::TempDir,
}

impl Chronicle {
    /// A city without a past.
    pub async fn empty() -> Self {
        let keys = tempfile::tempdir().unwrap();
        let (private, public) = generate("lifts.example/test").unwrap();
        let key_file = keys.path().join("ledger.key");
        std::fs::write(&key_file, private).unwrap();
        let settings = Settings { key_file: Some(key_file), ..Settings::default() };
        let signer = Signer::configured(&settings).unwrap().unwrap();
        let mut world = World::new().await;
        world.register(UNITS.iter().map(|name| unit(name)).collect()).await;
        Self { world, public, signer, notes: Vec::new(), keys }
    }

    /// A city with two weeks of past, signed each day.
    pub async fn written() -> Self {
        let mut city = Self::empty().await;
        for number in 0..14 {
            city.live_through(number).await;
            city.sign().await;
        }
        city
    }

    /// One day: a visit, faults, and what people do about them.
    pub async fn live_through(&mut self, number: i64) {
        let name = UNITS[number as usize % UNITS.len()];
        let world = &mut self.world;
        let record = visit(&format!("r-{number}"), VisitKind::Hm, at(number, 8, 0, 0), at(number, 8, 40, 0));
        let recorder = Person { role: "recorder".to_owned(), name: Some(format!("name {number}")), phone: None };
        let record = Visit { people: vec![recorder], ..record };
        let other = Visit { supersedes: Some(format!("r-{}", number - 1)), ..record.clone() };
        world.now = at(number, 9, 0, 0);
        let told = if number % 5 == 3 { other } else { record };
        world.arrive(vec![visit_message(name, told)]).await;
        let visit = self.world.text("select id from visit order by received_at desc").await;
        self.act(Action::ConfirmVisit { visit, by: format!("owner {number}"), note: "seen".to_owned() }).await;
        let world = &mut self.world;
        world.now = at(number, 10, 0, 0);
        world
            .arrive(vec![
                event_message(name, raised(FaultCode::OpenedWhileRunning, at(number, 9, 50, 0))),
                hazard_message(name, &format!("h-{number}"), "rope worn"),
            ])
            .await;
        world.now = at(number, 11, 0, 0);
        let alert = world.text("select id from alert where rule = 'critical_fault' order by recorded_at desc").await;
        let by = format!("person {number}");
        let answer =
            Answer { alert, kind: AnswerKind::Note, by: by.clone(), note: "seen".to_owned(), expires_at: None };
        self.act(Action::Answer(answer)).await;
        let silence = Silence {
            matchers: r#"[["rule","=","over_age"]]"#.to_owned(),
            by: by.clone(),
            why: "works".to_owned(),
            starts_at: self.world.now,
            ends_at: self.world.now + HOUR,
        };
        let Done::Silenced(Silenced::Begun(id)) = self.act(Action::Silence(silence)).await else { panic!() };
        if number % 2 == 0 {
            self.world.now = self.world.now + MINUTE;
            self.act(Action::EndSilence { id, by }).await;
        }
        self.world.pass_until(day(number) + DAY).await;
    }

    async fn act(&mut self, action: Action) -> Done {
        let now = self.world.now;
        self.world.pipeline().act(&action, now).await.unwrap().0
    }

    /// Signs as the daemon does each minute; gives the error if it refuses.
    pub async fn try_sign(&mut self) -> Result<(), String> {
        let Done::Closed(head) = self.act(Action::CloseStretch).await else { panic!() };
        let reader = self.reader().await;
        let note = self.signer.sign(head, &reader).await.map_err(|refusal| refusal.to_string())?;
        self.act(Action::KeepCheckpoint { size: head.size, note: note.clone() }).await;
        self.notes.push(note);
        Ok(())
    }

    pub async fn sign(&mut self) {
        self.try_sign().await.unwrap();
    }

    pub async fn reader(&self) -> Reader {
        Reader::open(&self.world.file()).await.unwrap()
    }

    pub fn forget_what_was_signed(&self) {
        std::fs::remove_file(self.keys.path().join("ledger.key.last")).unwrap();
    }

    pub fn damage_what_was_signed(&self) {
        std::fs::write(self.keys.path().join("ledger.key.last"), "lifts.example/test\n7\n").unwrap();
    }

    /// The file, closed, with everything in it.
    pub async fn into_file(mut self) -> (PathBuf, Self) {
        self.world.close().await;
        (self.world.file(), self)
    }

    /// What an auditor says of this file who kept the checkpoint of the seventh day.
    pub async fn audit(&self, file: &std::path::Path) -> Report {
        let outside = Outside { name: "june".to_owned(), head: self.public.open(&self.notes[6]).unwrap() };
        verify::verify(file, std::slice::from_ref(&self.public), &[outside]).await.unwrap()
    }
}
