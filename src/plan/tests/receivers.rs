//! Receivers that are the fallback of others: what a target brings along, and what a plan must
//! not take away.

use super::*;
use crate::plan::state::Options;

fn hook(name: &str, fallback: Option<&str>) -> (String, WebhookSpec) {
    let url = format!("http://{name}/").parse().unwrap();
    let spec = WebhookSpec {
        fallback: fallback.map(|name| name.parse().unwrap()),
        ..WebhookSpec::new(url, WebhookFormat::Json)
    };
    (name.to_owned(), spec)
}

fn hooks(all: &[(&str, Option<&str>)]) -> State {
    State {
        webhooks: all.iter().map(|(name, to)| hook(name, *to)).collect(),
        ..State::default()
    }
}

fn changes(plan: &Plan) -> Vec<String> {
    let all = plan.changes.iter();
    all.map(|it| format!("{:?} {}", it.action, it.address))
        .collect()
}

#[test]
fn a_target_brings_its_fallbacks_along() {
    let mut to = hooks(&[("a", Some("b")), ("b", Some("c")), ("c", None), ("d", None)]);
    let options = |target: &str| Options {
        targets: vec![target.to_owned()],
        ..Options::default()
    };
    let plan = World::default().plan_with(&to, Vec::new(), &options("webhook.a"));
    assert_eq!(changes(&plan), ["Create a", "Create b", "Create c"]);
    let mut check = CheckSpec::new("http://example.com/".parse().unwrap());
    check.receivers = vec!["b".parse().unwrap()];
    to.checks.insert("web".into(), check);
    let plan = World::default().plan_with(&to, Vec::new(), &options("check.web"));
    assert_eq!(changes(&plan), ["Create b", "Create c", "Create web"]);
}

/// `a` falls back on `b`, which is called `c` from now on.
fn renamed() -> (State, State, Vec<Move>) {
    let from = hooks(&[("a", Some("b")), ("b", None)]);
    let mut to = hooks(&[("a", Some("c"))]);
    to.webhooks.insert("c".into(), from.webhooks["b"].clone());
    let moved = Move::Moved {
        from: "webhook.b".into(),
        to: "webhook.c".into(),
    };
    (from, to, vec![moved])
}

#[test]
fn a_name_is_not_taken_away_from_whoever_falls_back_on_it() {
    let (from, to, moves) = renamed();
    let only = Options {
        targets: vec!["webhook.c".into()],
        ..Options::default()
    };
    let plan = World::of(&from).plan_with(&to, moves, &only);
    let clinging = plan.clinging.unwrap();
    assert_eq!(
        (clinging.webhook.as_str(), clinging.becomes.as_deref()),
        ("b", Some("c"))
    );
    assert_eq!(clinging.named_by.to_string(), "webhook.a");
}

#[test]
fn one_that_is_renamed_is_the_same_fallback() {
    let (from, to, moves) = renamed();
    let mut world = World::of(&from);
    let plan = world.plan(&to, moves);
    assert_eq!(changes(&plan), ["Update a", "Rename c"]);
    assert!(plan.clinging.is_none());
    world.apply(&plan, &to);
    assert_eq!(world.state(), to);
}
