//! The way from the controllers to the daemon: most messages arrive at once, some late, some twice; now and then the
//! broker cannot be reached, and once the daemon is killed. Minute by minute, seeded.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::iter::Peekable;

use fastrand::Rng;
use liftwatch::decode::Decoder;
use liftwatch::decode::mapping::{Class, Fact};
use liftwatch::domain::id::UnitId;
use liftwatch::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use liftwatch::pipeline::message::Arrival;
use liftwatch::simulate::city::City;
use liftwatch::simulate::story::{Message, Story, StorySettings};
use liftwatch::writer::BATCH;

use super::controllers::{Controller, Kind, Told, Word};
use super::plan::Plan;
use crate::world::{START, region};

/// What befalls the daemon next.
pub enum Step {
    /// Messages, in this order, in one transaction.
    Batch(Vec<Told>),
    Sweep,
    /// The broker cannot be reached any more, and can again.
    Lost,
    Found,
    /// The daemon is gone without a word, and is started again.
    Kill,
    Start,
    /// An hour is over.
    Hour,
    /// So many days are over.
    Day(i64),
}

/// The month as it comes in. Each step has the moment at which the daemon takes it.
pub struct Post {
    plan: Plan,
    story: Peekable<Story>,
    decoder: Decoder,
    numbers: HashMap<UnitId, usize>,
    controllers: Vec<Controller>,
    rng: Rng,
    /// What is on its way, by arrival.
    under_way: BTreeMap<(Timestamp, u64), Told>,
    posted: u64,
    minute: i64,
    /// What the broker holds while nobody takes it.
    waiting: Option<Vec<Told>>,
    /// What the daemon took last before it was killed; the broker does not know that it did.
    unacknowledged: Vec<Told>,
    steps: VecDeque<(Timestamp, Step)>,
}

impl Post {
    pub fn new(plan: Plan, city: &City) -> Self {
        let settings =
            StorySettings { seed: plan.seed, start: plan.end(), speed: 1.0, history_days: plan.days, power_cut: None };
        let mut rng = Rng::with_seed(plan.seed);
        Self {
            plan,
            story: Story::new(city, settings).peekable(),
            decoder: Decoder::new(&[], &[region()]).unwrap(),
            numbers: city.units.iter().enumerate().map(|(number, unit)| (unit.id.clone(), number)).collect(),
            controllers: (0..plan.units).map(|unit| Controller::new(unit, &plan, &mut rng)).collect(),
            rng,
            under_way: BTreeMap::new(),
            posted: 0,
            minute: 0,
            waiting: None,
            unacknowledged: Vec::new(),
            steps: VecDeque::new(),
        }
    }

    /// One minute passes.
    fn pass(&mut self) {
        let from = START + self.minute * MINUTE;
        let now = from + MINUTE;
        self.minute += 1;
        self.befall(from);
        let mut arrived = self.heartbeats(from);
        while self.story.peek().is_some_and(|message| message.at < now) {
            let message = self.story.next().unwrap();
            self.happens(message);
        }
        let later = self.under_way.split_off(&(now, 0));
        arrived.extend(std::mem::replace(&mut self.under_way, later).into_values());
        let down = (Plan::killed().0..Plan::killed().1).contains(&from);
        match &mut self.waiting {
            Some(waiting) => waiting.extend(arrived),
            None => {
                if now == Plan::killed().0 {
                    self.unacknowledged = arrived.clone();
                }
                self.deliver(now, arrived);
            }
        }
        if !down {
            self.steps.push_back((now, Step::Sweep));
            if (now - START) % HOUR == 0 {
                self.steps.push_back((now, Step::Hour));
            }
        }
        if (now - START) % DAY == 0 {
            self.steps.push_back((now, Step::Day((now - START) / DAY)));
        }
    }

    fn befall(&mut self, at: Timestamp) {
        let ((lost, found), (kill, start)) = (self.plan.lost(), Plan::killed());
        if at == lost || at == kill {
            self.waiting = Some(Vec::new());
            self.steps.push_back((at, if at == lost { Step::Lost } else { Step::Kill }));
        }
        if at == found || at == start {
            self.steps.push_back((at, if at == found { Step::Found } else { Step::Start }));
            let mut again = std::mem::take(&mut self.unacknowledged);
            again.extend(self.waiting.take().unwrap());
            self.deliver(at, again);
        }
    }

