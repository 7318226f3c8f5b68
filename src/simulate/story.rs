//! What happens in the city: 30 days before `start`, then the live stream, as one endless sequence in order of time.
//! Pure and seeded: the same city, seed, start and speed give the same messages, byte for byte.

use std::collections::VecDeque;

use fastrand::Rng;

use super::agenda::{Agenda, Happening, Planned};
use super::city::City;
use super::lift::{Lift, Number};
use crate::domain::event::{EventType, Mode};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use crate::domain::unit::UnitKind;
use crate::domain::visit::VisitKind;

/// How the story is told.
#[derive(Debug, Clone)]
pub struct StorySettings {
    pub seed: u64,
    /// When the past ends and the live stream begins.
    pub start: Timestamp,
    /// How many times faster than life the live stream runs; the past has its true length. Above 0.
    pub speed: f64,
    /// Days of past.
    pub history_days: i64,
    /// When the whole city is without power.
    pub power_cut: Option<PowerCut>,
}

/// The power of the whole city fails. In milliseconds of story time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerCut {
    /// After the start of the live stream.
    pub after: i64,
    pub lasts: i64,
}

/// Within so long all units are without power, and within as long have it again, in milliseconds.
const CUT: i64 = 10 * SECOND;

/// Of so many units one traps somebody when the power of the city fails (our choice).
const TRAPPED: usize = 200;

/// One message, due at `at`, which is also its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub at: Timestamp,
    /// Index into the story's publishers.
    pub publisher: usize,
    pub topic: String,
    pub payload: Vec<u8>,
    /// Of an event; visits, heartbeats and nonsense have none.
    pub number: Option<Number>,
}

/// The endless sequence.
#[derive(Debug)]
pub struct Story {
    settings: StorySettings,
    publishers: Vec<String>,
    of_lift: Vec<usize>,
    lifts: Vec<Lift>,
    region: String,
    rng: Rng,
    agenda: Agenda,
    ready: VecDeque<Message>,
}

impl Story {
    /// Begins the story of `city`.
    #[must_use]
    pub fn new(city: &City, settings: StorySettings) -> Self {
        let mut story = Self {
            publishers: Vec::new(),
            of_lift: Vec::with_capacity(city.units.len()),
            lifts: Vec::with_capacity(city.units.len()),
            region: city.units.first().map(|unit| unit.region.to_string()).unwrap_or_default(),
            rng: Rng::with_seed(settings.seed ^ 0x7374_6f72_7900),
            agenda: Agenda::default(),
            ready: VecDeque::new(),
            settings,
        };
        for (number, unit) in city.units.iter().enumerate() {
            let publisher = unit.publisher.as_ref().map_or_else(|| "maker-a".to_owned(), ToString::to_string);
            let known = story.publishers.iter().position(|known| *known == publisher);
            let index = known.unwrap_or(story.publishers.len());
            let topic = format!("lift/v1/{}/{publisher}/{}", unit.region, unit.id);
            if known.is_none() {
                story.publishers.push(publisher);
            }
            story.of_lift.push(index);
            let rng = Rng::with_seed(story.rng.u64(..));
            let stops = unit.stops.unwrap_or(2);
            let lift = Lift::new(unit.id.to_string(), topic, unit.kind, stops, city.sites[number], rng);
            story.lifts.push(lift);
            story.begin(number, city.units.len());
        }
        if !story.lifts.is_empty() {
            let past = story.past();
            story.agenda.add(past + DAY, 0, Happening::Outage);
            story.agenda.add(past + HOUR, 0, Happening::Nonsense);
            // A newcomer sees refusals within minutes, whatever the seed.
            story.agenda.add(2 * MINUTE, 0, Happening::Nonsense);
        }
        if let Some(cut) = story.settings.power_cut {
            story.power_cut(cut);
        }
        story
    }

    /// Who publishes; [`Message::publisher`] counts into it.
    #[must_use]
    pub fn publishers(&self) -> &[String] {
        &self.publishers
    }

    const fn past(&self) -> i64 {
        -self.settings.history_days * DAY
    }

