//! What a `maintenance` block means, and what is wrong with one.

use super::{good, problems, tree};
use crate::manifest::compile::{Keep, compile};
use crate::manifest::diagnostic::Code;
use crate::manifest::difference::project_fields;
use crate::manifest::inputs::Inputs;
use crate::model::desired::ProjectSpec;
use crate::spec::{decode_project, encode_project};

const CHECK: &str = "check \"web\" {\n  url    = \"http://a/\"\n  labels = { team = \"web\" }\n}\n";

fn maintenance(says: &str) -> String {
    format!("maintenance \"backup\" {{\n{says}\n}}\n")
}

const WEB: &str = "match {\n  names = [\"web\"]\n}";

#[test]
fn it_is_part_of_what_a_root_says() {
    let nightly = maintenance(
        "  cron     = \"0 3 * * SUN\"\n  duration = \"120m\"\n  timezone = \"europe/berlin\"\n  reason   = \"backups\"\n  match {\n    names  = [\"web\", \"*_api\"]\n    labels = { team = var.team }\n  }",
    );
    let variable = "variable \"team\" {\n  default = \"web\"\n}\n";
    let files = [("a.hcl", CHECK), ("b.hcl", &nightly), ("c.hcl", variable)];
    let spec = good(&files).project_spec;
    assert_eq!(decode_project(&encode_project(&spec)).unwrap(), spec);
    let fields = project_fields(&ProjectSpec::default(), &spec);
    let shown: Vec<String> = fields
        .iter()
        .map(|field| format!("{} {} -> {}", field.path, field.before, field.after))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    maintenance.backup.cron null -> "0 3 * * sun"
    maintenance.backup.duration null -> "2h"
    maintenance.backup.timezone null -> "Europe/Berlin"
    maintenance.backup.reason null -> "backups"
    maintenance.backup.match.names null -> ["*_api", "web"]
    maintenance.backup.match.labels null -> { "team" = "web" }
    "#);
    let once = maintenance(&format!(
        "  start = \"2026-12-05T22:00:00+01:00\"\n  end   = \"2026-12-05T23:00:00Z\"\n  {WEB}"
    ));
    let later = good(&[("a.hcl", CHECK), ("b.hcl", &once)]).project_spec;
    let fields = project_fields(&spec, &later);
    let shown: Vec<String> = fields
        .iter()
        .map(|field| format!("{} {} -> {}", field.path, field.before, field.after))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    maintenance.backup.cron "0 3 * * sun" -> null
    maintenance.backup.duration "2h" -> null
    maintenance.backup.timezone "Europe/Berlin" -> null
    maintenance.backup.reason "backups" -> null
    maintenance.backup.match.names ["*_api", "web"] -> ["web"]
    maintenance.backup.match.labels { "team" = "web" } -> null
    maintenance.backup.start null -> "2026-12-05T21:00:00Z"
    maintenance.backup.end null -> "2026-12-05T23:00:00Z"
    "#);
}

