//! The doors of an evaluation, over the files and inputs of a compilation.

use std::fmt;

use crate::manifest::eval::scope::{Doors, Work};
use crate::manifest::inputs::{Inputs, PREFIX};
use crate::manifest::source::Files;

/// Files and environment, as far as they may be seen.
pub(super) struct Outside<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) inputs: &'a Inputs,
    pub(super) work: Work,
}

impl fmt::Debug for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the environment: nobody knows what is in it.
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

impl Doors for Outside<'_> {
    fn file(&self, path: &str) -> Result<String, String> {
        below(path)?;
        let bytes = self.files.data(path)?;
        String::from_utf8(bytes).map_err(|_error| "it is not UTF-8 text".to_owned())
    }

    fn fileset(&self, folder: &str, pattern: &str) -> Result<Vec<String>, String> {
        below(folder)?;
        if let Some(sign) = pattern.chars().find(|sign| "{}[]\\".contains(*sign)) {
            return Err(format!(
                "`{sign}` means nothing in a pattern here, which knows `*`, `**` and `?`"
            ));
        }
        if pattern.matches('*').count() > 8 {
            return Err("more than 8 `*` in a pattern".to_owned());
        }
        let folder = folder.trim_matches('/');
        let prefix = match folder {
            "" | "." => String::new(),
            folder => format!("{folder}/"),
        };
        let mut matching: Vec<String> = self
            .files
            .data_list(folder)?
            .iter()
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter(|path| matches(pattern.as_bytes(), path.as_bytes()))
            .map(str::to_owned)
            .collect();
        matching.sort();
        Ok(matching)
    }

    fn env(&self, name: &str) -> Result<Option<String>, String> {
        if name.starts_with(PREFIX) {
            // It may be sensitive, and would come in under another name.
            return Err(format!(
                "{name} gives a variable its value, and is read by nothing else: use that \
                 variable, or give this one a value of its own"
            ));
        }
        if name.is_empty() {
            return Err("`env` wants the name of a variable of the environment".to_owned());
        }
        if Inputs::is_never_read(name) {
            return Err(format!(
                "{name} is never read, whatever is allowed: whoever proposes a change could send \
                 it to a site of their own; what a site is to be told is secret(\"name\")"
            ));
        }
        if !self.inputs.may_read(name) {
            return Err(format!(
                "{name} may not be read: allow it with --allow-env {name} (ENV_ALLOW of a server), \
                 or call it LOKAHI_..."
            ));
        }
        Ok(self.inputs.environment.get(name).cloned())
    }
}

/// Refuses a path that does not lead down.
fn below(path: &str) -> Result<(), String> {
    let up = path.split('/').any(|part| part == "..");
    match up || path.starts_with('/') {
        true => Err("only files below the root folder can be read".to_owned()),
        false => Ok(()),
    }
}

/// Whether a path matches a pattern: `*` is anything but `/`, `?` one character of that,
/// `**/` any folders, `**` anything.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*', b'/', rest @ ..] => {
            matches(rest, path)
                || (0..path.len()).any(|at| {
                    path.get(at) == Some(&b'/')
                        && matches(rest, path.get(at + 1..).unwrap_or_default())
                })
        }
        [b'*', b'*', rest @ ..] => {
            (0..=path.len()).any(|at| matches(rest, path.get(at..).unwrap_or_default()))
        }
        [b'*', rest @ ..] => {
            let name = path.iter().take_while(|byte| **byte != b'/').count();
            (0..=name).any(|at| matches(rest, path.get(at..).unwrap_or_default()))
        }
        [b'?', rest @ ..] => match path {
            [b'/', ..] | [] => false,
            [_, left @ ..] => matches(rest, left),
        },
        [byte, rest @ ..] => match path {
            [first, left @ ..] => first == byte && matches(rest, left),
            [] => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, expect) in [
            ("*.json", "a.json", true),
            ("*.json", "b/a.json", false),
            ("**/*.json", "b/c/a.json", true),
            ("**/*.json", "a.json", true),
            ("**", "b/a", true),
            ("b/?.x", "b/a.x", true),
            ("b/?.x", "b/aa.x", false),
            ("", "a", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), path.as_bytes()),
                expect,
                "{pattern} {path}"
            );
        }
    }
}
