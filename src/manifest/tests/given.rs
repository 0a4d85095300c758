//! Values from outside that cannot be read: whatever may be sensitive is in no word of what is
//! said of it.

use super::tree;
use crate::manifest::compile::{Keep, compile};
use crate::manifest::inputs::{Inputs, Strays};

/// All that is said of a root with this variable when it is given from these inputs.
fn said(variable: &str, inputs: &Inputs) -> String {
    let text = format!("variable \"token\" {{\n  {variable}\n}}\n");
    match compile(&tree(&[("web.hcl", &text)]), inputs, Keep::Nothing) {
        Ok(compiled) => format!("{:?}", compiled.warnings),
        Err(problems) => format!("{problems:?}"),
    }
}

fn file(text: &str) -> Inputs {
    Inputs {
        files: vec![("values.hcl".to_owned(), text.to_owned())],
        ..Inputs::default()
    }
}

#[test]
fn what_is_given_for_a_sensitive_variable_is_in_no_message() {
    for value in [
        "9f86d081884c7d65",
        "d081884c7d65(x)",
        "0xd081884c7d65",
        "[9f86d081884c7d65]",
        "<<d081884c7d65\nx\n",
        "<<X\nd081884c7d65\n",
        "99999999999999999999d081884c7d65",
        "{ d081884c7d65 = 1, d081884c7d65 = 2 }",
        "d081884c7d65",
        "d081884c7d65.x[0]",
        "\"${d081884c7d65}\"",
        "{ \"d081884c7d65\" = a }",
        "file(\"d081884c7d65\")",
        "\"d081884c7d65",
        "'d081884c7d65'",
    ] {
        let given = format!("token = {value}\n");
        let flags = vec![("token".to_owned(), value.to_owned())];
        let flag = Inputs {
            flags,
            ..Inputs::default()
        };
        let environment = [("LOKAHI_VAR_token".to_owned(), value.to_owned())];
        let environment = Inputs::default().with_environment(environment);
        for inputs in [file(&given), flag, environment] {
            for of in ["list(string)", "string", "any"] {
                let said = said(&format!("type = {of}\n  sensitive = true"), &inputs);
                assert!(!said.contains("d081884c7d65"), "{value}: {said}");
            }
        }
        let said = said("type = list(string)\n  sensitive = true", &file(&given));
        assert!(said.contains("line: "), "{said}");
    }
}

#[test]
fn a_file_of_values_may_hold_those_of_other_roots() {
    let text = "token = \"a\"\nother = 9f86d081884c7d65\n";
    assert!(!said("type = string", &file(text)).contains("d081884c7d65"));
    let several = Inputs {
        strays: Strays::Allowed,
        ..file("token = 9f86d081884c7d65\n")
    };
    assert!(!said("type = string", &several).contains("d081884c7d65"));
    let alone = said("type = string", &file("token = 9f86d081884c7d65\n"));
    assert!(
        alone.contains("a text stands in quotes: \\\"9f86d081884c7d65"),
        "{alone}"
    );
}
