//! What becomes of a notification that something holds back: sent, held on, or ended without a
//! word. Pure: the facts are read by `store::hold`, at the transition and again until nothing
//! holds it.
//!
//! Holding never stops probing and never eats an end: who was told of something hears of its end,
//! whatever holds. Of what begins and ends while it is held nobody hears. What still is when
//! nothing holds any more is told then, as it was written down.

use time::{Duration, OffsetDateTime};

use crate::model::health::State;
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
    /// A check that explains it is down.
    Suppressed { by: String, since: OffsetDateTime },
    /// Whether something explains it is not known yet.
    Awaits { what: String },
    /// It goes up and down too often, and its receivers were told that.
    Flapping,
    /// Many of the checks that an apply changed failed together: what it changed may be wrong,
    /// and not the sites.
    Suspect {
        project: String,
        generation: i64,
        changed: i64,
        failed: i64,
        until: OffsetDateTime,
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
                    _ => format!("in maintenance{until}, by {by}{why}"),
                }
            }
            Self::Suppressed { by, since } => {
                format!("suppressed by {by}, which is down since {}", moment(*since))
            }
            Self::Awaits { what } => format!("waits for {what}"),
            Self::Flapping => "it is flapping: told is what it comes to".to_owned(),
            Self::Suspect {
                project,
                generation,
                changed,
                failed,
                until,
            } => format!(
                "generation {generation} is suspect, {failed} of the {changed} checks that it \
                 changed failed: until {} or lokahictl approve {project}",
                moment(*until)
            ),
        }
    }

    /// When it may be gone by itself; `None` if something else tells of its end.
    fn may_end(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        match self {
            Self::Muted { until, .. } | Self::Maintenance { until, .. } => *until,
            Self::Suppressed { .. } | Self::Flapping => None,
            Self::Awaits { .. } => Some(now + Duration::SECOND),
            Self::Suspect { until, .. } => Some(*until),
        }
    }
}

/// The words of causes as they read when it no longer matters until when these hold.
pub fn past(words: &str) -> String {
    const UNTIL: &str = " until ";
    let mut text = String::new();
    let mut rest = words;
    while let Some((before, after)) = rest.split_once(UNTIL) {
        let Some(after) = after_moment(after) else {
            text.push_str(before);
            text.push_str(UNTIL);
            rest = after;
            continue;
        };
        text.push_str(before.strip_suffix(':').unwrap_or(before));
        rest = match after.strip_prefix(" or lokahictl approve ") {
            Some(project) => project
                .find(';')
                .map_or("", |end| project.get(end..).unwrap_or("")),
            None => after,
        };
    }
    text + rest
}

/// What follows a moment, if a text begins with one.
fn after_moment(text: &str) -> Option<&str> {
    const SHAPE: &str = "0000-00-00 00:00 UTC";
    let (at, rest) = text.split_at_checked(SHAPE.len())?;
    let same = |(c, shape): (char, char)| match shape {
        '0' => c.is_ascii_digit(),
        shape => c == shape,
    };
    at.chars().zip(SHAPE.chars()).all(same).then_some(rest)
}

/// A generation whose changed checks are watched for two of their periods: do many of those fail
/// that were up before it, then what it changed is suspect, and not so many sites.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trial {
    pub project: String,
    pub generation: i64,
    /// How many checks it changed that were up.
    pub changed: i64,
    /// How many of them failed since.
    pub failed: i64,
    /// When the last one of them has had its two periods.
    pub until: OffsetDateTime,
    pub state: TrialState,
}

/// What was made of a trial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TrialState {
    Open,
    /// What its failed checks would tell is held.
    Suspect {
        until: OffsetDateTime,
    },
    /// It was suspect, and somebody wants all of it sent.
    Released {
        by: String,
    },
    Over,
}

/// How a trial goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Course {
    Stay,
    /// It becomes suspect, until then at most.
    Suspect {
        until: OffsetDateTime,
    },
    /// It is suspect no more: how that came.
    End {
        why: String,
    },
    /// There is nothing more to know of it.
    Forget,
}

impl Trial {
    /// So many checks fail at least.
    const LEAST: i64 = 10;
    /// And more than one of so many that were changed.
    const ONE_OF: i64 = 5;
    /// How long what they would tell is held.
    const HELD: Duration = Duration::minutes(10);
    /// How long a first one waits to see whether others fail, too. What is changed and really
    /// down is told so much later.
    const PATIENCE: Duration = Duration::seconds(30);

    /// Whether so many changed checks can make it suspect.
    pub fn says_anything(changed: i64) -> bool {
        changed >= Self::LEAST
    }

    fn is_suspicious(&self) -> bool {
        self.failed >= Self::LEAST && self.failed * Self::ONE_OF > self.changed
    }

