//! What holds for any bytes, and for any order of files.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{good, tree};
use crate::manifest::compile::{Keep, compile};
use crate::manifest::diagnostic::{Diagnostic, Diagnostics};
use crate::manifest::inputs::Inputs;
use crate::manifest::literal::Literal;
use crate::manifest::report::{Style, human};
use crate::manifest::source::{Files, Unreadable};
use crate::model::desired::Desired;

const PAGE: &str = r#"# A page with everything in it.
webhook "hook" {
  url = "http://hook/"
}
defaults {
  every  = "30s"
  labels = { env = "prod", team = null }
}
check "a" {
  url  = "http://a/$${x}"
  body = <<-END
    text %%{y}
  END
  assert "page" {
    status = [200, "3xx"] // why
  }
  notify { webhooks = [webhook.hook] }
}
/* the
end */
"#;

/// Compiles and renders; what matters is that it comes back.
fn survives(text: &[u8]) {
    let mut files = tree(&[]);
    files.insert("web.hcl".into(), text.to_vec());
    if let Err(problems) = compile(&files, &Inputs::default(), Keep::Specs) {
        assert!(!problems.0.is_empty());
        let shown = human(
            &problems.0,
            "checks.d",
            Style {
                color: true,
                most: 9,
            },
        );
        assert!(shown.contains("error"));
    }
}

/// What a compilation says, to be compared.
fn said(files: &dyn Files) -> Result<(Option<Desired>, Vec<Diagnostic>), Diagnostics> {
    let compiled = compile(files, &Inputs::default(), Keep::Specs)?;
    Ok((compiled.desired, compiled.warnings))
}

/// Pieces that mean something, to build wrong files of.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "check", "\"a\"", " ", "{", "}", "[", "]", "(", ")", "\n", "=", "url", "\"", "${", "%{",
        "$${", "<<E\n", "\nE\n", "<<-E\n", ",", "webhook", ".", "x", "1", "1e", "-", "+", "?", ":",
        "<", "!", "null", "for", "in", "if", "endif", "\\", "\\u00", "#", "/*", "*/", "//", "ä",
        "\u{0}", "\r\n", "defaults", "lokahi", "every", "...", "=>", "::", "~}", "\u{2028}",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(&bytes);
    }

    #[test]
    fn any_pieces(text in pieces()) {
        survives(text.as_bytes());
    }

    #[test]
    fn a_page_with_something_put_into_it(at in 0..PAGE.len(), cut in 0..30_usize, text in pieces()) {
        let mut bytes = PAGE.as_bytes().to_vec();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, text.bytes());
        survives(&bytes);
    }

    #[test]
    fn any_text_can_be_written_and_read_back(text in "(\\PC|[$%{}\"\\\\\n\t\u{0}]){0,40}") {
        let body = Literal::text(&text);
        let file = format!("check \"a\" {{\n  url = \"http://a/\"\n  body = {body}\n}}\n");
        let desired = good(&[("a.hcl", &file)]);
        prop_assert_eq!(desired.checks["a"].spec.body.as_plain(), Some(text.as_str()));
    }

    #[test]
    fn the_order_of_files_changes_nothing(order in Just([0_usize, 1, 2, 3]).prop_shuffle()) {
        let check = |n: usize| format!("check \"c{n}\" {{\n  url = \"http://a/\"\n}}\ncheck \"same\" {{\n}}\n");
        let named: Vec<_> = order.iter().map(|n| (format!("f{n}.hcl"), check(*n))).collect();
        let mut files = tree(&[]);
        files.extend(named.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())));
        let listed = order.iter().map(|n| format!("f{n}.hcl")).chain(["lokahi.hcl".into()]);
        let listed = Listed { paths: listed.collect(), files };
        prop_assert_eq!(said(&listed), said(&listed.files));
    }
}

/// Files that are listed in an order of their own.
struct Listed {
    paths: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Files for Listed {
    fn list(&self) -> (Vec<String>, Vec<Unreadable>) {
        (self.paths.clone(), Vec::new())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        self.files.read(path)
    }

    fn library(&self, folder: &str) -> Result<(Vec<String>, Vec<Unreadable>), String> {
        self.files.library(folder)
    }

    fn data(&self, path: &str) -> Result<Vec<u8>, String> {
        self.files.data(path)
    }

    fn data_list(&self, folder: &str) -> Result<Vec<String>, String> {
        self.files.data_list(folder)
    }
}

#[test]
fn the_page_itself_is_good() {
    assert!(said(&tree(&[("web.hcl", PAGE)])).is_ok());
}

/// Texts that are short and cost a careless parser years or its stack.
#[test]
fn small_files_that_are_expensive() {
    let chain = |open: &str, rest: &str| format!("a = {}{rest}\n", open.repeat(5000));
    let texts = [
        chain("1+1+(", "<"),
        chain("1+1+{a=", "<"),
        chain("1+1+\"${", "%{x}"),
        chain("[", ""),
        chain("-", "1"),
        chain("!", "x"),
        chain("a.", "b"),
        chain("a ? b : ", "c"),
        chain("1+", "1"),
        chain("{", ""),
        chain("\"${", ""),
        chain("%{if ", ""),
        format!(
            "a = {{\n{}}}\n",
            (0..60_000).map(|n| format!("k{n}=1,")).collect::<String>()
        ),
        format!("check \"a\" {{\n{}}}\n", "x = 1\n".repeat(3_000)),
        "check \"a\" {\n".repeat(20_000),
        "check \"a\" {\nx = 1\nx = 1\n}\n".repeat(5_000),
        "\"\n".repeat(50_000),
        format!(
            "a = [{}]\n",
            format!("[{}],", "f(),".repeat(2_000)).repeat(20)
        ),
    ];
    // Wall time, and generous: what is guarded against takes hours.
    let (done, wait) = std::sync::mpsc::channel();
    let deep = std::thread::Builder::new().stack_size(2 << 20);
    let work = move || {
        for text in texts {
            survives(text.as_bytes());
        }
        done.send(()).unwrap();
    };
    deep.spawn(work).unwrap();
    wait.recv_timeout(Duration::from_secs(120))
        .expect("an expensive text");
}
