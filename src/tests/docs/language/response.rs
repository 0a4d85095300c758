//! What a condition sees of a response: each field is described.

use lokahi::manifest::eval::scope::response_type;
use lokahi::manifest::eval::typing::Type;

use super::super::read;

/// The fields of an object that are not objects themselves, as `path: type`.
fn fields(of: &Type, path: &str, found: &mut Vec<String>) {
    match of {
        Type::Object(attributes) => {
            for (name, (of, _)) in attributes {
                fields(of, &format!("{path}.{name}"), found);
            }
        }
        of => found.push(format!("| `{path}` | {of} |")),
    }
}

#[test]
fn every_field_of_a_response_is_described_and_no_other() {
    let mut wanted = Vec::new();
    fields(&response_type(), "response", &mut wanted);
    let text = read("docs/language.md");
    let lines = text.lines().filter(|line| line.starts_with("| `response."));
    let mut told: Vec<String> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split(" | ").collect();
            format!("{} | {} |", cells[0], cells[1])
        })
        .collect();
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted);
}
