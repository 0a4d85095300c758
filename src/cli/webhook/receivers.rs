//! Receivers as people name them, and as lists show them.

use std::str::FromStr;

use crate::cli::exit::{Exit, Failure};

/// A receiver as people name it: `oncall`, `shop/oncall`, or its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Called {
    /// Empty: of any.
    project: String,
    name: String,
}

impl FromStr for Called {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (project, name) = match text.split_once('/') {
            // A key of `for_each` may have a slash in it.
            Some((project, name)) if !project.contains('[') => (project, name),
            _ => ("", text),
        };
        if name == "-" {
            return Err(
                "one without a name is meant by its id, which `webhook list` shows".to_owned(),
            );
        }
        if name.is_empty() || (project.is_empty() && text.starts_with('/')) {
            return Err("write NAME, PROJECT/NAME, or an id".to_owned());
        }
        Ok(Self {
            project: project.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// The project and the receiver that are meant; empty: any.
pub(super) fn called(
    name: Option<Called>,
    project: Option<String>,
) -> Result<(String, String), Failure> {
    let project = project.unwrap_or_default();
    let Some(name) = name else {
        return Ok((project, String::new()));
    };
    if !name.project.is_empty() && !project.is_empty() && name.project != project {
        let message = format!(
            "{}/{} is not of the project {project}",
            name.project, name.name
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let project = match name.project.is_empty() {
        true => project,
        false => name.project,
    };
    Ok((project, name.name))
}

/// A receiver as lists show it: `shop/oncall`, `api/-` where it has no name.
pub(super) fn receiver(project: &str, name: &str) -> String {
    match name {
        "" => format!("{project}/-"),
        name => format!("{project}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let of = |text: &str, project: Option<&str>| {
            let name: Option<Called> = Some(text.parse().unwrap());
            called(name, project.map(str::to_owned)).map_err(|failure| failure.exit)
        };
        let pair = |project: &str, name: &str| Ok((project.to_owned(), name.to_owned()));
        assert_eq!(of("oncall", None), pair("", "oncall"));
        assert_eq!(of("oncall", Some("shop")), pair("shop", "oncall"));
        assert_eq!(of("shop/oncall", Some("shop")), pair("shop", "oncall"));
        assert_eq!(of("team[\"a/b\"]", None), pair("", "team[\"a/b\"]"));
        assert_eq!(
            of("shop/team[\"a/b\"]", None),
            pair("shop", "team[\"a/b\"]")
        );
        assert_eq!(of("shop/oncall", Some("blog")), Err(Exit::Usage));
        for bad in ["", "/", "shop/", "/oncall"] {
            assert!(bad.parse::<Called>().is_err(), "{bad}");
        }
    }
}
