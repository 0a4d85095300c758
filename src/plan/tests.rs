//! The laws of planning, over generated states, the guards, and how a plan reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use time::macros::datetime;
use uuid::Uuid;

use super::guard::{Allow, Most, Origin, guards};
use super::state::{LiveObject, Tombstone};
use super::text::{Standing, human};
use super::*;
use crate::model::change::{Action, Drift, Kind};
use crate::model::check::{Assert, CheckSpec, Every, Method, StatusRange};
use crate::model::desired::{Declared, Desired, Limits, Move, ProjectSpec, Removal, SourceLine};
use crate::model::secret::{SecretName, Text};
use crate::model::webhook::{WebhookFormat, WebhookSpec};
use crate::spec::{decode_check, decode_project, decode_webhook};

mod holding;
mod receivers;

use self::holding::{many, with, without};

const NOW: OffsetDateTime = datetime!(2026-11-25 15:04:30 UTC);

/// What a project declares, without where.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct State {
    checks: BTreeMap<String, CheckSpec>,
    webhooks: BTreeMap<String, WebhookSpec>,
    project: ProjectSpec,
}

fn spec() -> impl Strategy<Value = CheckSpec> {
    let receivers = prop::collection::btree_set("[a-c]", 0..3);
    let labels = prop::collection::btree_map("[a-c]", "[xy]", 0..3);
    (
        1..4_i64,
        0..3_usize,
        receivers,
        labels,
        any::<bool>(),
        0..3_usize,
    )
        .prop_map(|(every, method, receivers, labels, playbook, asserts)| {
            let mut spec = CheckSpec::new("http://example.com/".parse().unwrap());
            spec.every = Every::from_seconds(every * 10).unwrap();
            spec.timeout = spec.every.default_timeout();
            spec.method = Method::ALL[method].0;
            spec.receivers = receivers.iter().map(|name| name.parse().unwrap()).collect();
            let header = |(k, v): (&String, &String)| (k.clone(), Text::plain(v));
            spec.headers = labels.iter().map(header).collect();
            if playbook {
                spec.body = Text::from("tok".parse::<SecretName>().unwrap());
            }
            spec.labels = labels;
            spec.playbook_url = playbook.then(|| "http://wiki/".parse().unwrap());
            spec.asserts.extend((1..asserts).map(|n| Assert {
                label: format!("l{n}"),
                status: vec![StatusRange::new(200, 200).unwrap()],
                ..Assert::default()
            }));
            spec
        })
}

fn state() -> impl Strategy<Value = State> {
    let checks = prop::collection::btree_map("[a-f]", spec(), 0..6);
    let format = prop_oneof![Just(WebhookFormat::Json), Just(WebhookFormat::Protobuf)];
    let webhook = (format, any::<bool>()).prop_map(|(format, collapse)| WebhookSpec {
        collapse,
        ..WebhookSpec::new("http://hooks/".parse().unwrap(), format)
    });
    let webhooks = prop::collection::btree_map("[a-c]", webhook, 0..3);
    (checks, webhooks).prop_map(|(checks, webhooks)| State {
        checks,
        webhooks,
        project: ProjectSpec::default(),
    })
}

fn desired(state: &State, moves: Vec<Move>) -> Desired {
    fn declared<T: Clone>(specs: &BTreeMap<String, T>) -> BTreeMap<String, Declared<T>> {
        let declare = |(n, (address, spec)): (usize, (&String, &T))| {
            let (file, line) = ("web.hcl".to_owned(), n as u32 + 1);
            let source = SourceLine { file, line };
            let spec = spec.clone();
            (address.clone(), Declared { spec, source })
        };
        specs.iter().enumerate().map(declare).collect()
    }
    Desired {
        project: "shop".parse().unwrap(),
        checks: declared(&state.checks),
        webhooks: declared(&state.webhooks),
        project_spec: state.project.clone(),
        project_source: SourceLine::default(),
        moves: moves
            .into_iter()
            .map(|spec| Declared {
                spec,
                source: SourceLine::default(),
            })
            .collect(),
    }
}

