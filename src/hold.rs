//! What becomes of a notification that something holds back: sent, held on, or ended without a
//! word. Pure: the facts are read by `store::hold`, at the transition and again until nothing
//! holds it.
//!
//! Holding never stops probing and never eats an end: who was told of something hears of its end,
//! whatever holds. Of what begins and ends while it is held nobody hears. What still is when
//! nothing holds any more is told then, as it was written down.

use time::{Duration, OffsetDateTime};

use crate::plan::text::moment;

/// How long what is held is not looked at, whatever its causes say: somebody may have changed them
/// in a way that nobody foresaw.
const LONGEST: Duration = Duration::minutes(5);

/// What an event is to its receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It begins something, or says how it goes on.
    Tells,
    /// It ends what earlier ones told.
    Ends,
}

/// What became of the earlier events, at the same receiver, of what an event ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Earlier {
    /// There were none, or nobody got them.
    Nothing,
    /// They are held, all of them.
    Held,
    /// The receiver has one, or is about to get it.
    Told,
}

/// What is known of an event, and of what it tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    pub role: Role,
    pub earlier: Earlier,
    /// What it tells is over.
    pub is_over: bool,
}

/// Something that holds back what would be told of a check. A new one needs its words, and when
/// to look again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    Muted {
        by: String,
        reason: String,
        until: Option<OffsetDateTime>,
    },
    /// Somebody works on it. It is declared as that, or somebody made it.
    Maintenance {
        by: String,
        reason: String,
        until: Option<OffsetDateTime>,
    },
}

impl Cause {
    /// For people: what holds, who wanted it, and until when.
    pub fn words(&self) -> String {
        match self {
            Self::Muted { by, reason, until } | Self::Maintenance { by, reason, until } => {
                let until = match until {
                    Some(until) => format!(" until {}", moment(*until)),
                    None => String::new(),
                };
                let why = match reason.as_str() {
                    "" => String::new(),
                    reason => format!(": {reason}"),
                };
                match self {
                    Self::Muted { .. } => format!("muted by {by}{until}{why}"),
                    Self::Maintenance { .. } => format!("in maintenance{until}, by {by}{why}"),
                }
            }
        }
    }

    /// When it may be gone by itself; `None` if only somebody ends it.
    fn may_end(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Muted { until, .. } | Self::Maintenance { until, .. } => *until,
        }
    }
}

/// What becomes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    Send,
    /// It is looked at again then.
    Hold {
        until: OffsetDateTime,
        reason: String,
    },
    /// It is never sent.
    End {
        reason: String,
    },
}

/// Decides on one delivery. An end that is sent, or is not, ends all that is held of the same.
pub fn decide(facts: Facts, causes: &[Cause], now: OffsetDateTime) -> Decision {
    let words = || {
        let all: Vec<String> = causes.iter().map(Cause::words).collect();
        all.join("; ")
    };
    match (facts.role, facts.earlier) {
        (Role::Ends, Earlier::Told) => Decision::Send,
        (Role::Ends, Earlier::Held) => Decision::End {
            reason: "what it ends was held until then, and told to nobody".to_owned(),
        },
        (Role::Ends, Earlier::Nothing) if causes.is_empty() => Decision::Send,
        (Role::Ends, Earlier::Nothing) => Decision::End {
            reason: format!("what it ends was never told; {}", words()),
        },
        (Role::Tells, _) if facts.is_over => Decision::End {
            reason: "it was over before it could be told".to_owned(),
        },
        (Role::Tells, _) if causes.is_empty() => Decision::Send,
        (Role::Tells, _) => {
            let soon = now + LONGEST;
            // All of them must be gone: the last one decides.
            let ends = causes.iter().map(|cause| cause.may_end().unwrap_or(soon));
            Decision::Hold {
                until: ends.max().unwrap_or(soon).min(soon),
                reason: words(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-29 10:00 UTC);

    fn muted(until: Option<OffsetDateTime>) -> Cause {
        Cause::Muted {
            by: "ada".into(),
            reason: "we know".into(),
            until,
        }
    }

    #[test]
    fn what_becomes_of_it() {
        use Earlier::{Held, Nothing, Told};
        use Role::{Ends, Tells};
        let (soon, late) = (NOW + Duration::MINUTE, NOW + Duration::HOUR);
        for (role, earlier, is_over, causes, expected) in [
            (Tells, Nothing, false, vec![], "send"),
            (Tells, Told, false, vec![], "send"),
            // What nothing holds any more, and still is, is told.
            (Tells, Held, false, vec![], "send"),
            (Tells, Held, true, vec![], "end"),
            (Tells, Nothing, true, vec![muted(None)], "end"),
            (Tells, Nothing, false, vec![muted(Some(soon))], "hold 60"),
            // How it goes on is held, too, though its beginning was told.
            (Tells, Told, false, vec![muted(Some(soon))], "hold 60"),
            (Tells, Nothing, false, vec![muted(Some(late))], "hold 300"),
            (Tells, Nothing, false, vec![muted(None)], "hold 300"),
            (
                Tells,
                Nothing,
                false,
                vec![muted(Some(soon)), muted(None)],
                "hold 300",
            ),
            // An end is never eaten, whatever holds.
            (Ends, Told, false, vec![muted(None)], "send"),
            (Ends, Told, false, vec![], "send"),
            (Ends, Held, false, vec![muted(None)], "end"),
            // The cause may be gone, and what was held not be judged yet.
            (Ends, Held, false, vec![], "end"),
            (Ends, Nothing, false, vec![muted(None)], "end"),
            (Ends, Nothing, false, vec![], "send"),
        ] {
            let facts = Facts {
                role,
                earlier,
                is_over,
            };
            let decided = match decide(facts, &causes, NOW) {
                Decision::Send => "send".to_owned(),
                Decision::Hold { until, .. } => format!("hold {}", (until - NOW).whole_seconds()),
                Decision::End { .. } => "end".to_owned(),
            };
            assert_eq!(decided, expected, "{facts:?} {causes:?}");
        }
    }

    #[test]
    fn a_reason_says_who_and_until_when() {
        let until = datetime!(2026-11-29 12:00 UTC);
        assert_eq!(
            muted(Some(until)).words(),
            "muted by ada until 2026-11-29 12:00 UTC: we know"
        );
        assert_eq!(muted(None).words(), "muted by ada: we know");
        let nightly = Cause::Maintenance {
            by: "maintenance.nightly".into(),
            reason: String::new(),
            until: Some(until),
        };
        assert_eq!(
            nightly.words(),
            "in maintenance until 2026-11-29 12:00 UTC, by maintenance.nightly"
        );
    }
}