    fn begin(&mut self, number: usize, units: usize) {
        let past = self.past();
        let lift = &mut self.lifts[number];
        let mean = lift.days_between_faults();
        let strike = past + exponential(&mut lift.rng, mean);
        let visit = past + lift.rng.i64(0..15 * DAY);
        let reboot = past + exponential(&mut lift.rng, 45.0);
        let lose = past + exponential(&mut lift.rng, 30_000.0);
        // Some fall silent early on, so that a short demonstration has them too.
        let early = lift.rng.f64() < 0.004;
        let silent = if early { lift.rng.i64(MINUTE..45 * MINUTE) } else { exponential(&mut lift.rng, 60.0) };
        let phase = (number as i64).saturating_mul(MINUTE) / units.max(1) as i64;
        for (at, what) in [
            (strike, Happening::Strike),
            (visit, Happening::PlannedVisit),
            (reboot, Happening::Reboot),
            (lose, Happening::Lose),
            (silent, Happening::FallSilent),
            (phase, Happening::Heartbeat),
        ] {
            self.agenda.add(at, number, what);
        }
    }

    /// The time of day of a story time: true to length before the start, compressed by the speed after it.
    fn time(&self, at: i64) -> Timestamp {
        let since = if at < 0 { at } else { (at as f64 / self.settings.speed) as i64 };
        self.settings.start + since
    }

    fn send(&mut self, at: i64, lift: usize, class: &str, payload: Vec<u8>) {
        let topic = format!("{}/{class}", self.lifts[lift].topic);
        let number = (class == "event").then(|| self.lifts[lift].number());
        let message = Message { at: self.time(at), publisher: self.of_lift[lift], topic, payload, number };
        // One in a hundred comes twice, as QoS 1 allows.
        if class != "state" && self.lifts[lift].rng.u32(..100) == 0 {
            self.ready.push_back(message.clone());
        }
        self.ready.push_back(message);
    }

    fn send_event(&mut self, at: i64, lift: usize, kind: EventType) {
        let time = self.time(at);
        let payload = self.lifts[lift].event(time, kind);
        self.send(at, lift, "event", payload);
    }

    fn happen(&mut self, planned: Planned) {
        let Planned { at, lift, what } = planned;
        let silent = self.lifts[lift].silent;
        match what {
            Happening::Heartbeat => {
                self.agenda.add(at + MINUTE, lift, Happening::Heartbeat);
                if !silent {
                    let time = self.time(at);
                    let payload = self.lifts[lift].heartbeat(time);
                    self.send(at, lift, "state", payload);
                }
            }
            Happening::Strike => self.strike(at, lift),
            Happening::PlannedVisit => self.planned_visit(at, lift),
            Happening::Outage => self.outage(at),
            Happening::Nonsense => self.nonsense(at),
            Happening::Reboot => {
                self.lifts[lift].reboot();
                let next = exponential(&mut self.lifts[lift].rng, 45.0);
                self.agenda.add(at + next, lift, Happening::Reboot);
            }
            Happening::Lose => self.lifts[lift].lose_one(),
            // Broken or under repair it is watched by people; it goes silent later.
            Happening::FallSilent if !self.lifts[lift].is_fit() => {
                self.agenda.add(at + HOUR, lift, Happening::FallSilent);
            }
            Happening::FallSilent => {
                let lift_state = &mut self.lifts[lift];
                lift_state.silent = true;
                if lift_state.rng.bool() {
                    let wake = at + lift_state.rng.i64(10 * MINUTE..2 * HOUR);
                    self.agenda.add(wake, lift, Happening::Wake);
                }
            }
            Happening::Dark(dark) => self.lifts[lift].silent = dark,
            Happening::Wake => {
                self.lifts[lift].silent = false;
                let next = exponential(&mut self.lifts[lift].rng, 60.0);
                self.agenda.add(at + next, lift, Happening::FallSilent);
            }
            _ if silent => {}
            what => self.happen_to(lift, at, what),
        }
    }

