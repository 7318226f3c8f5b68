//! Every unit of the registry in memory, with what it told last: bounded by the registry, rebuilt from the store.
//!
//! What must not be lost changes only after the commit that holds it ([`Fleet::settle`]); when a unit was heard and
//! its latest state may run ahead of the store.

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::domain::event::{Event, EventType, Mode, Origin, State};
use crate::domain::id::{RegionCode, UnitId};
use crate::domain::levels::Levels;
use crate::domain::time::Timestamp;
use crate::domain::unit::Unit;

/// What is told as a level and becomes an event at its edges. Changed with the transaction that holds the events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tracked {
    pub levels: Levels,
    /// Since when the state has looked like people trapped.
    pub trapped: Option<Trapped>,
    /// The latest state that told whether it looks like people trapped; older ones say nothing of now.
    pub trapped_as_of: Option<Timestamp>,
    /// The boot that counts now, and the highest number that is known of it.
    pub numbering: Option<(SmolStr, u64)>,
}

impl Tracked {
    /// Takes an event over that the unit told.
    pub fn learn(&mut self, event: &Event) {
        self.levels.learn(event);
        let released = event.kind == EventType::PassengerReleased;
        let out = released && self.trapped.as_ref().is_some_and(|trapped| trapped.since <= event.ts);
        if out || self.levels.mode.is_some_and(Mode::excludes_faults) {
            self.trapped = None;
        }
    }

    /// Takes a state over that changes nothing but the times on which everything here rests.
    pub fn confirm(&mut self, state: &State) {
        self.levels.observe(state);
        if self.looks_trapped(state).is_some() {
            self.trapped_as_of = Some(state.ts);
        }
    }

    /// Forgets times that lie ahead of `now`: clocks have been set back since, and what they say from now on must not
    /// pass for old.
    fn set_back(&mut self, now: Timestamp) {
        self.levels.set_back(now);
        self.trapped_as_of = self.trapped_as_of.map(|as_of| as_of.not_ahead_of(now));
        if let Some(trapped) = &mut self.trapped {
            trapped.since = trapped.since.not_ahead_of(now);
            trapped.heard_at = trapped.heard_at.min(now);
        }
    }

    /// Whether the unit looks now as if people were trapped; `None` if the state does not say, or is not the latest.
    /// In work or fire modes, people in a standing car are at work.
    fn looks_trapped(&self, state: &State) -> Option<bool> {
        if self.trapped_as_of.is_some_and(|as_of| state.ts <= as_of) {
            return None;
        }
        let at_work = state.mode.or(self.levels.mode).is_some_and(Mode::excludes_faults);
        state.looks_trapped().map(|trapped| trapped && !at_work)
    }
}

/// A state that has looked like people trapped for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trapped {
    /// The first such state's time, by the unit's clock and by ours.
    pub since: Timestamp,
    pub heard_at: Timestamp,
    /// It is recorded as an entrapment.
    pub told: bool,
}

/// One unit.
pub struct Entry {
    pub unit: Arc<Unit>,
    pub tracked: Tracked,
    pub heard_at: Option<Timestamp>,
    pub state: Option<State>,
    /// The newest time of a state since we run, by the unit's own clock; one that was doubted is not here.
    pub told_at: Option<Timestamp>,
    /// From when its silence counts, if it is judged silent and was not heard since.
    pub silent_since: Option<Timestamp>,
    /// Heard since the last flush.
    pub dirty: bool,
}

impl Entry {
    /// Forgets times that lie ahead of `now`: clocks have been set back since.
    fn set_back(&mut self, now: Timestamp) {
        self.heard_at = self.heard_at.map(|heard| heard.min(now));
        if let Some(state) = &mut self.state {
            state.ts = state.ts.not_ahead_of(now);
        }
    }
}

/// All units.
pub struct Fleet {
    /// Boxed, because nearly half of the table is empty.
    units: HashMap<UnitId, Box<Entry>>,
    /// Since when we have been listening to each region; a region that is absent is not heard at all.
    listening: HashMap<RegionCode, Timestamp>,
    /// Milliseconds without a word after which a unit is silent.
    patience: i64,
    /// Milliseconds after which a state that looks like people trapped is an entrapment.
    trap_limit: i64,
}

impl Fleet {
    /// An empty fleet.
    #[must_use]
    pub fn new(patience: i64, trap_limit: i64) -> Self {
        Self { units: HashMap::new(), listening: HashMap::new(), patience, trap_limit }
    }

    /// Adds a unit of the registry, or takes over its changed row.
    pub fn put(&mut self, unit: Unit) {
        let unit = Arc::new(unit);
        match self.units.get_mut(&unit.id) {
            Some(entry) => entry.unit = unit,
            None => {
                let id = unit.id.clone();
                let entry = Entry {
                    unit,
                    tracked: Tracked::default(),
                    heard_at: None,
                    state: None,
                    told_at: None,
                    silent_since: None,
                    dirty: false,
                };
                self.units.insert(id, Box::new(entry));
            }
        }
    }

    /// One unit.
    #[must_use]
    pub fn get(&self, unit: &UnitId) -> Option<&Entry> {
        self.units.get(unit).map(AsRef::as_ref)
    }

    /// One unit, to be changed.
    pub fn get_mut(&mut self, unit: &UnitId) -> Option<&mut Entry> {
        self.units.get_mut(unit).map(AsMut::as_mut)
    }