    fn deliver(&mut self, now: Timestamp, messages: Vec<Told>) {
        let mut rest = messages.into_iter();
        loop {
            let batch: Vec<Told> = rest.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return;
            }
            self.steps.push_back((now, Step::Batch(batch)));
        }
    }

    /// The heartbeats that are due on this minute; one in twenty comes twice, one in fifty late.
    fn heartbeats(&mut self, at: Timestamp) -> Vec<Told> {
        let step = usize::try_from(self.plan.beat / MINUTE).unwrap();
        let first = usize::try_from((at.0 / MINUTE).rem_euclid(self.plan.beat / MINUTE)).unwrap();
        let mut beats = Vec::with_capacity(self.plan.units / step + 1);
        for unit in (first..self.plan.units).step_by(step) {
            let controller = &self.controllers[unit];
            if controller.is_silent(at) {
                continue;
            }
            let late = controller.kind != Kind::Punctual && self.rng.u32(..50) == 0;
            let told = Told { unit, word: Word::State(controller.state(at)) };
            if self.rng.u32(..20) == 0 {
                let again = self.rng.i64(SECOND..10 * MINUTE);
                self.post(at, again, told.clone());
            }
            if late {
                let delay = self.rng.i64(MINUTE..30 * MINUTE);
                self.post(at, delay, told);
            } else {
                beats.push(told);
            }
        }
        beats
    }

    /// Something happens in the city, and somebody tells it.
    fn happens(&mut self, message: Message) {
        let Message { at, topic, payload, .. } = message;
        let decoded = self.decoder.decode(&region(), &topic, &payload);
        let known = decoded.as_ref().ok().and_then(|decoded| {
            let unit = *self.numbers.get(&decoded.address.unit)?;
            matches!(decoded.class, Class::Event | Class::Visit).then(|| (unit, decoded.facts[0].clone()))
        });
        let Some((unit, fact)) = known else {
            let arrival = Arrival { region: region(), topic, payload, received_at: at, decoded };
            self.post(at, 0, Told { unit: 0, word: Word::Nonsense(Box::new(arrival)) });
            return;
        };
        match fact {
            Fact::Visit(visit) => {
                let delay = self.delay(10);
                self.post_twice(at, delay, Told { unit, word: Word::Visit(visit) });
            }
            Fact::Event(event) => {
                for word in self.controllers[unit].happens(event) {
                    self.tell(unit, at, word);
                }
            }
            fact => panic!("the story tells no {fact:?}"),
        }
    }

    /// A controller says something that cannot wait; a late one's waits nevertheless, a silent one's too or for ever.
    fn tell(&mut self, unit: usize, at: Timestamp, word: Word) {
        let told = Told { unit, word };
        let controller = &self.controllers[unit];
        let is_event = matches!(told.word, Word::Event(_));
        let silence = controller.silence.filter(|_| controller.is_silent(at));
        let delay = match (controller.kind, silence) {
            // What a person says goes another way.
            (Kind::Gateway { .. }, _) if is_event => 0,
            (Kind::Gateway { .. }, Some(_)) => return,
            (Kind::Gateway { .. }, None) if self.rng.u32(..10) == 0 => self.rng.i64(MINUTE..30 * MINUTE),
            (Kind::Late, Some(silence)) if silence.loses => return,
            (Kind::Late, Some(silence)) => silence.to - at + self.rng.i64(SECOND..MINUTE),
            (Kind::Late, None) => self.delay(10),
            _ => 0,
        };
        self.post_twice(at, delay, told);
    }

    /// Usually under a minute; for one in so many hours, for one in five of those days.
    fn delay(&mut self, one_in: u32) -> i64 {
        if self.rng.u32(..one_in) > 0 {
            return self.rng.i64(0..MINUTE);
        }
        if self.rng.u32(..5) > 0 { self.rng.i64(MINUTE..3 * HOUR) } else { self.rng.i64(3 * HOUR..5 * DAY) }
    }

    /// Posts it; one in twenty comes a second time within two days.
    fn post_twice(&mut self, at: Timestamp, delay: i64, told: Told) {
        if self.rng.u32(..20) == 0 {
            let again = delay + if matches!(told.word, Word::State(_)) { MINUTE } else { self.rng.i64(0..2 * DAY) };
            self.post(at, again, told.clone());
        }
        self.post(at, delay, told);
    }

    fn post(&mut self, at: Timestamp, delay: i64, told: Told) {
        let mut arrival = at + delay;
        let kill = Plan::killed().0;
        // What levels rest on is as old as their last edge after a kill (docs/RELIABILITY.md), so a state that comes late
        // over a kill may tell more than it otherwise would. What that is depends on the moment: there is none of it.
        if matches!(told.word, Word::State(_)) && at < kill && arrival >= kill - 10 * MINUTE {
            arrival = at.max(kill - 10 * MINUTE);
        }
        self.posted += 1;
        self.under_way.insert((arrival, self.posted), told);
    }
}

impl Iterator for Post {
    type Item = (Timestamp, Step);

    fn next(&mut self) -> Option<Self::Item> {
        while self.steps.is_empty() {
            if self.minute >= self.plan.days * 24 * 60 {
                return None;
            }
            self.pass();
        }
        self.steps.pop_front()
    }
}
