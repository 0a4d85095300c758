//! Values that nobody is to see: of secrets, which only workers know, and of sensitive
//! variables. Whatever lokahictl says, they are not in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use lokahi::files::private as files;

use crate::support::server::Server;

/// What must not be said. Their last words are looked for alone, and have letters that no id
/// and no digest has: what is random may not sing.
const SECRET: &str = "canary-of-a-secret-quizzwyrm";
const SENSITIVE: &str = "canary-of-a-variable-frowzyvamp";

const ROOT: &str = "lokahi {\n  project = \"shop\"\n}\n";

/// A folder in which secrets and files lie, and a root.
struct Nest {
    folder: PathBuf,
}

impl Nest {
    fn new(text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("canary-{}", files::random_hex(8).unwrap()));
        for below in ["root", "secrets"] {
            fs::create_dir_all(folder.join(below)).unwrap();
        }
        fs::write(folder.join("secrets/canary"), SECRET).unwrap();
        fs::write(folder.join("root/lokahi.hcl"), ROOT).unwrap();
        fs::write(folder.join("root/web.hcl"), text).unwrap();
        Self { folder }
    }

    fn root(&self) -> String {
        self.folder.join("root").display().to_string()
    }

    /// The exit code of a command and all that it said, in which no canary sings.
    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_lokahictl"))
            .args(arguments)
            .env("HOME", "/nonexistent")
            .env("COLUMNS", "200")
            .env("LOKAHI_SECRET_CANARY", SECRET)
            .env("LOKAHI_TOKEN", SECRET)
            .env("SECRETS_DIR", self.folder.join("secrets"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let said = said.concat();
        for canary in [SECRET, SENSITIVE] {
            // Also not in parts, and not encoded.
            let (_, tail) = canary.rsplit_once('-').unwrap();
            let sings: Vec<&str> = said.lines().filter(|line| line.contains(tail)).collect();
            assert!(
                sings.is_empty(),
                "{arguments:?} {environment:?}:\n{}",
                sings.join("\n")
            );
        }
        (output.status.code().unwrap(), said)
    }

    /// The same for all that only reads the folder.
    fn everything(
        &self,
        more: &[&str],
        environment: &[(&str, &str)],
    ) -> BTreeMap<String, (i32, String)> {
        let root = self.root();
        let commands: &[&[&str]] = &[
            &["validate", &root],
            &["validate", "--output", "json", &root],
            &["validate", "--output", "github", &root],
            &["validate", "--output", "junit", &root],
            &["render", &root],
            &["render", "--explain", &root],
            &["render", "--output", "json", &root],
            &["render", "--output", "json", "--explain", &root],
        ];
        let mut said = BTreeMap::new();
        for command in commands {
            let arguments = [*command, more].concat();
            let name = command[..command.len() - 1].join(" ");
            said.insert(name, self.run(&arguments, environment));
        }
        said.insert(
            "fmt".to_owned(),
            self.run(&["fmt", "--diff", "--check", &root], environment),
        );
        said
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_of_a_secret_is_nowhere() {
    let nest = Nest::new(
        r#"
webhook "hook" {
  url = secret("canary")
}
check "web" {
  url     = "https://web.example.com/"
  headers = { authorization = "Bearer ${secret("canary")}" }
  body    = jsonencode({ token = secret("canary") })

  notify { webhooks = [webhook.hook] }
}
"#,
    );
    let said = nest.everything(&[], &[]);
    for (command, (code, said)) in &said {
        let expect = if command == "fmt" { 3 } else { 0 };
        assert_eq!(*code, expect, "{command}: {said}");
    }
    assert!(
        said["render"].1.contains("secret(\"canary\")"),
        "{}",
        said["render"].1
    );

    let server = Server::start().await;
    let token = server.token("ci", &["apply:shop"]).await;
    let at = [
        ("LOKAHI_SERVER", server.url.as_str()),
        ("LOKAHI_TOKEN", &token),
    ];
    let root = nest.root();
    let (code, said) = nest.run(&["apply", &root], &at[..1]);
    assert_eq!(code, 77, "the canary is no token: {said}");
    for output in ["human", "json"] {
        let (code, said) = nest.run(&["apply", "--output", output, &root], &at);
        assert_ne!(code, 0, "nobody said yes: {said}");
        assert!(said.contains("hook"), "{said}");
    }
    let (code, said) = nest.run(&["apply", "--auto-approve", &root], &at);
    assert_eq!(code, 0, "{said}");
    let (code, said) = nest.run(&["list"], &at);
    assert_eq!(code, 0, "{said}");
}

/// Neither a secret, nor a token, nor a URL with a password can be asked for as a variable of
/// the environment.
#[test]
fn the_environment_has_doors() {
    for name in ["LOKAHI_SECRET_CANARY", "LOKAHI_TOKEN", "LOKAHI_SERVER"] {
        let nest = Nest::new(&format!(
            "variable \"x\" {{\n  default = env(\"{name}\", \"none\")\n}}\ncheck \"web\" {{\n  url = \"https://web.example.com/${{var.x}}\"\n}}\n"
        ));
        for more in [&[][..], &["--allow-env", name], &["--allow-env", "*"]] {
            for (command, (code, said)) in nest.everything(more, &[]) {
                if command != "fmt" {
                    assert_ne!(code, 0, "{command} {more:?}: {said}");
                    assert!(
                        said.contains("LK0512") || said.contains("may not be read"),
                        "{said}"
                    );
                }
            }
        }
    }
}

/// Ways in which a value could get into a message.
const LEAKS: &[&str] = &[
    "var.x == \"no\"",
    "max(var.x)",
    "parseint(var.x, 10)",
    "jsondecode(var.x)",
    "yamldecode(\": ${var.x} : [\")",
    "csvdecode(\"a,b\\n${var.x}\")",
    "base64decode(var.x)",
    "regex(\"nothing\", var.x)",
    "regex(var.x, \"(\")",
    "regex(\"(${var.x}\", \"x\")",
    "tonumber(var.x)",
    "tobool(var.x)",
    "tolist(var.x)",
    "format(\"%d\", var.x)",
    "index([\"a\"], var.x)",
    "lookup({ a = 1 }, var.x)",
    "{ a = 1 }[var.x]",
    "[1, 2][var.x]",
    "{ (var.x) = 1 }.b",
    "{ a = 1 }[\"${var.x}\"]",
    "var.x.a",
    "var.x + 1",
    "-var.x",
    "var.x ? 1 : 2",
    "var.x && true",
    "[for k in var.x : k]",
    "{ for k in [var.x, var.x] : k => 1 }",
    "file(var.x)",
    "file(\"${var.x}/a\")",
    "fileset(var.x, \"*\")",
    "secret(var.x)",
    "range(var.x)",
    "substr(var.x, 99, \"a\")",
    "zipmap([var.x], [1, 2])",
    "replace(var.x, \"/(/\", \"\")",
    "local.m.nobody",
    "local.m[local.y]",
    "upper(local.y) + 1",
    "nobody(var.x)",
    "webhook[var.x]",
];

#[test]
fn the_value_of_a_sensitive_variable_is_in_no_message() {
    let locals = "variable \"x\" {\n  sensitive = true\n}\nlocals {\n  y = var.x\n  m = { (var.x) = var.x }\n";
    let mut text = locals.to_owned();
    for (number, leak) in LEAKS.iter().enumerate() {
        text.push_str(&format!("  l{number} = {leak}\n"));
    }
    text.push_str("}\ncheck \"whole\" {\n  url = \"https://web.example.com/${var.x}\"\n}\n");
    for (number, leak) in LEAKS.iter().enumerate() {
        text.push_str(&format!(
            "check \"c{number}\" {{\n  url = \"https://web.example.com/{number}\"\n  every = {leak}\n  labels = {{ (var.x) = {leak} }}\n  \
             assert {{\n    condition = response.status == {leak}\n    error_message = \"${{{leak}}}\"\n  }}\n}}\n"
        ));
    }
    for what in [
        "use = [var.x]",
        "use = [template[var.x]]",
        "for_each = { (var.x) = 1 }",
        "for_each = toset([var.x])",
        "timeout = var.x",
        "method = var.x",
    ] {
        text.push_str(&format!(
            "check \"d{}\" {{\n  url = \"https://d.example.com/\"\n  {what}\n}}\n",
            text.len()
        ));
    }
    text.push_str("webhook \"w\" {\n  url = var.x\n}\nmoved {\n  from = check[var.x]\n  to   = check.whole\n}\n");
    let nest = Nest::new(&text);
    let file = nest.folder.join("values.tfvars");
    fs::write(&file, format!("x = \"{SENSITIVE}\"\n")).unwrap();
    let flag = format!("x={SENSITIVE}");
    for (more, environment) in [
        (vec!["--var", &flag], vec![]),
        (vec!["--var-file", file.to_str().unwrap()], vec![]),
        (vec![], vec![("LOKAHI_VAR_x", SENSITIVE)]),
    ] {
        for (command, (code, said)) in nest.everything(&more, &environment) {
            assert_ne!(code, 0, "{command}: {said}");
        }
    }
}

#[test]
fn a_wrong_value_of_a_sensitive_variable_is_not_shown() {
    for (body, value) in [
        ("type = number", SENSITIVE.to_owned()),
        ("type = list(string)", format!("[\"{SENSITIVE}\"")),
        ("type = list(string)", format!("[{SENSITIVE}]")),
        ("type = list(string)", format!("{{ a = \"{SENSITIVE}\" }}")),
        (
            "type = map(number)",
            format!("{{ \"{SENSITIVE}\" = \"{SENSITIVE}\" }}"),
        ),
        (
            "type = map(number)",
            format!("{{ \"{SENSITIVE}\" = 1, \"{SENSITIVE}\" = 1 }}"),
        ),
        (
            "validation {\n    condition = length(var.x) < 3\n    error_message = \"not ${var.x}\"\n  }",
            SENSITIVE.to_owned(),
        ),
        (
            "validation {\n    condition = can(regex(\"^$\", var.x)) && var.x\n    error_message = var.x\n  }",
            SENSITIVE.to_owned(),
        ),
        (
            "validation {\n    condition = regex(\"^$\", var.x) == \"\"\n    error_message = \"no\"\n  }",
            SENSITIVE.to_owned(),
        ),
    ] {
        let nest = Nest::new(&format!(
            "variable \"x\" {{\n  sensitive = true\n  {body}\n}}\ncheck \"web\" {{\n  url = \"https://web.example.com/\"\n  body = var.x\n}}\n"
        ));
        let file = nest.folder.join("values.tfvars");
        let quoted = if value.starts_with(['[', '{']) {
            value.clone()
        } else {
            format!("\"{value}\"")
        };
        fs::write(&file, format!("x = {quoted}\n")).unwrap();
        let flag = format!("x={value}");
        nest.everything(&["--var", &flag], &[]);
        nest.everything(&["--var-file", file.to_str().unwrap()], &[]);
        nest.everything(&[], &[("LOKAHI_VAR_x", &value)]);
        fs::write(&file, format!("x = {value}\"\ny = [\n")).unwrap();
        nest.everything(&["--var-file", file.to_str().unwrap()], &[]);
    }
}