    /// What a lift that is not cut off tells of itself.
    fn happen_to(&mut self, lift: usize, at: i64, what: Happening) {
        match what {
            Happening::Raise(fault) => self.raise(at, lift, fault),
            Happening::Clear(fault) if self.lifts[lift].active.as_ref() == Some(&fault) => {
                self.send_event(at, lift, EventType::FaultCleared);
                self.lifts[lift].active = None;
            }
            Happening::Alarm => self.send_event(at, lift, EventType::AlarmPressed),
            Happening::Entrap => {
                self.lifts[lift].trapped = true;
                self.send_event(at, lift, EventType::EntrapmentReported);
            }
            Happening::Release if std::mem::take(&mut self.lifts[lift].trapped) => {
                self.send_event(at, lift, EventType::PassengerReleased);
            }
            Happening::Enter(mode) if self.lifts[lift].mode != mode => {
                self.lifts[lift].mode = mode;
                self.send_event(at, lift, EventType::ModeChanged);
            }
            Happening::Record(kind, started, ended) => {
                let (time, started, ended) = (self.time(at), self.time(started), self.time(ended));
                let payload = self.lifts[lift].visit(time, kind, started, ended);
                self.send(at, lift, "visit", payload);
            }
            Happening::Mains(off) if self.lifts[lift].mains_off != off => {
                self.lifts[lift].mains_off = off;
                self.send_event(at, lift, if off { EventType::MainsOff } else { EventType::MainsOn });
            }
            // The city's and the clock's, told above.
            _ => {}
        }
    }

    fn strike(&mut self, at: i64, number: usize) {
        let lift = &mut self.lifts[number];
        let mean = lift.days_between_faults();
        let next = at + exponential(&mut lift.rng, mean);
        let fault = lift.pick_fault();
        self.agenda.add(next, number, Happening::Strike);
        self.raise(at, number, fault);
    }

    /// A fault, and what follows from it: perhaps people trapped, perhaps flapping, a reset or a repair, and its return.
    fn raise(&mut self, at: i64, number: usize, fault: Fault) {
        let lift = &mut self.lifts[number];
        if !lift.is_fit() {
            return;
        }
        lift.active = Some(fault.clone());
        let stops_the_car =
            !matches!(fault.code, FaultCode::CallButtonStuck | FaultCode::LoadMeasurement | FaultCode::Other);
        let traps = lift.kind != UnitKind::Escalator && stops_the_car && lift.rng.f64() < 0.04;
        let flaps = lift.rng.f64() < 0.12;
        let repaired = traps || lift.rng.f64() < 0.45;
        let returns = lift.rng.f64() < if lift.troubled { 0.42 } else { 0.05 };
        let mut plans = Vec::new();
        let mut after = |from: i64, lift: &mut Lift, range: std::ops::Range<i64>, what: Happening| {
            let then = from + lift.rng.i64(range);
            plans.push((then, what));
            then
        };
        if traps {
            let told = after(at, lift, 20 * SECOND..2 * MINUTE, Happening::Entrap);
            after(at, lift, 5 * SECOND..20 * SECOND, Happening::Alarm);
            after(told, lift, 8 * MINUTE..35 * MINUTE, Happening::Release);
        }
        if flaps && !traps {
            let cleared = after(at, lift, MINUTE..5 * MINUTE, Happening::Clear(fault.clone()));
            after(cleared, lift, 5 * MINUTE..40 * MINUTE, Happening::Raise(fault.clone()));
        } else if repaired {
            let came = after(at, lift, 40 * MINUTE..3 * HOUR, Happening::Enter(Mode::Inspection));
            let cleared = after(came, lift, 10 * MINUTE..HOUR, Happening::Clear(fault.clone()));
            let left = after(cleared, lift, MINUTE..10 * MINUTE, Happening::Enter(Mode::Normal));
            after(left, lift, MINUTE..3 * MINUTE, Happening::Record(VisitKind::Fm, came, left));
        } else {
            after(at, lift, 2 * MINUTE..40 * MINUTE, Happening::Clear(fault.clone()));
        }
        if returns && !flaps {
            after(at, lift, 8 * HOUR..9 * DAY, Happening::Raise(fault));
        }
        self.send_event(at, number, EventType::FaultRaised);
        for (then, what) in plans {
            self.agenda.add(then, number, what);
        }
    }