    /// All units, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.units.values().map(AsRef::as_ref)
    }

    /// Takes over what a committed transaction changed.
    pub fn settle(&mut self, tracked: HashMap<UnitId, Tracked>) {
        for (unit, tracked) in tracked {
            if let Some(entry) = self.units.get_mut(&unit) {
                entry.tracked = tracked;
            }
        }
    }

    /// Notes whether a region can be heard. Listening begins anew whenever it could not be heard in between.
    pub fn listen(&mut self, region: &RegionCode, connected: bool, now: Timestamp) {
        if connected {
            self.listening.entry(region.clone()).or_insert(now);
        } else {
            self.listening.remove(region);
        }
    }

    /// Takes over after a restart what is stored of a unit. Its limit begins anew: what it said in the meantime may
    /// still be waiting at the broker.
    pub fn restore(&mut self, unit: &UnitId, mut tracked: Tracked, now: Timestamp) {
        tracked.set_back(now);
        if let Some(trapped) = &mut tracked.trapped {
            trapped.heard_at = now;
        }
        if let Some(entry) = self.units.get_mut(unit) {
            entry.tracked = tracked;
        }
    }

    /// Takes over after a restart when a unit was last heard, and its latest state.
    pub fn restore_live(&mut self, unit: &UnitId, heard_at: Timestamp, state: Option<State>, now: Timestamp) {
        if let Some(entry) = self.units.get_mut(unit) {
            (entry.heard_at, entry.state) = (Some(heard_at), state);
            entry.set_back(now);
        }
    }

    /// Takes a recorded silence over after a restart: it counts from a patience before its alert began.
    pub fn restore_silence(&mut self, unit: &UnitId, alert_began: Timestamp) {
        let since = alert_began - self.patience;
        if let Some(entry) = self.units.get_mut(unit) {
            entry.silent_since = Some(since);
        }
    }

    /// Gives every unit its whole patience again: the clock has jumped, so nobody's silence is known. Nothing that was
    /// told by a clock that ran ahead holds up what is told from now on.
    pub fn listen_anew(&mut self, now: Timestamp) {
        self.listening.values_mut().for_each(|since| *since = now);
        for entry in self.units.values_mut() {
            entry.tracked.set_back(now);
            entry.set_back(now);
        }
    }

    /// Units that sent their state once, and have said nothing for longer than our patience although we listened;
    /// each with the moment from which its silence counts.
    #[must_use]
    pub fn newly_silent(&self, now: Timestamp) -> Vec<(UnitId, Timestamp)> {
        let silent = |entry: &Entry| {
            let listening = *self.listening.get(&entry.unit.region)?;
            let since = entry.heard_at?.max(listening);
            let due = entry.silent_since.is_none() && entry.state.is_some() && since + self.patience <= now;
            due.then(|| (entry.unit.id.clone(), since))
        };
        self.iter().filter_map(silent).collect()
    }

    /// Units whose last word looked like people trapped, and that have said nothing else for the limit.
    #[must_use]
    pub fn newly_trapped(&self, now: Timestamp) -> Vec<(UnitId, Tracked, Event)> {
        let trapped = |entry: &Entry| {
            let trapped = entry.tracked.trapped.as_ref()?;
            if trapped.told || trapped.heard_at + self.trap_limit > now {
                return None;
            }
            let mut tracked = entry.tracked.clone();
            let event = conclude(&mut tracked)?;
            Some((entry.unit.id.clone(), tracked, event))
        };
        self.iter().filter_map(trapped).collect()
    }

    /// Whether taking this state over would change what is tracked: most heartbeats do not.
    #[must_use]
    pub fn would_change(&self, tracked: &Tracked, state: &State) -> bool {
        let numbering = state.boot.as_ref().zip(state.last_seq).is_some_and(|(boot, last)| {
            tracked.numbering.as_ref().is_none_or(|(known, highest)| known != boot || last > *highest)
        });
        let trapped = match (tracked.looks_trapped(state), &tracked.trapped) {
            (Some(true), Some(trapped)) => !trapped.told && state.ts - trapped.since >= self.trap_limit,
            (Some(true), None) | (Some(false), Some(_)) => true,
            _ => false,
        };
        numbering || trapped || tracked.levels.differ_from(state)
    }

    /// Takes a state over: returns the edges, and an entrapment if one has lasted long enough to be one.
    pub fn observe(&self, tracked: &mut Tracked, state: &State, received_at: Timestamp) -> Vec<Event> {
        let mut events = tracked.levels.observe(state);
        let looks = tracked.looks_trapped(state);
        if looks.is_some() {
            tracked.trapped_as_of = Some(state.ts);
        }
        match looks {
            Some(true) => {
                // The sender's own flag, rising in this very state, has told it already.
                let told = events.iter().any(|event| event.kind == EventType::EntrapmentReported);
                let first = Trapped { since: state.ts, heard_at: received_at, told };
                let trapped = tracked.trapped.get_or_insert(first);
                if !trapped.told && state.ts - trapped.since >= self.trap_limit {
                    events.extend(conclude(tracked));
                }
            }
            Some(false) => tracked.trapped = None,
            None => {}
        }
        events
    }
}

/// Makes the event of an entrapment that we conclude ourselves; its time is the first state that looked like it.
fn conclude(tracked: &mut Tracked) -> Option<Event> {
    let trapped = tracked.trapped.as_mut()?;
    trapped.told = true;
    Some(Event {
        ts: trapped.since,
        sequence: None,
        kind: EventType::EntrapmentReported,
        fault: None,
        mode: None,
        landing: None,
        moving: Some(false),
        occupied: Some(true),
        origin: Origin::Derived,
        extra: None,
    })
}