#[test]
fn what_is_wrong_with_it_is_told() {
    let mut told = Vec::new();
    for says in [
        WEB,
        "  start = \"2026-12-05T22:00:00Z\"\n  end = \"2026-12-05T23:00:00Z\"",
        "  start = \"2026-12-05T22:00:00Z\"\n  end = \"2026-12-05T21:00:00Z\"\n  MATCH",
        "  start = \"2026-12-05T22:00:00Z\"\n  MATCH",
        "  start = \"2026-12-05 22:00\"\n  end = \"2026-12-06T02:00:00Z\"\n  MATCH",
        "  cron = \"0 3 * * *\"\n  duration = \"1h\"\n  MATCH",
        "  cron = \"0 3 * * *\"\n  timezone = \"UTC\"\n  MATCH",
        "  cron = \"0 25 * * *\"\n  duration = \"1h\"\n  timezone = \"UTC\"\n  MATCH",
        "  cron = \"0 3 * * *\"\n  duration = \"8d\"\n  timezone = \"UTC\"\n  MATCH",
        "  cron = \"0 3 * * *\"\n  duration = \"1h\"\n  timezone = \"Berlin\"\n  MATCH",
        "  cron = \"0 3 * * *\"\n  duration = \"1h\"\n  timezone = \"UTC\"\n  start = \"2026-12-05T22:00:00Z\"\n  MATCH",
        "  cron = \"0 3 * * *\"\n  duration = \"1h\"\n  timezone = \"UTC\"\n  match {\n  }",
        "  cron = \"0 3 * * *\"\n  duration = \"1h\"\n  timezone = \"UTC\"\n  match {\n    names = [\"Web\"]\n  }",
    ] {
        let text = maintenance(&says.replace("MATCH", WEB));
        told.extend(problems(&[("a.hcl", CHECK), ("b.hcl", &text)]));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    b.hcl:1:1: error[LK0309]: `maintenance`: it needs `start` and `end`, or `cron` with `duration` and `timezone`
    b.hcl:1:1: error[LK0309]: this `maintenance` needs a `match`: which checks it means
    b.hcl:1:1: error[LK0309]: `maintenance`: `end` is not after `start`
    b.hcl:1:1: error[LK0309]: `maintenance`: `start` needs `end`
    b.hcl:2:11: error[LK0403]: `start`: "2026-12-05 22:00" is not a moment
    b.hcl:1:1: error[LK0309]: `maintenance`: `cron` needs `timezone`: whose clock it means
    b.hcl:1:1: error[LK0309]: `maintenance`: `cron` needs `duration`: how long each is
    b.hcl:2:10: error[LK0403]: `cron`: "0 25 * * *" has the hour "25", which is none from 0 to 23
    b.hcl:3:14: error[LK0402]: `duration`: must be between "60s" and "7d"
    b.hcl:4:14: error[LK0403]: `timezone`: "Berlin" is no time zone: write a name of the IANA table, "Europe/Berlin" or "UTC"
    b.hcl:1:1: error[LK0309]: `maintenance`: it is once, by `start` and `end`, or recurs, by `cron`: not both
    b.hcl:1:1: error[LK0309]: `maintenance`: `match` means no check: write names = ["*"] for all of the project
    b.hcl:6:14: error[LK0403]: `names`: "Web" is no name of checks: write a name, or one with `*` for any characters
    "#);
}

#[test]
fn one_that_means_no_check_is_told_and_stops_nothing() {
    let nightly = |names: &str| {
        maintenance(&format!(
            "  cron     = \"0 3 * * *\"\n  duration = \"1h\"\n  timezone = \"UTC\"\n  match {{\n    names = [{names}]\n  }}"
        ))
    };
    let warned = |text: &str| {
        let files = tree(&[("a.hcl", CHECK), ("b.hcl", text)]);
        let counts = [Keep::Specs, Keep::Nothing].map(|keep| {
            let compiled = compile(&files, &Inputs::default(), keep).unwrap();
            let warnings = compiled.warnings.iter().map(|it| it.code);
            warnings.filter(|code| *code == Code::MeansNoCheck).count()
        });
        assert_eq!(counts[0], counts[1], "whatever is kept");
        counts[0]
    };
    assert_eq!(warned(&nightly("\"wep\"")), 1);
    let team = |team: &str| {
        let says = "  cron     = \"0 3 * * *\"\n  duration = \"1h\"\n  timezone = \"UTC\"";
        maintenance(&format!(
            "{says}\n  match {{\n    labels = {{ team = \"{team}\" }}\n  }}"
        ))
    };
    assert_eq!((warned(&team("web")), warned(&team("dba"))), (0, 1));
    assert_eq!(warned(&nightly("\"wep\", \"w*\"")), 0);
    // One that is wrong is there all the same.
    let broken = "check \"shop\" {\n  url = \"https://example.com/\"\n  every = \"0s\"\n}\n";
    let told = problems(&[("a.hcl", broken), ("b.hcl", &nightly("\"shop\""))]);
    assert!(told.iter().any(|it| it.contains("LK0402")), "{told:?}");
    assert!(!told.iter().any(|it| it.contains("LK0911")), "{told:?}");
}
