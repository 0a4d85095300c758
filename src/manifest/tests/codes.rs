//! One sample for each code, as people see it. A code without a sample fails.

use std::collections::BTreeSet;

use super::tree;
use crate::manifest::compile::compile;
use crate::manifest::diagnostic::{Code, Diagnostic};
use crate::manifest::report::{Style, human};
use crate::manifest::source::{Files, Unreadable};

/// Wrong texts of `web.hcl`, each with the codes that it gives.
const SAMPLES: &[(&str, &[Code])] = &[
    ("check \"a\" {\n  url = 'http://a/'\n}\n", &[Code::Syntax]),
    (
        "check \"a\" {\n  url = \"http://a/\n}\n\ncheck \"b\" {\n  url = <<END\nhttp://b/\n}\n",
        &[Code::OpenString, Code::OpenString],
    ),
    (
        "check \"a\" {\n  labels = { a = \"b\"\n}\n\ncheck \"b\" {\n  url = [\"x\"}\n}\n",
        &[Code::OpenBracket, Code::OpenBracket],
    ),
    (
        "check \"a\" {\n  url = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]\n}\n",
        &[Code::TooDeep],
    ),
    (
        "check \"a\" {\n  url = \"http://a/\"\n  url = \"http://b/\"\n  headers = { x = \"1\", x = \"2\" }\n  evry = \"5s\"\n}\n",
        &[Code::Repeated, Code::Repeated, Code::UnknownAttribute],
    ),
    (
        "chekc \"a\" {\n}\n\nvariable \"env\" {\n}\n\ncheck \"b\" {\n  url = \"http://b/\"\n  failures = 3\n  tls {\n  }\n}\n",
        &[
            Code::UnknownBlock,
            Code::UnknownBlock,
            Code::UnknownAttribute,
            Code::UnknownBlock,
        ],
    ),
    (
        "check \"a\" {\n  url     = \"http://a/\"\n  tiemout = \"5s\"\n  priority = 1\n}\nevery = \"5s\"\n",
        &[
            Code::UnknownAttribute,
            Code::UnknownAttribute,
            Code::UnknownAttribute,
        ],
    ),
    (
        "check \"a\" {\n  url = \"http://a/\"\n  confirm = 1\n  labels {\n  }\n}\n",
        &[Code::WrongShape, Code::WrongShape],
    ),
    (
        "check {\n  url = \"http://a/\"\n}\ncheck \"a\" \"b\" {\n  url = \"http://a/\"\n  notify \"x\" {\n  }\n}\n",
        &[Code::WrongLabels, Code::WrongLabels, Code::WrongLabels],
    ),
    (
        "check \"Home Page\" {\n  url = \"http://a/\"\n  labels = { \"a b\" = \"c\" }\n}\n",
        &[Code::InvalidName, Code::InvalidName],
    ),
    (
        "check \"a\" {\n  url = \"http://a/\"\n}\n\ncheck \"a\" {\n  url = \"http://b/\"\n  assert {\n    status = [200]\n  }\n  assert {\n    status = [201]\n  }\n}\n",
        &[Code::DeclaredTwice, Code::DeclaredTwice],
    ),
    (
        "check \"a\" {\n  every = \"5s\"\n  assert {\n  }\n}\n\ncheck \"b\" {\n  url = \"http://b/\"\n  webhook_format = \"json\"\n}\n",
        &[Code::Missing, Code::Missing, Code::Missing],
    ),
    (
        "check \"a\" {\n  url    = 5\n  method = GET\n  assert {\n    status = 200\n  }\n  notify {\n    webhooks = [\"oncall\"]\n  }\n}\n",
        &[
            Code::WrongType,
            Code::WrongType,
            Code::WrongType,
            Code::WrongType,
        ],
    ),
    (
        "check \"a\" {\n  url   = \"http://a/\"\n  every = \"31d\"\n  assert {\n    status = []\n  }\n  confirm {\n    failures = 11\n    retry    = \"10ms\"\n  }\n}\n",
        &[Code::OutOfBounds; 4],
    ),
    (
        "check \"a\" {\n  url     = \"example.com\"\n  headers = { \"content-length\" = \"5\" }\n}\n",
        &[Code::InvalidValue, Code::InvalidValue],
    ),
    (
        "check \"a\" {\n  url     = \"http://a/\"\n  every   = 60\n  timeout = \"5 s\"\n}\n",
        &[Code::InvalidDuration, Code::InvalidDuration],
    ),
    (
        "check \"a\" {\n  url            = \"http://a/\"\n  method         = \"get\"\n  webhook_url    = \"http://b/\"\n  webhook_format = \"xml\"\n}\n",
        &[Code::UnknownChoice, Code::UnknownChoice],
    ),
    (
        "check \"a\" {\n  url     = \"http://${var.host}/\"\n  body    = upper(\"x\")\n  timeout = true ? \"5s\" : \"6s\"\n  every   = var.every\n}\n",
        &[Code::NotLiteral; 4],
    ),
    (
        "webhook \"oncall\" {\n  url = \"http://a/\"\n}\n\ncheck \"a\" {\n  url = \"http://a/\"\n  notify {\n    webhooks = [webhook.oncal]\n  }\n}\n",
        &[Code::UnknownReference],
    ),
    (
        "defaults {\n  timeout = \"10s\"\n}\n\ncheck \"a\" {\n  url   = \"http://a/\"\n  every = \"5s\"\n}\n",
        &[Code::Contradiction],
    ),
];