    /// What becomes of it, while `down` of the failed ones are down still.
    pub fn course(&self, down: i64, now: OffsetDateTime) -> Course {
        let end = |why: String| Course::End { why };
        match &self.state {
            TrialState::Open if self.is_suspicious() => Course::Suspect {
                until: now + Self::HELD,
            },
            TrialState::Suspect { until } if *until <= now => {
                end("it was held long enough".to_owned())
            }
            TrialState::Suspect { .. } if down == 0 => {
                end("all of them are up again, or gone".to_owned())
            }
            TrialState::Released { by } => end(format!("{by} approved it")),
            TrialState::Open | TrialState::Over if self.until <= now => Course::Forget,
            TrialState::Open | TrialState::Over | TrialState::Suspect { .. } => Course::Stay,
        }
    }

    /// What it has to do with the failure, at a moment, of one of its checks.
    pub fn cause(&self, at: OffsetDateTime, now: OffsetDateTime) -> Option<Cause> {
        match self.state {
            // Whoever makes it suspect may be late.
            TrialState::Open
                if self.is_suspicious() || now < self.until.min(at + Self::PATIENCE) =>
            {
                let what = format!(
                    "a word on the other checks that generation {} changed",
                    self.generation
                );
                Some(Cause::Awaits { what })
            }
            TrialState::Suspect { until } if now < until => Some(Cause::Suspect {
                project: self.project.clone(),
                generation: self.generation,
                changed: self.changed,
                failed: self.failed,
                until,
            }),
            _ => None,
        }
    }
}

/// A check that explains what is wrong with another one, and what is known of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parent {
    /// As `check.NAME`.
    pub called: String,
    pub state: State,
    /// When it entered that.
    pub since: OffsetDateTime,
    /// The last probes say otherwise than the state.
    pub is_suspect: bool,
    /// When its newest probe was due.
    pub last_at: Option<OffsetDateTime>,
    /// Within that it is probed twice, if anybody looks.
    pub patience: Duration,
}

/// The other one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Child {
    pub last_at: Option<OffsetDateTime>,
    /// It is about to be well.
    pub is_suspect: bool,
    pub patience: Duration,
    /// How much later than it was due a probe may begin. What two probes saw has an order only
    /// beyond that.
    pub lateness: Duration,
}