/// A project and every spec that was ever seen.
#[derive(Clone, Debug, Default)]
struct World {
    live: Live,
    specs: Specs,
    made: u128,
}

impl World {
    /// One in which this was applied.
    fn of(state: &State) -> Self {
        let mut world = Self::default();
        let plan = world.plan(state, Vec::new());
        world.apply(&plan, state);
        world
    }

    fn learn(&mut self, desired: Desired) -> Wanted {
        let (wanted, specs) = Wanted::of(desired);
        for (digest, (kind, bytes)) in specs {
            match kind {
                Kind::Check => drop(
                    self.specs
                        .checks
                        .insert(digest, Arc::new(decode_check(&bytes).unwrap())),
                ),
                Kind::Webhook => {
                    let spec = decode_webhook(&bytes).unwrap();
                    self.specs.webhooks.insert(digest, spec);
                }
                Kind::Project => {
                    let spec = decode_project(&bytes).unwrap();
                    self.specs.projects.insert(digest, spec);
                }
            }
        }
        wanted
    }

    fn plan(&mut self, state: &State, moves: Vec<Move>) -> Plan {
        self.plan_with(state, moves, &Options::default())
    }

    fn plan_with(&mut self, state: &State, moves: Vec<Move>, options: &Options) -> Plan {
        let wanted = self.learn(desired(state, moves));
        let draft = draft(&wanted, &self.live, options);
        let known = |digest: &Digest| {
            self.specs.checks.contains_key(digest)
                || self.specs.webhooks.contains_key(digest)
                || self.specs.projects.contains_key(digest)
        };
        assert!(draft.needed().iter().all(known));
        draft.plan(&self.specs, NOW)
    }

    /// A slow and obvious apply.
    fn apply(&mut self, plan: &Plan, state: &State) {
        let wanted = self.learn(desired(state, Vec::new()));
        for change in &plan.changes {
            let (living, dead, declared) = match change.kind {
                Kind::Check => (
                    &mut self.live.checks,
                    &mut self.live.dead_checks,
                    &wanted.checks,
                ),
                Kind::Webhook => (
                    &mut self.live.webhooks,
                    &mut self.live.dead_webhooks,
                    &wanted.webhooks,
                ),
                Kind::Project => {
                    self.live.project_spec = wanted.project_spec;
                    continue;
                }
            };
            if let Action::Delete | Action::Release = change.action {
                let gone = living.remove(&change.address).unwrap();
                let tombstone = Tombstone {
                    id: gone.id,
                    address: change.address.clone(),
                    of_the_api: false,
                    live: gone.live,
                    deleted_at: NOW,
                    drift: None,
                };
                if change.action == Action::Delete {
                    dead.insert(change.address.clone(), tombstone);
                }
                continue;
            }
            if change.action == Action::Rename {
                living.remove(change.from.as_ref().unwrap());
            }
            dead.remove(&change.address);
            self.made += 1;
            let id = change.id.unwrap_or(Uuid::from_u128(self.made));
            let object = object(id, declared[&change.address].spec);
            living.insert(change.address.clone(), object);
        }
    }

    fn state(&self) -> State {
        let checks = self.live.checks.iter();
        let webhooks = self.live.webhooks.iter();
        State {
            checks: checks
                .map(|(address, it)| {
                    (
                        address.clone(),
                        CheckSpec::clone(&self.specs.checks[&it.live]),
                    )
                })
                .collect(),
            webhooks: webhooks
                .map(|(address, it)| (address.clone(), self.specs.webhooks[&it.live].clone()))
                .collect(),
            project: match self.live.project_spec {
                Some(digest) => self.specs.projects[&digest].clone(),
                None => ProjectSpec::default(),
            },
        }
    }
}

fn object(id: Uuid, digest: Digest) -> LiveObject {
    LiveObject {
        id,
        live: digest,
        declared: Some(digest),
        source: SourceLine {
            file: "old.hcl".into(),
            line: 7,
        },
        drift: None,
        told_by: 0,
    }
}