/// A root that cannot be read in every way that there is.
struct Broken;

impl Files for Broken {
    fn list(&self) -> (Vec<String>, Vec<Unreadable>) {
        let names = ["large.hcl", "latin.hcl", "secret.hcl"].map(str::to_owned);
        let path = "gone".to_owned();
        let why = "the link leads nowhere".to_owned();
        (names.into(), vec![Unreadable { path, why }])
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        match path {
            "large.hcl" => Ok(vec![b'#'; 1024 * 1024 + 1]),
            "latin.hcl" => Ok(b"# caf\xe9".to_vec()),
            path => Err(Unreadable {
                path: path.to_owned(),
                why: "permission denied".to_owned(),
            }),
        }
    }
}

pub(super) fn diagnostics(files: &dyn Files) -> Vec<Diagnostic> {
    compile(files).err().unwrap_or_default().0
}

/// Every sample with its diagnostics.
pub(super) fn samples() -> Vec<Vec<Diagnostic>> {
    let mut all: Vec<_> = SAMPLES
        .iter()
        .map(|(text, _)| diagnostics(&tree(&[("web.hcl", text)])))
        .collect();
    all.push(diagnostics(&Broken));
    all.push(diagnostics(&std::collections::BTreeMap::new()));
    let nested = "lokahi {\n  project = \"web\"\n}\n";
    all.push(diagnostics(&tree(&[("team/web.hcl", nested)])));
    all
}

#[test]
fn each_sample_gives_its_codes_and_no_others() {
    for (text, expect) in SAMPLES {
        let found = diagnostics(&tree(&[("web.hcl", text)]));
        let codes: Vec<_> = found.iter().map(|diagnostic| diagnostic.code).collect();
        let shown = human(&found, "", Style::default());
        assert_eq!(codes, *expect, "{text}\n{shown}");
    }
}

#[test]
fn each_code_has_a_sample() {
    let many: String = (0..11_000).map(|n| format!("a{n} = 1\n")).collect();
    let many = diagnostics(&tree(&[("web.hcl", &many)]));
    assert_eq!(many.len(), 10_001);
    let samples = samples();
    let seen = samples.iter().flatten().chain(&many).map(|d| d.code);
    let seen: BTreeSet<Code> = seen.collect();
    let all: BTreeSet<Code> = Code::ALL.iter().copied().collect();
    assert_eq!(seen, all);
    let ids: BTreeSet<_> = all.iter().map(|code| code.id()).collect();
    assert_eq!(ids.len(), all.len(), "two codes have one number");
}