impl Parent {
    /// What it has to do with what happened to the child at a moment.
    ///
    /// A parent that is down explains it. One that was not probed since must be, to say so; and
    /// when it is up again, so must the child. Neither is waited for longer than it takes: a
    /// parent that nobody looks at explains nothing.
    pub fn cause(&self, child: &Child, at: OffsetDateTime, now: OffsetDateTime) -> Option<Cause> {
        if self.state.is_outage() {
            return Some(Cause::Suppressed {
                by: self.called.clone(),
                since: self.since,
            });
        }
        let awaits = |what: String| Some(Cause::Awaits { what });
        let after = at + child.lateness;
        let is_judged = !self.is_suspect && self.last_at.is_some_and(|last| last >= after);
        if !is_judged && now < after + self.patience {
            return awaits(format!("a word from {}", self.called));
        }
        // It came back after that: what it explained is over in a moment, most likely.
        let back = self.state == State::Up && self.since > at;
        let after = self.since + child.lateness;
        let is_seen = !child.is_suspect && child.last_at.is_some_and(|last| last >= after);
        if back && !is_seen && now < after + child.patience {
            return awaits(format!("its next probe, since {} is up again", self.called));
        }
        None
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
            reason: format!("what it ends was never told; {}", past(&words())),
        },
        (Role::Tells, _) if facts.is_over => Decision::End {
            reason: "it was over before it could be told".to_owned(),
        },
        (Role::Tells, _) if causes.is_empty() => Decision::Send,
        (Role::Tells, _) => {
            let soon = now + LONGEST;
            // All of them must be gone: the last one decides.
            let ends = causes
                .iter()
                .map(|cause| cause.may_end(now).unwrap_or(soon));
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
    fn what_is_past_says_nothing_of_its_end() {
        let until = Some(datetime!(2026-11-29 12:00 UTC));
        let maintenance = Cause::Maintenance {
            by: "maintenance.night".into(),
            reason: "not until noon; we sleep".into(),
            until,
        };
        let suspect = Cause::Suspect {
            project: "shop".into(),
            generation: 7,
            changed: 40,
            failed: 12,
            until: NOW,
        };
        let all = [muted(until), suspect, maintenance, muted(None)];
        let all: Vec<String> = all.iter().map(Cause::words).collect();
        insta::assert_snapshot!(past(&all.join("; ")), @"muted by ada: we know; generation 7 is suspect, 12 of the 40 checks that it changed failed; in maintenance, by maintenance.night: not until noon; we sleep; muted by ada: we know");
        assert_eq!(past("waits for it until "), "waits for it until ");
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
    fn what_a_parent_explains() {
        use State::{Down, Error, Init, Up};
        let at = |seconds: i64| NOW + Duration::seconds(seconds);
        let child = |last: i64, is_suspect: bool| Child {
            last_at: Some(at(last)),
            is_suspect,
            patience: Duration::seconds(20),
            lateness: Duration::seconds(2),
        };
        // The child went at 0. The parent: its state, since when, its last probe; now.
        for (state, since, last, is_suspect, child, now, expected) in [
            (Down, -60, -1, false, child(0, false), 0, "suppressed"),
            (Error, 3, 3, false, child(0, false), 4, "suppressed"),
            // It was last seen before that.
            (Up, -60, -1, false, child(0, false), 1, "awaits"),
            // It is about to go, too.
            (Up, -60, 3, true, child(0, false), 3, "awaits"),
            // Its probe was due after that, and may have begun before.
            (Up, -60, 1, false, child(0, false), 1, "awaits"),
            (Up, -60, 2, false, child(0, false), 2, "nothing"),
            // Nobody looks at it, and that was long enough.
            (Up, -60, -1, false, child(15, false), 21, "awaits"),
            (Up, -60, -1, false, child(15, false), 22, "nothing"),
            (Init, -60, -90, false, child(15, false), 22, "nothing"),
            (Init, -60, -90, false, child(5, false), 5, "awaits"),
            // It is up again, and the child was not seen since, or is about to be.
            (Up, 10, 10, false, child(9, false), 11, "awaits"),
            (Up, 10, 10, false, child(12, true), 13, "awaits"),
            (Up, 10, 10, false, child(11, false), 13, "awaits"),
            (Up, 10, 10, false, child(12, false), 13, "nothing"),
            (Up, 10, 31, false, child(9, false), 32, "nothing"),
        ] {
            let parent = Parent {
                called: "check.edge".into(),
                state,
                since: at(since),
                is_suspect,
                last_at: Some(at(last)),
                patience: Duration::seconds(20),
            };
            let found = match parent.cause(&child, NOW, at(now)) {
                Some(Cause::Suppressed { .. }) => "suppressed",
                Some(Cause::Awaits { .. }) => "awaits",
                _ => "nothing",
            };
            assert_eq!(found, expected, "{parent:?} {child:?} {now}");
        }
    }

    #[test]
    fn a_generation_is_suspect_when_many_of_what_it_changed_fail() {
        let at = |seconds: i64| NOW + Duration::seconds(seconds);
        let suspect = |seconds| TrialState::Suspect { until: at(seconds) };
        let released = || TrialState::Released { by: "ada".into() };
        use TrialState::{Open, Over};
        // Changed, failed, still down; what was made of it; now, of 120 s.
        for (changed, failed, down, state, now, course, cause) in [
            (40, 1, 1, Open, 1, "stay", "awaits"),
            // It has waited, and others did not fail.
            (40, 1, 1, Open, 30, "stay", "nothing"),
            (40, 9, 9, Open, 1, "stay", "awaits"),
            (40, 10, 10, Open, 1, "suspect 601", "awaits"),
            (40, 10, 10, Open, 130, "suspect 730", "awaits"),
            // Ten of ten, and ten of so many that it is nothing.
            (10, 10, 10, Open, 1, "suspect 601", "awaits"),
            (49, 10, 10, Open, 1, "suspect 601", "awaits"),
            (50, 10, 10, Open, 1, "stay", "awaits"),
            (50, 11, 11, Open, 1, "suspect 601", "awaits"),
            // Some of them are up again: that they failed counts.
            (40, 10, 2, Open, 1, "suspect 601", "awaits"),
            (40, 9, 9, Open, 120, "forget", "nothing"),
            (40, 10, 10, suspect(601), 2, "stay", "suspect"),
            (40, 10, 10, suspect(601), 600, "stay", "suspect"),
            (40, 10, 10, suspect(601), 601, "end", "nothing"),
            (40, 10, 0, suspect(601), 2, "end", "suspect"),
            (40, 10, 10, released(), 2, "end", "nothing"),
            (40, 40, 40, Over, 119, "stay", "nothing"),
            (40, 40, 40, Over, 120, "forget", "nothing"),
        ] {
            let trial = Trial {
                project: "shop".into(),
                generation: 7,
                changed,
                failed,
                until: at(120),
                state,
            };
            let went = match trial.course(down, at(now)) {
                Course::Stay => "stay".to_owned(),
                Course::Suspect { until } => format!("suspect {}", (until - NOW).whole_seconds()),
                Course::End { .. } => "end".to_owned(),
                Course::Forget => "forget".to_owned(),
            };
            let found = match trial.cause(NOW, at(now)) {
                Some(Cause::Suspect { .. }) => "suspect",
                Some(Cause::Awaits { .. }) => "awaits",
                _ => "nothing",
            };
            assert_eq!((went.as_str(), found), (course, cause), "{trial:?} {now}");
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
