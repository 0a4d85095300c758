//! Which server: a flag, the environment, a file, or the seed's default. No
//! message shows the URL, which holds a password.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::exit::{Exit, Failure};

/// The server of the original's quick start.
const DEFAULT: &str = "http://AzureDiamond:hunter2@127.0.0.1:24253";
const FILE: &str = ".lokahictl.hcl";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    server: Option<String>,
}

/// The server's URL. `given` is the flag or the environment's.
pub(super) fn server(given: Option<String>, file: Option<PathBuf>) -> Result<String, Failure> {
    if let Some(server) = given.filter(|server| !server.is_empty()) {
        return Ok(server);
    }
    let configured = match file {
        Some(file) => read(&file)?.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{}: no such file", file.display()))
        })?,
        None => match std::env::home_dir() {
            Some(home) => read(&home.join(FILE))?.unwrap_or(Configuration { server: None }),
            None => Configuration { server: None },
        },
    };
    Ok(configured.server.unwrap_or_else(|| DEFAULT.to_owned()))
}

fn read(file: &Path) -> Result<Option<Configuration>, Failure> {
    let fault = |why: String| Failure::new(Exit::Usage, format!("{}: {why}", file.display()));
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error.to_string())),
    };
    match hcl::from_str(&text) {
        Ok(configuration) => Ok(Some(configuration)),
        // Its text shows the line, and the line may hold a password.
        Err(hcl::Error::Parse(error)) => Err(fault(format!(
            "line {}: {}",
            error.location().line(),
            error.message()
        ))),
        Err(error) => Err(fault(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_the_file_does_not_show_the_password() {
        let path = std::env::temp_dir().join(format!(
            "lokahictl-{}.hcl",
            crate::files::private::random_hex(8).unwrap()
        ));
        std::fs::write(&path, "server = \"http://ada:secret@host\n").unwrap();
        let failure = server(None, Some(path.clone())).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(!failure.message.contains("secret"), "{}", failure.message);
        std::fs::write(&path, "server = \"http://ada:secret@host\"\n").unwrap();
        let read = server(None, Some(path.clone())).unwrap();
        assert_eq!(read, "http://ada:secret@host");
        std::fs::remove_file(&path).unwrap();
        let failure = server(None, Some(path)).unwrap_err();
        assert!(
            failure.message.ends_with("no such file"),
            "{}",
            failure.message
        );
        assert_eq!(server(Some("x".into()), None).unwrap(), "x");
    }
}
