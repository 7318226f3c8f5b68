//! Switches for tests of the built daemon: to die at a named stage, and to break one promise on purpose, so that a test
//! can show that it would have seen the loss. Not in a release build: there every question is a constant "no", unless it is
//! built with the feature `switches`, for a bench that compares.

/// A moment in the route of a batch at which a test can end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    BeforeBegin,
    AfterInsert,
    AfterJudge,
    BeforeCommit,
    AfterCommit,
    BeforeAck,
    AfterAck,
    InFlush,
    InPruning,
}

/// A promise that a test can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    AckBeforeCommit,
    SynchronousNormal,
    NoResubscribe,
    NoEpochTag,
    /// What rows say is not entered into the ledger.
    NoLedger,
}

#[cfg(not(any(debug_assertions, feature = "switches")))]
mod machine {
    //! What a release build has: nothing.

    use super::{Stage, Switch};

    /// Goes on.
    pub const fn pass(_: Stage) {}

    /// No.
    #[must_use]
    pub const fn is_on(_: Switch) -> bool {
        false
    }
}

#[cfg(any(debug_assertions, feature = "switches"))]
mod machine {
    //! What a build for tests has: the environment is read once, at the first question.

    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Stage, Switch};

    /// `<stage>:<n>`: die when the stage is passed for the n-th time.
    const CRASH: &str = "LIFTWATCH_TEST_CRASH";

    struct Crash {
        stage: String,
        at: u64,
        passed: AtomicU64,
    }

    static CRASHES: LazyLock<Option<Crash>> = LazyLock::new(|| {
        let wanted = std::env::var(CRASH).ok()?;
        let (stage, at) = wanted.split_once(':')?;
        Some(Crash { stage: stage.to_owned(), at: at.parse().ok()?, passed: AtomicU64::new(0) })
    });

    static BROKEN: LazyLock<Vec<Switch>> = LazyLock::new(|| {
        let named = [
            ("LIFTWATCH_TEST_ACK_BEFORE_COMMIT", Switch::AckBeforeCommit),
            ("LIFTWATCH_TEST_SYNCHRONOUS_NORMAL", Switch::SynchronousNormal),
            ("LIFTWATCH_TEST_NO_RESUBSCRIBE", Switch::NoResubscribe),
            ("LIFTWATCH_TEST_NO_EPOCH_TAG", Switch::NoEpochTag),
            ("LIFTWATCH_TEST_NO_LEDGER", Switch::NoLedger),
        ];
        let broken = named.into_iter().filter(|(name, _)| std::env::var_os(name).is_some());
        broken.map(|(_, switch)| switch).collect()
    });

    /// Ends the process here, as hard as kill -9 does, if this is the passing that a test waits for.
    pub fn pass(stage: Stage) {
        let Some(crash) = CRASHES.as_ref() else { return };
        let name = match stage {
            Stage::BeforeBegin => "before_begin",
            Stage::AfterInsert => "after_insert",
            Stage::AfterJudge => "after_judge",
            Stage::BeforeCommit => "before_commit",
            Stage::AfterCommit => "after_commit",
            Stage::BeforeAck => "before_ack",
            Stage::AfterAck => "after_ack",
            Stage::InFlush => "in_flush",
            Stage::InPruning => "in_pruning",
        };
        if crash.stage == name && crash.passed.fetch_add(1, Ordering::Relaxed) + 1 == crash.at {
            std::process::abort();
        }
    }

    /// Whether a test has broken this promise.
    #[must_use]
    pub fn is_on(switch: Switch) -> bool {
        BROKEN.contains(&switch)
    }
}

/// Passes a stage; in a build for tests, perhaps no further.
pub fn pass(stage: Stage) {
    machine::pass(stage);
}

/// Whether a test has broken this promise; never so in a release build.
#[must_use]
pub fn is_on(switch: Switch) -> bool {
    machine::is_on(switch)
}