proptest! {
    #[test]
    fn what_is_so_already_is_no_change(state in state()) {
        let plan = World::of(&state).plan(&state, Vec::new());
        prop_assert!(plan.is_empty(), "{plan:?}");
        prop_assert!(plan.routing.is_empty());
    }

    #[test]
    fn applying_a_plan_gives_what_was_wanted(from in state(), to in state()) {
        let mut world = World::of(&from);
        let plan = world.plan(&to, Vec::new());
        world.apply(&plan, &to);
        prop_assert_eq!(world.state(), to);
    }

    #[test]
    fn what_comes_back_has_its_id(state in state()) {
        let mut world = World::of(&state);
        let before = world.live.checks.clone();
        for wanted in [State::default(), state] {
            let plan = world.plan(&wanted, Vec::new());
            world.apply(&plan, &wanted);
        }
        let id = |checks: &BTreeMap<String, LiveObject>| -> Vec<_> {
            checks.iter().map(|(address, it)| (address.clone(), it.id)).collect()
        };
        prop_assert_eq!(id(&world.live.checks), id(&before));
    }

    #[test]
    fn the_same_states_give_the_same_plan(from in state(), to in state()) {
        let mut world = World::of(&from);
        let (one, other) = (world.plan(&to, Vec::new()), world.plan(&to, Vec::new()));
        prop_assert_eq!(wire::digest(&one.changes), wire::digest(&other.changes));
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_plan_survives_the_wire(from in state(), to in state()) {
        for change in World::of(&from).plan(&to, Vec::new()).changes {
            let back = wire::from_change(wire::to_change(&change));
            prop_assert_eq!(back, change);
        }
    }
}

fn check(url: &str) -> CheckSpec {
    CheckSpec::new(url.parse().unwrap())
}

fn checks(names: &[&str]) -> State {
    let each = |name: &&str| {
        let host: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let url = format!("http://{host}.example.com/");
        ((*name).to_owned(), check(&url))
    };
    State {
        checks: names.iter().map(each).collect(),
        webhooks: BTreeMap::new(),
        project: ProjectSpec::default(),
    }
}

fn moved(from: &str, to: &str) -> Move {
    Move::Moved {
        from: format!("check.{from}"),
        to: format!("check.{to}"),
    }
}

/// Action, address and where it comes from, of each change.
fn said(plan: &Plan) -> Vec<String> {
    let each = |change: &Change| {
        let from = change
            .from
            .as_deref()
            .map_or(String::new(), |from| format!(" < {from}"));
        format!("{} {}{from}", change.actions().join("+"), change.address)
    };
    plan.changes.iter().map(each).collect()
}

#[test]
fn a_moved_block_keeps_the_object() {
    let mut world = World::of(&checks(&["a", "b"]));
    let id = world.live.checks["a"].id;
    let mut wanted = checks(&["b"]);
    wanted
        .checks
        .insert("c".into(), check("http://a.example.com/"));
    let plan = world.plan(&wanted, vec![moved("a", "c")]);
    assert_eq!(said(&plan), ["rename c < a"]);
    world.apply(&plan, &wanted);
    assert_eq!(world.live.checks["c"].id, id);
    // It was applied, and says nothing any more.
    assert!(world.plan(&wanted, vec![moved("a", "c")]).is_empty());
}

#[test]
fn names_go_round_and_along() {
    let mut world = World::of(&checks(&["a", "b"]));
    let swapped = checks(&["a", "b"]);
    let plan = world.plan(&swapped, vec![moved("a", "b"), moved("b", "a")]);
    assert_eq!(said(&plan), ["rename+update a < b", "rename+update b < a"]);
    let mut world = World::of(&checks(&["a"]));
    let plan = world.plan(&checks(&["c"]), vec![moved("a", "b"), moved("b", "c")]);
    assert_eq!(said(&plan), ["rename+update c < a"]);
    let mut world = World::of(&checks(&[r#"a["x"]"#, r#"a["y"]"#]));
    let plan = world.plan(&checks(&[r#"b["x"]"#, r#"b["y"]"#]), vec![moved("a", "b")]);
    assert_eq!(
        said(&plan),
        [
            r#"rename+update b["x"] < a["x"]"#,
            r#"rename+update b["y"] < a["y"]"#
        ]
    );
}

#[test]
fn two_that_live_are_not_made_one() {
    let mut world = World::of(&checks(&["a", "b"]));
    let plan = world.plan(&checks(&["b"]), vec![moved("a", "b")]);
    assert_eq!(said(&plan), ["delete a"]);
    assert_eq!(plan.warnings.len(), 1);
}

#[test]
fn what_is_released_is_not_deleted() {
    let mut world = World::of(&checks(&["a", "b"]));
    let release = Move::Removed {
        from: "check.a".into(),
        action: Removal::Release,
    };
    let plan = world.plan(&checks(&["b"]), vec![release]);
    assert_eq!(said(&plan), ["release a"]);
    assert_eq!(plan.weight.deletes, Vec::<String>::new());
}

#[test]
fn a_rename_without_a_block_is_suggested_and_not_guessed() {
    let mut world = World::of(&checks(&["a"]));
    let mut wanted = State::default();
    wanted
        .checks
        .insert("b".into(), check("http://a.example.com/"));
    let plan = world.plan(&wanted, Vec::new());
    assert_eq!(said(&plan), ["create b", "delete a"]);
    assert_eq!(
        plan.suggestions,
        [("check.a".to_owned(), "check.b".to_owned())]
    );
}

#[test]
fn a_receiver_that_was_renamed_without_a_word_is_told() {
    let webhook = WebhookSpec::new("http://hooks/".parse().unwrap(), WebhookFormat::Json);
    let named = |name: &str| State {
        webhooks: [(name.to_owned(), webhook.clone())].into(),
        ..State::default()
    };
    let plan = World::of(&named("old")).plan(&named("new"), Vec::new());
    assert_eq!(
        plan.suggestions,
        [("webhook.old".to_owned(), "webhook.new".to_owned())]
    );
}

#[test]
fn the_first_settings_of_a_project_are_new() {
    let limited = |deletes| State {
        project: ProjectSpec {
            limits: Limits {
                deletes: Some(deletes),
                ..Limits::default()
            },
            ..ProjectSpec::default()
        },
        ..State::default()
    };
    let plan = World::default().plan(&limited(3), Vec::new());
    assert_eq!(said(&plan), ["create shop"]);
    let plan = World::of(&limited(3)).plan(&limited(4), Vec::new());
    assert_eq!(said(&plan), ["update shop"]);
    let plan = World::of(&checks(&["a"])).plan(&limited(3), Vec::new());
    assert_eq!(said(&plan), ["update shop", "delete a"]);
}

#[test]
fn suggestions_stand_in_the_order_of_their_names() {
    let keys = |name: &str| -> Vec<String> {
        "abcdefgh"
            .chars()
            .map(|key| format!("{name}[\"{key}\"]"))
            .collect()
    };
    let state = |name: &str| {
        let (names, urls) = (keys(name), keys("site"));
        let urls = checks(&urls.iter().map(String::as_str).collect::<Vec<_>>());
        let checks = names.into_iter().zip(urls.checks.into_values());
        State {
            checks: checks.collect(),
            ..State::default()
        }
    };
    let plan = World::of(&state("old")).plan(&state("new"), Vec::new());
    let from = plan.suggestions.iter().map(|(from, _)| from.clone());
    let expect = keys("old").into_iter().map(|name| format!("check.{name}"));
    assert_eq!(from.collect::<Vec<_>>(), expect.collect::<Vec<_>>());
}

#[test]
fn a_target_touches_nothing_else() {
    let mut world = World::of(&checks(&["a", "b"]));
    let options = Options {
        targets: vec!["c".into()],
        ..Options::default()
    };
    let plan = world.plan_with(&checks(&["b", "c", "d"]), Vec::new(), &options);
    assert_eq!(said(&plan), ["create c"]);
    let options = Options {
        no_prune: true,
        ..Options::default()
    };
    let plan = world.plan_with(&checks(&["b", "c"]), Vec::new(), &options);
    assert_eq!(said(&plan), ["create c"]);
}

#[test]
fn drift_is_told_restored_or_left() {
    let mut world = World::of(&checks(&["a"]));
    let other = Wanted::of(desired(&checks(&["z"]), Vec::new())).0.checks["z"].spec;
    world.learn(desired(&checks(&["z"]), Vec::new()));
    let live = world.live.checks.get_mut("a").unwrap();
    live.live = other;
    live.drift = Some(Drift {
        by: "ada".into(),
        at: NOW,
        reason: "the site moved".into(),
    });
    let plan = world.plan(&checks(&["a"]), Vec::new());
    assert_eq!(said(&plan), ["update a"]);
    assert_eq!(plan.summary().drifted, 1);
    let left = Options {
        leave_drift: true,
        ..Options::default()
    };
    assert!(
        world
            .plan_with(&checks(&["a"]), Vec::new(), &left)
            .is_empty()
    );
    // The files say something new: that counts.
    let mut wanted = State::default();
    wanted
        .checks
        .insert("a".into(), check("http://new.example.com/"));
    let plan = world.plan_with(&wanted, Vec::new(), &left);
    assert_eq!(said(&plan), ["update a"]);
    // The files now say what was done by hand.
    wanted
        .checks
        .insert("a".into(), check("http://z.example.com/"));
    let plan = world.plan(&wanted, Vec::new());
    assert_eq!(said(&plan), ["update a"]);
    assert_eq!(plan.changes[0].fields, []);
}

#[test]
fn how_a_plan_reads() {
    let mut from = many(5);
    from.checks.get_mut("c1").unwrap().prevent_destroy = true;
    let mut world = World::of(&from);
    let old = world.live.checks.get_mut("c2").unwrap();
    old.declared = Some(Digest::of(b"what the files said"));
    old.drift = Some(Drift {
        by: "ada".into(),
        at: NOW,
        reason: "too noisy".into(),
    });
    let mut to = with(&without(&from, 2), 1, |spec| {
        spec.every = Every::from_seconds(30).unwrap();
        spec.receivers.clear();
        spec.body = Text::from("tok".parse::<SecretName>().unwrap());
        spec.headers = vec![("accept".into(), Text::plain("text/html"))];
    });
    to.checks
        .insert("home".into(), check("http://c0.example.com/"));
    let mut spec = to.checks.remove("c3").unwrap();
    spec.labels.insert("team".into(), "web".into());
    to.checks.insert("front".into(), spec);
    let plan = world.plan(&to, vec![moved("c3", "front")]);
    let guards = guards(&plan.weight, &Origin::default(), &Allow::default());
    let text = human(
        &plan,
        &Standing {
            root: "checks.d",
            revision: "main@3f2c1a9",
            generation: 41,
            guards: &guards,
            wanted: None,
        },
    );
    insta::assert_snapshot!(text);
}

#[test]
fn no_word_of_others_makes_a_line_of_a_plan() {
    let mut world = World::of(&many(1));
    let drift = Drift {
        by: "eve\u{1b}[2K".to_owned(),
        at: NOW,
        reason: "3 am\nNo changes: what is live is what is declared.".to_owned(),
    };
    let mut plan = world.plan(&without(&many(1), 1), Vec::new());
    plan.changes[0].drift = Some(drift);
    plan.changes[0].source.file = "a\rb.hcl".to_owned();
    let text = human(
        &plan,
        &Standing {
            revision: "main\n@1",
            ..Standing::default()
        },
    );
    assert!(!text.contains(['\u{1b}', '\r']), "{text:?}");
    assert!(
        !text.lines().any(|line| line.starts_with("No changes")),
        "{text}"
    );
    assert!(text.contains("3 am\u{fffd}No changes"), "{text}");
}