    fn planned_visit(&mut self, at: i64, number: usize) {
        let lift = &mut self.lifts[number];
        // A few contracts are neglected.
        let days = if number.is_multiple_of(50) { 40 } else { 15 };
        let next = at + days * DAY + lift.rng.i64(-12 * HOUR..12 * HOUR);
        let left = at + lift.rng.i64(25 * MINUTE..70 * MINUTE);
        let fit = lift.is_fit();
        self.agenda.add(next, number, Happening::PlannedVisit);
        if fit {
            self.happen(Planned { at, lift: number, what: Happening::Enter(Mode::Inspection) });
            self.agenda.add(left, number, Happening::Enter(Mode::Normal));
            self.agenda.add(left + 2 * MINUTE, number, Happening::Record(VisitKind::Hm, at, left));
        }
    }

    /// The power of one compound fails.
    fn outage(&mut self, at: i64) {
        let next = at + exponential(&mut self.rng, 5.0);
        let site = self.lifts[self.rng.usize(..self.lifts.len())].site;
        let back = at + self.rng.i64(20 * MINUTE..2 * HOUR);
        for number in 0..self.lifts.len() {
            if self.lifts[number].site == site {
                let rng = &mut self.lifts[number].rng;
                let (off, on) = (rng.i64(0..90 * SECOND), rng.i64(0..90 * SECOND));
                self.agenda.add(at + off, number, Happening::Mains(true));
                self.agenda.add(back + on, number, Happening::Mains(false));
            }
        }
        self.agenda.add(next, 0, Happening::Outage);
    }

    /// The power of the whole city fails. Half of the units fall silent with it, for their controllers have no battery.
    fn power_cut(&mut self, PowerCut { after, lasts }: PowerCut) {
        let back = after + lasts;
        for (number, lift) in self.lifts.iter_mut().enumerate() {
            let (off, on) = (after + lift.rng.i64(0..CUT), back + lift.rng.i64(0..CUT));
            self.agenda.add(off, number, Happening::Mains(true));
            if number % TRAPPED == TRAPPED / 2 {
                self.agenda.add(off + SECOND, number, Happening::Entrap);
                self.agenda.add(on + MINUTE, number, Happening::Release);
            } else if lift.rng.bool() {
                self.agenda.add(off + 1, number, Happening::Dark(true));
                self.agenda.add(on - 1, number, Happening::Dark(false));
            }
            self.agenda.add(on, number, Happening::Mains(false));
        }
    }

    /// A message that the daemon has to refuse or to keep aside.
    fn nonsense(&mut self, at: i64) {
        let next = at + exponential(&mut self.rng, 0.5);
        self.agenda.add(next, 0, Happening::Nonsense);
        let number = self.rng.usize(..self.lifts.len());
        let (time, publisher) = (self.time(at), self.of_lift[number]);
        let topic = format!("{}/event", self.lifts[number].topic);
        let event = super::payload::EventPayload::new(time, EventType::AlarmPressed).to_bytes();
        let (topic, payload) = match self.rng.u32(..4) {
            0 => (topic, event[..event.len() - 5].to_vec()),
            1 => (format!("lift/v1/{}/{}/X999999/event", self.region, self.publishers[publisher]), event),
            2 => (format!("{}/weather", self.lifts[number].topic), event),
            _ => (topic, format!(r#"{{"ts":"{time}","type":"levitated"}}"#).into_bytes()),
        };
        self.ready.push_back(Message { at: time, publisher, topic, payload, number: None });
    }
}

impl Iterator for Story {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            let planned = self.agenda.take_next()?;
            self.happen(planned);
        }
    }
}

/// A waiting time in milliseconds whose mean is `days`.
fn exponential(rng: &mut Rng, days: f64) -> i64 {
    let drawn = -(1.0 - rng.f64()).ln();
    (drawn * days * DAY as f64) as i64 + 1
}
